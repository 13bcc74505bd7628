"""The driving motion: from a clip, a stored motion, or a part of one."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from pathlib import Path

from motion_imitate.types import BodyModel, Motion, Sighting
from pipelines.imitate.options import ImitateOptions
from pipelines.motion.estimate import OpenedClip, fit_motion, load_body_model, open_input_clip, track_person
from pipelines.motion.options import EstimationOptions
from pipelines.motion.stored import load_cached_motion, stream_stored_motion
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter
from pipelines.streaming.threads import THREAD_RUNNER, StreamRunner

DEFAULT_LONGEST = 1920  # pixels of the result's longer side, by default
PREVIEW_SECONDS, PREVIEW_LONGEST = 3.0, 480  # seconds, and pixels of the longer side, of a preview
RENDER_RUN = 4  # frames rendered at a time


@dataclass(frozen=True)
class DrivingMotion:
    """The motion to follow, from a clip or a motion file, and how many frames of it there are."""

    motion: Iterator[Motion]
    model: BodyModel
    rate: Fraction
    frames: int | None
    what: OpenedClip | None = None
    seen: deque[Sighting] = field(default_factory=deque)  # sightings of the clip's frames, if recorded


@dataclass(frozen=True)
class ImitateJob:
    """One run of `imitate`: its inputs, output and options."""

    photos: tuple[Path, ...]
    clip: Path | None
    out: Path
    how: ImitateOptions
    seeing: EstimationOptions
    limit: float = inf  # seconds of the clip to render
    since: float | None = None  # set for a segment, whose motion is retargeted already: the second at which it begins

    @property
    def longest(self) -> int:
        """Pixels of the result's longer side at most, by --size and --preview."""
        return min(self.seeing.size or DEFAULT_LONGEST, PREVIEW_LONGEST if self.how.preview else DEFAULT_LONGEST)


def open_driving_motion(
    clip: Path | None,
    how: ImitateOptions,
    seeing: EstimationOptions,
    talk: Reporter,
    running: StreamRunner = THREAD_RUNNER,
) -> DrivingMotion:
    """Open the clip or motion file that drives the person. For --background driving the sightings are kept."""
    if how.motion is not None:
        runs, about, model, frames = stream_stored_motion(how.motion)
        what = open_input_clip(clip, seeing, talk.warn) if clip else None
        rate = what.info.rate if what else Fraction(about.rate).limit_denominator(100_000)
        return DrivingMotion(runs, model, rate, frames, what)
    if clip is None:
        raise UsageError("no motion to imitate; give a video after the photos, or --motion FILE.npz")
    what = open_input_clip(clip, seeing, talk.warn, running)
    model, seen = load_body_model("anny"), deque[Sighting]()
    found = record_sightings(track_person(what), seen) if how.background == "driving" else track_person(what)
    return DrivingMotion(fit_motion(what, found, model), model, what.info.rate, what.info.frames, what, seen)


def open_motion_part(job: ImitateJob) -> DrivingMotion:
    """Open a segment whose motion is retargeted to the person already."""
    assert job.how.motion is not None
    motion, rate = load_cached_motion(job.how.motion)
    return DrivingMotion(
        iter([motion]), load_body_model("anny"), Fraction(rate).limit_denominator(100_000), len(motion)
    )


def record_sightings(runs: Iterable[Sighting], seen: deque[Sighting]) -> Iterator[Sighting]:
    """Pass the sightings through and append them to `seen`."""
    for run in runs:
        seen.append(run)
        yield run
