"""Report results, warnings and progress to the caller of a command."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

SizedT = TypeVar("SizedT", bound=Sized)
TABLE_WIDTH = 1000  # characters, without a terminal
PROGRESS_INTERVAL = 2.0  # seconds between progress lines without a terminal
OK, FAILED, USAGE, BAD_INPUT, MISSING, INTERRUPTED = 0, 1, 2, 3, 4, 130


@dataclass(frozen=True)
class Reporter:
    """Writes results to stdout and everything else to stderr, as text or as JSON."""

    json: bool = False
    quiet: bool = False
    debug: bool = False

    def result(self, record: dict[str, Any], text: str) -> None:
        """Print a result to stdout: the record as JSON, otherwise the text."""
        print(json.dumps(record) if self.json else text, flush=True)

    def record(self, record: dict[str, Any]) -> None:
        """Print a record to stdout, one line per non-empty entry."""
        self.result(
            record, "\n".join(f"{k.replace('_', ' '):<18}{v}" for k, v in record.items() if v not in (None, []))
        )

    def warn(self, warning: str) -> None:
        """Print a warning to stderr, unless quiet."""
        if not self.quiet:
            self.write_message({"warning": warning}, f"warning: {warning}")

    def note(self, sentence: str) -> None:
        """Print a note to stderr, unless quiet."""
        if not self.quiet:
            self.write_message({"note": sentence}, sentence)

    def fail(self, code: int, sentence: str) -> None:
        """Print an error and its exit code to stderr."""
        self.write_message({"error": sentence, "code": code}, sentence)

    def write_message(self, record: dict[str, Any], text: str) -> None:
        """Print a message to stderr: the record as JSON, otherwise the text."""
        print(json.dumps(record) if self.json else f"motion-imitate: {text}", file=sys.stderr, flush=True)

    def track_progress(self, runs: Iterable[SizedT], what: str, total: int | None) -> Iterator[SizedT]:
        """Yield the runs while reporting how many frames have passed."""
        if self.quiet:
            yield from runs
        elif sys.stderr.isatty():
            yield from show_progress_bar(runs, what, total)
        else:
            yield from print_progress_lines(runs, what, total)


def print_table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Print a table to stdout, as wide as the terminal; without a terminal rows are not wrapped."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(*columns, box=None)
    for row in rows:
        grid.add_row(*("" if row[name] is None else str(row[name]) for name in columns))
    Console(width=None if sys.stdout.isatty() else TABLE_WIDTH).print(grid)


def show_progress_bar(runs: Iterable[SizedT], what: str, total: int | None) -> Iterator[SizedT]:
    """Yield the runs while a progress bar on stderr counts their frames."""
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


def print_progress_lines(runs: Iterable[SizedT], what: str, total: int | None) -> Iterator[SizedT]:
    """Yield the runs while printing JSON progress lines to stderr."""
    begun = told = monotonic()
    done = 0
    for run in runs:
        done += len(run)
        yield run
        if monotonic() - told >= PROGRESS_INTERVAL:
            told = monotonic()
            print(json.dumps(progress_record(what, done, total, told - begun)), file=sys.stderr, flush=True)
    print(json.dumps(progress_record(what, done, done, monotonic() - begun)), file=sys.stderr, flush=True)


def progress_record(what: str, done: int, total: int | None, seconds: float) -> dict[str, Any]:
    """A progress line: frames done, frames per second and seconds left, if the total is known."""
    pace = done / max(seconds, 1e-6)
    left = round(max(total - done, 0) / pace, 1) if total and pace else None
    return {"progress": what, "frames": done, "of": total, "frames_per_second": round(pace, 2), "seconds_left": left}
