"""Where the motion comes from: a clip, a stored motion, or a part of one."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from pathlib import Path

from motion_imitate.types import BodyModel, Motion, Sighting
from pipelines.imitate.options import Imitating
from pipelines.motion.estimate import Watching, body_model, fitted, sightings, watching
from pipelines.motion.options import Seeing
from pipelines.motion.stored import kept, streamed
from pipelines.output_path import Refused
from pipelines.reporter import Talk
from pipelines.streaming.threads import HERE, Running

LARGE = 1920  # pixels of the longer side of what is made, if nothing is said
PREVIEW, SMALL = 3.0, 480  # seconds, and pixels of the longer side, of a preview
DRAWN = 4  # frames of a run that is drawn


@dataclass(frozen=True)
class Driver:
    """Whose motion is followed: a clip that is looked at, or a stored motion."""

    motion: Iterator[Motion]
    model: BodyModel
    rate: Fraction
    frames: int | None
    what: Watching | None = None
    seen: deque[Sighting] = field(default_factory=deque)  # of the clip's frames, if they are kept


@dataclass(frozen=True)
class Job:
    photos: tuple[Path, ...]
    clip: Path | None
    out: Path
    how: Imitating
    seeing: Seeing
    limit: float = inf  # seconds of the clip
    since: float | None = None  # where the motion is the person's own, of a part of a video: the second that begins it

    @property
    def longest(self) -> int:
        return min(self.seeing.size or LARGE, SMALL if self.how.preview else LARGE)


def driver_of(clip: Path | None, how: Imitating, seeing: Seeing, talk: Talk, running: Running = HERE) -> Driver:
    if how.motion is not None:
        runs, about, model, frames = streamed(how.motion)
        what = watching(clip, seeing, talk.warn) if clip else None
        rate = what.info.rate if what else Fraction(about.rate).limit_denominator(100_000)
        return Driver(runs, model, rate, frames, what)
    if clip is None:
        raise Refused("nothing to imitate; give a video after the photos, or --motion FILE.npz")
    what = watching(clip, seeing, talk.warn, running)
    model, seen = body_model("anny"), deque[Sighting]()
    found = noticed(sightings(what), seen) if how.background == "driving" else sightings(what)
    return Driver(fitted(what, found, model), model, what.info.rate, what.info.frames, what, seen)


def part_of(job: Job) -> Driver:
    """A stretch of a motion that is the person's own already."""
    assert job.how.motion is not None
    motion, rate = kept(job.how.motion)
    return Driver(iter([motion]), body_model("anny"), Fraction(rate).limit_denominator(100_000), len(motion))


def noticed(runs: Iterable[Sighting], seen: deque[Sighting]) -> Iterator[Sighting]:
    """The sightings as they are; whoever takes them out of `seen` has them too."""
    for run in runs:
        seen.append(run)
        yield run
