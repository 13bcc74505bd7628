"""Inverse kinematics of the legs: bend hip and knee to move each foot to its target, keeping its orientation."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.motion.feet import FootSkeleton, foot_joint_transforms
from motion_imitate.types import Body

MAX_LEG_STRETCH = 0.9995  # maximum extension as a share of the leg's length: the knee never straightens completely


def solve_legs(feet: FootSkeleton, body: Body, shifts: Float[Tensor, "B 2 3"]) -> Body:
    """Shift the left and right foot (metres, body space), as far as the legs reach."""
    given = body.map(lambda t: t.to(feet.rest))
    turns, places = foot_joint_transforms(feet, given)
    pose = given.pose.clone()
    for side, (hip, knee, ankle) in enumerate(feet.legs):
        thigh, shank = places[:, knee] - places[:, hip], places[:, ankle] - places[:, knee]
        swing, bend = solve_two_bones(thigh, shank, shifts[:, side], turns[:, knee, :, 0])
        above = [turns[:, feet.parents[j]] for j in (hip, knee, ankle)]
        joints = [feet.joints[j] for j in (hip, knee, ankle)]
        pose[:, joints[0]] = above[0].mT @ swing @ turns[:, hip]
        pose[:, joints[1]] = above[1].mT @ bend @ turns[:, knee]
        pose[:, joints[2]] = above[2].mT @ bend.mT @ swing.mT @ turns[:, ankle]
    return replace(body, pose=pose.to(body.pose))


def solve_two_bones(
    thigh: Float[Tensor, "B 3"], shank: Float[Tensor, "B 3"], shift: Float[Tensor, "B 3"], hinge: Float[Tensor, "B 3"]
) -> tuple[Float[Tensor, "B 3 3"], Float[Tensor, "B 3 3"]]:
    """Rotation of the whole leg, and of the shank about the knee, applied first; a straight leg bends about `hinge`."""
    a, b = thigh.norm(dim=-1), shank.norm(dim=-1)
    wanted = thigh + shank + shift
    now = (thigh + shank).norm(dim=-1)
    far = torch.minimum(wanted.norm(dim=-1), torch.maximum(now, MAX_LEG_STRETCH * (a + b)))
    cross = torch.linalg.cross(thigh, shank)
    axis = torch.nn.functional.normalize(cross + 1e-4 * (a * b)[:, None] * hinge, dim=-1)
    bent = torch.atan2((cross * axis).sum(-1), (thigh * shank).sum(-1))
    bend_to = torch.acos(((far**2 - a**2 - b**2) / (2 * a * b)).clamp(-1, 1))
    bend = rotation_vector_to_matrix(axis * (bend_to - bent)[:, None])
    return shortest_rotation(thigh + (bend @ shank[..., None])[..., 0], wanted), bend


def shortest_rotation(a: Float[Tensor, "B 3"], b: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3 3"]:
    """The smallest rotation that aligns a with b."""
    cross = torch.linalg.cross(a, b)
    angle = torch.atan2(cross.norm(dim=-1), (a * b).sum(-1))
    return rotation_vector_to_matrix(torch.nn.functional.normalize(cross, dim=-1, eps=1e-20) * angle[:, None])
