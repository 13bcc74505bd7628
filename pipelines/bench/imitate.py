"""The whole of `imitate`: how fast, in how much memory, how soon; and what its pictures are worth."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time, time

import cv2
import torch
from torch import Tensor

from motion_imitate.generators.load import RENDERERS, geometric
from motion_imitate.geometry.flow import correspond, visible
from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import STEADY, Person, Render
from motion_imitate.motion.retarget import retarget
from motion_imitate.motion.smooth import smooth
from motion_imitate.photos.read import opened
from motion_imitate.types import BodyModel, Drawn, Frames, Motion, Source, View
from motion_imitate.types import Generator as Drawer
from motion_imitate.video import probe, write
from motion_imitate.weights import find
from pipelines.bench import image_quality as bench_pictures
from pipelines.bench.process import run_alone
from pipelines.bench.synthetic_clips import LONG, swaying, there_and_back
from pipelines.evaluate.compare import filling
from pipelines.imitate.backdrop import behind
from pipelines.imitate.driver import driver_of
from pipelines.imitate.options import Imitating
from pipelines.imitate.person import person_of
from pipelines.imitate.render_video import begun_with, ground, same, staged
from pipelines.motion.options import Seeing
from pipelines.reporter import Talk
from pipelines.streaming.threads import alone, beside, threads

SIZE = (1280, 720)  # height and width of what is made
TIMES = 4  # that the clip is shown, there and back
AFTER = 100  # frames after which the pace is taken to be steady
WARM = 0.2  # seconds of the clip that are made before anything is measured
SMALL = 240  # pixels of the longer side of what shows what memory does
BARE = "bare stand-in"  # for a generator
QUIET = Talk(quiet=True)

Pairs = Iterator[tuple[Frames, Motion]]


@dataclass(frozen=True)
class Job:
    photo: Path
    clip: Path
    out: Path
    longest: int = max(SIZE)

    @property
    def words(self) -> list[str]:
        return ["imitate", str(self.photo), str(self.clip), "-o", str(self.out), "--size", str(self.longest), "-y"]


@dataclass(frozen=True)
class Pace:
    """Seconds from before the photo was opened: when each frame came to the encoder, and when the file was whole."""

    came: list[float]
    whole: float
    used: list[float]  # of all processors, until each frame came

    def overall(self) -> float:
        return len(self.came) / self.whole

    def steady(self, after: int = AFTER) -> float:
        """Frames a second from frame `after` on."""
        return (len(self.came) - after) / (self.whole - self.came[after])

    def cost(self, after: int = AFTER) -> float:
        """Seconds of one processor for a frame, from frame `after` on; others at work change that little."""
        return (self.used[-1] - self.used[after]) / (len(self.used) - 1 - after)


def measure(data: Path | None) -> Iterator[str]:
    torch.set_num_threads(1)
    photo = find("demo/photo.jpg")
    clip = (data or Path("nowhere")) / "single_cam01.mp4"
    clip = clip if clip.exists() else find("demo/clip.mp4")
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Path(folder) / "photo.png", Path(folder) / "longer.mp4", Path(folder) / "out.mp4")
        save(job.photo, filling(opened(photo, 2 * max(SIZE)).image, SIZE))
        rate = probe(clip).rate
        frames = write(job.clip, there_and_back(clip, TIMES), rate)
        shape = probe(clip)
        yield f"{clip.name}, {shape.width}x{shape.height}, {frames} frames, to {SIZE[1]}x{SIZE[0]}"
        yield from speed(job)
        yield from memory(job, frames)
        yield from soon(job)
    yield from bench_pictures.measure(data)


def save(path: Path, picture: Tensor) -> None:
    cv2.imwrite(str(path), picture.permute(1, 2, 0).numpy()[..., ::-1])


class Bare:
    """Stands in for a generator: where the photo shows what a view shows, and whether. No more is done about it."""

    def encode(self, source: Source) -> View:
        return source.view[:1]

    def draw(self, code: View, target: View) -> Drawn:
        at = correspond(code, target)
        body = (target.raster.face >= 0).float()[:, None]
        trust = visible(at, code).float()[:, None]
        return Drawn(body.expand(-1, 3, -1, -1) / 2, body, at[:, None, ..., :2], trust, torch.zeros_like(body))


def bare(_: BodyModel) -> Bare:
    return Bare()


def threaded(render: Render, pairs: Pairs) -> Generator[Frames]:
    """As `imitate` draws."""
    with closing(beside(pairs)) as made, closing(threads(partial(same, render), made, Seeing().workers)) as drawn:
        yield from drawn


def paced(
    job: Job,
    make: Callable[[BodyModel], Drawer],  # type: ignore[type-arg]
    limit: float = float("inf"),
) -> Pace:
    """The command's own stages, with that generator."""
    begun, came, used = perf_counter(), list[float](), list[float]()
    driver = driver_of(job.clip, Imitating(), Seeing(size=job.longest), QUIET)
    person = person_of([job.photo], job.longest, Imitating(), QUIET)
    source, model = person.source, person.model
    moved = retarget(smooth(driver.motion, STEADY), source.body[:1], source.camera[:1], model)
    first, moved = begun_with(moved)
    render = Render(Person.of(source, model, make(model)), rasterize, ground("photo", source, first, model))
    with (
        closing(behind("photo", source, driver, QUIET)) as backdrop,
        closing(threaded(render, staged(moved, backdrop, limit, []))) as drawn,
    ):
        write(job.out, stamped(drawn, begun, came, used), driver.rate, job.clip)
    return Pace(came, perf_counter() - begun, used)


def stamped(runs: Iterable[Frames], begun: float, came: list[float], used: list[float]) -> Iterator[Frames]:
    for run in runs:
        came.extend([perf_counter() - begun] * len(run))
        used.extend([process_time()] * len(run))
        yield run


def speed(job: Job) -> Iterator[str]:
    paced(job, geometric, limit=WARM)
    paces = {name: paced(job, make) for name, make in (RENDERERS | {BARE: bare}).items()}
    for name, pace in paces.items():
        yield told(name, pace)
    whole, rest = paces["geometric"], paces[BARE]
    for name in RENDERERS:
        yield f"everything but {name} is {rest.steady() / paces[name].steady():.2f} times as fast"
    with alone():
        loop = paced(job, geometric)
    yield told("geometric, a plain loop", loop)
    took = loop.whole / whole.whole
    yield f"the loop takes {took:.2f} times as long as threads, {whole.steady() / loop.steady():.2f} once it is steady"


def told(name: str, pace: Pace) -> str:
    steady = f"{pace.steady():7.2f} frames/s from frame {AFTER} on, each {1000 * pace.cost():.0f} ms of a processor"
    return f"{name:24}{steady}; {pace.overall():.2f} frames/s from photo to file"


def memory(job: Job, frames: int) -> Iterator[str]:
    seconds, most = run_alone(job.words)
    yield f"the command: {frames / seconds:.2f} frames/s from start to end, at most {most:.0f} MiB"


def flatness(_: Path | None, frames: int = LONG) -> Iterator[str]:
    """What a clip of many frames takes, beside a tenth of it. It takes many minutes: measured only if asked for."""
    most: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (frames // 10, frames):
            clip, out = (Path(folder) / f"{count}{end}.mp4" for end in ("", "-out"))
            write(clip, swaying(count), 60)
            seconds, peak = run_alone([*Job(find("demo/photo.jpg"), clip, out, SMALL).words, "--quality", "fast"])
            most.append(peak)
            yield f"{count} frames of a made-up driver, fast: {count / seconds:.1f} frames/s, at most {peak:.0f} MiB"
    yield f"ten times the frames take {most[1] / most[0]:.2f} times the memory"


SOON = """
import sys
from time import time
from pipelines.cli import commands
from pipelines.imitate import render_video as imitate
stamps = [time()]
prepare, write = imitate.person_of, imitate.write
def prepared(*given):
    person = prepare(*given)
    stamps.append(time())
    imitate.person_of = lambda *given: person
    return person
def first(runs):
    for run in runs:
        yield run[:1]  # whoever asks for more has encoded it
        stamps.append(time())
        raise KeyboardInterrupt
imitate.person_of = prepared
imitate.write = lambda path, runs, *rest, **named: write(path, first(runs), *rest, **named)
for _ in range(2):
    assert commands.main(sys.argv[1:]) == 130
    stamps.append(time())
print(*stamps)
"""


def soon(job: Job) -> Iterator[str]:
    """The second of two starts: files are in memory then, and what is compiled is compiled."""
    started(job)
    imported, prepared, encoded, again, warm, _ = started(job)
    yield f"the first frame is encoded {encoded:.2f} s after the start of the process:"
    yield f"  imports {imported:.2f}, photo {prepared - imported:.2f}, first frame {encoded - prepared:.2f}"
    yield f"and, with the next clip in that process, for the same person, after {warm - again:.2f} s"


def started(job: Job) -> list[float]:
    """Seconds until the imports are done, the photo is prepared, the first frame is encoded, all is put away; and
    until the same person's first frame of another start in the process is encoded, and put away."""
    begun = time()
    command = [sys.executable, "-c", SOON, *job.words, "--quiet"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [float(stamp) - begun for stamp in done.stdout.split()]
