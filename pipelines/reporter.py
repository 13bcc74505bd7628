"""Progress, warnings and results for whoever called the command."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

S = TypeVar("S", bound=Sized)
WIDE = 1000  # characters
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
