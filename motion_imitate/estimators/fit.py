"""Fit a body to a stream of sightings in overlapping windows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.estimators.fitter import FitInput, Fitter
from motion_imitate.estimators.rig import PoseState, concatenate_states
from motion_imitate.estimators.silhouette import MaskEdges
from motion_imitate.estimators.terms import PoseEvidence, evidence_from_sighting, reprojection_error
from motion_imitate.geometry.camera import default_intrinsics
from motion_imitate.types import Camera, Motion, Sighting, cat_batched

SMOOTH_GAP = 0.1  # longest gap in seconds that is interpolated with a cubic
ANCHOR_FRAMES = 2  # fitted frames that a window starts from: the smoothness term looks two frames back


@dataclass(frozen=True)
class FitWindows:
    """How a clip is split into windows whose frames are fitted together."""

    frames: int = 64  # in a window
    overlap: int = 16  # frames that are fitted again in the next window
    bridge: float = 1.0  # longest gap in seconds, with nobody in sight, that is interpolated
    rate: float = 20.0  # most frames per second that are fitted; the others are interpolated
    slow: float = 0.03  # seconds between frames above which every frame is fitted
    first: int = 48  # most frames in the first window, so that output starts sooner
    measure: int = 24  # frames with the person in sight needed to measure the shape


@dataclass(frozen=True)
class WindowCarry:
    """What one window passes on to the next."""

    shape: Float[Tensor, " S"]
    measured: bool = False  # whether the shape is final
    tail: PoseState | None = None  # states of the last ANCHOR_FRAMES frames returned


def fit(
    runs: Iterable[Sighting], fitter: Fitter, size: tuple[int, int], how: FitWindows = FitWindows()
) -> Iterator[Motion]:
    """Fit the person's body and position in a clip of `size` (height, width); motion lags some frames behind the input.

    Gaps of up to `bridge` seconds are interpolated; in longer ones the last pose is held. Confidence is 0 in both.
    """
    known = WindowCarry(torch.zeros(fitter.shapes, dtype=torch.float64))
    waiting: Sighting | None = None
    for run in runs:
        waiting = run if waiting is None else cat_batched([waiting, run])
        while len(waiting) >= (enough := next_window_length(known, how)):
            motion, known = fit_window(waiting[:enough], fitter, size, known, how, how.overlap)
            yield motion
            waiting = waiting[enough - how.overlap - ANCHOR_FRAMES :]
    if waiting is not None and len(waiting) > anchor_length(known):
        yield fit_window(waiting, fitter, size, known, how, 0)[0]


def next_window_length(known: WindowCarry, how: FitWindows) -> int:
    """How many sightings the next window needs, including the frames it starts from."""
    return min(how.first, how.frames) if known.tail is None else how.frames + anchor_length(known)


def anchor_length(known: WindowCarry) -> int:
    """How many frames at the start of the next window are already fitted."""
    return 0 if known.tail is None else len(known.tail)


def fit_window(
    window: Sighting, fitter: Fitter, size: tuple[int, int], known: WindowCarry, how: FitWindows, overlap: int
) -> tuple[Motion, WindowCarry]:
    """Fit one window; return the motion of its new frames, without the overlap, and what the next window starts
    from."""
    start, end = anchor_length(known), len(window) - overlap
    focal, centre = default_intrinsics(size, len(window))
    camera = Camera(focal, centre, torch.zeros(len(window), 3))
    seen = evidence_from_sighting(window, camera)
    there = seen.score > 0
    there[:start] = True
    if not there.any():
        state, shape = default_pose_states(fitter, len(window)), known.shape
    else:
        rows = select_fit_frames(there, seen.seconds, start, how)
        looked, shape = fit_visible_frames(seen[rows], window[rows], camera[rows], fitter, known)
        state = interpolate_states(looked, seen.seconds[rows], seen.seconds, how.bridge)
    given = slice(start, end)
    placed = Camera(focal[given], centre[given], state.place[given].float())
    body = fitter.rig.body(state[given], shape[None])
    sure = fit_confidence(fitter, state[given], shape, seen[given])
    measured = known.measured or int(there.sum()) >= how.measure
    told = WindowCarry(shape, measured, state[slice(max(0, end - ANCHOR_FRAMES), end)])
    return Motion(body, placed, sure, window.seconds[given], window.shot[given]), told


def fit_visible_frames(
    seen: PoseEvidence, window: Sighting, camera: Camera, fitter: Fitter, known: WindowCarry
) -> tuple[PoseState, Float[Tensor, " S"]]:
    """Fit the selected frames with the person in sight; the shape is fixed once it has been measured."""
    if known.tail is not None and len(seen) == len(known.tail):  # no new frames to fit
        return known.tail, known.shape
    guess, shape = fitter.lift(seen)
    begin = guess if known.tail is None else concatenate_states([known.tail, guess[len(known.tail) :]])
    rows = torch.arange(anchor_length(known), len(seen), fitter.how.every)
    clip = FitInput(seen, rows, MaskEdges.of(window[rows], camera[rows]), anchor_length(known))
    free = 0 if known.measured else fitter.how.shapes
    return fitter.solve(clip, begin, known.shape if known.measured else shape, free)


def default_pose_states(fitter: Fitter, frames: int) -> PoseState:
    """The mean pose, upright and 4 m ahead: used where no person has been seen yet."""
    upright = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64)).expand(frames, 3, 3)
    ahead = torch.tensor([0, 0, 4.0], dtype=torch.float64).expand(frames, 3)
    return PoseState(ahead, upright, fitter.habits.mean.expand(frames, -1, -1))


def select_fit_frames(
    there: Bool[Tensor, " T"], seconds: Float[Tensor, " T"], start: int, how: FitWindows
) -> Int[Tensor, " n"]:
    """The frames to fit, of those with the person in sight: at most `rate` per second unless frames are slow. The first
    `start` frames and the last one are always included."""
    rows = there.nonzero()[:, 0].tolist()
    kept: list[int] = []
    for row in rows:
        slow = row > 0 and seconds[row] - seconds[row - 1] > how.slow
        if row < start or not kept or slow or seconds[row] - seconds[kept[-1]] > 0.99 / how.rate:
            kept.append(row)
    return torch.tensor(kept if kept[-1] == rows[-1] else [*kept, rows[-1]])


def interpolate_states(
    state: PoseState, when: Float[Tensor, " n"], wanted: Float[Tensor, " T"], bridge: float
) -> PoseState:
    """States at the times `wanted` from those at `when`: cubic across short gaps, linear up to `bridge`, else held."""
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
        step = torch.where(gap <= SMOOTH_GAP, curved, step)
    return state[before].moved(step)


def fit_confidence(fitter: Fitter, state: PoseState, shape: Tensor, seen: PoseEvidence) -> Float[Tensor, " T"]:
    """The network's score, reduced where few joints are visible or the body's points miss the landmarks."""
    at = fitter.rig.place(fitter.points, state, shape[None])
    off = reprojection_error(seen, at)  # in standard errors of a landmark; below 2.5 is good, 4 is another person
    sight = (seen.weight.mean(1) / 0.35).clamp(max=1)
    return (seen.score * sight / (1 + (off / 4.5) ** 4)).clamp(0, 1).float()
