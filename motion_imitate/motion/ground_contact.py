"""Where feet stand, and how the root and the feet of another body give way so that its feet stand there too.

A sole that stands is known by its speed alone. From frame to frame the root then takes, sideways and in depth, the step
that leaves standing soles standing; its height follows from where standing soles belong. In flight it keeps its course.
What the root can't mend, since two feet stand differently, each foot mends by a shift of its own.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.motion.windows import local_fit

LEVEL, DOWN = [0, 2], 1  # of camera axes
HOLD = 1e-3  # the last height's weight against that of soles about to stand


@dataclass(frozen=True)
class Grounding:
    """Speeds are in leg lengths per second and lengths in legs, so that children and guessed heights do not matter."""

    reach: float = 0.3  # seconds looked at on either side of a frame
    speed_reach: float = 0.12  # seconds on either side that a speed is measured over
    stands: tuple[float, float] = (0.6, 1.2)  # a sole that is slower stands; one that is faster does not
    still: tuple[float, float] = (0.3, 0.6)  # a standing sole that is slower is held; one that is faster slides along
    high: float = 0.25  # a sole held still so far above the lowest bears little
    settle: float = 0.05  # seconds in which the height goes over from one foot to the other
    leash: float = 0.5  # how far the root strays sideways and in depth before it is pulled back
    spot: float = 0.15  # the same for one who is to stay where he is
    pull: float = 2.0  # seconds in which it then comes back
    shift: float = 0.15  # how far a foot may be shifted beside the root
    fade: float = 0.15  # seconds in which the shift of a lifted foot goes


@dataclass(frozen=True)
class Soles:
    """Heels and toes in camera space, in double precision: the driver's, the same of the body that is to follow."""

    theirs: Float[Tensor, "M 4 3"]
    ours: Float[Tensor, "M 4 3"]
    belongs: Float[Tensor, "M 4"]  # the y of ours if all legs were alike
    seen: Bool[Tensor, " M"]
    seconds: Float[Tensor, " M"]


@dataclass(frozen=True)
class Gait:
    leg: float  # metres, the driver's
    stride: float  # metres our feet step for each of the driver's
    leash: float  # metres our root may stray


@dataclass(frozen=True)
class Stray:
    """How far the root and the feet, left and right, gave way in a frame: camera axes, metres."""

    root: Float[Tensor, " 3"]
    feet: Float[Tensor, "2 3"]
    seconds: Float[Tensor, ""]


@dataclass(frozen=True)
class Steps:
    """What standing asks for: from each frame to the next sideways and in depth, in each frame in height."""

    level: Float[Tensor, "m 4 2"]  # the step of the root that leaves a sole standing
    sure: Float[Tensor, "m 4"]  # how surely it stands in both frames
    rise: Float[Tensor, " M"]  # how much too high standing soles are around a frame, summed
    held: Float[Tensor, " M"]  # the weight of that sum
    own: Float[Tensor, "M 2"]  # how much too high each foot is
    stands: Float[Tensor, "M 2"]  # how surely it stands


def strayed(
    soles: Soles, due: slice, before: Stray | None, gait: Gait, how: Grounding
) -> tuple[Stray, Float[Tensor, "N 3"], Float[Tensor, "N 2 3"]]:
    """How far the root, and each foot beyond it, give way in the frames that are due, going on from `before`."""
    steps = stepped(soles, gait, how)
    roots, feet = [], []
    for i in range(due.start, due.stop):
        now = soles.seconds[i]
        if before is None:
            down = soles.belongs[i].max() - soles.ours[i, :, DOWN].max()
            before = Stray(torch.stack([0 * down, down, 0 * down]), now.new_zeros(2, 3), now)
        joined = i > 0 and bool(now - before.seconds <= how.reach)
        before = next_stray(before, steps, i, joined, now, gait, how)
        roots.append(before.root)
        feet.append(before.feet)
    assert before is not None
    return before, torch.stack(roots), torch.stack(feet)


def next_stray(
    before: Stray, steps: Steps, i: int, joined: bool, now: Float[Tensor, ""], gait: Gait, how: Grounding
) -> Stray:
    gap = now - before.seconds
    level, feet = before.root[LEVEL], before.feet[:, LEVEL]
    if joined:
        wanted, sure = steps.level[i - 1], steps.sure[i - 1]
        step = (sure[:, None] * wanted).sum(0) / sure.sum().clamp(min=1)
        level = level + step
        foot, firm = (sure[:, None] * wanted).view(2, 2, 2).sum(1), sure.view(2, 2).sum(1)[:, None]
        feet = feet + (foot - firm * step) / firm.clamp(min=1)
    level = level / (1 + gap / how.pull * (level.norm() / gait.leash) ** 4)
    down = (steps.rise[i] + HOLD * before.root[DOWN]) / (steps.held[i] + HOLD)
    stands = steps.stands[i]
    feet = feet * torch.exp(-gap / how.fade * (1 - stands))[:, None]
    wanted_down = stands * (steps.own[i] - down)
    own = before.feet[:, DOWN] + (wanted_down - before.feet[:, DOWN]) * (1 - torch.exp(-gap / how.settle))
    feet = torch.stack([feet[:, 0], own, feet[:, 1]], -1)
    far = feet.norm(dim=-1, keepdim=True) / (how.shift * gait.leg * gait.stride)
    return Stray(torch.stack([level[0], down, level[1]]), feet / far.clamp(min=1), now)


def stepped(soles: Soles, gait: Gait, how: Grounding) -> Steps:
    weight, speed = contact(soles.theirs, soles.seconds, gait.leg, how)
    weight = weight * soles.seen[:, None]
    still = fading(speed, how.still)
    slides = 1 - torch.minimum(still[1:], still[:-1])[..., None]
    level = slides * gait.stride * soles.theirs.diff(dim=0)[..., LEVEL] - soles.ours.diff(dim=0)[..., LEVEL]
    high = soles.belongs - soles.ours[..., DOWN]
    away = (soles.seconds[None] - soles.seconds[:, None]).abs()
    near = torch.exp(-away / how.settle) * (away <= how.reach)
    foot = weight.view(-1, 2, 2)
    return Steps(
        level=level,
        sure=torch.minimum(weight[1:], weight[:-1]),
        rise=near @ (weight * high).sum(1),
        held=near @ weight.sum(1),
        own=(foot * high.view(-1, 2, 2)).sum(-1) / foot.sum(-1).clamp(min=HOLD),
        stands=foot.amax(-1),
    )


def contact(
    points: Float[Tensor, "M 4 3"], seconds: Float[Tensor, " M"], leg: float, how: Grounding
) -> tuple[Float[Tensor, "M 4"], Float[Tensor, "M 4"]]:
    """How surely each point (camera space) bears the body, 0 to 1, and its speed in leg lengths per second."""
    _, slope = local_fit(seconds, seconds, how.speed_reach, torch.ones_like(seconds), order=1)
    speed = torch.einsum("nm,mki->nki", slope, points).norm(dim=-1) / leg
    alone = ((seconds[None] - seconds[:, None]).abs() < how.speed_reach).sum(1) < 2
    speed = torch.where(alone[:, None], torch.inf, speed)
    height = (points[..., DOWN].amax(1, keepdim=True) - points[..., DOWN]) / leg
    return fading(speed, how.stands) * torch.exp(-((height / how.high) ** 2)), speed


def fading(x: Float[Tensor, "*n"], limits: tuple[float, float]) -> Float[Tensor, "*n"]:
    """1 up to the first limit, 0 from the second on, smooth between."""
    full, none = limits
    t = ((none - x) / (none - full)).clamp(0, 1)
    return t * t * (3 - 2 * t)
