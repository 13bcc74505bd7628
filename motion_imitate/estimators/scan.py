"""Estimate the motion of the first seconds of a clip roughly, from few frames, before it is estimated from all."""

from dataclasses import dataclass, replace
from itertools import takewhile

import torch

from motion_imitate.estimators.clip import (
    DETECTION_LONGEST,
    OpenedClip,
    limit_size,
    load_fitter,
)
from motion_imitate.estimators.fit import FitWindows, fit
from motion_imitate.estimators.fitter import Fitting
from motion_imitate.estimators.follow import follow_person
from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking
from motion_imitate.estimators.same_person import number_of_person
from motion_imitate.estimators.shots import mark_shots
from motion_imitate.motion.windows import iter_shots, resample_motion
from motion_imitate.types import BodyModel, Frames, Motion, cat_batched
from motion_imitate.video import read

SCAN_FITTING = Fitting(every=10)
SCAN_WINDOWS = FitWindows(rate=1e6)


@dataclass(frozen=True)
class Scanning:
    """How a clip is scanned."""

    model: str = "full"  # pose network: in half the time of "heavy" the same up direction, to 1 to 3 degrees
    seconds: float = 8.0  # of the clip, at most
    rate: float = 5.0  # frames per second in which people are detected
    choice: float = 1.0  # seconds in which the person is chosen
    dense: float = 12.0  # frames per second of the motion, interpolated


@torch.no_grad()
def scan_motion(
    clip: OpenedClip, model: BodyModel, how: Scanning = Scanning(), beginning: Motion | None = None
) -> Motion | None:
    """The motion of a person in the first shot of a clip; None if they are not found.

    If the clip ends sooner, the last pose is held until `how.seconds`, with a confidence of 0. Given the `beginning` of
    somebody's motion, that person is scanned.
    """
    frames, until = read_first_shot(clip, how)
    look = Landmarking(model=how.model, rate=1e6, device=clip.how.device, threads=clip.how.threads)
    people = LandmarkEstimator(look)(frames)
    early = int((frames.seconds <= how.choice).sum())
    parts = [slice(early), slice(early, None)][: 1 + (early < len(frames))]
    first = [one[parts[0]] for one in people]
    who = clip.how.person if beginning is None else number_of_person(first, beginning, model)
    try:
        seen = list(follow_person([[one[part] for one in people] for part in parts], who))
    except ValueError:  # nobody is where the person was said to be
        return None
    found = cat_batched(list(fit(seen, load_fitter(model.name, SCAN_FITTING), clip.size, SCAN_WINDOWS)))
    if not bool((found.confidence > 0).any()):
        return None
    seconds = found.seconds[0] + torch.arange(int((until - float(found.seconds[0])) * how.dense) + 1) / how.dense
    motion = resample_motion(found, seconds)
    return replace(motion, confidence=motion.confidence * (seconds <= found.seconds[-1]))


def read_first_shot(clip: OpenedClip, how: Scanning) -> tuple[Frames, float]:
    """The frames of the first shot to look at, and the second until which they tell what happens."""
    size = limit_size(clip.size, DETECTION_LONGEST)
    pieces = takewhile(
        lambda piece: float(piece.seconds[0]) <= how.seconds, read(clip.info.path, 1, size, rate=how.rate)
    )
    shots = iter_shots(mark_shots(pieces))
    frames = cat_batched(list(next(shots)))
    return frames, how.seconds if next(shots, None) is None else float(frames.seconds[-1])
