"""`motion-imitate imitate`: photos of a person and a clip in, a video of that person doing the motion out."""

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

from motion_imitate.files import elsewhere
from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import STEADY, Person, Render, floor
from motion_imitate.motion.retarget import Retarget, retarget
from motion_imitate.motion.smooth import smooth
from motion_imitate.types import BodyModel, Frames, Motion, Source
from motion_imitate.video import Encoding, write
from pipelines.imitate.backdrop import Backdrop, behind
from pipelines.imitate.driver import DRAWN, PREVIEW, Driver, Job, driver_of, part_of
from pipelines.imitate.person import Portrayed, person_of
from pipelines.imitate.side_by_side import together
from pipelines.provenance import tags
from pipelines.reporter import Talk
from pipelines.streaming.memory import full
from pipelines.streaming.ray_endpoints import on_ray
from pipelines.streaming.threads import HERE, Running, beside

ENCODING = Encoding(preset="superfast")  # a larger file of the same quality, in two thirds of the time


def made(job: Job, talk: Talk, portrayed: Portrayed | None = None) -> list[Tensor]:
    """The file; how sure each of its frames is. Where the memory is full it is tried once more, with shorter runs."""
    portrayed = portrayed or person_of
    with nullcontext(HERE) if job.how.run == "threads" else on_ray(job.how.address, job.how.gpus_per_worker) as running:
        try:
            return drawn(job, talk, portrayed, DRAWN, running)
        except (MemoryError, RuntimeError) as error:
            if not full(error):
                raise
            talk.warn("the memory is full; once more, with half as much at a time")
            return drawn(job, talk, portrayed, DRAWN // 2, running)


def drawn(job: Job, talk: Talk, portrayed: Portrayed, length: int, running: Running) -> list[Tensor]:
    how, confidence = job.how, list[Tensor]()
    limit = min(job.limit, PREVIEW if how.preview else inf)
    with (
        moving(job, talk, portrayed, running) as (driver, person, moved),
        closing(behind(how.background, person.source, driver, talk)) as backdrop,
    ):
        first, moved = begun_with(moved)
        if job.since is not None:
            backdrop.send(torch.tensor([job.since]))
        render = Render(person, rasterize, ground(how.background, person.source, first, person.model))
        pairs = beside(staged(moved, backdrop, limit, confidence, length))
        with closing(pairs), closing(running.stage(partial(same, render), pairs, job.seeing.workers)) as pictures:
            frames = together(pictures, person.source, driver, how)
            shown = talk.counted(frames, "imitate", driver.frames if not how.preview else None)
            with elsewhere(job.out):
                warnings = running.sink(partial(written, job.out, driver.rate, job.clip), shown)
            for warning in warnings:
                talk.warn(warning)
    return confidence


@contextmanager
def moving(
    job: Job, talk: Talk, portrayed: Portrayed, running: Running
) -> Iterator[tuple[Driver, Person, Iterator[Motion]]]:
    """Whose motion it is, who follows it, and the motion as it becomes theirs."""
    how, seeing = job.how, replace(job.seeing, size=job.longest)
    torch.set_num_threads(seeing.threads)
    driver = driver_of(job.clip, how, seeing, talk, running) if job.since is None else part_of(job)
    within = how.background == "driving"
    plan = Retarget(camera=how.camera or ("copy" if within else "smooth"), scale=how.scale or fitting(within))
    with closing(beside(driver.motion)) as motion:
        person = portrayed(job.photos, job.longest, how, talk)
        source, model = person.source, person.model
        if job.since is not None:
            yield driver, person, motion
        else:
            yield driver, person, retarget(smooth(motion, STEADY), source.body[:1], source.camera[:1], model, plan)


def written(out: Path, rate: Fraction, sound: Path | None, frames: Iterable[Frames]) -> list[str]:
    """What there was to warn of."""
    said: list[str] = []
    write(out, frames, rate, sound, tags(), ENCODING, said.append)
    return said


def fitting(within: bool) -> Literal["keep", "match"]:
    return "match" if within else "keep"


def same(render: Render) -> Render:
    return render


def begun_with(runs: Iterator[Motion]) -> tuple[Motion, Iterator[Motion]]:
    """The first run, and all of them."""
    first = next(runs)
    return first, chain([first], runs)


def ground(wish: str, source: Source, first: Motion, model: BodyModel) -> float | None:
    """Where the ground is in what the person stands before, if that is known."""
    if wish == "photo":
        return floor(model, source.body[:1], source.camera[:1])
    return floor(model, first.body[:1], first.camera[:1]) if wish == "driving" else None


def staged(
    runs: Iterable[Motion], backdrop: Backdrop, limit: float, confidence: list[Tensor], length: int = DRAWN
) -> Iterator[tuple[Frames, Motion]]:
    """Short runs of what is to be drawn, until the limit in seconds."""
    start: float | None = None
    for run in runs:
        cuts = [
            0,
            *range(1 if start is None else DRAWN, len(run), length),
            len(run),
        ]  # the very first frame alone: sooner
        for first, last in pairwise(cuts):
            some = run[first:last]
            start = float(some.seconds[0]) if start is None else start
            if float(some.seconds[0]) - start >= limit:
                return
            confidence.append(some.confidence)
            yield Frames(backdrop.send(some.seconds), some.seconds), some
