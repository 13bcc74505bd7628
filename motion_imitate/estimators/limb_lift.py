"""Poses from 3D landmarks by inverse kinematics: where a fit starts for a body that has no lifter."""

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.estimators.banded import NormalEquations
from motion_imitate.estimators.pose_prior import PosePrior
from motion_imitate.estimators.rig import STATE_SIZE, PoseState, Rig, RiggedPoints
from motion_imitate.estimators.terms import LIMB_ENDS, LIMB_STARTS, TORSO_ROWS, PoseEvidence, add_pose_prior

LIMB_DEVIATION = 0.05  # metres; error of a limb's vector, against the deviations of the pose prior
LIFT_STEPS, LIFT_DAMPING = 10, 1e-2


def lift_limbs(rig: Rig, points: RiggedPoints, habits: PosePrior, seen: PoseEvidence) -> PoseState:
    """Poses whose limbs point as those of the 3D landmarks do, at the camera's place."""
    frames, shapes = len(seen), len(points.arm_dirs)
    shape, here = seen.world.new_zeros(1, shapes), seen.world.new_zeros(frames, 3)
    bends = habits.mean.expand(frames, -1, -1)
    still = rig.place(points, PoseState(here, torch.eye(3).to(here).expand(frames, 3, 3), bends), shape)
    state = PoseState(here, rotation_between_points(still[:, TORSO_ROWS], seen.world[:, TORSO_ROWS]), bends)
    weight = torch.minimum(seen.world_weight[:, LIMB_STARTS], seen.world_weight[:, LIMB_ENDS])
    weight = (weight / LIMB_DEVIATION**2).repeat_interleave(3, 1)
    shape_rate = weight.new_zeros(*weight.shape, shapes)
    for _ in range(LIFT_STEPS):
        turns, places = rig.pose(state, shape)
        at, rate = rig.rates(points.share[None], points.arms_for_shape(shape), state, turns, places)
        normal = NormalEquations.zero(frames, STATE_SIZE, shapes)
        error = (limb_vectors(at) - limb_vectors(seen.world)).flatten(1)
        normal.add(error, limb_vectors(rate).flatten(1, 2), weight, shape_rate, slice(None))
        add_pose_prior(normal, habits, state, 1.0)
        state = state.moved(normal.solve(LIFT_DAMPING, 0)[0])
    return state


def limb_vectors(points: Float[Tensor, "T K *n"]) -> Float[Tensor, "T L *n"]:
    """The vector along each limb."""
    return points[:, LIMB_ENDS] - points[:, LIMB_STARTS]


def rotation_between_points(a: Float[Tensor, "T K 3"], b: Float[Tensor, "T K 3"]) -> Float[Tensor, "T 3 3"]:
    """The rotation that takes points `a` nearest to points `b`, both about their means."""
    a, b = (x - x.mean(1, keepdim=True) for x in (a, b))
    left, _, right = torch.linalg.svd(b.mT @ a)
    sign = torch.ones_like(left[:, 0])
    sign[:, 2] = torch.linalg.det(left @ right)
    return left @ (sign[:, :, None] * right)
