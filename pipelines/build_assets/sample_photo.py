"""Makes the photo that comes with the program: somebody who does not exist, in clothes of MakeHuman's.

`python -m pipelines.sample_photo WARDROBE OUT.jpg`. WARDROBE is a data folder of MakeHuman's (with clothes/, hair/,
skins/ and more in it), whose assets are CC0. The same wardrobe gives the same photo.
"""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate import bodies
from motion_imitate.bodies.anny import turn
from motion_imitate.bodies.skinning import Skinned
from motion_imitate.files import replaced
from motion_imitate.geometry.camera import unknown_lens
from motion_imitate.synthesis import wardrobe
from motion_imitate.synthesis.light import Lights
from motion_imitate.synthesis.person import Person, Worn, dress
from motion_imitate.synthesis.studio import Studio, photograph
from motion_imitate.synthesis.tailor import dyed, halves
from motion_imitate.types import Camera

SIZE = (1600, 1200)
QUALITY = 92
LENS = 1.5  # how much longer than usual the lens is
MARGIN = 0.13  # of the height, above and below: room to move in
SHAPE = (  # of Anny's shape numbers: a young man, 1.87 m
    *(1.58, -0.76, -2.25, 0.24, -1.64, 1.04, 0.67, 1.38, 1.02, -0.22),
    *(0.68, -0.69, -0.09, 0.58, -0.82, -1.03, -1.07, 0.31, -0.25, -0.77),
)
SKIN = "skins/young_caucasian_male"
EYES = "eyes/materials/brown.mhmat"
SUIT = "clothes/male_casualsuit03"
HAIR = ((0.10, 0.06, 0.04), (0.62, 0.46, 0.34), 0.2)  # what black is dyed to, and white, and how much hue stays
SHIRT = ((0.05, 0.24, 0.30), (0.96, 0.97, 0.93), 0.35)
STANCE = {  # degrees about the person's left, up and front, of a left limb
    "collar": (0.0, 0.0, -3.0),
    "shoulder": (2.0, 0.0, -30.0),
    "elbow": (-12.0, 0.0, 0.0),
    "hip": (0.0, 3.0, -4.5),
    "ankle": (0.0, 0.0, 4.5),
}
TURNS = {"neck": (0.0, -4.0, 0.0), "head": (2.0, -4.0, 1.5)}
YAW = 4.0  # degrees the whole person is turned to their left


def main(wanted: list[str]) -> int:
    """Exit code 2 where the two paths are not given."""
    if len(wanted) != 2:
        print("give a data folder of MakeHuman's and the photo to write: WARDROBE OUT.jpg", file=sys.stderr)
        return 2
    body = bodies.load()
    person, pose = sitter(body, Path(wanted[0])), stance(body)
    taken = photograph(person, pose, before(person, pose), SIZE, Studio(), replace(Lights(), sky_rays=120, shadow=800))
    save(Path(wanted[1]), taken.image)
    return 0


def sitter(body: Skinned, folder: Path) -> Person:
    """The person of the photo, dressed from a wardrobe."""
    shape = torch.tensor(SHAPE)

    def worn(kind: str, name: str) -> Worn:
        garment = wardrobe.read(folder / name)
        return Worn(kind, garment, wardrobe.paint(garment.material))

    eyes, hair, suit = worn("eyes", "eyes/high-poly"), worn("hair", "hair/short01"), worn("clothes", SUIT)
    shirt, jeans = halves(suit.garment, body, shape)
    wear = [
        replace(eyes, texture=wardrobe.paint(wardrobe.read_material(folder / EYES))),
        worn("brows", "eyebrows/eyebrow009"),
        worn("lashes", "eyelashes/eyelashes01"),
        replace(hair, texture=dyed(hair.texture, *HAIR)),
        Worn("clothes", shirt, dyed(suit.texture, *SHIRT)),
        Worn("clothes", jeans, suit.texture),
        worn("shoes", "clothes/shoes01"),
    ]
    skin = wardrobe.read_material(wardrobe.only(folder / SKIN, ".mhmat"))
    return dress(body, shape, wardrobe.paint(skin), wear)


def stance(body: Skinned) -> Float[Tensor, "J 3 3"]:
    """At ease, arms a little off the body."""
    pose = body.relaxed.clone()
    sides = {f"{name}_left": angles for name, angles in STANCE.items()}
    sides |= {f"{name}_right": (x, -y, -z) for name, (x, y, z) in STANCE.items()}
    for name, angles in (sides | TURNS).items():
        joints = body.controls[name]
        part = turn(torch.tensor([angles]).deg2rad() / len(joints))[0]
        pose[list(joints)] = part @ pose[list(joints)]
    pose[0] = turn(torch.tensor([[0.0, YAW, 0.0]]).deg2rad())[0] @ pose[0]
    return pose


def before(person: Person, pose: Float[Tensor, "J 3 3"]) -> Camera:
    """A level camera at chest height, its picture shifted so that the person stands in its middle."""
    at = person(pose[None])[0]
    low, high = at.aminmax(dim=0)
    focal, _ = unknown_lens(SIZE, 1)
    focal = focal * LENS
    stature = high[1] - low[1]
    away = focal[0, 1] * stature / (2 * (1 - 2 * MARGIN))
    eye = torch.stack([(low[0] + high[0]) / 2, low[1] + 0.68 * stature])
    centre = torch.stack([torch.tensor(0.0), ((low[1] + high[1]) / 2 - eye[1]) * focal[0, 1] / away])
    return Camera(focal, centre[None], torch.stack([-eye[0], eye[1], away])[None])


def save(path: Path, image: Float[Tensor, "3 H W"]) -> None:
    pixels = (image.permute(1, 2, 0).numpy()[..., ::-1] * 255 + 0.5).astype(np.uint8)
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    with replaced(path) as part:
        part.write_bytes(data.tobytes())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
