"""Benchmark a whole clip on a GPU beside the CPU: finding people, and `imitate` from file to file."""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch

from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking
from motion_imitate.types import Frames, cat_batched
from motion_imitate.video import probe, read, write
from motion_imitate.weights import find_asset
from pipelines.bench.runners import measure_steady_rate
from pipelines.bench.synthetic_clips import play_back_and_forth
from pipelines.bench.timing import time_in_turns
from pipelines.device import find_gpu_fault
from pipelines.imitate.driver import ImitateJob
from pipelines.imitate.options import ImitateOptions
from pipelines.motion.commands import write_extracted_motion
from pipelines.motion.estimate import GPU_RUNS
from pipelines.motion.options import EstimationOptions
from pipelines.rendering.person import load_person
from pipelines.reporter import Reporter

CLIP_REPEATS = 4  # that the clip is played, back and forth
LANDMARK_RUN = 16  # frames of a run in which people are found
LANDMARK_TIMES = 5
CLIP_LONGEST = 1920  # pixels of the longer side


def measure_gpu_clip(_: Path | None, repeats: int = CLIP_REPEATS, longest: int = CLIP_LONGEST) -> Iterator[str]:
    """Lines on the shipped clip, with the CPU and, where there is one, the GPU."""
    fault = find_gpu_fault()
    devices = ["cpu"] if fault else ["cpu", "cuda"]
    yield fault or torch.cuda.get_device_name()
    clip = find_asset("demo/clip.mp4")
    for device in devices:
        yield from measure_landmarks(cat_batched(list(read(clip)))[:LANDMARK_RUN], device)
    with tempfile.TemporaryDirectory() as folder:
        longer = Path(folder) / "longer.mp4"
        frames = write(longer, play_back_and_forth(clip, repeats), probe(clip).rate)
        yield f"{frames} frames, {longest} pixels, from file to file"
        for device in devices:
            yield from measure_files(longer, Path(folder), device, longest)


def measure_landmarks(run: Frames, device: str) -> Iterator[str]:
    """Lines on the time in which people are found in a run of frames: alone, and several runs at the same time."""
    estimator = LandmarkEstimator(Landmarking(device=device))
    with ThreadPoolExecutor(GPU_RUNS) as pool:
        works: dict[str, Callable[[], object]] = {
            "one run": lambda: [estimator(run) for _ in range(GPU_RUNS)],
            f"{GPU_RUNS} runs at once": lambda: list(pool.map(estimator, [run] * GPU_RUNS)),
        }
        frames = GPU_RUNS * len(run)
        for name, (best, middle) in time_in_turns(works, frames, LANDMARK_TIMES).items():
            yield f"  {device:<5} landmarks, {name:<14} {best:8.3f} {middle:8.3f} ms per frame"


def measure_files(clip: Path, folder: Path, device: str, longest: int) -> Iterator[str]:
    """Lines on the pace of `imitate` with the clip, and with its motion stored in a file."""
    stored = folder / "motion.npz"
    looking = EstimationOptions(size=longest, device=device)
    job = ImitateJob((find_asset("demo/photo.jpg"),), clip, folder / "out.mp4", ImitateOptions(), looking)
    person = load_person(job.photos, job.longest, job.how, Reporter(quiet=True))
    write_extracted_motion(clip, stored, looking, Reporter(quiet=True))
    known = replace(job, how=ImitateOptions(motion=stored))
    for name, each in (("with the clip", job), ("with its motion", known)):
        rate = measure_steady_rate(each, person)
        yield f"  {device:<5} imitate {name:<16} {rate:7.2f} frames/s"
