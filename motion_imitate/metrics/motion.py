"""How far one motion is from another. Joints are [T, J, 3] in metres, in the axes of one camera."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def from_root(joints: Float[Tensor, "T J 3"], root: tuple[int, ...]) -> Float[Tensor, "T J 3"]:
    return joints - joints[:, root].mean(1, keepdim=True)


def aligned(joints: Float[Tensor, "T J 3"], truth: Float[Tensor, "T J 3"]) -> Float[Tensor, "T J 3"]:
    """Each frame turned, moved and scaled to lie as near as possible to the truth: Procrustes."""
    centre, goal = joints.mean(1, keepdim=True), truth.mean(1, keepdim=True)
    a, b = joints - centre, truth - goal
    u, s, vt = torch.linalg.svd(a.mT @ b)
    flip = torch.ones_like(s)
    flip[:, 2] = torch.det(u @ vt)
    scale = (s * flip).sum(-1) / (a * a).sum((1, 2))
    return scale[:, None, None] * (a @ (u @ torch.diag_embed(flip) @ vt)) + goal


def mean_error(joints: Float[Tensor, "T J 3"], truth: Float[Tensor, "T J 3"]) -> float:
    return float((joints - truth).norm(dim=-1).mean())


def acceleration_error(joints: Float[Tensor, "T J 3"], truth: Float[Tensor, "T J 3"], rate: float) -> float:
    """Metres a second squared, on average."""
    difference = joints - truth
    return float(((difference[2:] - 2 * difference[1:-1] + difference[:-2]) * rate**2).norm(dim=-1).mean())


def overlap(one: Bool[Tensor, "T H W"], other: Bool[Tensor, "T H W"]) -> float:
    """Intersection over union, frame by frame, on average."""
    both, either = (one & other).sum((1, 2)), (one | other).sum((1, 2))
    return float((both / either.clamp(min=1)).mean())


def sliding(feet: Float[Tensor, "T K 3"], standing: Bool[Tensor, "T-1 K"], rate: float) -> float:
    """Metres a second that feet move from a frame to the next while they stand."""
    speed = feet.diff(dim=0).norm(dim=-1) * rate
    return float(speed[standing].mean())
