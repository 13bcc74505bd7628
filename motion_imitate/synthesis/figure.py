"""Measurements of an unposed body for fitting clothes."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.bodies.skinning import SkinnedBody, rest_shape
from motion_imitate.synthesis.shells import DressingBase, build_dressing_base, part_uv_in_metres

AVERAGE_NECK_HEIGHT = 1.459  # metres, floor to neck of the average body; other lengths scale with it
TORSO_FRONT_PART = 2  # body part number of the torso's front
PRINT_OFFSET = (0.5, 0.36)  # position of the print, from the middle of that part


@dataclass(frozen=True)
class MeasuredBody:
    """An unposed body with the joints, keypoints and lengths that clothes are cut to."""

    body: SkinnedBody
    shape: Float[Tensor, " S"]
    base: DressingBase
    joints: dict[str, Float[Tensor, "3"]]
    points: dict[str, Float[Tensor, "3"]]  # of `keypoints.NAMES`
    arm: Bool[Tensor, " V"]
    reach: Float[Tensor, " V"]  # along the arm: 0 shoulder, 1 elbow, 2 wrist
    head: Bool[Tensor, " V"]
    floor: float
    top: float
    scale: float  # of lengths, relative to the average body


def measure_body(body: SkinnedBody, shape: Float[Tensor, " S"]) -> MeasuredBody:
    """Measure the body with the given shape parameters."""
    rest, places = (x[0] for x in rest_shape(body.skin, shape[None]))
    joints = dict(zip(body.joint_names, places, strict=True))
    points = dict(zip(body.point_names, body.points @ rest, strict=True))
    arm, head = arm_and_head_vertices(body)
    reach = torch.full((len(rest),), -1.0)
    for side in ("L", "R"):
        a, b, c = (joints[f"{name}.{side}"] for name in ("upperarm01", "lowerarm01", "wrist"))
        mine = arm & ((rest[:, 0] > 0) == (side == "L"))
        upper = ((rest[mine] - a) @ (b - a) / (b - a).square().sum()).clamp(0, 1)
        lower = ((rest[mine] - b) @ (c - b) / (c - b).square().sum()).clamp(0, 1.4)
        reach[mine] = upper + lower
    uv = part_uv_in_metres(rest, body.faces, body.parts, body.iuv)
    uv = uv + torch.where((body.parts == TORSO_FRONT_PART)[:, None, None], torch.tensor(PRINT_OFFSET), torch.zeros(2))
    floor, top = rest[:, 1].aminmax()
    scale = float(joints["neck01"][1] - floor) / AVERAGE_NECK_HEIGHT
    base = build_dressing_base(rest, body.skin.weights, body.faces, uv)
    return MeasuredBody(body, shape, base, joints, points, arm, reach, head, float(floor), float(top), scale)


@lru_cache(maxsize=4)
def joints_with_prefix(names: tuple[str, ...], starts: tuple[str, ...]) -> Bool[Tensor, " J"]:
    """Mask of the joints whose names start with one of the prefixes."""
    return torch.tensor([name.startswith(starts) for name in names])


def arm_and_head_vertices(body: SkinnedBody) -> tuple[Bool[Tensor, " V"], Bool[Tensor, " V"]]:
    """Masks of the vertices of the arms and of the head."""
    weights = body.skin.weights
    arm = (
        weights[:, joints_with_prefix(body.joint_names, ("upperarm", "lowerarm", "wrist", "finger", "metacarpal"))].sum(
            1
        )
        > 0.5
    )
    head = weights[:, joints_with_prefix(body.joint_names, ("head", "neck", "eye"))].sum(1) > 0.5
    return arm, head
