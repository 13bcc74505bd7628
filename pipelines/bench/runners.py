"""Ways to run the same stages: a loop, threads, processes of Ray; and a batch by one process and by two."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any

from motion_imitate.types import Frames, cat
from motion_imitate.video import probe, read, write
from motion_imitate.weights import find
from pipelines.batch.find_items import items_of
from pipelines.batch.item import INSIDE, Item, keyed
from pipelines.batch.local_workers import local
from pipelines.batch.manifest import opened
from pipelines.batch.progress import Board
from pipelines.batch.scheduler import Work
from pipelines.bench.synthetic_clips import LONG, swaying, there_and_back
from pipelines.imitate.driver import Job
from pipelines.imitate.options import Drawing, Imitating
from pipelines.imitate.person import person_of
from pipelines.imitate.render_video import made
from pipelines.motion.options import Looking, Seeing
from pipelines.reporter import S, Talk
from pipelines.streaming.memory import forget_peak, peak
from pipelines.streaming.ray_cluster import cluster
from pipelines.streaming.threads import alone

TIMES = 3  # that the clip is shown, there and back
WARM = 0.3  # of the frames, after which the pace is steady
CLIPS = 8  # of a batch
LONGEST = 960  # pixels
SMALL = 240  # of what shows what memory does


@dataclass(frozen=True)
class Stamping(Talk):
    """Notes when frames come."""

    quiet: bool = True
    came: list[float] = field(default_factory=list)

    def counted(self, runs: Iterable[S], what: str, total: int | None) -> Iterator[S]:
        for run in runs:
            self.came.extend([perf_counter()] * len(run))
            yield run


def measure(_: Path | None) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield from measured(find("demo/photo.jpg"), find("demo/clip.mp4"), Path(folder), TIMES, CLIPS)


def measured(photo: Path, clip: Path, folder: Path, times: int, clips: int) -> Iterator[str]:
    longer = folder / "longer.mp4"
    frames = write(longer, there_and_back(clip, times), probe(clip).rate)
    job = Job((photo,), longer, folder / "out.mp4", Imitating(), Seeing(size=LONGEST))
    person = person_of(job.photos, job.longest, job.how, Talk(quiet=True))
    yield f"{frames} frames of {clip.name}, {LONGEST} pixels"

    def paced(job: Job) -> float:
        talk = Stamping()
        made(job, talk, lambda *_: person)
        first = ceil(WARM * len(talk.came))
        return (len(talk.came) - first) / (perf_counter() - talk.came[first - 1])

    with alone():
        loop = paced(job)
    yield f"a plain loop        {loop:6.2f} frames/s, {1000 / loop:.0f} ms a frame"
    threads = paced(job)
    yield f"threads             {threads:6.2f} frames/s: {loop / threads:.2f} of the loop's time"
    if find_spec("ray"):
        with cluster():
            ray = paced(replace(job, how=Imitating(run="ray")))
        yield f"Ray                 {ray:6.2f} frames/s: {threads / ray:.2f} of the threads' time"
    apart(clip, folder / "clips", clips)
    one, two = (batch_pace(photo, folder, workers) for workers in (1, 2))
    yield f"a batch, 1 process  {one:6.2f} frames/s"
    yield f"a batch, 2          {two:6.2f} frames/s: {two / one:.2f} times as many"


def apart(clip: Path, folder: Path, count: int) -> None:
    """Clips of one length, each of which begins a frame later: a batch looks once at what is the same."""
    folder.mkdir()
    whole = cat(list(read(clip)))
    for k in range(count):
        length = len(whole) - count + 1
        write(folder / f"{k}.mp4", iter([Frames(whole.data[k : k + length], whole.seconds[:length])]), 60)


@dataclass
class Ends(Board):
    came: list[tuple[float, int]] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    def ended(self, item: Item, row: Any) -> None:
        self.came.append((perf_counter(), row["frames"]))
        self.peaks.append(row["peak_mib"])


def batch_pace(photo: Path, folder: Path, workers: int) -> float:
    """From when every process has made its first."""
    ends = Ends()
    batch_of(photo, folder / "clips", folder / f"by_{workers}", Looking(size=LONGEST), workers, ends)
    begun, _ = ends.came[workers - 1]
    return sum(frames for _, frames in ends.came[workers:]) / (ends.came[-1][0] - begun)


def batch_of(photo: Path, clips: Path, out: Path, looking: Looking, workers: int, ends: Ends) -> None:
    with opened(out) as book:
        (out / INSIDE / "motions").mkdir()
        items = items_of(clips, [photo], out, Drawing(), looking)
        items = [keyed(item, book.contents, out / INSIDE / "motions") for item in items]
        book.plan(items, again=False, over=False)
        with local(workers, len(items)) as hands:
            for _ in Work(book, hands, 600, ends).all(items):
                pass


def flatness(_: Path | None, frames: int = LONG) -> Iterator[str]:
    """What a batch takes for a clip of many frames, beside a tenth of it. It takes many minutes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "clips").mkdir()
        peaks: dict[int, float] = {}
        for count in (frames // 10, frames):
            write(folder / "clips" / f"{count:06}.mp4", swaying(count), 60)
            looking, ends = Looking(size=SMALL, quality="fast"), Ends()
            forget_peak()
            batch_of(find("demo/photo.jpg"), folder / "clips", folder / f"by_{count}", looking, 1, ends)
            peaks[count] = ends.peaks[-1]
            yield f"{count} frames: at most {peaks[count]:.0f} MiB in the worker, {peak():.0f} in who gives it work"
            (folder / "clips" / f"{count:06}.mp4").unlink()
    yield f"ten times the frames take {peaks[frames] / peaks[frames // 10]:.2f} times the memory"
