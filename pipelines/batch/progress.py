"""What is seen of a batch while it goes on: a table that lives where stdout is a terminal, else a line of JSON for each
item that is done."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from pipelines.batch.item import Item
from pipelines.reporter import Talk

TOLD = ("id", "state", "attempts", "kind", "reason", "frames", "seconds", "peak_mib", "node")


class Board:
    """Nothing is shown."""

    def began(self, item: Item) -> None:
        pass

    def left(self, item: Item) -> None:
        """It did not come to an end, and will be tried again."""

    def ended(self, item: Item, row: Any) -> None:
        pass


@contextmanager
def board(total: int, counts: dict[str, int], talk: Talk) -> Iterator[Board]:
    if talk.quiet:
        yield Board()
    elif talk.json or not sys.stdout.isatty():
        yield Lines()
    else:
        live = Live(total, counts)
        with live.screen:
            yield live


@dataclass(frozen=True)
class Lines(Board):
    def ended(self, item: Item, row: Any) -> None:
        print(json.dumps({name: row[name] for name in TOLD if row[name] is not None}), flush=True)


@dataclass
class Live(Board):
    total: int
    counts: dict[str, int]
    running: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from rich.live import Live as Screen

        self.begun, self.now = monotonic(), 0  # items that ended since
        self.screen = Screen(get_renderable=self.picture, refresh_per_second=2)

    def began(self, item: Item) -> None:
        self.running[item.id] = monotonic()

    def left(self, item: Item) -> None:
        self.running.pop(item.id, None)

    def ended(self, item: Item, row: Any) -> None:
        self.running.pop(item.id, None)
        self.counts[row["state"]] += 1
        self.counts["queued"] -= 1
        self.now += 1

    def picture(self) -> Any:
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
