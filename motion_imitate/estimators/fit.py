"""Fitting a stream: windows with overlap for a file, frame by frame for live input. What is remembered is local."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.estimators.fitter import Clip, Fitter
from motion_imitate.estimators.rig import State, joined
from motion_imitate.estimators.silhouette import Edges
from motion_imitate.estimators.terms import Evidence, evidence, plane_error
from motion_imitate.geometry.camera import unknown_lens
from motion_imitate.types import Camera, Motion, Sighting, cat

NEAR = 0.1  # seconds between frames over which motion is taken to be smooth
ANCHOR = 2  # frames fitted before that a window starts from: smoothness looks two frames back


@dataclass(frozen=True)
class Windows:
    frames: int = 64  # fitted together
    overlap: int = 16  # of them, fitted again with the next
    bridge: float = 1.0  # seconds that a person may be out of sight and still be thought to have moved on evenly
    rate: float = 20.0  # frames a second that are fitted at most; those between follow from them,
    slow: float = 0.03  # but each frame where there are so many seconds between them
    first: int = 48  # frames fitted together the first time, at most: something is known sooner
    measure: int = 24  # frames with the person in sight that it takes to know his shape


@dataclass(frozen=True)
class Known:
    """What one window tells the next."""

    shape: Float[Tensor, " S"]
    measured: bool = False  # whether the shape is settled
    tail: State | None = None  # of the last ANCHOR frames given out


def fit(runs: Iterable[Sighting], fitter: Fitter, size: tuple[int, int], how: Windows = Windows()) -> Iterator[Motion]:
    """The person's body and place through a clip of (height, width); in pieces, some frames behind what was read.

    Out of sight for up to `bridge` he moves on evenly, for longer he holds still; confidence is 0 for either.
    """
    known = Known(torch.zeros(fitter.shapes, dtype=torch.float64))
    waiting: Sighting | None = None
    for run in runs:
        waiting = run if waiting is None else cat([waiting, run])
        while len(waiting) >= (enough := window_of(known, how)):
            motion, known = fit_window(waiting[:enough], fitter, size, known, how, how.overlap)
            yield motion
            waiting = waiting[enough - how.overlap - ANCHOR :]
    if waiting is not None and len(waiting) > behind(known):
        yield fit_window(waiting, fitter, size, known, how, 0)[0]


def fit_live(
    runs: Iterable[Sighting], fitter: Fitter, size: tuple[int, int], how: Windows = Windows()
) -> Iterator[Motion]:
    """The same without looking ahead: each frame as soon as it was seen, from the frames before it."""
    known = Known(torch.zeros(fitter.shapes, dtype=torch.float64))
    recent: Sighting | None = None
    looked = 0
    for run in runs:
        for t in range(len(run)):
            frame = run[t : t + 1]
            recent = frame if recent is None else cat([recent[-ANCHOR:], frame])
            motion, known = fit_window(recent, fitter, size, known, how, 0)
            looked += int(frame.score.item() > 0)
            known = Known(known.shape, looked >= how.measure, known.tail)
            yield motion


def window_of(known: Known, how: Windows) -> int:
    return min(how.first, how.frames) if known.tail is None else how.frames + behind(known)


def behind(known: Known) -> int:
    return 0 if known.tail is None else len(known.tail)


def fit_window(
    window: Sighting, fitter: Fitter, size: tuple[int, int], known: Known, how: Windows, overlap: int
) -> tuple[Motion, Known]:
    """Motion of the window's frames, without those fitted before and those to be fitted again."""
    start, end = behind(known), len(window) - overlap
    focal, centre = unknown_lens(size, len(window))
    camera = Camera(focal, centre, torch.zeros(len(window), 3))
    seen = evidence(window, camera)
    there = seen.score > 0
    there[:start] = True
    if not there.any():
        state, shape = nobody(fitter, len(window)), known.shape
    else:
        rows = thinned(there, seen.seconds, start, how)
        looked, shape = fit_seen(seen[rows], window[rows], camera[rows], fitter, known)
        state = spread(looked, seen.seconds[rows], seen.seconds, how.bridge)
    given = slice(start, end)
    placed = Camera(focal[given], centre[given], state.place[given].float())
    body = fitter.rig.body(state[given], shape[None])
    sure = confidence(fitter, state[given], shape, seen[given])
    measured = known.measured or int(there.sum()) >= how.measure
    told = Known(shape, measured, state[slice(max(0, end - ANCHOR), end)])
    return Motion(body, placed, sure, window.seconds[given]), told


def fit_seen(
    seen: Evidence, window: Sighting, camera: Camera, fitter: Fitter, known: Known
) -> tuple[State, Float[Tensor, " S"]]:
    if known.tail is not None and len(seen) == len(known.tail):  # nobody new to fit
        return known.tail, known.shape
    guess, shape = fitter.lift(seen)
    begin = guess if known.tail is None else joined([known.tail, guess[len(known.tail) :]])
    rows = torch.arange(behind(known), len(seen), fitter.how.every)
    clip = Clip(seen, rows, Edges.of(window[rows], camera[rows]), behind(known))
    free = 0 if known.measured else fitter.how.shapes
    return fitter.solve(clip, begin, known.shape if known.measured else shape, free)


def nobody(fitter: Fitter, frames: int) -> State:
    """A body in its usual pose in the middle of the picture: where there is nobody to see, and nobody was before."""
    upright = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64)).expand(frames, 3, 3)
    ahead = torch.tensor([0, 0, 4.0], dtype=torch.float64).expand(frames, 3)
    return State(ahead, upright, fitter.habits.mean.expand(frames, -1, -1))


def thinned(there: Bool[Tensor, " T"], seconds: Float[Tensor, " T"], start: int, how: Windows) -> Int[Tensor, " n"]:
    """Of the frames with the person in sight, at most `rate` a second where they are not slow; the first
    `start` and the last one anyway."""
    rows = there.nonzero()[:, 0].tolist()
    kept: list[int] = []
    for row in rows:
        slow = row > 0 and seconds[row] - seconds[row - 1] > how.slow
        if row < start or not kept or slow or seconds[row] - seconds[kept[-1]] > 0.99 / how.rate:
            kept.append(row)
    return torch.tensor(kept if kept[-1] == rows[-1] else [*kept, rows[-1]])


def spread(state: State, when: Float[Tensor, " n"], wanted: Float[Tensor, " T"], bridge: float) -> State:
    """States at times `when`, for all times wanted: between near ones along a cubic, across a gap evenly, else held."""
    after = torch.searchsorted(when.contiguous(), wanted.contiguous()).clamp(max=len(when) - 1)
    before = torch.where(when[after] > wanted, after - 1, after).clamp(min=0)
    gap = (when[after] - when[before])[:, None]
    part = torch.where((gap > 0) & (gap <= bridge), (wanted - when[before])[:, None] / gap.clamp(min=1e-9), 0.0)
    way = state[after].minus(state[before])
    step = part * way
    if len(when) > 2:
        pace = state[1:].minus(state[:-1]) / when.diff()[:, None].clamp(min=1e-3)
        pace = torch.cat([pace[:1], (pace[1:] + pace[:-1]) / 2, pace[-1:]])
        curved = part**2 * (3 - 2 * part) * way
        curved = curved + part * (1 - part) * gap * ((1 - part) * pace[before] - part * pace[after])
        step = torch.where(gap <= NEAR, curved, step)
    return state[before].moved(step)


def confidence(fitter: Fitter, state: State, shape: Tensor, seen: Evidence) -> Float[Tensor, " T"]:
    """The network's score, less where few joints are in sight or the body does not come to lie on them."""
    at = fitter.rig.place(fitter.points, state, shape[None])
    off = plane_error(seen, at)  # in standard errors of a point; below 2.5 is good, 4 is somebody else
    sight = (seen.weight.mean(1) / 0.35).clamp(max=1)
    return (seen.score * sight / (1 + (off / 4.5) ** 4)).clamp(0, 1).float()
