"""A skinned body cut into the 24 parts that DensePose numbers, each with its own (u, v)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.types import Skin

GROUPS = ("torso", "head", "upperarm", "forearm", "hand", "thigh", "shin", "foot")
NUMBERS = {  # group: ((left, right) of the far or only half, (left, right) of the near half)
    "torso": ((1, 1), (2, 2)),  # back, front
    "hand": ((4, 3), (4, 3)),
    "foot": ((5, 6), (5, 6)),
    "thigh": ((8, 7), (10, 9)),  # back, front
    "shin": ((12, 11), (14, 13)),
    "upperarm": ((17, 18), (15, 16)),  # outer, inner
    "forearm": ((21, 22), (19, 20)),
    "head": ((24, 23), (24, 23)),
}
SWAPPED = (0, 1, 2, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23)  # seen in a mirror
REGIONS = {
    "head": (23, 24),
    "upper": (1, 2, 15, 16, 17, 18, 19, 20, 21, 22),
    "hands": (3, 4),
    "lower": (7, 8, 9, 10, 11, 12, 13, 14),
    "feet": (5, 6),
}
ARMS = (3, 4, 19, 20, 21, 22)  # from the elbow on
LIMBS = (0, 1, 1, 2, 3, 4, 5, 6, 7, 6, 7, 8, 9, 8, 9, 10, 11, 10, 11, 12, 13, 12, 13, 14, 14)  # front and back as one
ATLAS = (4, 6)  # rows and columns of a texture that has a square for each part
FRONT = (0.0, 0.0, 1.0)
MIDDLE = (-1.0, -1.0, 0.0)  # where a hanging left arm looks inward, and a raised one down
NEAR = {"torso": FRONT, "thigh": FRONT, "shin": FRONT, "foot": FRONT, "head": FRONT, "hand": MIDDLE}
NEAR |= {"upperarm": MIDDLE, "forearm": MIDDLE}
FLAT = ("hand", "foot")  # unrolled across, not around: u is a width

Axis = tuple[Float[Tensor, "3"], Float[Tensor, "3"]]  # a limb, from where to where


@dataclass(frozen=True)
class Frame:
    """Axes of a limb: along it, towards its near half, and across."""

    start: Float[Tensor, "3"]
    along: Float[Tensor, "3"]
    near: Float[Tensor, "3"]
    across: Float[Tensor, "3"]


def limb(axis: Axis, near: tuple[float, float, float]) -> Frame:
    start, end = axis
    along = torch.nn.functional.normalize(end - start, dim=0)
    side = along.new_tensor(near)
    side = torch.nn.functional.normalize(side - (side @ along) * along, dim=0)
    return Frame(start, along, side, torch.linalg.cross(along, side))


def part_map(
    skin: Skin, faces: Int[Tensor, "F 3"], groups: tuple[str, ...], axes: dict[str, Axis]
) -> tuple[Int[Tensor, " F"], Float[Tensor, "F 3 2"]]:
    """Each face's part, and its corners' (u, v) there; the same on both sides of the body, which is cut as its left is.

    groups names each joint's group; axes are those of the left limbs.
    """
    corners = skin.template[faces]
    right = corners[..., 0].mean(1) < 0
    corners = torch.where(right[:, None, None], corners * corners.new_tensor([-1.0, 1.0, 1.0]), corners)
    shares = torch.stack([skin.weights[:, [g == name for g in groups]].sum(1) for name in GROUPS], dim=1)
    group = shares[faces].sum(1).argmax(1)
    parts, places = torch.zeros_like(group), torch.zeros_like(corners[..., :2])
    for number, name in enumerate(GROUPS):
        mine = group == number
        frame = limb(axes[name], NEAR[name])
        near = ((corners[mine].mean(1) - frame.start) @ frame.near > 0).long()
        parts[mine] = torch.tensor(NUMBERS[name])[near, right[mine].long()]
        places[mine] = unroll(corners[mine], frame, name)
    middle = right & (group == GROUPS.index("torso"))  # the torso's parts span both sides
    places[middle, :, 0] *= -1
    return parts, spread(parts, places)


def spread(parts: Int[Tensor, " F"], places: Float[Tensor, "F 3 2"]) -> Float[Tensor, "F 3 2"]:
    """Each part over the whole unit square, and as its twin on the other side."""
    iuv = torch.zeros_like(places)
    for part in sorted(set(parts.tolist())):
        mine = parts == part
        both = places[mine | (parts == SWAPPED[part])]
        low, high = both.amin((0, 1)), both.amax((0, 1))
        iuv[mine] = (places[mine] - low) / (high - low).clamp(min=1e-9)
    return iuv


def unroll(points: Float[Tensor, "F 3 3"], frame: Frame, group: str) -> Float[Tensor, "F 3 2"]:
    """Around (or across) the limb and along it; not yet scaled to [0, 1]."""
    r = points - frame.start
    across, near = r @ frame.across, r @ frame.near
    if group in FLAT:
        around = across
    elif group == "head":
        around = torch.atan2(across.abs(), near)  # from the face to the back of the head
    elif group == "torso":
        around = torch.atan2(points[..., 0], near.abs())
    else:
        around = torch.atan2(across, near.abs())
    return torch.stack([around, r @ frame.along], dim=-1)


def atlas(parts: Int[Tensor, " F"], iuv: Float[Tensor, "F 3 2"]) -> Float[Tensor, "F 3 2"]:
    """Texture coordinates for a mesh that has none: each part in a square of its own."""
    rows, columns = ATLAS
    cell = torch.stack([(parts - 1) % columns, (parts - 1) // columns], dim=-1)
    return (cell[:, None] + iuv) / iuv.new_tensor([columns, rows])
