"""A motion's frames with the frames around them, by seconds, from a stream of runs of which few are held."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.rotations import between
from motion_imitate.types import Body, Camera, Motion, cat

RIDGE = 1e-9  # of a fit to fewer frames than it has coefficients


def surrounded(runs: Iterable[Motion], reach: float) -> Iterator[tuple[Motion, slice]]:
    """The motion in order, each stretch among at least all frames within `reach` seconds of it: frames, which are due.

    What is due differs with the cuts between runs; the frames within `reach` of a frame do not. Only those are held.
    """
    held, done = None, 0
    for run in runs:
        held = run if held is None else cat([held, run])
        ready = int((held.seconds + reach < held.seconds[-1:]).sum()) if len(held) else 0
        if ready > done:
            yield held, slice(done, ready)
            first = int((held.seconds < held.seconds[ready] - reach).sum())
            held, done = held[first:], ready - first
    if held is not None and done < len(held):
        yield held, slice(done, len(held))


def local_fit(
    seconds: Float[Tensor, " M"], at: Float[Tensor, " N"], reach: float, trust: Float[Tensor, " M"], order: int
) -> tuple[Float[Tensor, "N M"], Float[Tensor, "N M"]]:
    """Weights whose sums over frames give the value, and the slope per second, of a polynomial fitted round each `at`.

    Frames count by nearness (not at all from `reach` on) times trust; a polynomial up to `order` passes unchanged.
    """
    away = (seconds[None] - at[:, None]) / reach
    weight = (1 - away**2).clamp(min=0) ** 2 * trust
    powers = away[..., None] ** torch.arange(order + 1, dtype=away.dtype, device=away.device)
    normal = torch.einsum("nm,nmi,nmj->nij", weight, powers, powers)
    ridge = torch.eye(order + 1, dtype=away.dtype, device=away.device)
    ridge[0, 0] = 0
    solved = torch.linalg.solve(normal + RIDGE * weight.sum(1)[:, None, None] * ridge, powers.mT * weight[:, None])
    return solved[:, 0], solved[:, 1] / reach


def mixed(a: Motion, b: Motion, part: Float[Tensor, " B"]) -> Motion:
    """Frame by frame from a (part 0) to b (part 1): turns the shortest way, all else in a straight line."""

    def line(x: Tensor, y: Tensor) -> Tensor:
        return torch.lerp(x, y, part.to(x).view(-1, *[1] * (x.dim() - 1)))

    body = Body(between(a.body.pose, b.body.pose, part[:, None]), line(a.body.shape, b.body.shape))
    camera = Camera(*(line(getattr(a.camera, k), getattr(b.camera, k)) for k in ("focal", "centre", "place")))
    return Motion(body, camera, line(a.confidence, b.confidence), line(a.seconds, b.seconds))


def at(motion: Motion, seconds: Float[Tensor, " N"]) -> Motion:
    """The motion at other moments, between its frames; before the first and after the last it stands still."""
    wanted = seconds.to(motion.seconds).contiguous()
    after = torch.searchsorted(motion.seconds.contiguous(), wanted).clamp(1, max(len(motion) - 1, 1))
    a, b = motion[after - 1], motion[after.clamp(max=len(motion) - 1)]
    part = (wanted - a.seconds) / (b.seconds - a.seconds).clamp(min=torch.finfo(wanted.dtype).tiny)
    return replace(mixed(a, b, part.clamp(0, 1).to(motion.body.pose)), seconds=wanted)
