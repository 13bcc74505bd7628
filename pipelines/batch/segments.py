"""Render one long video in segments: estimate its motion as a whole, render segments in parallel, and join them."""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from math import ceil, inf
from pathlib import Path
from typing import TypeVar, cast

from motion_imitate.background.window import Padding, PhotoSurroundings, frame_windows, window_sides
from motion_imitate.files import OutputError, write_bytes_atomically
from motion_imitate.renderer_chain import RendererChoice
from motion_imitate.types import Motion, cat_batched
from motion_imitate.video import join
from pipelines.batch.item import BatchItem, digest_of_parts, resolve_drawing_paths, version_with_weights
from pipelines.batch.manifest import FAILED, QUEUED, Manifest, open_manifest
from pipelines.batch.options import BatchOptions
from pipelines.batch.outcome import read_outcome_record
from pipelines.batch.scheduler import Scheduler, open_worker_pool
from pipelines.device import choose_device
from pipelines.imitate.driver import ImitateJob, open_person_motion
from pipelines.imitate.options import RenderOptions
from pipelines.imitate.render_video import RenderedVideo
from pipelines.motion.options import BaseEstimationOptions
from pipelines.motion.stored import cache_motion, load_cached_motion
from pipelines.output_path import UsageError
from pipelines.provenance import provenance_tags
from pipelines.rendering.encoder import settle_encoder
from pipelines.rendering.person import load_person
from pipelines.rendering.write_video import RENDER_ENCODING
from pipelines.reporter import Reporter
from pipelines.streaming.threads import THREAD_RUNNER

SEGMENT_PATIENCE = 300.0  # timeout per segment: seconds, plus one per frame
D = TypeVar("D", RenderOptions, BaseEstimationOptions)

SEGMENT_INDEX = "segments.json"


@dataclass(frozen=True)
class VideoSegment:
    """A part of the video, rendered as one batch item."""

    item: BatchItem
    second: float  # at which it starts
    frames: int

    def __len__(self) -> int:
        return self.frames


def check_segment_options(job: ImitateJob) -> None:
    """Refuse options that cannot be rendered in segments."""
    how = job.how
    if how.background == "driving" or how.side_by_side or how.preview or how.freeze is not None:
        option = "--preview" if how.preview else "--side-by-side" if how.side_by_side else "--background driving"
        option = option if how.freeze is None else "--freeze"
        raise UsageError(
            f"--segments cannot be used with {option}, which needs the video from its start; leave one out"
        )
    if how.background == "alpha" and job.out.suffix.lower() == ".webm":
        raise UsageError("transparent .webm files cannot be joined; give a .mov file, or leave --segments out")


def imitate_in_segments(job: ImitateJob, reporter: Reporter) -> RenderedVideo:
    """Write the video.

    Finished segments are kept in a folder beside the output until it is complete.
    """
    check_segment_options(job)
    encoder = settle_encoder(job.how.encoder, choose_device(job.estimation.device), job.how.run == "ray")
    job = replace(job, how=replace(job.how, encoder=encoder))
    folder = job.out.absolute().with_name(f".{job.out.name}.segments")
    how = BatchOptions(
        on="ray" if job.how.run == "ray" else "local",
        workers=job.estimation.workers,
        gpus_per_worker=job.how.gpus_per_worker,
        address=job.how.address,
    )
    with open_manifest(folder) as manifest:
        every = plan_segments(job, folder, manifest, reporter)
        manifest.plan_items([one.item for one in every], again=True, over=True)
        left = {one.item.id: one for one in every if manifest.row(one.item.id)["state"] == QUEUED}
        with open_worker_pool(how, len(left)) as pool:
            ended = Scheduler(manifest, pool, SEGMENT_PATIENCE + max(map(len, every))).run(
                [one.item for one in left.values()]
            )
            for done in reporter.track_progress(
                (left[item.id] for item in ended), "imitate", sum(map(len, left.values()))
            ):
                row = manifest.row(done.item.id)
                if row["state"] == FAILED:
                    raise OutputError(f"the segment at second {done.second:.2f} cannot be rendered: {row['reason']}")
        join(job.out, [(one.second, one.item.out) for one in every], job.clip, provenance_tags(), reporter.warn)
        about = read_outcome_record(every[0].item.out)
        choice = RendererChoice(about["renderer"], (about["renderer_reason"],), about["face"])
        sure = [load_cached_motion(cast(Path, one.item.motion))[0].confidence for one in every]
    shutil.rmtree(folder)
    return RenderedVideo(sure, choice)


def plan_segments(job: ImitateJob, folder: Path, manifest: Manifest, reporter: Reporter) -> list[VideoSegment]:
    """The segments; the motion of each is stored before any is rendered."""
    key, index = segments_cache_key(job, manifest), folder / SEGMENT_INDEX
    told = json.loads(index.read_text()) if index.exists() else {}
    if told.get("key") != key:
        told = {"key": key, "segments": [*store_segment_motions(job, folder, reporter)]}
        write_bytes_atomically(index, json.dumps(told).encode())
    drawing, looking = (
        resolve_drawing_paths(select_item_options(job.how, RenderOptions), Path.cwd()),
        select_item_options(job.estimation, BaseEstimationOptions),
    )
    photos, begin = tuple(photo.absolute() for photo in job.photos), told["segments"][0][0]
    every = []
    for number, (second, frames, paddings) in enumerate(told["segments"]):
        name, motion = f"{number:05}{job.out.suffix.lower()}", folder / segment_motion_name(number)
        own = digest_of_parts([key, str(number)])
        continued = tuple((left, top, right, bottom) for left, top, right, bottom in paddings)
        item = BatchItem(name, photos, motion, folder / name, drawing, looking, own, motion, inf, begin, continued)
        every.append(VideoSegment(item, second, frames))
    return every


def select_item_options(options: D, kind: type[D]) -> D:
    """The options that a batch item takes, without those of where and by how many workers it is rendered."""
    return kind(**{field.name: getattr(options, field.name) for field in fields(kind)})


def segments_cache_key(job: ImitateJob, manifest: Manifest) -> str:
    """A hash of everything that the result depends on."""
    given = [
        *job.photos,
        *(path for path in (job.clip, job.how.motion, job.how.weights, Path(job.how.background)) if path),
    ]
    drawing, estimation = (
        select_item_options(job.how, RenderOptions),
        select_item_options(job.estimation, BaseEstimationOptions),
    )
    settings = f"{drawing} {estimation} {job.how.segments}"
    return digest_of_parts([version_with_weights(), settings, *(manifest.cached_digest(path) for path in given)])


def store_segment_motions(
    job: ImitateJob, folder: Path, reporter: Reporter
) -> Iterator[tuple[float, int, list[Padding]]]:
    """Store the motion of each segment; yield its first second, frame count, and how the photo was continued before.

    Each segment starts where a keyframe may be.
    """
    assert job.how.segments is not None
    with open_person_motion(job, reporter, load_person, THREAD_RUNNER) as (driver, person, moved):
        rate = float(driver.rate)
        apart = max(1, round(rate * RENDER_ENCODING.keyframes))
        length = apart * ceil(job.how.segments * rate / apart)
        seen = reporter.track_progress(moved, "look", driver.frames)
        source, paddings = person.source, list[Padding]()
        around = PhotoSurroundings((source.image.shape[2], source.image.shape[3]))
        for number, part in enumerate(regroup_motion(seen, length)):
            cache_motion(folder / segment_motion_name(number), part, rate)
            yield float(part.seconds[0]), len(part), [*paddings]
            for window in frame_windows(source, part):
                more = around.padding_for(window_sides(window))
                if any(more):
                    around = around.pad(more)
                    paddings.append(more)


def segment_motion_name(number: int) -> str:
    """The file name of a segment's motion."""
    return f"{number:05}.safetensors"


def regroup_motion(runs: Iterable[Motion], length: int) -> Iterator[Motion]:
    """The same motion in runs of the given length; the last one may be shorter."""
    held: list[Motion] = []
    for run in runs:
        held.append(run)
        while sum(map(len, held)) >= length:
            some = cat_batched(held)
            yield some[:length]
            held = [some[length:]]
    if sum(map(len, held)):
        yield cat_batched(held)
