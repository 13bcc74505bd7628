"""Render a video of a person in photos doing the motion of a clip."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from math import ceil, inf

from torch import Tensor

from motion_imitate.background.backdrop import Backdrop
from motion_imitate.background.frozen import freeze_backdrop
from motion_imitate.files import cleanup_child_output
from motion_imitate.frame_renderer import RenderSettings, frames_of_run
from motion_imitate.imitate import FindFloor, driver_floor, framed_backdrop, no_floor, photo_floor, render_motion
from motion_imitate.person import Person
from motion_imitate.renderer_chain import RendererChoice
from motion_imitate.runner import StreamRunner
from motion_imitate.types import Motion
from motion_imitate.video import SoundPause
from pipelines.device import announce_device, choose_device
from pipelines.imitate.driver import (
    PREVIEW_SECONDS,
    DrivingMotion,
    ImitateJob,
    choose_freeze,
    is_framed,
    open_person_motion,
)
from pipelines.imitate.options import ImitateOptions
from pipelines.imitate.side_by_side import arrange_side_by_side
from pipelines.motion.estimate import record_confidence
from pipelines.rendering.backdrop import choose_backdrop, clean_plate_backdrop
from pipelines.rendering.encoder import choose_encoder
from pipelines.rendering.person import PersonLoader, load_person
from pipelines.rendering.write_video import write_result
from pipelines.reporter import Reporter
from pipelines.streaming.memory import is_out_of_memory
from pipelines.streaming.ray_endpoints import ray_runner
from pipelines.streaming.threads import THREAD_RUNNER

FLOOR_FINDERS: dict[str, FindFloor] = {"photo": photo_floor, "driving": driver_floor}  # by background


@dataclass(frozen=True)
class RenderedVideo:
    """What is known of a video that was written."""

    confidence: list[Tensor]  # of runs of frames
    choice: RendererChoice

    @property
    def frames(self) -> int:
        """How many frames of motion it shows."""
        return sum(map(len, self.confidence))


def render_video(
    job: ImitateJob, reporter: Reporter, load: PersonLoader = load_person, runner: StreamRunner | None = None
) -> RenderedVideo:
    """Write the video. If memory runs out, try once more with runs half as long."""
    device = choose_device(job.estimation.device)
    announce_device(device, reporter)
    length = frames_of_run(device)
    with open_runner(job) if runner is None else nullcontext(runner) as running:
        try:
            return render_once(job, reporter, load, running, length)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            reporter.warn("out of memory; trying again with half as many frames at a time")
            return render_once(job, reporter, load, running, length // 2)


def open_runner(job: ImitateJob) -> AbstractContextManager[StreamRunner]:
    """The runner that --run asks for."""
    if job.how.run == "threads":
        return nullcontext(THREAD_RUNNER)
    stages = 1 if job.how.motion is not None else 2  # rendering, and detection beside it
    return ray_runner(job.how.address, job.how.gpus_per_worker, stages * job.estimation.workers)


def render_once(
    job: ImitateJob, reporter: Reporter, load: PersonLoader, runner: StreamRunner, length: int
) -> RenderedVideo:
    """Write the video, rendered in runs of `length` frames."""
    how, confidence = job.how, list[Tensor]()
    limit = min(job.limit, PREVIEW_SECONDS if how.preview else inf)
    device = choose_device(job.estimation.device)
    settings = RenderSettings(run=length, workers=job.estimation.workers, device=device)
    with (
        open_person_motion(job, reporter, load, runner) as (driver, person, motion),
        closing(open_job_backdrop(job, person, driver, reporter)) as backdrop,
    ):
        seen = record_confidence(take_seconds(motion, limit), confidence)
        floor = FLOOR_FINDERS.get(how.background, no_floor)
        with closing(render_motion(person, seen, backdrop, runner, floor, settings)) as pictures:
            freeze = choose_freeze(how, driver.rate)
            frames = arrange_side_by_side(pictures, person.source, driver, how)
            shown = reporter.track_progress(frames, "imitate", count_frames(driver, how))
            pause = None if freeze is None else SoundPause(freeze.second + 1 / freeze.rate, freeze.length)
            with cleanup_child_output(job.out):
                encoder = choose_encoder(how.encoder, device)
                consume = partial(write_result, job.out, driver.rate, job.clip, pause=pause, encoder=encoder)
                warnings = runner.sink(consume, shown)
            for warning in warnings:
                reporter.warn(warning)
    return RenderedVideo(confidence, person.choice)


def open_job_backdrop(job: ImitateJob, person: Person, driver: DrivingMotion, reporter: Reporter) -> Backdrop:
    """The backdrop that the job asks for. A segment's video begins at the start of the whole, so that clocks agree."""
    if job.how.background == "photo" and is_framed(job.how):
        return framed_backdrop(person, job.continued)
    if job.how.background == "driving":
        assert driver.opened is not None
        shown = clean_plate_backdrop(driver.opened, driver.seen)
    else:
        shown = choose_backdrop(job.how.background, person.source, reporter.warn, job.video_start)
    freeze = choose_freeze(job.how, driver.rate)
    return shown if freeze is None else freeze_backdrop(shown, freeze)


def count_frames(driver: DrivingMotion, how: ImitateOptions) -> int | None:
    """How many frames the video will have; None if that is not known."""
    if driver.frames is None:
        return None
    if how.preview:
        return min(driver.frames, ceil(PREVIEW_SECONDS * driver.rate))
    freeze = choose_freeze(how, driver.rate)
    return driver.frames + (0 if freeze is None else freeze.frames)


def take_seconds(runs: Iterable[Motion], limit: float) -> Iterator[Motion]:
    """The first `limit` seconds of a motion."""
    start: float | None = None
    for run in runs:
        start = float(run.seconds[0]) if start is None else start
        count = int((run.seconds - start < limit).sum())
        if count:
            yield run[:count]
        if count < len(run):
            return
