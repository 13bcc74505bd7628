"""Find which way is up in a driver's camera, and turn the motion so that the driver stands upright in a level camera.

While a person stands, the centre of mass is above the feet, however the trunk leans; and the places where feet have
stood lie in one plane. Both hold in a fitted body whatever the camera's roll and pitch, so they show its up direction.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from math import radians

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.camera import camera_to_image, flip_camera_axes
from motion_imitate.geometry.mesh import volume_centroids
from motion_imitate.geometry.rotations import interpolate_rotations
from motion_imitate.motion.feet import FootSkeleton, build_foot_skeleton, foot_joint_transforms, leg_length, sole_points
from motion_imitate.motion.ground_contact import Grounding, point_speeds, smooth_falloff
from motion_imitate.motion.windows import iter_motion_windows
from motion_imitate.types import Batched, Body, BodyModel, Camera, Motion, cat_batched

LEVEL_UP = (0.0, -1.0, 0.0)  # of a level camera, in camera space


@dataclass(frozen=True)
class Standing:
    """What counts as standing, and how exactly it shows the up direction."""

    straight: tuple[float, float] = (0.75, 0.9)  # hip to ankle in leg lengths: from bent to straight legs
    flat: tuple[float, float] = (0.5, 0.8)  # sine of a sole's slope: from flat to upright, as of a lying person
    pelvis: tuple[float, float] = (0.5, 0.8)  # cosine of the angle of pelvis and balance: from bent over to upright
    lean: float = 0.5  # cosine of the largest tilt believed, 60 degrees
    away: float = 0.7  # sine of the largest tilt with the head away from the camera, 45 degrees
    robust: float = radians(8)  # frames farther than this from the mean count less
    balance: float = radians(6)  # standard error of the direction from feet to centre of mass in one `period`
    plane: float = 0.06  # the same of a foot's height, in metres
    period: float = 0.5  # seconds in which one independent observation is made
    periods: int = 4  # observations after which `balance` gets no better: the fit's own lean stays
    enough: float = 3.0  # seconds of standing after which the up direction is settled
    least: float = 1.0  # seconds; with less standing than that, the motion is left as it is
    ahead: float = 8.0  # seconds of motion that are looked at, at most
    memory: float = 20.0  # seconds that live turning remembers
    photo: float = 0.5  # least weight of a photo's stance
    settle: float = 1.5  # time constant of live turning, in seconds
    contact: Grounding = field(default_factory=Grounding)


@dataclass(frozen=True)
class Stances(Batched):
    """How a person stands in each frame, in camera space and double precision."""

    balance: Float[Tensor, "T 3"]  # unit vector from the supporting feet to the centre of mass
    feet: Float[Tensor, "T 2 3"]
    firm: Float[Tensor, "T 2"]  # how surely a foot stands flat, under a straight leg, in the picture
    weight: Float[Tensor, " T"]  # how surely the person stands, 0 to 1
    seconds: Float[Tensor, " T"]


@dataclass(frozen=True)
class UpDirection:
    """The up direction in camera space, and the seconds of standing that it was found in."""

    up: Float[Tensor, " 3"]
    seconds: float


def stand_upright(
    runs: Iterable[Motion], model: BodyModel, scan: Iterable[Motion] | None = None, how: Standing = Standing()
) -> tuple[Iterable[Motion], bool]:
    """Turn a motion upright by one rotation; also returns whether there was enough standing to find it.

    Looks at the motion, or at a rough one that is known beforehand, until `enough` seconds of standing or `ahead`
    seconds of motion are known.
    """
    legs, held, seen, settled = build_foot_skeleton(model), list[Motion](), list[Stances](), None
    windows = iter_motion_windows(runs if scan is None else scan, how.contact.speed_reach)
    for around, due in windows:
        held.append(around[due])
        seen.append(measure_stances(around, due, model, legs, how))
        settled = frames_until_settled(cat_batched(seen), how)
        if settled is not None:
            break
    every = chain(held, (around[due] for around, due in windows)) if scan is None else runs
    found = estimate_up(cat_batched(seen)[:settled], how) if seen else None
    if found is None or found.seconds < how.least:
        return every, False
    turn = level_camera(found.up)
    return (turn_motion(run, turn) for run in every), True


def stand_upright_live(
    runs: Iterable[Motion], model: BodyModel, _: Iterable[Motion] | None = None, how: Standing = Standing()
) -> tuple[Iterable[Motion], bool]:
    """Turn a motion upright as far as the frames so far show which way is up; the rotation changes slowly."""
    return follow_upright(runs, model, how), True


def follow_upright(runs: Iterable[Motion], model: BodyModel, how: Standing) -> Iterator[Motion]:
    """Turn each frame by what the frames before it show, on the spot: a change of the rotation moves nobody."""
    legs, known, last, place, asked = build_foot_skeleton(model), None, None, None, None
    turn = goal = torch.eye(3, dtype=torch.float64)
    for around, due in iter_motion_windows(runs, how.contact.speed_reach):
        stances, turned = measure_stances(around, due, model, legs, how), []
        known = stances if known is None else cat_batched([known, stances])
        for i in range(due.start, due.stop):
            now = around[i : i + 1]
            if asked is None or now.seconds >= asked + how.period:
                some = known[: len(known) - (due.stop - i - 1)]
                found = estimate_up(some[some.seconds > now.seconds - how.memory], how)
                goal = level_camera(found.up) if found.seconds >= how.least else goal
                asked = now.seconds
            if last is not None:
                share = 1 - torch.exp((last.seconds - now.seconds).double() / how.settle)
                turn = interpolate_rotations(turn, goal, share[0])
            moved = turn_motion(now, turn)
            if last is not None and place is not None:
                place = place + (now.camera.place - last.camera.place) @ turn.mT.to(now.camera.place)
                moved = replace(moved, camera=replace(moved.camera, place=place))
            last, place = now, moved.camera.place
            turned.append(moved)
        known = known[known.seconds > known.seconds[-1] - how.memory]
        yield cat_batched(turned)


def leave_tilted(
    runs: Iterable[Motion], _: BodyModel, __: Iterable[Motion] | None = None
) -> tuple[Iterable[Motion], bool]:
    """The motion as it is."""
    return runs, False


TurnUpright = Callable[[Iterable[Motion], BodyModel, Iterable[Motion] | None], tuple[Iterable[Motion], bool]]
UPRIGHT: dict[str, TurnUpright] = {
    "auto": stand_upright,
    "live": stand_upright_live,
    "off": leave_tilted,
}


def photo_lean(body: Body, camera: Camera, model: BodyModel, how: Standing = Standing()) -> Float[Tensor, "3 3"]:
    """The rotation of an upright body that makes it lean to or from the camera as the standing person of a photo does.

    That is the photo's camera looking down, and the error of the fit, which the rendered person shares. Identity if
    the person does not stand. Roll is left out: one picture does not show on which foot the weight is.
    """
    one = Motion(body, camera, torch.ones(1), torch.zeros(1))
    twice = replace(cat_batched([one, one]), seconds=torch.tensor([0.0, how.contact.speed_reach / 2]))
    stance = measure_stances(twice, slice(1), model, build_foot_skeleton(model), how)
    up = stance.balance[0] * stance.balance.new_tensor([0.0, 1, 1])
    if stance.weight[0] < how.photo:
        return torch.eye(3, dtype=up.dtype)
    return level_camera(torch.nn.functional.normalize(up, dim=0)).mT


def frames_until_settled(stances: Stances, how: Standing) -> int | None:
    """How many frames settle the up direction; None if more are needed."""
    stood = (stances.weight * frame_durations(stances.seconds)).cumsum(0)
    done = (stood >= how.enough) | (stances.seconds - stances.seconds[0] >= how.ahead)
    return int(done.double().argmax()) + 1 if bool(done.any()) else None


def frame_durations(seconds: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
    """Seconds since the frame before, at most a fifth of a second."""
    return seconds.diff(prepend=seconds[:1]).clamp(max=0.2)


def measure_stances(around: Motion, due: slice, model: BodyModel, legs: FootSkeleton, how: Standing) -> Stances:
    """How the person stands in the frames that are due."""
    motion, contact = around[due], how.contact
    length = leg_length(legs, around.body.shape[:1])
    soles = flip_camera_axes(sole_points(legs, around.body)) + around.camera.place.double()[:, None]
    speed = point_speeds(soles, around.seconds.double(), due, contact.speed_reach) / length
    soles = soles[due]
    _, joints = foot_joint_transforms(legs, motion.body.map(lambda t: t.double()))
    hips, ankles = (joints[:, [leg[end] for leg in legs.legs]] for end in (0, 2))
    mass = flip_camera_axes(volume_centroids(model(motion.body)[0], model.faces).double()) + motion.camera.place
    still = smooth_falloff(speed, contact.stands)
    bears, balance = still, mass - soles.mean(1)
    for _ in range(2):
        balance = mass - weighted_mean(soles, bears)
        drop = -(soles * torch.nn.functional.normalize(balance, dim=-1)[:, None]).sum(-1) / length
        bears = still * torch.exp(-(((drop.amax(1, keepdim=True) - drop) / contact.high) ** 2))
    balance = torch.nn.functional.normalize(mass - weighted_mean(soles, bears), dim=-1)
    along = torch.nn.functional.normalize(soles[:, 1::2] - soles[:, ::2], dim=-1)
    flat = smooth_falloff((along * balance[:, None]).sum(-1).abs(), how.flat)
    straight = smooth_rise((ankles - hips).norm(dim=-1) / length, how.straight)
    inside = (camera_to_image(soles.float(), motion.camera)[..., :2].abs() < 1).all(-1).view(-1, 2, 2).all(-1)
    firm = bears.view(-1, 2, 2).amax(-1) * flat * straight * inside
    pelvis = flip_camera_axes(motion.body.pose[:, 0, :, 1].double())
    believed = (-balance[:, 1] > how.lean) & (balance[:, 2] < how.away) & (motion.confidence > 0)
    stands = firm.amax(1) * smooth_rise((pelvis * balance).sum(-1), how.pelvis) * believed
    return Stances(balance, soles.view(-1, 2, 2, 3).mean(2), firm, stands, motion.seconds.double())


def estimate_up(stances: Stances, how: Standing = Standing()) -> UpDirection:
    """The direction in which the centre of mass is above the feet, and in which all footholds are equally high."""
    spent = frame_durations(stances.seconds)
    weight = stances.weight * spent
    stood = float(weight.sum())
    up = stances.balance.new_tensor(LEVEL_UP)
    if stood == 0:
        return UpDirection(up, 0.0)
    for k in range(6):
        off = torch.linalg.cross(stances.balance, up.expand_as(stances.balance)).norm(dim=-1)
        close = weight / (off / how.robust).clamp(min=1) if k else weight
        up = torch.nn.functional.normalize((close[:, None] * stances.balance).sum(0), dim=0)
    firm = (stances.firm * (stances.weight > 0)[:, None] * spent[:, None]).flatten()
    feet = stances.feet.flatten(0, 1)
    from_middle = feet - weighted_mean(feet[None], firm[None])
    scatter = (firm[:, None] * from_middle).mT @ from_middle / how.period / how.plane**2
    sure = min(stood / how.period, how.periods) / how.balance**2
    up = torch.linalg.solve(scatter + sure * torch.eye(3, dtype=up.dtype), sure * up)
    return UpDirection(torch.nn.functional.normalize(up, dim=0), stood)


def level_camera(up: Float[Tensor, " 3"]) -> Float[Tensor, "3 3"]:
    """The rotation from camera space to that of a level camera with the same heading."""
    down = -up
    away = torch.nn.functional.normalize(up.new_tensor([0.0, 0.0, 1.0]) - down[2] * down, dim=0)
    return torch.stack([torch.linalg.cross(down, away), down, away])


def turn_motion(motion: Motion, turn: Float[Tensor, "3 3"]) -> Motion:
    """The motion as seen by a camera that is turned on the spot; `turn` is a rotation of camera space."""
    place = motion.camera.place @ turn.mT.to(motion.camera.place)
    return replace(motion, body=turn_body(motion.body, turn), camera=replace(motion.camera, place=place))


def turn_body(body: Body, turn: Float[Tensor, "3 3"]) -> Body:
    """The body turned about its root; `turn` is a rotation of camera space."""
    pose = body.pose.clone()
    pose[:, 0] = flip_camera_axes(flip_camera_axes(turn.to(pose)).mT).mT @ pose[:, 0]
    return replace(body, pose=pose)


def weighted_mean(points: Float[Tensor, "B N 3"], weights: Float[Tensor, "B N"]) -> Float[Tensor, "B 3"]:
    """The mean of the points; the plain mean where all weights are 0."""
    weights = weights + 1e-6
    return (weights[..., None] * points).sum(1) / weights.sum(1, keepdim=True)


def smooth_rise(x: Float[Tensor, "*n"], limits: tuple[float, float]) -> Float[Tensor, "*n"]:
    """0 up to the first limit, 1 from the second on, smooth in between."""
    return 1 - smooth_falloff(x, limits)
