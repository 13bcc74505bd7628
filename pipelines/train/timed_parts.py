"""Parts of a run as processes of their own, each with a time limit: what fails or hangs stops nothing else."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage, rmtree
from time import monotonic, sleep

POLL_SECONDS = 0.2
GRACE_SECONDS = 6.0  # from asking a part to end to killing it
COLLECT_SECONDS = 10.0  # between collections of results
MEMORY_FOLDER, LEAST_MEMORY = Path("/dev/shm"), 20 << 30  # bytes free, from where on files are kept in memory


@dataclass(frozen=True)
class TimedPart:
    """A command, how long it may take, and the parts that must have ended before."""

    name: str
    command: Callable[[], Sequence[str]]  # called when it starts
    seconds: float
    after: tuple[str, ...] = ()


@dataclass
class RunningPart:
    """A started part."""

    part: TimedPart
    process: subprocess.Popen[bytes]
    log: Path
    begin: float
    asked: float | None = None  # when it was asked to end
    ended: float | None = None

    def poll(self, end: float) -> bool:
        """Whether it has ended. Asks it to end when its time or that of the run is up, and kills it later."""
        now = monotonic()
        if self.process.poll() is not None:
            self.ended = now
            return True
        if self.asked is None and now > min(end, self.begin + self.part.seconds):
            self.asked = now
            self.send(signal.SIGTERM)
        elif self.asked is not None and now > self.asked + GRACE_SECONDS:
            self.send(signal.SIGKILL)
        return False

    def send(self, number: int) -> None:
        """Send a signal to the part's processes; only the first handles SIGTERM in its own time."""
        try:
            if number == signal.SIGTERM:
                self.process.terminate()
            else:
                os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def report(self) -> dict[str, object]:
        """What became of it."""
        seconds = round((self.ended or monotonic()) - self.begin, 1)
        return {"exit_code": self.process.returncode, "seconds": seconds, "cut_off": self.asked is not None}


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder, in memory if there is enough."""
    roomy = MEMORY_FOLDER.is_dir() and disk_usage(MEMORY_FOLDER).free > LEAST_MEMORY
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY_FOLDER if roomy else None))
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def start_part(part: TimedPart, logs: Path) -> RunningPart:
    """Start a part in a process group of its own."""
    log = logs / f"{part.name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            part.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    return RunningPart(part, process, log, monotonic())


def run_timed_parts(
    parts: Sequence[TimedPart], end: float, logs: Path, collect: Callable[[dict[str, RunningPart]], None]
) -> None:
    """Run all parts until `end` at the latest; `collect` is called every few seconds, and whenever a part has ended."""
    waiting, started, ended = list(parts), dict[str, RunningPart](), set[str]()
    collected = monotonic()
    try:
        while waiting or len(ended) < len(started):
            if monotonic() > end:
                waiting.clear()
            for part in [part for part in waiting if ended.issuperset(part.after)]:
                waiting.remove(part)
                started[part.name] = start_part(part, logs)
            now = {name for name, running in started.items() if name not in ended and running.poll(end)}
            ended |= now
            if now or monotonic() - collected > COLLECT_SECONDS:
                collect(started)
                collected = monotonic()
            sleep(POLL_SECONDS)
    finally:
        for running in started.values():
            running.send(signal.SIGKILL)  # what is left, and what parts left behind
