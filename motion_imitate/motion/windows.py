"""Shots and sliding time windows of a stream of runs, and interpolation in time."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby, pairwise
from math import inf
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.rotations import interpolate_rotations
from motion_imitate.types import Body, Camera, Frames, Motion, Sighting, cat_batched

InShots = TypeVar("InShots", Frames, Sighting, Motion)

FIT_RIDGE = 1e-9  # regularizes a fit to fewer frames than it has coefficients


def iter_shots(runs: Iterable[InShots]) -> Iterator[Iterator[InShots]]:
    """The runs of each shot. Each shot must be taken before the next one."""
    pieces = (piece for run in runs for piece in split_at_cuts(run))
    return (shot for _, shot in groupby(pieces, lambda piece: int(piece.shot[0])))


def split_at_cuts(run: InShots) -> Iterator[InShots]:
    """The parts of a run that lie in one shot each."""
    if len(run):
        starts = [0, *(int(t) + 1 for t in run.shot.diff().nonzero()[:, 0]), len(run)]
        yield from (run[start:stop] for start, stop in pairwise(starts))


def iter_motion_windows(
    runs: Iterable[Motion], reach: float, until: float = -inf, near: float = 0.0
) -> Iterator[tuple[Motion, slice]]:
    """Yield windows and the slice of each that is due: due frames come in order, with all frames within `reach`
    seconds. If that is before the second `until`, those within `near` seconds suffice.

    Which frames are due at once depends on how the stream is divided into runs; the frames within `reach` of a frame
    don't. Only those are kept in memory.
    """
    held, done = None, 0
    for run in runs:
        held = run if held is None else cat_batched([held, run])
        wait = torch.where(held.seconds + reach > until, reach, near)
        ready = int((held.seconds + wait < held.seconds[-1:]).sum()) if len(held) else 0
        if ready > done:
            yield held, slice(done, ready)
            first = int((held.seconds < held.seconds[ready] - reach).sum())
            held, done = held[first:], ready - first
    if held is not None and done < len(held):
        yield held, slice(done, len(held))


def local_fit_weights(
    seconds: Float[Tensor, " M"], at: Float[Tensor, " N"], reach: float, trust: Float[Tensor, " M"], order: int
) -> tuple[Float[Tensor, "N M"], Float[Tensor, "N M"]]:
    """Weights over frames that give the value, and the slope per second, of a polynomial fitted around each `at`.

    Frames are weighted by nearness (0 beyond `reach`) times trust. A polynomial up to `order` is reproduced exactly.
    """
    away = (seconds[None] - at[:, None]) / reach
    weight = (1 - away**2).clamp(min=0) ** 2 * trust
    powers = away[..., None] ** torch.arange(order + 1, dtype=away.dtype, device=away.device)
    normal = torch.einsum("nm,nmi,nmj->nij", weight, powers, powers)
    ridge = torch.eye(order + 1, dtype=away.dtype, device=away.device)
    ridge[0, 0] = 0
    solved = torch.linalg.solve(normal + FIT_RIDGE * weight.sum(1)[:, None, None] * ridge, powers.mT * weight[:, None])
    return solved[:, 0], solved[:, 1] / reach


def interpolate_motions(a: Motion, b: Motion, part: Float[Tensor, " B"]) -> Motion:
    """Interpolate frame by frame from a (part 0) to b (part 1): rotations by the shortest path, all else linearly."""

    def line(x: Tensor, y: Tensor) -> Tensor:
        return torch.lerp(x, y, part.to(x).view(-1, *[1] * (x.dim() - 1)))

    body = Body(interpolate_rotations(a.body.pose, b.body.pose, part[:, None]), line(a.body.shape, b.body.shape))
    camera = Camera(*(line(getattr(a.camera, k), getattr(b.camera, k)) for k in ("focal", "centre", "place")))
    return Motion(body, camera, line(a.confidence, b.confidence), line(a.seconds, b.seconds), a.shot)


def resample_motion(motion: Motion, seconds: Float[Tensor, " N"]) -> Motion:
    """Resample the motion at other times; before the first and after the last frame the pose is held.

    Between two shots the nearer frame is taken.
    """
    wanted = seconds.to(motion.seconds).contiguous()
    after = torch.searchsorted(motion.seconds.contiguous(), wanted).clamp(1, max(len(motion) - 1, 1))
    a, b = motion[after - 1], motion[after.clamp(max=len(motion) - 1)]
    part = (wanted - a.seconds) / (b.seconds - a.seconds).clamp(min=torch.finfo(wanted.dtype).tiny)
    part = torch.where(a.shot == b.shot, part.clamp(0, 1), part.clamp(0, 1).round())
    shot = torch.where(part < 1, a.shot, b.shot)
    return replace(interpolate_motions(a, b, part.to(motion.body.pose)), seconds=wanted, shot=shot)
