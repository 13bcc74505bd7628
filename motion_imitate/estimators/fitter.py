"""Fit a body model to the landmarks and masks of some frames by Gauss-Newton steps."""

from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from motion_imitate.estimators.banded import NormalEquations
from motion_imitate.estimators.lifter import LIFTED_BODIES, Lifter, lift_pose, load_lifter
from motion_imitate.estimators.limb_lift import lift_limbs
from motion_imitate.estimators.pose_prior import PosePrior, build_pose_prior
from motion_imitate.estimators.rig import STATE_SIZE, PoseState, Rig, RiggedPoints
from motion_imitate.estimators.silhouette import MaskEdges, ProxyMesh
from motion_imitate.estimators.terms import (
    FITTED_LANDMARKS,
    PoseEvidence,
    add_foot_contact,
    add_limb_directions,
    add_pose_prior,
    add_reprojection,
    add_shape_prior,
    add_smoothness,
    add_upright_prior,
    standing_weights,
)
from motion_imitate.types import BodyModel


@dataclass(frozen=True)
class Fitting:
    """Weights of the terms and number of the steps of a fit."""

    world: float = 1.2  # weight of the network's 3D landmarks
    habit: float = 2.0  # weight of the pose prior
    lean: float = 0.35  # standard deviation, in metres, of the shoulders' depth from the ankles'
    upright: float = 3.0  # weight of the upright prior
    smooth: float = 3.0  # weight of smoothness
    ordinary: float = 1.0  # weight of the shape prior, per frame
    ordinary_outline: float = 0.25  # the same in steps that use the outline
    outline: float = 0.3  # weight of the silhouette
    slide: float = 0.1  # standard deviation of a standing foot's speed, in metres per second
    slow: float = 0.2  # metres per second above which a foot is not standing
    damping: float = 1e-5  # more would slow convergence where smoothness is stiff
    limits: tuple[float, ...] = (
        40.0,
        20.0,
        10.0,
        5.0,
    )  # of a landmark's error, in standard errors; one for each of the first steps
    standing_steps: int = 2
    outline_steps: int = 2
    every: int = 4  # the outline is used in every n-th frame
    shapes: int = 10  # shape numbers of the model that are fitted


@dataclass(frozen=True)
class FitInput:
    """A window of frames to fit."""

    seen: PoseEvidence
    rows: Tensor  # the frames whose outline is used
    edges: MaskEdges  # of those frames
    known: int = 0  # frames at the start that are already fitted


def blazepose_points(rig: Rig) -> RiggedPoints:
    """The pose network's landmarks as points of the body."""
    offset, joint = rig.model.keypoint_offsets
    blend = rig.model.keypoints("blazepose33")
    return rig.points(blend[list(FITTED_LANDMARKS)], (offset[list(FITTED_LANDMARKS)], joint[list(FITTED_LANDMARKS)]))


class Fitter:
    """What a fit needs of a body model, computed once. Holds no state of any clip."""

    def __init__(self, model: BodyModel, how: Fitting = Fitting(), lifter: Lifter | None = None) -> None:
        self.how = how
        self.lifter = load_lifter(model.name) if lifter is None and model.name in LIFTED_BODIES else lifter
        self.rig = Rig(model)
        self.habits: PosePrior = build_pose_prior(model)
        self.points = blazepose_points(self.rig)
        self.proxy = ProxyMesh(self.rig)
        self.shapes = len(self.points.arm_dirs)

    def with_settings(self, how: Fitting) -> "Fitter":
        """The same fitter with other settings."""
        other = copy(self)
        other.how = how
        return other

    def place_at_landmarks(self, state: PoseState, seen: PoseEvidence, shape: Tensor) -> PoseState:
        """The same poses, moved to where the landmarks are: linear least squares."""
        at = self.rig.place(self.points, PoseState(state.place * 0, state.root, state.bends), shape[None])
        rows = at.new_zeros(*at.shape[:2], 2, 3)
        rows[..., 0, 0] = rows[..., 1, 1] = 1
        rows[..., 2] = -seen.aim
        goal = seen.aim * at[..., 2:] - at[..., :2]
        weight = seen.weight[..., None, None]
        square = (rows * weight).flatten(1, 2).mT @ rows.flatten(1, 2) + 1e-6 * torch.eye(3, dtype=at.dtype)
        place = torch.linalg.solve(square, (rows * weight).flatten(1, 2).mT @ goal.flatten(1)[..., None])[..., 0]
        return PoseState(torch.cat([place[:, :2], place[:, 2:].clamp(min=0.5)], -1), state.root, state.bends)

    def step(
        self,
        state: PoseState,
        shape: Tensor,
        clip: FitInput,
        free: int,
        sure: Tensor | None,
        outline: bool,
        limit: float = 5.0,
    ) -> tuple[PoseState, Tensor]:
        """One Gauss-Newton step of the pose and of the first `free` shape numbers."""
        how, rig = self.how, self.rig
        turns, places = rig.pose(state, shape[None])
        at, rate = rig.rates(self.points.share[None], self.points.arms_for_shape(shape[None]), state, turns, places)
        shape_rate = rig.shape_rates(self.points, turns)
        normal = NormalEquations.zero(len(state), STATE_SIZE, self.shapes)
        add_reprojection(normal, clip.seen, at, rate, shape_rate, limit)
        add_limb_directions(normal, clip.seen, at, rate, shape_rate, how.world)
        add_upright_prior(normal, at, rate, shape_rate, how.lean, how.upright)
        add_pose_prior(normal, self.habits, state, how.habit)
        add_smoothness(normal, state, clip.seen.seconds, how.smooth)
        if sure is not None:
            add_foot_contact(normal, clip.seen, sure, at, rate, shape_rate, how.slide)
        if outline:
            self.proxy.add(normal, state, shape, clip.edges, clip.rows, how.outline)
        add_shape_prior(normal, shape, (how.ordinary_outline if outline else how.ordinary) * len(state))
        normal.hold(clip.known)
        move, change = normal.solve(how.damping, free)
        return state.moved(move), shape + change

    def lift(self, seen: PoseEvidence) -> tuple[PoseState, Tensor]:
        """The lifter's poses, placed at the landmarks, and its shape, averaged over the frames by score; of a body
        without a lifter, poses by inverse kinematics and the mean shape."""
        if self.lifter is None:
            shape = torch.zeros(self.shapes, dtype=torch.float64)
            return self.place_at_landmarks(lift_limbs(self.rig, self.points, self.habits, seen), seen, shape), shape
        state, shapes = lift_pose(self.lifter, seen)
        shapes = torch.nn.functional.pad(shapes, (0, self.shapes - shapes.shape[1]))
        shape = (shapes * seen.score[:, None]).sum(0) / seen.score.sum().clamp(min=1e-6)
        return self.place_at_landmarks(state, seen, shape), shape

    def solve(self, clip: FitInput, state: PoseState, shape: Tensor, free: int) -> tuple[PoseState, Tensor]:
        """Run all steps: landmarks first, then standing feet, then the outline."""
        for limit in self.how.limits:
            state, shape = self.step(state, shape, clip, free, None, False, limit)
        sure = standing_weights(clip.seen, self.rig.place(self.points, state, shape[None]), self.how.slow)
        for turn_ in range(self.how.standing_steps + self.how.outline_steps):
            state, shape = self.step(state, shape, clip, free, sure, turn_ >= self.how.standing_steps)
        return state, shape
