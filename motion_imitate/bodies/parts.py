"""Divide a skinned body into DensePose's 24 parts, each with its own (u, v) coordinates."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.types import Skin

LIMB_GROUPS = ("torso", "head", "upperarm", "forearm", "hand", "thigh", "shin", "foot")
PART_NUMBERS = {  # group: ((left, right) of the far or only half, (left, right) of the near half)
    "torso": ((1, 1), (2, 2)),  # back, front
    "hand": ((4, 3), (4, 3)),
    "foot": ((5, 6), (5, 6)),
    "thigh": ((8, 7), (10, 9)),  # back, front
    "shin": ((12, 11), (14, 13)),
    "upperarm": ((17, 18), (15, 16)),  # outer, inner
    "forearm": ((21, 22), (19, 20)),
    "head": ((24, 23), (24, 23)),
}
# part numbers after mirroring
MIRRORED_PARTS = (0, 1, 2, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23)
BODY_REGIONS = {
    "head": (23, 24),
    "upper": (1, 2, 15, 16, 17, 18, 19, 20, 21, 22),
    "hands": (3, 4),
    "lower": (7, 8, 9, 10, 11, 12, 13, 14),
    "feet": (5, 6),
}
ARM_PARTS = (3, 4, 19, 20, 21, 22)  # from the elbow down
# limb of each part; front and back share one
PART_LIMBS = (0, 1, 1, 2, 3, 4, 5, 6, 7, 6, 7, 8, 9, 8, 9, 10, 11, 10, 11, 12, 13, 12, 13, 14, 14)
ATLAS_GRID = (4, 6)  # rows and columns of a texture with one square per part
FRONT_AXIS = (0.0, 0.0, 1.0)
INNER_AXIS = (-1.0, -1.0, 0.0)  # inward for a hanging left arm, down for a raised one
NEAR_AXES = {
    "torso": FRONT_AXIS,
    "thigh": FRONT_AXIS,
    "shin": FRONT_AXIS,
    "foot": FRONT_AXIS,
    "head": FRONT_AXIS,
    "hand": INNER_AXIS,
}
NEAR_AXES |= {"upperarm": INNER_AXIS, "forearm": INNER_AXIS}
FLAT_GROUPS = ("hand", "foot")  # flattened, not unwrapped around: u is a width

LimbAxis = tuple[Float[Tensor, "3"], Float[Tensor, "3"]]  # start and end of a limb


@dataclass(frozen=True)
class LimbFrame:
    """Axes of a limb: along it, towards its near half, and across it."""

    start: Float[Tensor, "3"]
    along: Float[Tensor, "3"]
    near: Float[Tensor, "3"]
    across: Float[Tensor, "3"]


def limb_frame(axis: LimbAxis, near: tuple[float, float, float]) -> LimbFrame:
    """The axes of a limb, with `near` made orthogonal to it."""
    start, end = axis
    along = torch.nn.functional.normalize(end - start, dim=0)
    side = along.new_tensor(near)
    side = torch.nn.functional.normalize(side - (side @ along) * along, dim=0)
    return LimbFrame(start, along, side, torch.linalg.cross(along, side))


def build_part_map(
    skin: Skin, faces: Int[Tensor, "F 3"], groups: tuple[str, ...], axes: dict[str, LimbAxis]
) -> tuple[Int[Tensor, " F"], Float[Tensor, "F 3 2"]]:
    """Part of each face, and the (u, v) of its corners there. The right side is divided as the mirror image of the
    left.

    groups: each joint's group. axes: those of the left limbs.
    """
    corners = skin.template[faces]
    right = corners[..., 0].mean(1) < 0
    corners = torch.where(right[:, None, None], corners * corners.new_tensor([-1.0, 1.0, 1.0]), corners)
    shares = torch.stack([skin.weights[:, [g == name for g in groups]].sum(1) for name in LIMB_GROUPS], dim=1)
    group = shares[faces].sum(1).argmax(1)
    parts, places = torch.zeros_like(group), torch.zeros_like(corners[..., :2])
    for number, name in enumerate(LIMB_GROUPS):
        mine = group == number
        frame = limb_frame(axes[name], NEAR_AXES[name])
        near = ((corners[mine].mean(1) - frame.start) @ frame.near > 0).long()
        parts[mine] = torch.tensor(PART_NUMBERS[name])[near, right[mine].long()]
        places[mine] = unroll_limb(corners[mine], frame, name)
    middle = right & (group == LIMB_GROUPS.index("torso"))  # the torso's parts span both sides
    places[middle, :, 0] *= -1
    return parts, normalize_part_uv(parts, places)


def normalize_part_uv(parts: Int[Tensor, " F"], places: Float[Tensor, "F 3 2"]) -> Float[Tensor, "F 3 2"]:
    """Scale each part's (u, v) to the unit square; a part and its mirror image share one scale."""
    iuv = torch.zeros_like(places)
    for part in sorted(set(parts.tolist())):
        mine = parts == part
        both = places[mine | (parts == MIRRORED_PARTS[part])]
        low, high = both.amin((0, 1)), both.amax((0, 1))
        iuv[mine] = (places[mine] - low) / (high - low).clamp(min=1e-9)
    return iuv


def unroll_limb(points: Float[Tensor, "F 3 3"], frame: LimbFrame, group: str) -> Float[Tensor, "F 3 2"]:
    """Coordinates around (or across) the limb and along it, not yet scaled to [0, 1]."""
    r = points - frame.start
    across, near = r @ frame.across, r @ frame.near
    if group in FLAT_GROUPS:
        around = across
    elif group == "head":
        around = torch.atan2(across.abs(), near)  # from the face to the back of the head
    elif group == "torso":
        around = torch.atan2(points[..., 0], near.abs())
    else:
        around = torch.atan2(across, near.abs())
    return torch.stack([around, r @ frame.along], dim=-1)


def part_atlas_uv(parts: Int[Tensor, " F"], iuv: Float[Tensor, "F 3 2"]) -> Float[Tensor, "F 3 2"]:
    """Texture coordinates for a mesh without any: one square of the texture per part."""
    rows, columns = ATLAS_GRID
    cell = torch.stack([(parts - 1) % columns, (parts - 1) // columns], dim=-1)
    return (cell[:, None] + iuv) / iuv.new_tensor([columns, rows])
