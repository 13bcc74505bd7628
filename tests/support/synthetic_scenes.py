"""Poses of no one in particular, and a crowd that takes them."""

import torch

from motion_imitate.estimators.fitter import blazepose_points
from motion_imitate.estimators.pose_prior import build_pose_prior
from motion_imitate.estimators.rig import BENDS, Rig
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.synthesis.points import PersonSampler


def poses(rig: Rig, count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Turns of the root and bends about the usual ones."""
    g = torch.Generator().manual_seed(5)
    lean = rotation_vector_to_matrix(0.1 * torch.randn(count, 3, generator=g))
    return lean, build_pose_prior(rig.model).mean.float() + 0.3 * torch.randn(count, len(BENDS), 3, generator=g)


def crowd(rig: Rig, seed: int = 0) -> PersonSampler:
    return PersonSampler(rig, blazepose_points(rig), poses(rig), 10, seed)
