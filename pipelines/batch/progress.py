"""The progress of a batch: a live table where stdout is a terminal, else a JSON line for each finished item."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from pipelines.batch.item import BatchItem
from pipelines.reporter import Reporter

PROGRESS_COLUMNS = ("id", "state", "attempts", "kind", "reason", "frames", "seconds", "peak_mib", "node")


class BatchProgress:
    """Receives the events of a batch; this base class shows nothing."""

    def start_item(self, item: BatchItem) -> None:
        """An item has started."""
        pass

    def requeue_item(self, item: BatchItem) -> None:
        """An item did not finish and will be retried."""

    def finish_item(self, item: BatchItem, row: Any) -> None:
        """An item has finished; `row` is its manifest row."""
        pass


@contextmanager
def show_batch_progress(total: int, counts: dict[str, int], reporter: Reporter) -> Iterator[BatchProgress]:
    """The progress display for the reporter's settings and for stdout."""
    if reporter.quiet:
        yield BatchProgress()
    elif reporter.json or not sys.stdout.isatty():
        yield JsonLinesProgress()
    else:
        live = LiveProgressTable(total, counts)
        with live.screen:
            yield live


@dataclass(frozen=True)
class JsonLinesProgress(BatchProgress):
    """Prints a JSON line for each finished item."""

    def finish_item(self, item: BatchItem, row: Any) -> None:
        print(json.dumps({name: row[name] for name in PROGRESS_COLUMNS if row[name] is not None}), flush=True)


@dataclass
class LiveProgressTable(BatchProgress):
    """A table of running items and counts, updated on the terminal."""

    total: int
    counts: dict[str, int]
    running: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from rich.live import Live as Screen

        self.begun, self.now = monotonic(), 0  # items finished since then
        self.screen = Screen(get_renderable=self.picture, refresh_per_second=2)

    def start_item(self, item: BatchItem) -> None:
        self.running[item.id] = monotonic()

    def requeue_item(self, item: BatchItem) -> None:
        self.running.pop(item.id, None)

    def finish_item(self, item: BatchItem, row: Any) -> None:
        self.running.pop(item.id, None)
        self.counts[row["state"]] += 1
        self.counts["queued"] -= 1
        self.now += 1

    def picture(self) -> Any:
        """The table as it is now, for `rich`."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        took = monotonic() - self.begun
        pace = self.now / took if took else 0.0
        over = self.total - self.counts["queued"]
        left = f", {self.counts['queued'] / pace / 60:.0f} min left" if pace else ""
        grid = Table.grid(padding=(0, 2))
        grid.add_row(ProgressBar(total=self.total, completed=over, width=40), f"{over} of {self.total}")
        states = ", ".join(f"{count} {state}" for state, count in self.counts.items() if count)
        grid.add_row(f"{60 * pace:.1f} videos a minute{left}", states)
        for name, since in list(self.running.items()):
            grid.add_row(name, f"{monotonic() - since:.0f} s")
        return grid
