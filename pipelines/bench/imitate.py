"""Benchmark `imitate`: speed, memory, time to the first frame, and image quality."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time, time

import cv2
import torch
from torch import Tensor

from motion_imitate.frame_renderer import RenderSettings
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.imitate import render_motion
from motion_imitate.person import Person
from motion_imitate.photos.read import read_photo
from motion_imitate.portray import make_person
from motion_imitate.runner import INLINE, StreamRunner
from motion_imitate.types import BodyModel, Drawn, Frames, Motion, Source, View
from motion_imitate.video import probe, write
from motion_imitate.weights import find_asset
from pipelines.bench import image_quality as bench_pictures
from pipelines.bench.process import run_measured_process
from pipelines.bench.synthetic_clips import LONG_CLIP_FRAMES, play_back_and_forth, render_swaying_body
from pipelines.evaluate.compare import fill_frame_with
from pipelines.imitate.driver import ImitateJob, open_person_motion
from pipelines.imitate.options import ImitateOptions
from pipelines.imitate.render_video import take_seconds
from pipelines.motion.options import EstimationOptions
from pipelines.rendering.person import load_person
from pipelines.reporter import Reporter
from pipelines.streaming.threads import THREAD_RUNNER

RESULT_SIZE = (1280, 720)  # height and width of the result
IMITATE_REPEATS = 4  # that the clip is played, back and forth
STEADY_AFTER = 100  # frames after which the rate counts as steady
WARMUP_SECONDS = 0.2  # seconds of the clip rendered before anything is measured
GROWTH_LONGEST = 240  # pixels of the longer side when memory growth is measured
BARE_NAME = "no renderer"  # label of BareGenerator
PACE_REPORTER = Reporter(quiet=True)

FramePairs = Iterator[tuple[Frames, Motion]]


@dataclass(frozen=True)
class BenchJob:
    """Input and output files of a benchmark run."""

    photo: Path
    clip: Path
    out: Path
    longest: int = max(RESULT_SIZE)

    @property
    def words(self) -> list[str]:
        """The command line of the run."""
        return ["imitate", str(self.photo), str(self.clip), "-o", str(self.out), "--size", str(self.longest), "-y"]


@dataclass(frozen=True)
class RunPace:
    """Seconds from before the photo is opened until each frame reaches the encoder, and until the file is complete."""

    came: list[float]
    whole: float
    used: list[float]  # processor seconds of all threads until each frame came

    def overall_rate(self) -> float:
        """Frames per second, from the photo to the complete file."""
        return len(self.came) / self.whole

    def steady_rate(self, after: int = STEADY_AFTER) -> float:
        """Frames per second from frame `after` on."""
        return (len(self.came) - after) / (self.whole - self.came[after])

    def cpu_cost(self, after: int = STEADY_AFTER) -> float:
        """Processor seconds per frame from frame `after` on; other load on the machine changes this little."""
        return (self.used[-1] - self.used[after]) / (len(self.used) - 1 - after)


def measure_imitate(data: Path | None) -> Iterator[str]:
    """Lines on speed, memory, first frame and image quality."""
    torch.set_num_threads(1)
    photo = find_asset("demo/photo.jpg")
    clip = (data or Path("nowhere")) / "single_cam01.mp4"
    clip = clip if clip.exists() else find_asset("demo/clip.mp4")
    with tempfile.TemporaryDirectory() as folder:
        job = BenchJob(Path(folder) / "photo.png", Path(folder) / "longer.mp4", Path(folder) / "out.mp4")
        write_image(job.photo, fill_frame_with(read_photo(photo, 2 * max(RESULT_SIZE)).image, RESULT_SIZE))
        rate = probe(clip).rate
        frames = write(job.clip, play_back_and_forth(clip, IMITATE_REPEATS), rate)
        shape = probe(clip)
        yield f"{clip.name}, {shape.width}x{shape.height}, {frames} frames, to {RESULT_SIZE[1]}x{RESULT_SIZE[0]}"
        yield from measure_imitate_speed(job)
        yield from measure_imitate_memory(job, frames)
        yield from measure_first_frame(job)
    yield from bench_pictures.measure_image_quality(data)


def write_image(path: Path, picture: Tensor) -> None:
    """Write an RGB image [3, H, W] to a file."""
    cv2.imwrite(str(path), picture.permute(1, 2, 0).numpy()[..., ::-1])


class BareGenerator:
    """A generator that only tells where the body is: the cost of everything but the renderer."""

    def encode(self, source: Source) -> None:
        return None

    def draw(self, code: None, target: View) -> Drawn:
        body = (target.raster.face >= 0).float()[:, None]
        return Drawn(body.expand(-1, 3, -1, -1) / 2, body)


def make_bare_person(source: Source, model: BodyModel) -> Person:
    """A person whom `BareGenerator` draws."""
    return Person.of(source, model, BareGenerator())


def measure_pace(
    job: BenchJob,
    make: Callable[[Source, BodyModel], Person],
    limit: float = float("inf"),
    runner: StreamRunner = THREAD_RUNNER,
) -> RunPace:
    """Run `imitate` with the person that `make` prepares, and time every frame."""
    begun, came, used = perf_counter(), list[float](), list[float]()
    estimation = EstimationOptions(size=job.longest)
    whole = ImitateJob((job.photo,), job.clip, job.out, ImitateOptions(), estimation)
    with open_person_motion(whole, PACE_REPORTER, load_person, runner) as (driver, person, motion):
        bench_person = make(person.source, person.model)
        settings = RenderSettings(workers=estimation.workers)
        frames = render_motion(bench_person, take_seconds(motion, limit), None, runner, how=settings)
        with closing(frames) as drawn:
            write(job.out, stamp_frames(drawn, begun, came, used), driver.rate, job.clip)
    return RunPace(came, perf_counter() - begun, used)


def stamp_frames(runs: Iterable[Frames], begun: float, came: list[float], used: list[float]) -> Iterator[Frames]:
    """Pass the frames through, noting wall and processor time at which each arrives."""
    for run in runs:
        came.extend([perf_counter() - begun] * len(run))
        used.extend([process_time()] * len(run))
        yield run


def measure_imitate_speed(job: BenchJob) -> Iterator[str]:
    """Frames per second of the avatar, of everything but the renderer, and of a plain loop."""
    whole_maker = partial(make_person, renderer=AVATAR_RENDERER)
    measure_pace(job, whole_maker, limit=WARMUP_SECONDS)
    whole, rest = (measure_pace(job, make) for make in (whole_maker, make_bare_person))
    loop = measure_pace(job, whole_maker, runner=INLINE)
    for name, pace in ((AVATAR_RENDERER, whole), (BARE_NAME, rest), (f"{AVATAR_RENDERER}, a plain loop", loop)):
        yield describe_pace(name, pace)
    yield f"everything but the renderer runs at {rest.steady_rate() / whole.steady_rate():.2f} times its rate"
    took = loop.whole / whole.whole
    steady = whole.steady_rate() / loop.steady_rate()
    yield f"the loop takes {took:.2f} times as long as threads, {steady:.2f} once steady"


def describe_pace(name: str, pace: RunPace) -> str:
    """A line with the steady rate, processor time per frame and overall rate."""
    steady = f"{pace.steady_rate():7.2f} frames/s from frame {STEADY_AFTER} on"
    cost = f"each {1000 * pace.cpu_cost():.0f} ms of a processor"
    return f"{name:24}{steady}, {cost}; {pace.overall_rate():.2f} frames/s from photo to file"


def measure_imitate_memory(job: BenchJob, frames: int) -> Iterator[str]:
    """Speed and peak memory of the whole command."""
    seconds, most = run_measured_process(job.words)
    yield f"the command: {frames / seconds:.2f} frames/s from start to end, peak {most:.0f} MiB"


def measure_imitate_growth(_: Path | None, frames: int = LONG_CLIP_FRAMES) -> Iterator[str]:
    """Peak memory on many frames against a tenth of them. Takes many minutes: run only on request."""
    most: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (frames // 10, frames):
            clip, out = (Path(folder) / f"{count}{end}.mp4" for end in ("", "-out"))
            write(clip, render_swaying_body(count), 60)
            seconds, peak = run_measured_process(
                [*BenchJob(find_asset("demo/photo.jpg"), clip, out, GROWTH_LONGEST).words, "--quality", "fast"]
            )
            most.append(peak)
            yield f"{count} frames of a synthetic driver, fast: {count / seconds:.1f} frames/s, peak {peak:.0f} MiB"
    yield f"ten times the frames take {most[1] / most[0]:.2f} times the memory"


FIRST_FRAME_SCRIPT = """
import sys
from time import time
from pipelines.cli import commands
from pipelines.imitate import render_video
from pipelines.rendering import write_video
stamps = [time()]
prepare, write, render = render_video.load_person, write_video.write, render_video.render_once
people = []
def prepared(*given):
    if not people:
        people.append(prepare(*given))
        stamps.append(time())
    return people[0]
def first(runs):
    for run in runs:
        yield run[:1]  # when more is requested, it has been encoded
        stamps.append(time())
        raise KeyboardInterrupt
render_video.render_once = lambda job, talk, load, runner, length: render(job, talk, prepared, runner, length)
write_video.write = lambda path, runs, *rest, **named: write(path, first(runs), *rest, **named)
for _ in range(2):
    assert commands.main(sys.argv[1:]) == 130
    stamps.append(time())
print(*stamps)
"""


def measure_first_frame(job: BenchJob) -> Iterator[str]:
    """Time until the first frame, from the second of two starts: files are cached and kernels compiled by then."""
    time_two_starts(job)
    imported, prepared, encoded, again, warm, _ = time_two_starts(job)
    yield f"the first frame is encoded {encoded:.2f} s after the start of the process:"
    yield f"  imports {imported:.2f}, photo {prepared - imported:.2f}, first frame {encoded - prepared:.2f}"
    yield f"for a second clip of the same person in that process, after {warm - again:.2f} s"


def time_two_starts(job: BenchJob) -> list[float]:
    """Seconds until imports are done, the photo is prepared, the first frame is encoded and all is closed; then, for a
    second run with the same person in that process, until its first frame is encoded and all is closed."""
    begun = time()
    command = [sys.executable, "-c", FIRST_FRAME_SCRIPT, *job.words, "--quiet"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [float(stamp) - begun for stamp in done.stdout.split()]
