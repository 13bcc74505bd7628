"""Transfer a driver's motion to another body, as a stream of runs.

A frame's result does not depend on how the stream is divided into runs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.camera import flip_camera_axes
from motion_imitate.motion.feet import (
    FootSkeleton,
    build_foot_skeleton,
    foot_joint_transforms,
    leg_length,
    sole_points,
)
from motion_imitate.motion.ground_contact import Gait, Grounding, SoleTracks, follow_ground
from motion_imitate.motion.leg_ik import solve_legs
from motion_imitate.motion.upright import turn_body
from motion_imitate.motion.windows import iter_motion_windows
from motion_imitate.types import Body, BodyModel, Camera, Motion


@dataclass(frozen=True)
class Retarget:
    """How the driver's position maps to the source person's.

    smooth: the person starts where they stand in the photo and travels as the driver does, scaled by leg length.
    source: the person stays in place; walking becomes walking on the spot. copy: the person is placed where the driver
    is, as the driver's camera sees it; feet slide if the legs differ in length.
    upright: how `adapt_motion` undoes the roll and pitch of the driver's camera, unless that camera is copied.
    """

    camera: Literal["smooth", "source", "copy"] = "smooth"
    scale: Literal["keep", "match"] = "keep"  # keep the person's size in the image, or match the driver's
    upright: Literal["auto", "live", "off"] = "auto"
    ground: bool = True  # move the root and bend the legs so that standing feet neither slide nor sink
    grounding: Grounding = field(default_factory=Grounding)


def retarget(
    runs: Iterable[Motion],
    source_body: Body,
    source_camera: Camera,
    model: BodyModel,
    how: Retarget = Retarget(),
    lean: Float[Tensor, "3 3"] | None = None,
) -> Iterator[Motion]:
    """Apply the driver's pose to the source's shape. `source_body` and `source_camera` hold one frame, the photo's.

    `lean` turns bodies that stand upright in a level camera, as the driver's do, to the way in which the source's
    stands. The floor and the feet on it stay level.
    """
    legs = build_foot_skeleton(model)
    plan, stray = None, None
    for around, due in iter_motion_windows(runs, how.grounding.reach):
        plan = plan_retarget(around[:1], source_body, source_camera, model, legs, how, lean) if plan is None else plan
        given = transfer_pose(around, source_body.shape, legs, plan)
        if how.ground:
            theirs, ours = soles_in_camera(legs, around), soles_in_camera(legs, given)
            ground = plan.driver_floor if plan.travel else theirs[..., 1].amax(1, keepdim=True)
            belongs = plan.floor + plan.gait.stride * (theirs[..., 1] - ground)
            soles = SoleTracks(theirs, ours, belongs, around.confidence > 0, around.seconds.to(theirs))
            stray, root, shifts = follow_ground(soles, due, stray, plan.gait, how.grounding)
            stands = solve_legs(legs, given.body[due], flip_camera_axes(shifts))
            yield replace(given[due], body=stands, camera=shift_camera(given.camera[due], root))
        else:
            yield given[due]


def retarget_live(
    runs: Iterable[Motion], source_body: Body, source_camera: Camera, model: BodyModel
) -> Iterator[Motion]:
    """As `retarget`, without look-ahead: the person stays in place, with the lower foot on the floor."""
    legs, how = build_foot_skeleton(model), Retarget(camera="source")
    plan = None
    for run in runs:
        plan = plan_retarget(run[:1], source_body, source_camera, model, legs, how, None) if plan is None else plan
        given = transfer_pose(run, source_body.shape, legs, plan)
        sunk = plan.floor - soles_in_camera(legs, given)[..., 1].amax(1)
        up = sunk.new_tensor([0.0, 1.0, 0.0])
        yield replace(given, camera=shift_camera(given.camera, sunk[:, None] * up))


@dataclass(frozen=True)
class RetargetPlan:
    """How the driver's space maps to the source's, fixed by the first frame. One row each."""

    gait: Gait
    travel: float  # metres the source travels for each metre of the driver's
    start: Float[Tensor, "1 3"]  # the driver's position in the first frame
    stand: Float[Tensor, "1 3"]  # the source's position
    driver_floor: Float[Tensor, ""]  # camera y of the driver's lowest sole in the first frame
    floor: Float[Tensor, ""]  # the same for the source
    lens: Camera | None  # the source's camera; None keeps the driver's
    lean: Float[Tensor, "3 3"] | None  # turns the driver's pose above the feet


def plan_retarget(
    first: Motion,
    body: Body,
    camera: Camera,
    model: BodyModel,
    legs: FootSkeleton,
    how: Retarget,
    lean: Float[Tensor, "3 3"] | None,
) -> RetargetPlan:
    """Compute the plan from the driver's first frame and the source."""
    copied = how.camera == "copy"
    start = first.camera.place
    camera = first.camera if copied else camera.map(lambda t: t.to(start))
    size = 1.0
    if how.scale == "match":
        theirs = rest_height(model, first.body.shape) * first.camera.focal[0, 1] / start[0, 2]
        size = float(rest_height(model, body.shape) * camera.focal[0, 1] / camera.place[0, 2] / theirs)
    stand = camera.place * size
    driver_leg, leg = float(leg_length(legs, first.body.shape)), float(leg_length(legs, body.shape))
    stride = size if copied else leg / driver_leg
    driver_floor = soles_in_camera(legs, first)[..., 1].max()
    own = sole_points(legs, body.map(lambda t: t.to(start)))[..., 1]
    floor = driver_floor * stride if copied else (stand.to(own)[0, 1] - own).max()
    travel, leash = (0.0, how.grounding.spot) if how.camera == "source" else (stride, how.grounding.leash)
    return RetargetPlan(
        Gait(driver_leg, stride, leash * leg),
        travel,
        start,
        stand,
        driver_floor,
        floor,
        None if copied else camera,
        lean,
    )


def rest_height(model: BodyModel, shape: Float[Tensor, "1 S"]) -> Tensor:
    """Height in metres from sole to crown in the rest pose."""
    skin = model.skin
    rest = skin.template[:, 1] + shape[0].to(skin.template) @ skin.shape_dirs[..., 1]
    return (rest.max() - rest.min()).to(shape)


def transfer_pose(around: Motion, shape: Float[Tensor, "1 S"], legs: FootSkeleton, plan: RetargetPlan) -> Motion:
    """The driver's pose on the source's body, placed by the plan alone, without ground contact."""
    place = plan.stand + plan.travel * (around.camera.place - plan.start)
    lens = around.camera if plan.lens is None else plan.lens.map(lambda t: t.expand(len(around), -1))
    body = around.body if plan.lean is None else turn_above_feet(legs, around.body, plan.lean)
    body = replace(body, shape=shape.to(body.shape).expand(len(around), -1))
    return replace(around, body=body, camera=replace(lens, place=place))


def turn_above_feet(legs: FootSkeleton, body: Body, turn: Float[Tensor, "3 3"]) -> Body:
    """Turn the body about its root, in camera space; the feet keep their orientation."""
    turned = turn_body(body.map(lambda t: t.to(legs.rest)), turn)
    before, after = (foot_joint_transforms(legs, x.map(lambda t: t.to(legs.rest)))[0] for x in (body, turned))
    for ankle in legs.ankles:
        turned.pose[:, legs.joints[ankle]] = after[:, legs.parents[ankle]].mT @ before[:, ankle]
    return turned.map(lambda t: t.to(body.pose))


def soles_in_camera(legs: FootSkeleton, motion: Motion) -> Float[Tensor, "B 4 3"]:
    """Heels and toes in camera space, in double precision."""
    return flip_camera_axes(sole_points(legs, motion.body)) + motion.camera.place.double()[:, None]


def shift_camera(camera: Camera, moves: Float[Tensor, "B 3"]) -> Camera:
    """Move the body's place in camera space."""
    return replace(camera, place=camera.place + moves.to(camera.place))
