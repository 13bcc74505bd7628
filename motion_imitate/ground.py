"""Where feet stand, and how the root of another body gives way so that its feet stand there too.

A sole that stands is known by its speed alone. From frame to frame the root then takes, sideways and in depth, the step
that leaves standing soles standing; its height follows from where standing soles belong. In flight it keeps its course.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.windows import local_fit

LEVEL, DOWN = [0, 2], 1  # of camera axes
HOLD = 1e-3  # the last height's weight against that of soles about to stand


@dataclass(frozen=True)
class Grounding:
    """Speeds are in leg lengths per second and lengths in legs, so that children and guessed heights do not matter."""

    reach: float = 0.3  # seconds looked at on either side of a frame
    speed_reach: float = 0.12  # seconds on either side that a speed is measured over
    stands: tuple[float, float] = (0.3, 0.8)  # a sole that is slower stands; one that is faster does not
    still: tuple[float, float] = (0.15, 0.3)  # a standing sole that is slower is held; one that is faster slides along
    high: float = 0.25  # a sole held still so far above the lowest bears little
    settle: float = 0.05  # seconds in which the height goes over from one foot to the other
    leash: float = 0.5  # how far the root strays sideways and in depth before it is pulled back
    spot: float = 0.15  # the same for one who is to stay where he is
    pull: float = 2.0  # seconds in which it then comes back


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
    """How far the root gave way in a frame."""

    level: Float[Tensor, " 2"]
    down: Float[Tensor, ""]
    seconds: Float[Tensor, ""]


def strayed(
    soles: Soles, due: slice, before: Stray | None, gait: Gait, how: Grounding
) -> tuple[Stray, Float[Tensor, "N 3"]]:
    """How far the root gives way in the frames that are due, going on from the frame before."""
    weight, speed = contact(soles.theirs, soles.seconds, gait.leg, how)
    weight = weight * soles.seen[:, None]
    steps, sure = level_steps(soles, weight, fading(speed, how.still), gait.stride)
    rises, held = rise(soles, weight, how)
    moves = []
    for i in range(due.start, due.stop):
        now = soles.seconds[i]
        if before is None:
            before = Stray(now.new_zeros(2), soles.belongs[i].max() - soles.ours[i, :, DOWN].max(), now)
        gap = now - before.seconds
        level = before.level
        if i > 0 and gap <= how.reach:
            level = level + steps[i - 1] / sure[i - 1].clamp(min=1)
        far = level.norm() / gait.leash
        level = level / (1 + gap / how.pull * far**4)
        before = Stray(level, (rises[i] + HOLD * before.down) / (held[i] + HOLD), now)
        moves.append(torch.stack([level[0], before.down, level[1]]))
    assert before is not None
    return before, torch.stack(moves)


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


def level_steps(
    soles: Soles, weight: Float[Tensor, "M 4"], still: Float[Tensor, "M 4"], stride: float
) -> tuple[Float[Tensor, "m 2"], Float[Tensor, " m"]]:
    """From each frame to the next, the root's level steps that leave standing soles standing: their sum, its weight."""
    both = torch.minimum(weight[1:], weight[:-1])
    slides = 1 - torch.minimum(still[1:], still[:-1])[..., None]
    wanted = slides * stride * soles.theirs.diff(dim=0)[..., LEVEL] - soles.ours.diff(dim=0)[..., LEVEL]
    return (both[..., None] * wanted).sum(1), both.sum(1)


def rise(soles: Soles, weight: Float[Tensor, "M 4"], how: Grounding) -> tuple[Float[Tensor, " M"], Float[Tensor, " M"]]:
    """Around each frame, by how much standing soles are too high: the sum, and its weight."""
    away = (soles.seconds[None] - soles.seconds[:, None]).abs()
    near = torch.exp(-away / how.settle) * (away <= how.reach)
    wanted = soles.belongs - soles.ours[..., DOWN]
    return near @ (weight * wanted).sum(1), near @ weight.sum(1)
