"""Test, measure and train what is due on a GPU, in a fixed time: results are written as soon as they exist.

python -m pipelines.train.gpu_run --minutes 9 --out DIR [--due pg2,drn] [--makehuman DIR] [--motions DIR]
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import copyfile
from time import monotonic, time
from typing import Any

import cv2
import numpy as np

from motion_imitate.files import write_bytes_atomically
from pipelines.train.due_systems import DUE_SYSTEMS
from pipelines.train.loop import LOG_FILE, PREVIEW_FILE, WEIGHTS_FILE
from pipelines.train.timed_parts import GRACE_SECONDS, RunningPart, TimedPart, run_timed_parts, scratch_folder

ENDING_SECONDS = 5.0  # to write the last results
STORE_SHARE, MOST_STORE_SECONDS = 0.2, 90.0  # of the time, for making a store
STORE_MARGIN = 45.0  # seconds for compiling before, and for decoding after
TEST_SHARE, BENCH_SHARE = 0.15, 0.1  # of the time at most
MAX_FILE_BYTES, MAX_FILES = 16_000_000, 8  # of what comes back
CUDA_TEST_WORDS = ("mark.cuda", "support.on_gpu")  # in files with tests that need a GPU
BENCHES = ("raster", "gpu")
KEPT_LOG_LINES = 40  # of each system, evenly spread
REPORT_FILE, TEXT_FILE, SHEET_FILE = "report.json", "log.txt", "sheet.png"


@dataclass(frozen=True)
class GpuRunOptions:
    """What runs where, and for how long."""

    out: Path
    minutes: float = 9.0
    due: tuple[str, ...] = tuple(DUE_SYSTEMS)
    device: str = "cuda"
    store: Path | None = None  # made if there is none
    size: str = "128x96"  # of the store's pictures
    makehuman: Path | None = None
    motions: Path | None = None
    begin: Path | None = None  # folder of weights to begin with: pg2.safetensors, ...
    batch: int | None = None  # samples per step, instead of those of DUE_SYSTEMS
    seed: int = 0

    @property
    def workers(self) -> int:
        """Cores for making people; two are left for other parts."""
        return max(1, (os.cpu_count() or 1) - 2)


def plan_parts(how: GpuRunOptions, scratch: Path) -> list[TimedPart]:
    """The parts of the run: tests and benchmarks beside the making of a store, then all training at once."""
    seconds = 60 * how.minutes
    until = time() + seconds - GRACE_SECONDS - 2 * ENDING_SECONDS
    store = how.store or scratch / "store"
    making = min(STORE_SHARE * seconds, MOST_STORE_SECONDS)
    parts = [
        TimedPart("tests", partial(gpu_test_command, how), TEST_SHARE * seconds),
        TimedPart("bench", partial(module_command, "pipelines.bench", *BENCHES), BENCH_SHARE * seconds, ("tests",)),
    ]
    if how.store is None and how.due:
        parts.append(TimedPart("store", partial(store_command, how, store, making), making + STORE_MARGIN))
    first = tuple(part.name for part in parts)
    return parts + [
        TimedPart(name, partial(training_command, how, name, store, scratch / name, until), seconds, first)
        for name in how.due
    ]


def module_command(module: str, *words: str) -> list[str]:
    """A command that runs a module."""
    return [sys.executable, "-m", module, *words]


def gpu_test_command(how: GpuRunOptions) -> list[str]:
    """The tests that are marked `cuda`, without pytest's options and plugins of this project."""
    root = Path(__file__).parents[2]
    tests = sorted((root / "tests").rglob("test_*.py"))
    files = [str(path) for path in tests if any(word in path.read_text() for word in CUDA_TEST_WORDS)]
    plain = ["-o", "addopts=", "--import-mode=importlib", "-p", "no:cacheprovider", "-q", "-rs"]
    return module_command("pytest", "-m", "cuda", *plain, f"--rootdir={root}", *files)


def store_command(how: GpuRunOptions, store: Path, seconds: float) -> list[str]:
    """The command that makes a store."""
    named = {"--makehuman": how.makehuman, "--motions": how.motions}
    words = [str(word) for name, path in named.items() if path is not None for word in (name, path)]
    words += ["--seconds", str(seconds), "--workers", str(how.workers), "--size", how.size, "--seed", str(how.seed)]
    return module_command("pipelines.train.timed_store", str(store), *words)


def training_command(how: GpuRunOptions, name: str, store: Path, folder: Path, until: float) -> list[str]:
    """The command that trains a system."""
    begin = how.begin / f"{name}.safetensors" if how.begin is not None else None
    said = {
        "store": str(store),
        "until": until,
        "device": how.device,
        "batch": how.batch or DUE_SYSTEMS[name].batch,
        "begin": str(begin) if begin is not None and begin.is_file() else None,
        "makehuman": None if how.makehuman is None else str(how.makehuman),
        "motions": None if how.motions is None else str(how.motions),
        "workers": max(1, how.workers - len(how.due)),
        "seed": how.seed,
    }
    return module_command("pipelines.train.due_systems", name, str(folder), json.dumps(said))


def collect_results(how: GpuRunOptions, scratch: Path, started: dict[str, RunningPart]) -> None:
    """Write weights, report, sheet and texts of what there is so far."""
    report: dict[str, Any] = {"device": how.device, "minutes": how.minutes, "parts": {}, "systems": {}}
    for name, running in started.items():
        report["parts"][name] = running.report()
        if name in how.due:
            report["systems"][name] = describe_training(scratch / name, how.batch or DUE_SYSTEMS[name].batch)
            weights = scratch / name / WEIGHTS_FILE
            if weights.is_file() and weights.stat().st_size <= MAX_FILE_BYTES:
                part = how.out / f".{name}.part"
                copyfile(weights, part)
                part.replace(how.out / f"{name}.safetensors")
    write_bytes_atomically(how.out / REPORT_FILE, (json.dumps(report, indent=1) + "\n").encode())
    texts = [f"== {name}\n{running.log.read_text(errors='replace')}" for name, running in started.items()]
    write_bytes_atomically(how.out / TEXT_FILE, "\n".join(texts).encode()[-MAX_FILE_BYTES:])
    sheet = stack_sheets([scratch / name / PREVIEW_FILE for name in how.due])
    if sheet is not None and len(sheet) <= MAX_FILE_BYTES:
        write_bytes_atomically(how.out / SHEET_FILE, sheet)


def describe_training(folder: Path, batch: int) -> dict[str, Any]:
    """Samples seen, and lines of the log, evenly spread."""
    path = folder / LOG_FILE
    log = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    every = max(1, len(log) // KEPT_LOG_LINES)
    return {"samples": batch * int(log[-1]["step"] + 1) if log else 0, "log": log[::-1][::every][::-1]}


def stack_sheets(paths: list[Path]) -> bytes | None:
    """The sheets below each other as a PNG, over black; None if there are none."""
    found = [picture for path in paths if path.is_file() and (picture := cv2.imread(str(path))) is not None]
    if not found:
        return None
    wide = max(picture.shape[1] for picture in found)
    rows = [np.pad(picture, ((0, 8), (0, wide - picture.shape[1]), (0, 0))) for picture in found]
    return bytes(cv2.imencode(".png", np.concatenate(rows))[1].tobytes())


def run_on_gpu(how: GpuRunOptions) -> int:
    """Run all parts; returns 0 if all of them ended well."""
    how.out.mkdir(parents=True, exist_ok=True)
    end = monotonic() + 60 * how.minutes - GRACE_SECONDS - ENDING_SECONDS
    kept: dict[str, RunningPart] = {}
    with time_limit(60 * how.minutes), scratch_folder("gpu_run_") as scratch:

        def collect(started: dict[str, RunningPart]) -> None:
            kept.update(started)
            collect_results(how, scratch, started)

        run_timed_parts(plan_parts(how, scratch), end, scratch, collect)
        collect(kept)
    print((how.out / TEXT_FILE).read_text()[-4000:])
    return int(any(running.process.returncode for running in kept.values()))


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End what is done here by a TimeoutError when the time is up."""

    def refuse(*_: object) -> None:
        raise TimeoutError("the time of the run is up")

    before = signal.signal(signal.SIGALRM, refuse)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def parse_options() -> GpuRunOptions:
    """Settings from the command line."""
    parser = argparse.ArgumentParser(prog="gpu_run", description=__doc__)
    plain = GpuRunOptions(Path())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=plain.minutes)
    parser.add_argument("--due", default=",".join(DUE_SYSTEMS), help="systems to train, or an empty text")
    parser.add_argument("--device", default=plain.device)
    parser.add_argument("--size", default=plain.size, help="HEIGHTxWIDTH of the store's pictures")
    parser.add_argument("--batch", type=int, help="samples per step, instead of each system's own number")
    parser.add_argument("--seed", type=int, default=plain.seed, help="another one makes other people")
    for name in ("store", "makehuman", "motions", "begin"):
        parser.add_argument(f"--{name}", type=Path)
    given = vars(parser.parse_args())
    due = tuple(name for name in given.pop("due").split(",") if name)
    unknown = [name for name in due if name not in DUE_SYSTEMS]
    if unknown:
        parser.error(f"nothing is due of {', '.join(unknown)}; choose from {', '.join(DUE_SYSTEMS)}")
    return replace(plain, due=due, **given)


if __name__ == "__main__":
    sys.exit(run_on_gpu(parse_options()))
