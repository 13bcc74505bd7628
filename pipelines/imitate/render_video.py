"""Render a video of a person in photos doing the motion of a clip."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import chain, pairwise
from math import inf
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from motion_imitate.files import cleanup_child_output
from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import DRIVER_SMOOTHING, FrameRenderer, Person, visible_floor_height
from motion_imitate.motion.retarget import Retarget, retarget
from motion_imitate.motion.smooth import smooth
from motion_imitate.types import BodyModel, Frames, Motion, Source
from motion_imitate.video import Encoding, write
from pipelines.imitate.backdrop import Backdrop, choose_backdrop
from pipelines.imitate.driver import (
    PREVIEW_SECONDS,
    RENDER_RUN,
    DrivingMotion,
    ImitateJob,
    open_driving_motion,
    open_motion_part,
)
from pipelines.imitate.person import PersonLoader, load_person
from pipelines.imitate.side_by_side import arrange_side_by_side
from pipelines.provenance import provenance_tags
from pipelines.reporter import Reporter
from pipelines.streaming.memory import is_out_of_memory
from pipelines.streaming.ray_endpoints import ray_runner
from pipelines.streaming.threads import THREAD_RUNNER, StreamRunner, prefetch_items

RENDER_ENCODING = Encoding(preset="superfast")  # same quality in two thirds of the time, but a larger file


def render_video(job: ImitateJob, talk: Reporter, portrayed: PersonLoader | None = None) -> list[Tensor]:
    """Write the video and return each frame's confidence. If memory runs out, try once more with runs half as long."""
    portrayed = portrayed or load_person
    with (
        nullcontext(THREAD_RUNNER)
        if job.how.run == "threads"
        else ray_runner(job.how.address, job.how.gpus_per_worker) as running
    ):
        try:
            return render_frames(job, talk, portrayed, RENDER_RUN, running)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            talk.warn("out of memory; trying again with half as many frames at a time")
            return render_frames(job, talk, portrayed, RENDER_RUN // 2, running)


def render_frames(
    job: ImitateJob, talk: Reporter, portrayed: PersonLoader, length: int, running: StreamRunner
) -> list[Tensor]:
    """Write the video, rendered in runs of `length` frames, and return each frame's confidence."""
    how, confidence = job.how, list[Tensor]()
    limit = min(job.limit, PREVIEW_SECONDS if how.preview else inf)
    with (
        open_person_motion(job, talk, portrayed, running) as (driver, person, moved),
        closing(choose_backdrop(how.background, person.source, driver, talk)) as backdrop,
    ):
        first, moved = peek_first_run(moved)
        if job.since is not None:
            backdrop.send(torch.tensor([job.since]))
        render = FrameRenderer(person, rasterize, ground_height(how.background, person.source, first, person.model))
        pairs = prefetch_items(pair_with_backdrop(moved, backdrop, limit, confidence, length))
        with (
            closing(pairs),
            closing(running.stage(partial(identity_stage, render), pairs, job.seeing.workers)) as pictures,
        ):
            frames = arrange_side_by_side(pictures, person.source, driver, how)
            shown = talk.track_progress(frames, "imitate", driver.frames if not how.preview else None)
            with cleanup_child_output(job.out):
                warnings = running.sink(partial(write_result, job.out, driver.rate, job.clip), shown)
            for warning in warnings:
                talk.warn(warning)
    return confidence


@contextmanager
def open_person_motion(
    job: ImitateJob, talk: Reporter, portrayed: PersonLoader, running: StreamRunner
) -> Iterator[tuple[DrivingMotion, Person, Iterator[Motion]]]:
    """Open the driving motion, the person, and the motion retargeted to the person."""
    how, seeing = job.how, replace(job.seeing, size=job.longest)
    torch.set_num_threads(seeing.threads)
    driver = open_driving_motion(job.clip, how, seeing, talk, running) if job.since is None else open_motion_part(job)
    within = how.background == "driving"
    plan = Retarget(camera=how.camera or ("copy" if within else "smooth"), scale=how.scale or default_scale(within))
    with closing(prefetch_items(driver.motion)) as motion:
        person = portrayed(job.photos, job.longest, how, talk)
        source, model = person.source, person.model
        if job.since is not None:
            yield driver, person, motion
        else:
            yield (
                driver,
                person,
                retarget(smooth(motion, DRIVER_SMOOTHING), source.body[:1], source.camera[:1], model, plan),
            )


def write_result(out: Path, rate: Fraction, sound: Path | None, frames: Iterable[Frames]) -> list[str]:
    """Write the result with sound and metadata; return the warnings."""
    said: list[str] = []
    write(out, frames, rate, sound, provenance_tags(), RENDER_ENCODING, said.append)
    return said


def default_scale(within: bool) -> Literal["keep", "match"]:
    """The default of --scale; `within` is whether the backdrop is the driving video."""
    return "match" if within else "keep"


def identity_stage(render: FrameRenderer) -> FrameRenderer:
    """The render itself: a stage factory that can be pickled."""
    return render


def peek_first_run(runs: Iterator[Motion]) -> tuple[Motion, Iterator[Motion]]:
    """The first run, and an iterator over all runs including it."""
    first = next(runs)
    return first, chain([first], runs)


def ground_height(wish: str, source: Source, first: Motion, model: BodyModel) -> float | None:
    """Height of the ground in the backdrop, or None if it is unknown."""
    if wish == "photo":
        return visible_floor_height(model, source.body[:1], source.camera[:1])
    return visible_floor_height(model, first.body[:1], first.camera[:1]) if wish == "driving" else None


def pair_with_backdrop(
    runs: Iterable[Motion], backdrop: Backdrop, limit: float, confidence: list[Tensor], length: int = RENDER_RUN
) -> Iterator[tuple[Frames, Motion]]:
    """Cut the motion into short runs, each with its backdrop frames, until `limit` seconds; confidence is collected."""
    start: float | None = None
    for run in runs:
        cuts = [
            0,
            *range(1 if start is None else RENDER_RUN, len(run), length),
            len(run),
        ]  # the first frame is rendered alone, so that it appears sooner
        for first, last in pairwise(cuts):
            some = run[first:last]
            start = float(some.seconds[0]) if start is None else start
            if float(some.seconds[0]) - start >= limit:
                return
            confidence.append(some.confidence)
            yield Frames(backdrop.send(some.seconds), some.seconds), some
