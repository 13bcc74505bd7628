"""Benchmark the runners: a loop, threads and Ray; and a batch in one and two processes."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any

from motion_imitate.person import Person
from motion_imitate.runner import INLINE, StreamRunner
from motion_imitate.types import Frames, cat_batched
from motion_imitate.video import probe, read, write
from motion_imitate.weights import find_asset
from pipelines.batch.find_items import find_batch_items
from pipelines.batch.item import BATCH_STATE_FOLDER, BatchItem, with_cache_key
from pipelines.batch.local_workers import local_worker_pool
from pipelines.batch.manifest import open_manifest
from pipelines.batch.progress import BatchProgress
from pipelines.batch.scheduler import Scheduler
from pipelines.bench.synthetic_clips import LONG_CLIP_FRAMES, play_back_and_forth, render_swaying_body
from pipelines.imitate.driver import ImitateJob
from pipelines.imitate.options import ImitateOptions, RenderOptions
from pipelines.imitate.render_video import render_video
from pipelines.motion.options import BaseEstimationOptions, EstimationOptions
from pipelines.rendering.person import load_person
from pipelines.reporter import Reporter, SizedT
from pipelines.streaming.memory import peak_rss, reset_peak_memory
from pipelines.streaming.ray_cluster import connect_ray

RUNNER_REPEATS = 3  # that the clip is played, back and forth
WARMUP_SHARE = 0.3  # share of the frames after which the rate is steady
BATCH_CLIPS = 8  # in a batch
RUNNER_LONGEST = 960  # pixels of the longer side
BATCH_GROWTH_LONGEST = 240  # pixels of the longer side when memory growth is measured


@dataclass(frozen=True)
class TimestampReporter(Reporter):
    """Notes when each frame arrives."""

    quiet: bool = True
    came: list[float] = field(default_factory=list)

    def track_progress(self, runs: Iterable[SizedT], what: str, total: int | None) -> Iterator[SizedT]:
        for run in runs:
            self.came.extend([perf_counter()] * len(run))
            yield run


def measure_runners(_: Path | None) -> Iterator[str]:
    """Lines on the speed of each runner, on the shipped photo and clip."""
    with tempfile.TemporaryDirectory() as folder:
        yield from compare_runners(
            find_asset("demo/photo.jpg"), find_asset("demo/clip.mp4"), Path(folder), RUNNER_REPEATS, BATCH_CLIPS
        )


def compare_runners(photo: Path, clip: Path, folder: Path, times: int, clips: int) -> Iterator[str]:
    """Lines on the speed of each runner, on a clip played `times` times and a batch of `clips`."""
    longer = folder / "longer.mp4"
    frames = write(longer, play_back_and_forth(clip, times), probe(clip).rate)
    job = ImitateJob((photo,), longer, folder / "out.mp4", ImitateOptions(), EstimationOptions(size=RUNNER_LONGEST))
    person = load_person(job.photos, job.longest, job.how, Reporter(quiet=True))
    yield f"{frames} frames of {clip.name}, {RUNNER_LONGEST} pixels"

    loop = measure_steady_rate(job, person, INLINE)
    yield f"a plain loop        {loop:6.2f} frames/s, {1000 / loop:.0f} ms a frame"
    threads = measure_steady_rate(job, person)
    yield f"threads             {threads:6.2f} frames/s: {loop / threads:.2f} of the loop's time"
    if find_spec("ray"):
        with connect_ray():
            ray = measure_steady_rate(replace(job, how=ImitateOptions(run="ray")), person)
        yield f"Ray                 {ray:6.2f} frames/s: {threads / ray:.2f} of the threads' time"
    write_shifted_clips(clip, folder / "clips", clips)
    one, two = (measure_batch_pace(photo, folder, workers) for workers in (1, 2))
    yield f"a batch, 1 process  {one:6.2f} frames/s"
    yield f"a batch, 2          {two:6.2f} frames/s: {two / one:.2f} times as many"


def measure_steady_rate(job: ImitateJob, person: Person, runner: StreamRunner | None = None) -> float:
    """Frames per second of `imitate` with a person that is prepared, once the pace is steady."""
    reporter = TimestampReporter()
    render_video(job, reporter, lambda *_: person, runner)
    first = ceil(WARMUP_SHARE * len(reporter.came))
    return (len(reporter.came) - first) / (perf_counter() - reporter.came[first - 1])


def write_shifted_clips(clip: Path, folder: Path, count: int) -> None:
    """Write clips of equal length, each starting a frame later, because a batch estimates identical clips once."""
    folder.mkdir()
    whole = cat_batched(list(read(clip)))
    for k in range(count):
        length = len(whole) - count + 1
        write(folder / f"{k}.mp4", iter([Frames(whole.data[k : k + length], whole.seconds[:length])]), 60)


@dataclass
class BatchEndTimes(BatchProgress):
    """Notes when each item ends, with its frames and peak memory."""

    came: list[tuple[float, int]] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    def finish_item(self, item: BatchItem, row: Any) -> None:
        self.came.append((perf_counter(), row["frames"]))
        self.peaks.append(row["peak_mib"])


def measure_batch_pace(photo: Path, folder: Path, workers: int) -> float:
    """Frames per second of a batch, from when every process has finished its first video."""
    ends = BatchEndTimes()
    run_bench_batch(
        photo, folder / "clips", folder / f"by_{workers}", BaseEstimationOptions(size=RUNNER_LONGEST), workers, ends
    )
    begun, _ = ends.came[workers - 1]
    return sum(frames for _, frames in ends.came[workers:]) / (ends.came[-1][0] - begun)


def run_bench_batch(
    photo: Path, clips: Path, out: Path, looking: BaseEstimationOptions, workers: int, ends: BatchEndTimes
) -> None:
    """Run a batch of all clips in a folder."""
    with open_manifest(out) as manifest:
        (out / BATCH_STATE_FOLDER / "motions").mkdir()
        items = find_batch_items(clips, [photo], out, RenderOptions(), looking)
        items = [with_cache_key(item, manifest.cached_digest, out / BATCH_STATE_FOLDER / "motions") for item in items]
        manifest.plan_items(items, again=False, over=False)
        with local_worker_pool(workers, len(items)) as pool:
            for _ in Scheduler(manifest, pool, 600, ends).run(items):
                pass


def measure_batch_growth(_: Path | None, frames: int = LONG_CLIP_FRAMES) -> Iterator[str]:
    """Peak memory of a batch on many frames against a tenth of them. Takes many minutes: run only on request."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "clips").mkdir()
        peaks: dict[int, float] = {}
        for count in (frames // 10, frames):
            write(folder / "clips" / f"{count:06}.mp4", render_swaying_body(count), 60)
            looking, ends = BaseEstimationOptions(size=BATCH_GROWTH_LONGEST, quality="fast"), BatchEndTimes()
            reset_peak_memory()
            run_bench_batch(find_asset("demo/photo.jpg"), folder / "clips", folder / f"by_{count}", looking, 1, ends)
            peaks[count] = ends.peaks[-1]
            yield f"{count} frames: at most {peaks[count]:.0f} MiB in the worker, {peak_rss():.0f} in the scheduler"
            (folder / "clips" / f"{count:06}.mp4").unlink()
    yield f"ten times the frames take {peaks[frames] / peaks[frames // 10]:.2f} times the memory"
