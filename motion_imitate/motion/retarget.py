"""Ordered steps: each takes runs of motion and yields runs of motion, holding only what it must remember.

A frame's result does not depend on how the stream was cut into runs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.camera import facing
from motion_imitate.motion.feet import Feet, feet, leg_length, soles
from motion_imitate.motion.ground_contact import Gait, Grounding, Soles, strayed
from motion_imitate.motion.leg_ik import reached
from motion_imitate.motion.windows import surrounded
from motion_imitate.types import Body, BodyModel, Camera, Motion


@dataclass(frozen=True)
class Retarget:
    """How the driver's place becomes the source's.

    smooth: from where the source stands he travels as the driver does, in steps of his own leg length.
    source: he stays where he stands; who walks, walks on the spot.
    copy: he is where the driver is, seen by the driver's camera; legs of another length then slide.
    """

    camera: Literal["smooth", "source", "copy"] = "smooth"
    scale: Literal["keep", "match"] = "keep"  # the person's size in the picture: his own; the driver's
    ground: bool = True  # the root gives way, and the legs bend, so that standing feet neither slide nor sink
    grounding: Grounding = field(default_factory=Grounding)


def retarget(
    runs: Iterable[Motion], source_body: Body, source_camera: Camera, model: BodyModel, how: Retarget = Retarget()
) -> Iterator[Motion]:
    """The driver's pose on the source's shape; `source_body` and `source_camera` are one frame, the photo's."""
    legs = feet(model)
    plan, stray = None, None
    for around, due in surrounded(runs, how.grounding.reach):
        plan = planned(around[:1], source_body, source_camera, model, legs, how) if plan is None else plan
        given = dressed(around, source_body.shape, plan)
        if how.ground:
            theirs, ours = soles_seen(legs, around), soles_seen(legs, given)
            ground = plan.driver_floor if plan.travel else theirs[..., 1].amax(1, keepdim=True)
            belongs = plan.floor + plan.gait.stride * (theirs[..., 1] - ground)
            soles = Soles(theirs, ours, belongs, around.confidence > 0, around.seconds.to(theirs))
            stray, root, shifts = strayed(soles, due, stray, plan.gait, how.grounding)
            stands = reached(legs, given.body[due], facing(shifts))
            yield replace(given[due], body=stands, camera=moved(given.camera[due], root))
        else:
            yield given[due]


@dataclass(frozen=True)
class Plan:
    """What the first frame settles: how the driver's space lies in the source's. One row each."""

    gait: Gait
    travel: float  # metres the source travels for each of the driver's
    start: Float[Tensor, "1 3"]  # the driver's place in the first frame
    stand: Float[Tensor, "1 3"]  # the source's
    driver_floor: Float[Tensor, ""]  # camera y of the driver's lowest sole in the first frame
    floor: Float[Tensor, ""]  # and of the source's
    lens: Camera | None  # the source's, unless the driver's is kept


def planned(first: Motion, body: Body, camera: Camera, model: BodyModel, legs: Feet, how: Retarget) -> Plan:
    copied = how.camera == "copy"
    start = first.camera.place
    camera = first.camera if copied else camera.map(lambda t: t.to(start))
    size = 1.0
    if how.scale == "match":
        theirs = height(model, first.body.shape) * first.camera.focal[0, 1] / start[0, 2]
        size = float(height(model, body.shape) * camera.focal[0, 1] / camera.place[0, 2] / theirs)
    stand = camera.place * size
    driver_leg, leg = float(leg_length(legs, first.body.shape)), float(leg_length(legs, body.shape))
    stride = size if copied else leg / driver_leg
    driver_floor = soles_seen(legs, first)[..., 1].max()
    own = soles(legs, body.map(lambda t: t.to(start)))[..., 1]
    floor = driver_floor * stride if copied else (stand.to(own)[0, 1] - own).max()
    travel, leash = (0.0, how.grounding.spot) if how.camera == "source" else (stride, how.grounding.leash)
    return Plan(
        Gait(driver_leg, stride, leash * leg), travel, start, stand, driver_floor, floor, None if copied else camera
    )


def height(model: BodyModel, shape: Float[Tensor, "1 S"]) -> Tensor:
    """Metres from sole to crown at rest."""
    skin = model.skin
    rest = skin.template[:, 1] + shape[0].to(skin.template) @ skin.shape_dirs[..., 1]
    return (rest.max() - rest.min()).to(shape)


def dressed(around: Motion, shape: Float[Tensor, "1 S"], plan: Plan) -> Motion:
    """The driver's pose on the source's body, placed by the strategy alone."""
    place = plan.stand + plan.travel * (around.camera.place - plan.start)
    lens = around.camera if plan.lens is None else plan.lens.map(lambda t: t.expand(len(around), -1))
    body = Body(around.body.pose, shape.to(around.body.shape).expand(len(around), -1))
    return replace(around, body=body, camera=replace(lens, place=place))


def soles_seen(legs: Feet, motion: Motion) -> Float[Tensor, "B 4 3"]:
    """Heels and toes in camera space, in double precision."""
    return facing(soles(legs, motion.body)) + motion.camera.place.double()[:, None]


def moved(camera: Camera, moves: Float[Tensor, "B 3"]) -> Camera:
    return replace(camera, place=camera.place + moves.to(camera.place))
