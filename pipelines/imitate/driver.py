"""The driving motion: from a clip, a stored motion, or a part of one."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Literal

import torch

from motion_imitate.estimators.clip import OpenedClip, fit_motion, load_body_model, track_person
from motion_imitate.imitate import adapt_motion
from motion_imitate.motion.retarget import Retarget
from motion_imitate.portray import Person
from motion_imitate.runner import StreamRunner
from motion_imitate.types import BodyModel, Motion, Sighting
from pipelines.imitate.options import ImitateOptions
from pipelines.motion.estimate import open_input_clip
from pipelines.motion.options import EstimationOptions
from pipelines.motion.stored import load_cached_motion, stream_stored_motion
from pipelines.output_path import UsageError
from pipelines.rendering.person import PersonLoader
from pipelines.reporter import Reporter

DEFAULT_LONGEST = 1920  # pixels of the result's longer side, by default
PREVIEW_SECONDS, PREVIEW_LONGEST = 3.0, 480  # seconds, and pixels of the longer side, of a preview


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
    running: StreamRunner,
) -> DrivingMotion:
    """Open the clip or motion file that drives the person. For --background driving the sightings are kept."""
    if how.motion is not None:
        runs, about, model, frames = stream_stored_motion(how.motion)
        what = open_input_clip(clip, seeing, talk.warn, running) if clip else None
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


@contextmanager
def open_person_motion(
    job: ImitateJob, talk: Reporter, load: PersonLoader, runner: StreamRunner
) -> Iterator[tuple[DrivingMotion, Person, Iterator[Motion]]]:
    """Open the driving motion, the person, and the motion adapted to the person."""
    how, seeing = job.how, replace(job.seeing, size=job.longest)
    torch.set_num_threads(seeing.threads)
    driver = open_driving_motion(job.clip, how, seeing, talk, runner) if job.since is None else open_motion_part(job)
    with closing(runner.prefetch(driver.motion)) as driven:  # starts while the person is prepared
        motion: Iterator[Motion] = driven
        person = load(job.photos, job.longest, how, talk)
        if job.since is None:
            motion = adapt_motion(motion, person.source, person.model, choose_retarget(how))
        yield driver, person, motion


def choose_retarget(how: ImitateOptions) -> Retarget:
    """Where and how large the person is; in the driving video as the driver, if not said otherwise."""
    camera, scale = RETARGET_DEFAULTS[how.background == "driving"]
    return Retarget(camera=how.camera or camera, scale=how.scale or scale)


RETARGET_DEFAULTS: dict[bool, tuple[Literal["smooth", "copy"], Literal["keep", "match"]]] = {
    False: ("smooth", "keep"),
    True: ("copy", "match"),  # in the driving video
}
