"""Render the sample photo that comes with the program: a synthetic person in MakeHuman clothes.

`python -m pipelines.build_assets.sample_photo WARDROBE OUT.jpg`. WARDROBE is a MakeHuman data folder (with clothes/,
hair/, skins/ and more in it) of CC0 assets. The same wardrobe gives the same photo.
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
from motion_imitate.bodies.anny import rotate_about_vectors
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.files import write_atomically
from motion_imitate.geometry.camera import default_intrinsics
from motion_imitate.synthesis import wardrobe
from motion_imitate.synthesis.light import StudioLights
from motion_imitate.synthesis.person import DressedPerson, WornGarment, dress_person
from motion_imitate.synthesis.studio import StudioSettings, photograph_person
from motion_imitate.synthesis.tailor import dye_texture, split_suit
from motion_imitate.types import Camera

PHOTO_SIZE = (1600, 1200)
JPEG_QUALITY = 92
LENS_FACTOR = 1.5  # focal length relative to the default lens
PHOTO_MARGIN = 0.13  # of the height, above and below the person: room for motion
SITTER_SHAPE = (  # Anny shape numbers of a young man, 1.87 m
    *(1.58, -0.76, -2.25, 0.24, -1.64, 1.04, 0.67, 1.38, 1.02, -0.22),
    *(0.68, -0.69, -0.09, 0.58, -0.82, -1.03, -1.07, 0.31, -0.25, -0.77),
)
SITTER_SKIN = "skins/young_caucasian_male"
SITTER_EYES = "eyes/materials/brown.mhmat"
SITTER_SUIT = "clothes/male_casualsuit03"
HAIR_DYE = ((0.10, 0.06, 0.04), (0.62, 0.46, 0.34), 0.2)  # what black and white are dyed to, and the share of hue kept
SHIRT_DYE = ((0.05, 0.24, 0.30), (0.96, 0.97, 0.93), 0.35)
STANCE_ANGLES = {  # degrees about the person's left, up and front axes, for the left limbs
    "collar": (0.0, 0.0, -3.0),
    "shoulder": (2.0, 0.0, -30.0),
    "elbow": (-12.0, 0.0, 0.0),
    "hip": (0.0, 3.0, -4.5),
    "ankle": (0.0, 0.0, 4.5),
}
HEAD_ANGLES = {"neck": (0.0, -4.0, 0.0), "head": (2.0, -4.0, 1.5)}
STANCE_YAW = 4.0  # degrees by which the person is turned to their left


def make_sample_photo(wanted: list[str]) -> int:
    """Write the photo; exit code 2 unless both paths are given."""
    if len(wanted) != 2:
        print("give a MakeHuman data folder and the photo to write: WARDROBE OUT.jpg", file=sys.stderr)
        return 2
    body = bodies.load_body()
    person, pose = dress_sitter(body, Path(wanted[0])), standing_pose(body)
    taken = photograph_person(
        person,
        pose,
        portrait_camera(person, pose),
        PHOTO_SIZE,
        StudioSettings(),
        replace(StudioLights(), sky_rays=120, shadow=800),
    )
    save_sample_jpeg(Path(wanted[1]), taken.image)
    return 0


def dress_sitter(body: SkinnedBody, folder: Path) -> DressedPerson:
    """The person of the photo, dressed from a wardrobe."""
    shape = torch.tensor(SITTER_SHAPE)

    def worn(kind: str, name: str) -> WornGarment:
        garment = wardrobe.read_garment(folder / name)
        return WornGarment(kind, garment, wardrobe.load_material_texture(garment.material))

    eyes, hair, suit = worn("eyes", "eyes/high-poly"), worn("hair", "hair/short01"), worn("clothes", SITTER_SUIT)
    shirt, jeans = split_suit(suit.garment, body, shape)
    wear = [
        replace(eyes, texture=wardrobe.load_material_texture(wardrobe.read_mhmat(folder / SITTER_EYES))),
        worn("brows", "eyebrows/eyebrow009"),
        worn("lashes", "eyelashes/eyelashes01"),
        replace(hair, texture=dye_texture(hair.texture, *HAIR_DYE)),
        WornGarment("clothes", shirt, dye_texture(suit.texture, *SHIRT_DYE)),
        WornGarment("clothes", jeans, suit.texture),
        worn("shoes", "clothes/shoes01"),
    ]
    skin = wardrobe.read_mhmat(wardrobe.find_asset_file(folder / SITTER_SKIN, ".mhmat"))
    return dress_person(body, shape, wardrobe.load_material_texture(skin), wear)


def standing_pose(body: SkinnedBody) -> Float[Tensor, "J 3 3"]:
    """A relaxed standing pose, with the arms slightly away from the body."""
    pose = body.relaxed.clone()
    sides = {f"{name}_left": angles for name, angles in STANCE_ANGLES.items()}
    sides |= {f"{name}_right": (x, -y, -z) for name, (x, y, z) in STANCE_ANGLES.items()}
    for name, angles in (sides | HEAD_ANGLES).items():
        joints = body.controls[name]
        part = rotate_about_vectors(torch.tensor([angles]).deg2rad() / len(joints))[0]
        pose[list(joints)] = part @ pose[list(joints)]
    pose[0] = rotate_about_vectors(torch.tensor([[0.0, STANCE_YAW, 0.0]]).deg2rad())[0] @ pose[0]
    return pose


def portrait_camera(person: DressedPerson, pose: Float[Tensor, "J 3 3"]) -> Camera:
    """A level camera at chest height, with the principal point shifted so that the person is centred."""
    at = person(pose[None])[0]
    low, high = at.aminmax(dim=0)
    focal, _ = default_intrinsics(PHOTO_SIZE, 1)
    focal = focal * LENS_FACTOR
    stature = high[1] - low[1]
    away = focal[0, 1] * stature / (2 * (1 - 2 * PHOTO_MARGIN))
    eye = torch.stack([(low[0] + high[0]) / 2, low[1] + 0.68 * stature])
    centre = torch.stack([torch.tensor(0.0), ((low[1] + high[1]) / 2 - eye[1]) * focal[0, 1] / away])
    return Camera(focal, centre[None], torch.stack([-eye[0], eye[1], away])[None])


def save_sample_jpeg(path: Path, image: Float[Tensor, "3 H W"]) -> None:
    """Write an image as a JPEG file, atomically."""
    pixels = (image.permute(1, 2, 0).numpy()[..., ::-1] * 255 + 0.5).astype(np.uint8)
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    with write_atomically(path) as part:
        part.write_bytes(data.tobytes())


if __name__ == "__main__":
    sys.exit(make_sample_photo(sys.argv[1:]))
