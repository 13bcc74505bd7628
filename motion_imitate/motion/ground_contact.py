"""Detect standing feet, and move the root and the feet of another body so that its feet stand too.

Contact is detected from a sole's speed alone. Between frames the root takes the horizontal step that keeps standing
soles in place; its height follows from where standing soles belong. In flight it keeps its course. Where two standing
feet ask for different steps, each foot is corrected by an offset of its own.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.motion.windows import local_fit_weights

LEVEL, DOWN = [0, 2], 1  # indices of camera axes
HEIGHT_HOLD = 1e-3  # weight of the previous height against that of soles about to stand


@dataclass(frozen=True)
class Grounding:
    """Parameters of ground contact. Speeds are in leg lengths per second and lengths in leg lengths, so body size does
    not matter."""

    reach: float = 0.3  # seconds considered on either side of a frame
    speed_reach: float = 0.12  # seconds on either side over which speed is measured
    stands: tuple[float, float] = (0.6, 1.2)  # slower soles stand, faster ones don't
    still: tuple[float, float] = (0.3, 0.6)  # slower standing soles are held in place, faster ones slide along
    high: float = 0.25  # a still sole this far above the lowest bears little weight
    settle: float = 0.05  # seconds in which the height changes over from one foot to the other
    leash: float = 0.5  # horizontal root offset beyond which the root is pulled back
    spot: float = 0.15  # the same for a person who stays in place
    pull: float = 2.0  # time constant of that pull, in seconds
    shift: float = 0.15  # maximum offset of a foot relative to the root
    fade: float = 0.15  # seconds in which the offset of a lifted foot decays


@dataclass(frozen=True)
class SoleTracks:
    """Heels and toes in camera space, in double precision, of the driver and of the body that follows."""

    theirs: Float[Tensor, "M 4 3"]
    ours: Float[Tensor, "M 4 3"]
    belongs: Float[Tensor, "M 4"]  # target y of our soles if both legs had the same proportions
    seen: Bool[Tensor, " M"]
    seconds: Float[Tensor, " M"]


@dataclass(frozen=True)
class Gait:
    """Leg lengths and limits of the two bodies."""

    leg: float  # metres; the driver's leg length
    stride: float  # our step length for each metre of the driver's
    leash: float  # metres; maximum root offset


@dataclass(frozen=True)
class GroundOffset:
    """Offsets of the root and of the left and right foot in a frame: camera axes, metres."""

    root: Float[Tensor, " 3"]
    feet: Float[Tensor, "2 3"]
    seconds: Float[Tensor, ""]


@dataclass(frozen=True)
class ContactSteps:
    """What standing soles require: horizontal steps between frames, and the height in each frame."""

    level: Float[Tensor, "m 4 2"]  # root step that keeps a sole in place
    sure: Float[Tensor, "m 4"]  # how surely the sole stands in both frames
    rise: Float[Tensor, " M"]  # weighted sum of how much too high the standing soles around a frame are
    held: Float[Tensor, " M"]  # weight of that sum
    own: Float[Tensor, "M 2"]  # how much too high each foot is
    stands: Float[Tensor, "M 2"]  # how surely each foot stands


def follow_ground(
    soles: SoleTracks, due: slice, before: GroundOffset | None, gait: Gait, how: Grounding
) -> tuple[GroundOffset, Float[Tensor, "N 3"], Float[Tensor, "N 2 3"]]:
    """Offsets of the root, and of each foot relative to it, for the frames that are due, continuing from `before`."""
    steps = measure_contact_steps(soles, gait, how)
    roots, feet = [], []
    for i in range(due.start, due.stop):
        now = soles.seconds[i]
        if before is None:
            down = soles.belongs[i].max() - soles.ours[i, :, DOWN].max()
            before = GroundOffset(torch.stack([0 * down, down, 0 * down]), now.new_zeros(2, 3), now)
        joined = i > 0 and bool(now - before.seconds <= how.reach)
        before = next_ground_offset(before, steps, i, joined, now, gait, how)
        roots.append(before.root)
        feet.append(before.feet)
    assert before is not None
    return before, torch.stack(roots), torch.stack(feet)


def next_ground_offset(
    before: GroundOffset, steps: ContactSteps, i: int, joined: bool, now: Float[Tensor, ""], gait: Gait, how: Grounding
) -> GroundOffset:
    """Advance the offsets by one frame; `joined` is false after a gap, where no step is known."""
    gap = now - before.seconds
    level, feet = before.root[LEVEL], before.feet[:, LEVEL]
    if joined:
        wanted, sure = steps.level[i - 1], steps.sure[i - 1]
        step = (sure[:, None] * wanted).sum(0) / sure.sum().clamp(min=1)
        level = level + step
        foot, firm = (sure[:, None] * wanted).view(2, 2, 2).sum(1), sure.view(2, 2).sum(1)[:, None]
        feet = feet + (foot - firm * step) / firm.clamp(min=1)
    level = level / (1 + gap / how.pull * (level.norm() / gait.leash) ** 4)
    down = (steps.rise[i] + HEIGHT_HOLD * before.root[DOWN]) / (steps.held[i] + HEIGHT_HOLD)
    stands = steps.stands[i]
    feet = feet * torch.exp(-gap / how.fade * (1 - stands))[:, None]
    wanted_down = stands * (steps.own[i] - down)
    own = before.feet[:, DOWN] + (wanted_down - before.feet[:, DOWN]) * (1 - torch.exp(-gap / how.settle))
    feet = torch.stack([feet[:, 0], own, feet[:, 1]], -1)
    far = feet.norm(dim=-1, keepdim=True) / (how.shift * gait.leg * gait.stride)
    return GroundOffset(torch.stack([level[0], down, level[1]]), feet / far.clamp(min=1), now)


def measure_contact_steps(soles: SoleTracks, gait: Gait, how: Grounding) -> ContactSteps:
    """Measure contact and the steps that it requires, over a window of frames."""
    weight, speed = contact_weights(soles.theirs, soles.seconds, gait.leg, how)
    weight = weight * soles.seen[:, None]
    still = smooth_falloff(speed, how.still)
    slides = 1 - torch.minimum(still[1:], still[:-1])[..., None]
    level = slides * gait.stride * soles.theirs.diff(dim=0)[..., LEVEL] - soles.ours.diff(dim=0)[..., LEVEL]
    high = soles.belongs - soles.ours[..., DOWN]
    away = (soles.seconds[None] - soles.seconds[:, None]).abs()
    near = torch.exp(-away / how.settle) * (away <= how.reach)
    foot = weight.view(-1, 2, 2)
    return ContactSteps(
        level=level,
        sure=torch.minimum(weight[1:], weight[:-1]),
        rise=near @ (weight * high).sum(1),
        held=near @ weight.sum(1),
        own=(foot * high.view(-1, 2, 2)).sum(-1) / foot.sum(-1).clamp(min=HEIGHT_HOLD),
        stands=foot.amax(-1),
    )


def contact_weights(
    points: Float[Tensor, "M 4 3"], seconds: Float[Tensor, " M"], leg: float, how: Grounding
) -> tuple[Float[Tensor, "M 4"], Float[Tensor, "M 4"]]:
    """How surely each point (camera space) bears weight, 0 to 1, and its speed in leg lengths per second."""
    speed = point_speeds(points, seconds, slice(len(seconds)), how.speed_reach) / leg
    height = (points[..., DOWN].amax(1, keepdim=True) - points[..., DOWN]) / leg
    return smooth_falloff(speed, how.stands) * torch.exp(-((height / how.high) ** 2)), speed


def point_speeds(
    points: Float[Tensor, "M K 3"], seconds: Float[Tensor, " M"], due: slice, reach: float
) -> Float[Tensor, "N K"]:
    """Speed of each point in the frames that are due; infinite where no other frame is within reach."""
    at = seconds[due]
    _, slope = local_fit_weights(seconds, at, reach, torch.ones_like(seconds), order=1)
    speed = torch.einsum("nm,mki->nki", slope, points).norm(dim=-1)
    alone = ((seconds[None] - at[:, None]).abs() < reach).sum(1) < 2
    return torch.where(alone[:, None], torch.inf, speed)


def smooth_falloff(x: Float[Tensor, "*n"], limits: tuple[float, float]) -> Float[Tensor, "*n"]:
    """1 up to the first limit, 0 from the second on, smooth in between."""
    full, none = limits
    t = ((none - x) / (none - full)).clamp(0, 1)
    return t * t * (3 - 2 * t)
