"""Metrics between two motions. Joints are [T, J, 3] in metres, in the axes of one camera."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def relative_to_root(joints: Float[Tensor, "T J 3"], root: tuple[int, ...]) -> Float[Tensor, "T J 3"]:
    """Joints relative to the mean of the root joints."""
    return joints - joints[:, root].mean(1, keepdim=True)


def procrustes_align(joints: Float[Tensor, "T J 3"], truth: Float[Tensor, "T J 3"]) -> Float[Tensor, "T J 3"]:
    """Align each frame to the truth by rotation, translation and scale (Procrustes)."""
    centre, goal = joints.mean(1, keepdim=True), truth.mean(1, keepdim=True)
    a, b = joints - centre, truth - goal
    u, s, vt = torch.linalg.svd(a.mT @ b)
    flip = torch.ones_like(s)
    flip[:, 2] = torch.det(u @ vt)
    scale = (s * flip).sum(-1) / (a * a).sum((1, 2))
    return scale[:, None, None] * (a @ (u @ torch.diag_embed(flip) @ vt)) + goal


def mean_joint_error(joints: Float[Tensor, "T J 3"], truth: Float[Tensor, "T J 3"]) -> float:
    """Mean per-joint position error (MPJPE), in metres."""
    return float((joints - truth).norm(dim=-1).mean())


def acceleration_error(joints: Float[Tensor, "T J 3"], truth: Float[Tensor, "T J 3"], rate: float) -> float:
    """Mean acceleration error, in metres per second squared."""
    difference = joints - truth
    return float(((difference[2:] - 2 * difference[1:-1] + difference[:-2]) * rate**2).norm(dim=-1).mean())


def mean_mask_iou(one: Bool[Tensor, "T H W"], other: Bool[Tensor, "T H W"]) -> float:
    """Mean intersection over union of the frames."""
    both, either = (one & other).sum((1, 2)), (one | other).sum((1, 2))
    return float((both / either.clamp(min=1)).mean())


def foot_sliding_speed(feet: Float[Tensor, "T K 3"], standing: Bool[Tensor, "T-1 K"], rate: float) -> float:
    """Mean speed of the feet while they stand, in metres per second."""
    speed = feet.diff(dim=0).norm(dim=-1) * rate
    return float(speed[standing].mean())
