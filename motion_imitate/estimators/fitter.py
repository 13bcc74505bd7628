"""The body that best explains what a pose network saw of a person in some frames: Gauss-Newton steps."""

from dataclasses import dataclass

import torch
from torch import Tensor

from motion_imitate.estimators.banded import Normal
from motion_imitate.estimators.lifter import Lifter, lift, load
from motion_imitate.estimators.pose_prior import Habits, habits
from motion_imitate.estimators.rig import SIZE, Points, Rig, State
from motion_imitate.estimators.silhouette import Edges, Proxy
from motion_imitate.estimators.terms import (
    USED,
    Evidence,
    add_habits,
    add_points,
    add_shape,
    add_smoothness,
    add_standing,
    add_upright,
    add_world,
    standing,
)
from motion_imitate.types import BodyModel


@dataclass(frozen=True)
class Fitting:
    world: float = 1.2  # strength of the network's guess in space
    habit: float = 2.0  # strength of usual bends
    lean: float = 0.35  # metres that shoulders may well be nearer or farther than ankles
    upright: float = 3.0  # strength of that
    smooth: float = 3.0  # strength of smoothness
    ordinary: float = 1.0  # strength, a frame, of the body's being an ordinary one; more once its outline is looked at
    ordinary_outline: float = 0.25
    outline: float = 0.3  # strength of the silhouette
    slide: float = 0.1  # metres a second that a standing foot may slide
    slow: float = 0.2  # metres a second; a foot that goes faster does not stand
    damping: float = 1e-5  # more, and stiff smoothness slows the whole clip down
    limits: tuple[float, ...] = (
        40.0,
        20.0,
        10.0,
        5.0,
    )  # of a point's error, in standard errors, one for each first step
    standing_steps: int = 2
    outline_steps: int = 2
    every: int = 4  # frames from one whose outline is looked at to the next
    shapes: int = 10  # shape numbers fitted, of the model's


@dataclass(frozen=True)
class Clip:
    """A window of frames to fit."""

    seen: Evidence
    rows: Tensor  # the frames whose outline is looked at
    edges: Edges  # of those
    known: int = 0  # frames at the start that are fitted already


def network_points(rig: Rig) -> Points:
    """The points that the pose network looks for, on the body."""
    offset, joint = rig.model.keypoint_offsets
    blend = rig.model.keypoints("blazepose33")
    return rig.points(blend[list(USED)], (offset[list(USED)], joint[list(USED)]))


class Fitter:
    """What fitting needs of a body model, worked out once. Holds no state of any clip."""

    def __init__(self, model: BodyModel, how: Fitting = Fitting(), lifter: Lifter | None = None) -> None:
        self.how, self.lifter = how, lifter or load(model.name)
        self.rig = Rig(model)
        self.habits: Habits = habits(model)
        self.points = network_points(self.rig)
        self.proxy = Proxy(self.rig)
        self.shapes = len(self.points.arm_dirs)

    def placed(self, state: State, seen: Evidence, shape: Tensor) -> State:
        """The same bodies, put where their points are seen: linear least squares."""
        at = self.rig.place(self.points, State(state.place * 0, state.root, state.bends), shape[None])
        rows = at.new_zeros(*at.shape[:2], 2, 3)
        rows[..., 0, 0] = rows[..., 1, 1] = 1
        rows[..., 2] = -seen.aim
        goal = seen.aim * at[..., 2:] - at[..., :2]
        weight = seen.weight[..., None, None]
        square = (rows * weight).flatten(1, 2).mT @ rows.flatten(1, 2) + 1e-6 * torch.eye(3, dtype=at.dtype)
        place = torch.linalg.solve(square, (rows * weight).flatten(1, 2).mT @ goal.flatten(1)[..., None])[..., 0]
        return State(torch.cat([place[:, :2], place[:, 2:].clamp(min=0.5)], -1), state.root, state.bends)

    def step(
        self, state: State, shape: Tensor, clip: Clip, free: int, sure: Tensor | None, outline: bool, limit: float = 5.0
    ) -> tuple[State, Tensor]:
        """One Gauss-Newton step; the first `free` shape numbers move too."""
        how, rig = self.how, self.rig
        turns, places = rig.pose(state, shape[None])
        at, rate = rig.rates(self.points.share[None], self.points.shaped(shape[None]), state, turns, places)
        shape_rate = rig.shape_rates(self.points, turns)
        normal = Normal.zero(len(state), SIZE, self.shapes)
        add_points(normal, clip.seen, at, rate, shape_rate, limit)
        add_world(normal, clip.seen, at, rate, shape_rate, how.world)
        add_upright(normal, at, rate, shape_rate, how.lean, how.upright)
        add_habits(normal, self.habits, state, how.habit)
        add_smoothness(normal, state, clip.seen.seconds, how.smooth)
        if sure is not None:
            add_standing(normal, clip.seen, sure, at, rate, shape_rate, how.slide)
        if outline:
            self.proxy.add(normal, state, shape, clip.edges, clip.rows, how.outline)
        add_shape(normal, shape, (how.ordinary_outline if outline else how.ordinary) * len(state))
        normal.hold(clip.known)
        move, change = normal.solve(how.damping, free)
        return state.moved(move), shape + change

    def lift(self, seen: Evidence) -> tuple[State, Tensor]:
        """The lifter's guess, put where the points are seen; and its guess of the shape, frame by frame."""
        state, shapes = lift(self.lifter, seen)
        shapes = torch.nn.functional.pad(shapes, (0, self.shapes - shapes.shape[1]))
        shape = (shapes * seen.score[:, None]).sum(0) / seen.score.sum().clamp(min=1e-6)
        return self.placed(state, seen, shape), shape

    def solve(self, clip: Clip, state: State, shape: Tensor, free: int) -> tuple[State, Tensor]:
        """All the steps: points first, then feet that stand, then the outline."""
        for limit in self.how.limits:
            state, shape = self.step(state, shape, clip, free, None, False, limit)
        sure = standing(clip.seen, self.rig.place(self.points, state, shape[None]), self.how.slow)
        for turn_ in range(self.how.standing_steps + self.how.outline_steps):
            state, shape = self.step(state, shape, clip, free, sure, turn_ >= self.how.standing_steps)
        return state, shape
