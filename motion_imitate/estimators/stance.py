"""Stand the person of a photo upright: one view shows no depth, so a fit to it leans to and from the camera.

An upright pose near the fitted one is solved for. Then every vertex slides along its viewing ray to where the upright
body is, so what the photo shows of the body stays; bones become as long as the photo shows them from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies.skinning import (
    SkinnedBody,
    ancestor_matrix,
    joint_moves,
    joint_places,
    local_to_global,
    posed_keypoints,
    rest_shape,
)
from motion_imitate.estimators.banded import NormalEquations
from motion_imitate.estimators.fitter import blazepose_points
from motion_imitate.estimators.pose_prior import build_pose_prior
from motion_imitate.estimators.rig import STATE_SIZE, PoseState, Rig, RiggedPoints
from motion_imitate.estimators.terms import (
    FITTED_LANDMARKS,
    add_pose_prior,
    geman_mcclure_weight,
    project_with_rates,
)
from motion_imitate.geometry.camera import body_to_camera, flip_camera_axes
from motion_imitate.motion.ground_contact import smooth_falloff
from motion_imitate.types import Body, BodyModel, Camera

PointName = str | int  # a joint, or a landmark of the pose network
STANCE_JOINTS = tuple(f"{bend}_{side}" for bend in ("hip", "knee", "ankle") for side in ("left", "right"))
STANCE_JOINTS += ("spine_high", "neck")
STANCE_POINTS: tuple[PointName, ...] = (*STANCE_JOINTS, "root", "above root", *FITTED_LANDMARKS)
STANDING_PARTS: tuple[tuple[Sequence[PointName], Sequence[PointName], float], ...] = (
    # lowest and highest points, and the standard deviation in degrees of the part's lean to or from the camera
    (("ankle_left", "ankle_right"), ("knee_left", "knee_right"), 5),
    (("knee_left", "knee_right"), ("hip_left", "hip_right"), 5),
    (("ankle_left",), ("hip_left",), 7),
    (("ankle_right",), ("hip_right",), 7),
    (("root",), ("above root",), 5),
    (("hip_left", "hip_right"), ("spine_high",), 4),
    (("spine_high",), ("neck",), 4),
    (("neck",), (7, 8), 5),
)
STILL_PARTS = {  # landmarks, and the standard deviation in metres of how far the second moves beside the first
    **dict.fromkeys(((11, 13), (13, 15), (15, 19), (12, 14), (14, 16), (16, 20)), 0.03),
    **dict.fromkeys(((11, 12), (23, 24)), 0.03),
    **dict.fromkeys(((7, 8), (0, 7), (0, 8), (2, 7), (5, 8)), 0.01),
}


@dataclass(frozen=True)
class Stance:
    """How people stand in photos. Numbers are standard deviations, if nothing else is said."""

    forward: float = 2.5  # degrees by which all parts lean more to the front than at rest, for balance; not a deviation
    tilt: float = 3.0  # degrees by which the camera looks up or down, and the whole body leans
    bent: tuple[float, float] = (0.5, 0.75)  # sine of a part's lean: from standing to not standing
    sole: float = 0.012  # metres between the heights of heel and toes
    ground: float = 0.025  # metres between the heights of both feet
    raised: float = 4.0  # times these, from which on a foot is in the air
    sight: float = 0.04  # of points of the upright body from their viewing rays, in the image plane (x / z, y / z)
    turn: float = 0.4  # radians by which root and bends change
    habit: float = 0.05  # weight of the pose prior
    steps: int = 10


def stand_in_photos(
    model: SkinnedBody, body: Body, camera: Camera, how: Stance = Stance()
) -> tuple[SkinnedBody, Body, Camera]:
    """The body of each photo upright, and the model that looks in the photos as `model` does in the fitted poses.

    Of several photos, the model is the mean.
    """
    rig = Rig(cast(BodyModel, model))
    fitted = rig.state(body, camera.place)
    state = StanceSolver(rig, how).stand(fitted, body.shape.double())
    upright = rig.body(state, body.shape)
    depth = state.place[:, 2:] / fitted.place[:, 2:]
    return slide_along_rays(model, body, camera, upright, replace(camera, place=camera.place * depth.to(camera.place)))


def slide_along_rays(
    model: SkinnedBody, body: Body, camera: Camera, upright: Body, moved: Camera
) -> tuple[SkinnedBody, Body, Camera]:
    """The model whose vertices, joints and landmarks lie, in the upright poses, on their old viewing rays, as far away
    as they are now."""
    parents, skin = model.skin.parents, model.skin
    (rest, joints), turns = rest_shape(skin, upright.shape), local_to_global(upright.pose, parents)

    def slide(old: Float[Tensor, "B N 3"], new: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        ray, depth = body_to_camera(old, camera), body_to_camera(new, moved)[..., 2:]
        return flip_camera_axes(ray / ray[..., 2:] * depth - moved.place[:, None])

    vertices, places = (slide(old, new) for old, new in zip(model(body), model(upright), strict=True))
    landmarks = slide(*(posed_keypoints(model, each, "blazepose33") for each in (body, upright)))
    offsets = landmarks - model.keypoints("blazepose33") @ vertices
    offsets = (turns[:, model.offset_joints].mT @ offsets[..., None])[..., 0].mean(0)
    above = [max(parent, 0) for parent in parents]
    bones = (turns[:, above].mT @ (places - places[:, above])[..., None])[..., 0].mean(0)
    stretched = ancestor_matrix(parents, bones.device, bones.dtype) @ bones
    moves = joint_moves(stretched.expand_as(joints), turns, joint_places(turns, stretched.expand_as(joints), parents))
    mixed = torch.einsum("vj,bjxy->bvxy", skin.weights, moves)
    unposed = torch.linalg.solve(mixed[..., :3], (vertices - mixed[..., 3])[..., None])[..., 0]
    skin = replace(skin, template=skin.template + (unposed - rest).mean(0), joints=skin.joints + stretched - joints[0])
    return replace(model, skin=skin, offsets=offsets), upright, moved


class StanceSolver:
    """Solves for upright poses near fitted ones. Holds no state of any photo."""

    def __init__(self, rig: Rig, how: Stance = Stance()) -> None:
        self.rig, self.how, self.habits = rig, how, build_pose_prior(rig.model)
        self.points = stance_points(rig)
        self.parts = torch.stack([part_between(low, high) for low, high, _ in STANDING_PARTS])
        self.leans = torch.tensor([lean for *_, lean in STANDING_PARTS], dtype=torch.float64).deg2rad()
        self.still = torch.stack([part_between([a], [b]) / spread for (a, b), spread in STILL_PARTS.items()])
        self.soles = torch.stack([part_between(a, b) for a, b in (([31], [29]), ([32], [30]), ([29, 31], [30, 32]))])
        self.unit = torch.tensor([how.sole, how.sole, how.ground], dtype=torch.float64)

    def stand(self, fitted: PoseState, shape: Float[Tensor, "T S"]) -> PoseState:
        """The fitted poses with legs, trunk and neck upright and flat feet on one ground."""
        how, rig, points, state = self.how, self.rig, self.points, fitted
        arms = points.arms_for_shape(shape)
        first = rig.place(points, fitted, shape)
        facing = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64)).expand_as(fitted.root)
        rest = rig.place(points, PoseState(fitted.place, facing, torch.zeros_like(fitted.bends)), shape)
        for _ in range(how.steps):
            turns, places = rig.pose(state, shape)
            at, rate = rig.rates(points.share[None], arms, state, turns, places)
            normal = NormalEquations.zero(len(state), STATE_SIZE, 0)
            aim, by = project_with_rates(at, rate)
            add_error(normal, (aim - first[..., :2] / first[..., 2:]) / how.sight, by / how.sight)
            add_error(normal, self.still @ (at - first), torch.einsum("pk,tkid->tpid", self.still, rate))
            self.add_standing(normal, state.root, rest, at, rate)
            self.add_soles(normal, rest, first[..., 1] / first[..., 2], at, rate)
            add_pose_prior(normal, self.habits, state, how.habit)
            add_error(
                normal,
                state.minus(fitted)[:, 3:] / how.turn,
                torch.eye(STATE_SIZE)[3:].to(at).expand(len(at), -1, -1) / how.turn,
            )
            state = state.moved(normal.solve(1e-6, 0)[0])
        return state

    def add_standing(
        self, normal: NormalEquations, root: Float[Tensor, "T 3 3"], rest: Tensor, at: Tensor, rate: Tensor
    ) -> None:
        """Add that the parts of the body lean to and from the camera as at rest, all by its tilt more or less."""
        parts = self.parts @ at
        length = parts.norm(dim=-1)
        ahead = torch.nn.functional.normalize(root[:, [0, 2], 2], dim=-1)[:, 1:]  # -1: the person faces the camera
        own = torch.nn.functional.normalize(self.parts @ rest, dim=-1)[..., 2]
        forward, tilt = torch.tensor([self.how.forward, self.how.tilt], dtype=torch.float64).deg2rad()
        lean = parts[..., 2] / length + ahead * (own - forward)
        trust = smooth_falloff(lean.abs(), self.how.bent)
        spread = self.leans / trust.sqrt().clamp(min=1e-3)
        white = torch.linalg.cholesky(torch.linalg.inv(torch.diag_embed(spread**2) + tilt**2)).mT
        by = torch.einsum("pk,tkd->tpd", self.parts, rate[..., 2, :]) / length[..., None]
        add_error(normal, (white @ lean[..., None])[..., 0], white @ by)

    def add_soles(self, normal: NormalEquations, rest: Tensor, slope: Tensor, at: Tensor, rate: Tensor) -> None:
        """Add that the feet are flat on one level ground, once they are on their rays, which go down by `slope`."""
        error = (slope * at[..., 2] - rest[..., 1]) @ self.soles.mT / self.unit
        weight = geman_mcclure_weight(error**2, self.how.raised**2)
        by = torch.einsum("pk,tkd->tpd", self.soles, slope[..., None] * rate[..., 2, :]) / self.unit[:, None]
        add_error(normal, error, by, weight)


def add_error(normal: NormalEquations, error: Tensor, rate: Tensor, weight: Tensor | None = None) -> None:
    """Add errors [T, ...] whose derivatives are `rate` [T, ..., D]."""
    flat, rates = error.flatten(1), rate.flatten(1, -2)
    normal.add(flat, rates, torch.ones_like(flat) if weight is None else weight, rates[..., :0], slice(None))


def part_between(low: Sequence[PointName], high: Sequence[PointName]) -> Float[Tensor, " K"]:
    """Weights of STANCE_POINTS that give the vector from the mean of some to the mean of others."""
    part = torch.zeros(len(STANCE_POINTS), dtype=torch.float64)
    for sign, ends in ((-1, low), (1, high)):
        for end in ends:
            part[STANCE_POINTS.index(end)] += sign / len(ends)
    return part


def stance_points(rig: Rig) -> RiggedPoints:
    """STANCE_POINTS as points of the body."""
    landmarks = blazepose_points(rig)
    joints = [rig.joints.index(rig.model.controls[name][0]) for name in STANCE_JOINTS]
    share = torch.nn.functional.one_hot(torch.tensor([*joints, 0, 0]), len(rig.joints)).double()
    arm = share.new_zeros(*share.shape, 3)
    arm[-1, 0, 1] = 0.2
    unchanged = share.new_zeros(len(landmarks.arm_dirs), *arm.shape)
    return RiggedPoints(
        torch.cat([share, landmarks.share]),
        torch.cat([arm, landmarks.arm]),
        torch.cat([unchanged, landmarks.arm_dirs], 1),
    )
