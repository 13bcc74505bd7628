"""Poses of no one in particular, and a crowd that takes them."""

import torch

from motion_imitate.estimators.fitter import network_points
from motion_imitate.estimators.pose_prior import habits
from motion_imitate.estimators.rig import BENDS, Rig, turn
from motion_imitate.synthesis.points import Crowd


def poses(rig: Rig, count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Turns of the root and bends about the usual ones."""
    g = torch.Generator().manual_seed(5)
    lean = turn(0.1 * torch.randn(count, 3, generator=g))
    return lean, habits(rig.model).mean.float() + 0.3 * torch.randn(count, len(BENDS), 3, generator=g)


def crowd(rig: Rig, seed: int = 0) -> Crowd:
    return Crowd(rig, network_points(rig), poses(rig), 10, seed)
