"""The driving motion: from a clip, a stored motion, or a part of one."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain, tee
from math import inf
from pathlib import Path

import torch

from motion_imitate.background.window import Padding
from motion_imitate.estimators.clip import FollowPerson, OpenedClip, fit_motion, load_body_model, track_person
from motion_imitate.estimators.same_person import follows_same_person
from motion_imitate.estimators.scan import scan_motion
from motion_imitate.imitate import adapt_motion, adapt_scan
from motion_imitate.motion.framing import Framing, frame_motion
from motion_imitate.motion.retarget import Retarget
from motion_imitate.motion.view_path import Freeze, ViewPath, turn_view
from motion_imitate.person import Person
from motion_imitate.runner import StreamRunner
from motion_imitate.types import BodyModel, Motion, Sighting
from pipelines.imitate.options import ImitateOptions
from pipelines.motion.estimate import open_input_clip
from pipelines.motion.options import EstimationOptions
from pipelines.motion.stored import load_cached_motion, stream_stored_motion
from pipelines.output_path import UsageError
from pipelines.rendering.clothes import wear_clothes
from pipelines.rendering.clothes_options import NO_CLOTHES, ClothesOptions
from pipelines.rendering.person import PersonLoader
from pipelines.reporter import Reporter

DEFAULT_LONGEST = 1920  # pixels of the result's longer side, by default
STORED_AHEAD, LIVE_AHEAD = 20.0, 1.0  # seconds that framing looks ahead in a stored motion, and live
DEFAULT_SWEEP, DEFAULT_SWEEP_SECONDS = 360.0, 3.0  # degrees and seconds of a freeze
PREVIEW_SECONDS, PREVIEW_LONGEST = 3.0, 480  # seconds, and pixels of the longer side, of a preview


@dataclass(frozen=True)
class DrivingMotion:
    """The motion to follow, from a clip or a motion file, and how many frames of it there are."""

    motion: Iterator[Motion]
    model: BodyModel
    rate: Fraction
    frames: int | None
    opened: OpenedClip | None = None
    seen: deque[list[Sighting]] = field(default_factory=deque)  # runs of everybody, the driver first, if recorded
    scan: Iterator[Motion | None] = field(
        default_factory=lambda: iter(())
    )  # the beginning of the motion, roughly, if it is looked at beforehand


@dataclass(frozen=True)
class ImitateJob:
    """One run of `imitate`: its inputs, output and options."""

    photos: tuple[Path, ...]
    clip: Path | None
    out: Path
    how: ImitateOptions
    estimation: EstimationOptions
    wear: ClothesOptions = NO_CLOTHES
    limit: float = inf  # seconds of the clip to render
    video_start: float | None = (
        None  # of a segment, whose motion is retargeted already: first second of the whole video
    )
    continued: tuple[Padding, ...] = ()  # of a segment: how the photo was continued before it

    @property
    def longest(self) -> int:
        """Pixels of the result's longer side at most, by --size and --preview."""
        return min(self.estimation.size or DEFAULT_LONGEST, PREVIEW_LONGEST if self.how.preview else DEFAULT_LONGEST)


def open_driving_motion(
    clip: Path | None,
    how: ImitateOptions,
    estimation: EstimationOptions,
    reporter: Reporter,
    running: StreamRunner,
) -> DrivingMotion:
    """Open the clip or motion file that drives the person. For --background driving the sightings are kept."""
    if how.motion is not None:
        runs, about, model, frames = stream_stored_motion(how.motion)
        opened = open_input_clip(clip, estimation, reporter.warn, running) if clip else None
        rate = opened.info.rate if opened else Fraction(about.rate).limit_denominator(100_000)
        return DrivingMotion(runs, model, rate, frames, opened)
    if clip is None:
        raise UsageError("no motion to imitate; give a video after the photos, or --motion FILE.npz")
    opened = open_input_clip(clip, estimation, reporter.warn, running)
    model, seen = load_body_model("anny"), deque[list[Sighting]]()
    if how.background == "driving":
        opened = replace(opened, follow=record_people(opened.follow, seen))
    motion = fit_motion(opened, track_person(opened), model)
    looks_ahead = not estimation.live and choose_retarget(how, False).camera != "copy"
    scan = scan_later(opened, model) if looks_ahead else iter(())
    return DrivingMotion(motion, model, opened.info.rate, opened.info.frames, opened, seen, scan)


def scan_later(opened: OpenedClip, model: BodyModel) -> Iterator[Motion | None]:
    """The rough motion of the clip's beginning, once it is asked for."""
    yield scan_motion(opened, model)


def scan_driver_again(
    driver: DrivingMotion, motion: Iterator[Motion], scan: Motion | None
) -> tuple[Iterator[Motion], Motion | None]:
    """The motion and its scan; made anew if it is another person's, as where two people are equally large."""
    first = None if scan is None or driver.opened is None else next(motion, None)
    if first is None or scan is None or driver.opened is None:
        return motion, scan
    if not follows_same_person(scan, first, driver.model):
        scan = scan_motion(driver.opened, driver.model, beginning=first)
    return chain([first], motion), scan


def open_segment_motion(job: ImitateJob) -> DrivingMotion:
    """Open a segment whose motion is retargeted to the person already."""
    assert job.how.motion is not None
    motion, rate = load_cached_motion(job.how.motion)
    return DrivingMotion(
        iter([motion]), load_body_model("anny"), Fraction(rate).limit_denominator(100_000), len(motion)
    )


def record_people(follow: FollowPerson, seen: deque[list[Sighting]]) -> FollowPerson:
    """The same, but appends the people of each run to `seen`, the followed one first."""

    def follow_and_record(runs: Iterable[list[Sighting]], who: str | int) -> Iterator[Sighting]:
        ahead, again = tee(runs)
        for one, people in zip(follow(ahead, who), again, strict=True):
            seen.append([one, *(other for other in people if other is not one)])
            yield one

    return follow_and_record


@contextmanager
def open_person_motion(
    job: ImitateJob, reporter: Reporter, load: PersonLoader, runner: StreamRunner
) -> Iterator[tuple[DrivingMotion, Person, Iterator[Motion]]]:
    """Open the driving motion, the person, and the motion adapted to the person."""
    how, estimation = job.how, replace(job.estimation, size=job.longest)
    torch.set_num_threads(estimation.threads)
    driver = (
        open_driving_motion(job.clip, how, estimation, reporter, runner)
        if job.video_start is None
        else open_segment_motion(job)
    )
    path = choose_view_path(how, driver)
    with (
        closing(runner.prefetch(driver.scan, 1)) as scanned,
        closing(runner.prefetch(driver.motion)) as driven,  # both start while the person is prepared
    ):
        motion: Iterator[Motion] = driven
        person = wear_clothes(load(job.photos, job.longest, how, reporter), job.wear, job.longest, how, reporter, load)
        if job.video_start is None:
            motion, scan = scan_driver_again(driver, motion, next(scanned, None))
            motion = adapt_to_person(job, person, motion, scan, path)
        yield driver, person, motion


def adapt_to_person(
    job: ImitateJob, person: Person, motion: Iterator[Motion], scan: Motion | None, path: ViewPath
) -> Iterator[Motion]:
    """The motion of the person, seen from the path, through the picture's window."""
    source, model, retarget = person.source, person.model, choose_retarget(job.how, job.estimation.live)
    turned = turn_view(adapt_motion(motion, source, model, retarget, scan), path)
    if not is_framed(job.how):
        return turned
    rough = adapt_scan(scan, source, model, retarget, path)
    return frame_motion(turned, source, model, choose_framing(job.how, job.estimation), rough)


def choose_view_path(how: ImitateOptions, driver: DrivingMotion) -> ViewPath:
    """From where the motion is seen. Raises UsageError for a freeze after its end."""
    freeze = choose_freeze(how, driver.rate)
    if freeze is not None and driver.frames is not None and freeze.second >= driver.frames / driver.rate:
        raise UsageError(
            f"--freeze {freeze.second:g} is after the end of the motion, which lasts "
            f"{float(driver.frames / driver.rate):.2f} s; give an earlier second"
        )
    return ViewPath(how.view, how.orbit, freeze)


def choose_freeze(how: ImitateOptions, rate: Fraction) -> Freeze | None:
    """When the motion stops, for how long, and how far the camera goes round."""
    if how.freeze is None:
        return None
    degrees = DEFAULT_SWEEP if how.sweep is None else how.sweep
    return Freeze(how.freeze, degrees, how.sweep_seconds or DEFAULT_SWEEP_SECONDS, float(rate))


def choose_retarget(how: ImitateOptions, live: bool) -> Retarget:
    """Where and how large the person is; in the driving video as the driver, if not said otherwise."""
    default = IN_DRIVING_VIDEO if how.background == "driving" else Retarget()
    upright = "live" if live and how.upright == "auto" else how.upright
    return Retarget(how.camera or default.camera, how.scale or default.scale, upright)


def is_framed(how: ImitateOptions) -> bool:
    """Whether the window of the picture follows the person; not where the camera is the driver's."""
    return how.frame == "fit" and choose_retarget(how, False).camera != "copy"


def choose_framing(how: ImitateOptions, estimation: EstimationOptions) -> Framing:
    """How far the motion is looked through beforehand: farther if it is stored, and little if it is live."""
    if how.motion is not None:
        return Framing(ahead=STORED_AHEAD)
    return Framing(ahead=LIVE_AHEAD) if estimation.live else Framing()


IN_DRIVING_VIDEO = Retarget(camera="copy", scale="match")
