"""An unposed body, measured for clothes."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.bodies.skinning import Skinned, rest_shape
from motion_imitate.synthesis.shells import Base, base_of, unrolled

STATURE = 1.459  # metres from the floor to the neck of the ordinary body: what other lengths are in proportion to
FRONT = 2  # the part in front of the torso
CHEST = (0.5, 0.36)  # where the texture's print comes to lie, from the middle of that part


@dataclass(frozen=True)
class Figure:
    body: Skinned
    shape: Float[Tensor, " S"]
    base: Base
    joints: dict[str, Float[Tensor, "3"]]
    points: dict[str, Float[Tensor, "3"]]  # of `keypoints.NAMES`
    arm: Bool[Tensor, " V"]
    reach: Float[Tensor, " V"]  # along the arm: 0 shoulder, 1 elbow, 2 wrist
    head: Bool[Tensor, " V"]
    floor: float
    top: float
    scale: float  # of lengths, against the ordinary body


def figure(body: Skinned, shape: Float[Tensor, " S"]) -> Figure:
    rest, places = (x[0] for x in rest_shape(body.skin, shape[None]))
    joints = dict(zip(body.joint_names, places, strict=True))
    points = dict(zip(body.point_names, body.points @ rest, strict=True))
    arm, head = members(body)
    reach = torch.full((len(rest),), -1.0)
    for side in ("L", "R"):
        a, b, c = (joints[f"{name}.{side}"] for name in ("upperarm01", "lowerarm01", "wrist"))
        mine = arm & ((rest[:, 0] > 0) == (side == "L"))
        upper = ((rest[mine] - a) @ (b - a) / (b - a).square().sum()).clamp(0, 1)
        lower = ((rest[mine] - b) @ (c - b) / (c - b).square().sum()).clamp(0, 1.4)
        reach[mine] = upper + lower
    uv = unrolled(rest, body.faces, body.parts, body.iuv)
    uv = uv + torch.where((body.parts == FRONT)[:, None, None], torch.tensor(CHEST), torch.zeros(2))
    floor, top = rest[:, 1].aminmax()
    scale = float(joints["neck01"][1] - floor) / STATURE
    base = base_of(rest, body.skin.weights, body.faces, uv)
    return Figure(body, shape, base, joints, points, arm, reach, head, float(floor), float(top), scale)


@lru_cache(maxsize=4)
def grouped(names: tuple[str, ...], starts: tuple[str, ...]) -> Bool[Tensor, " J"]:
    return torch.tensor([name.startswith(starts) for name in names])


def members(body: Skinned) -> tuple[Bool[Tensor, " V"], Bool[Tensor, " V"]]:
    """Which vertices are of an arm, and which of the head."""
    weights = body.skin.weights
    arm = weights[:, grouped(body.joint_names, ("upperarm", "lowerarm", "wrist", "finger", "metacarpal"))].sum(1) > 0.5
    head = weights[:, grouped(body.joint_names, ("head", "neck", "eye"))].sum(1) > 0.5
    return arm, head
