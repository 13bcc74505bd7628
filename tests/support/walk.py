"""A made walk whose soles stand perfectly still in stance, by exact two-bone inverse kinematics."""

import math

import torch
from torch import Tensor

from motion_imitate.geometry.camera import flip_camera_axes
from motion_imitate.types import Body, Camera, Motion
from tests.support.box_body import NAMES

THIGH = SHANK = 0.4
STEP, PERIOD, STANCE = 0.95, 1.0, 0.6  # metres and seconds of a full cycle of one foot; how much of it is stance


def about(axis: int, angle: Tensor) -> Tensor:
    vector = torch.zeros(*angle.shape, 3, dtype=angle.dtype)
    vector[..., axis] = 1
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    k = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    eye = torch.eye(3, dtype=angle.dtype)
    return eye + angle.sin()[..., None, None] * k + (1 - angle.cos())[..., None, None] * (k @ k)


def foot_path(seconds: Tensor, phase: float) -> tuple[Tensor, Tensor, Tensor]:
    """How far ahead along the way and how high an ankle is, and whether it stands."""
    cycle = seconds / PERIOD + phase
    part = cycle.frac()
    swing = ((part - STANCE) / (1 - STANCE)).clamp(0, 1)
    ahead = STEP * (cycle.floor() + swing - torch.sin(2 * math.pi * swing) / (2 * math.pi))
    return ahead - STEP * phase, 0.12 * torch.sin(math.pi * swing) ** 2, part < STANCE


def walk(
    seconds: Tensor, heading: float = 0.7, start: tuple[float, float, float] = (0.1, 0.2, 5.0), sway: float = 0.02
) -> tuple[Motion, Tensor]:
    """A walk of BoxBody in its default shape, and which frames each sole (of four) stands in."""
    t = seconds.double()
    pose = torch.eye(3, dtype=torch.float64).repeat(len(t), len(NAMES), 1, 1)
    turn = about(1, torch.full_like(t, heading))
    pose[:, 0] = turn
    ahead = STEP / PERIOD * (t - STANCE / 2 * PERIOD)
    rise = sway * torch.sin(4 * math.pi * t / PERIOD)
    stands = []
    for side, phase in (("left", 0.0), ("right", 0.5)):
        foot, lift, still = foot_path(t, phase)
        forward, down = foot - ahead, 0.7 + rise - lift
        far = torch.hypot(forward, down)
        toward = torch.atan2(-forward, down)
        knee = math.pi - torch.acos((THIGH**2 + SHANK**2 - far**2) / (2 * THIGH * SHANK))
        hip = toward - torch.acos((THIGH**2 + far**2 - SHANK**2) / (2 * THIGH * far))
        for name, angle in (("hip", hip), ("knee", knee), ("ankle", -hip - knee)):
            pose[:, NAMES.index(f"{name}_{side}")] = about(0, angle)
        stands += [still, still]
    pose[:, NAMES.index("arm_left")] = about(2, 0.3 * torch.sin(2 * math.pi * t / PERIOD) - 1.2)
    world = turn @ torch.stack([torch.zeros_like(t), rise, ahead], -1)[..., None]
    place = flip_camera_axes(world[..., 0]) + torch.tensor(start, dtype=torch.float64)
    count = len(t)
    body = Body(pose.float(), torch.zeros(count, 3))
    camera = Camera(torch.tensor([[1.8, 1.2]]).repeat(count, 1), torch.zeros(count, 2), place.float())
    return Motion(body, camera, torch.ones(count), t), torch.stack(stands, -1)


def cut(motion: Motion, *sizes: int) -> list[Motion]:
    """The motion in runs of these sizes, over and over."""
    runs, start = [], 0
    while start < len(motion):
        size = sizes[len(runs) % len(sizes)]
        runs.append(motion[start : start + size])
        start += size
    return runs
