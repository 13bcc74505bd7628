"""Fit a body to sightings as they arrive, without look-ahead."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.estimators.fit import ANCHOR_FRAMES, default_pose_states, fit_confidence
from motion_imitate.estimators.fitter import FitInput, Fitter
from motion_imitate.estimators.rig import PoseState, concatenate_states
from motion_imitate.estimators.silhouette import MaskEdges
from motion_imitate.estimators.terms import FOOT_ROWS, PoseEvidence, evidence_from_sighting, standing_weights
from motion_imitate.geometry.camera import default_intrinsics
from motion_imitate.types import Camera, Motion, Sighting, cat_batched


@dataclass(frozen=True)
class LiveWindow:
    """The past frames that a live frame is fitted together with."""

    frames: int = 12  # in a window, with the new one
    spacing: float = 0.03  # least seconds between them; the new frame may be nearer
    patience: float = 1.0  # seconds out of sight after which the window starts anew
    measure: int = 24  # frames with the person in sight needed to measure the shape
    release: float = 5.0  # part per second of the shift of the body by its standing feet that is undone


@dataclass(frozen=True)
class LiveHistory:
    """The window of the last frame, and how it was fitted."""

    seen: Sighting
    state: PoseState
    shape: Float[Tensor, " S"]
    count: int  # frames fitted so far
    shift: Float[Tensor, " 3"]  # of the last frame's body, by which its standing feet do not slide
    feet: Float[Tensor, "F 3"]  # of the last frame, shifted


def fit_live(
    runs: Iterable[Sighting], fitter: Fitter, size: tuple[int, int], how: LiveWindow = LiveWindow()
) -> Iterator[Motion]:
    """Like `fit` but without look-ahead: each frame is fitted as it arrives, together with some of those before it.

    Where the person is not seen, the last pose is held with a confidence of 0.
    """
    last: LiveHistory | None = None
    focal, centre = default_intrinsics(size, 1)
    for run in runs:
        for t in range(len(run)):
            frame = run[t : t + 1]
            confidence = torch.zeros(1)
            if frame.score.item() > 0:
                last, confidence = fit_live_frame(frame, last, fitter, size, how)
            state = default_pose_states(fitter, 1) if last is None else last.state[-1:]
            shape = torch.zeros(fitter.shapes, dtype=torch.float64) if last is None else last.shape
            place = state.place if last is None else state.place + last.shift
            camera = Camera(focal, centre, place.float())
            yield Motion(fitter.rig.body(state, shape[None]), camera, confidence, frame.seconds, frame.shot)


def fit_live_frame(
    frame: Sighting, last: LiveHistory | None, fitter: Fitter, size: tuple[int, int], how: LiveWindow
) -> tuple[LiveHistory, Float[Tensor, " 1"]]:
    """Fit one more frame; also returns its confidence."""
    if last is not None and float(frame.seconds - last.seen.seconds[-1]) > how.patience:
        last = None
    past, state = (None, None) if last is None else recall_frames(last, how)
    window = frame if past is None else cat_batched([past, frame])
    focal, centre = default_intrinsics(size, len(window))
    camera = Camera(focal, centre, torch.zeros(len(window), 3))
    seen = evidence_from_sighting(window, camera)
    guess, shape = fitter.lift(seen)
    count = 0 if last is None else last.count
    newest = torch.tensor([len(window) - 1])
    known = ANCHOR_FRAMES if len(window) == how.frames else 0
    clip = FitInput(seen, newest, MaskEdges.of(window[newest], camera[newest]), known)
    state, shape = fitter.solve(
        clip,
        guess if state is None else concatenate_states([state, guess[len(state) :]]),
        shape if last is None else last.shape,
        fitter.how.shapes if count < how.measure else 0,
    )
    confidence = fit_confidence(fitter, state[-1:], shape, seen[-1:])
    shift, feet = hold_standing_feet(fitter, state, shape, seen, last, how)
    return LiveHistory(window, state, shape, count + 1, shift, feet), confidence


def recall_frames(last: LiveHistory, how: LiveWindow) -> tuple[Sighting, PoseState]:
    """The past frames of the next window: the newest stays only if it is not too near to the one before."""
    seconds = last.seen.seconds
    near = len(seconds) > 1 and float(seconds[-1] - seconds[-2]) < how.spacing
    end = len(seconds) - near
    kept = slice(max(0, end - how.frames + 1), end)
    return last.seen[kept], last.state[kept]


def hold_standing_feet(
    fitter: Fitter, state: PoseState, shape: Tensor, seen: PoseEvidence, last: LiveHistory | None, how: LiveWindow
) -> tuple[Float[Tensor, " 3"], Float[Tensor, "F 3"]]:
    """A shift of the newest frame's body by which its standing feet stay where they were, and its feet so shifted."""
    at = fitter.rig.place(fitter.points, state, shape[None])
    feet = at[-1, list(FOOT_ROWS)]
    if last is None:
        return feet.new_zeros(3), feet
    gap = float(seen.seconds[-1] - last.seen.seconds[-1])
    shift = last.shift * max(0.0, 1 - how.release * gap)
    sure = standing_weights(seen, at, fitter.how.slow)[-1]
    slid = (sure[:, None] * (last.feet - feet - shift)).sum(0) / sure.sum().clamp(min=1e-6)
    shift = shift + sure.max() * slid
    return shift, feet + shift
