"""`motion-imitate batch`: a folder of videos, all of them made, whatever becomes of some."""

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from motion_imitate.video import VideoError, probe
from pipelines.batching import Batching
from pipelines.board import Board, board
from pipelines.console import FAILED as SOME_FAILED
from pipelines.console import OK, Talk
from pipelines.forecast import forecast
from pipelines.hands import Hands, Lost, local
from pipelines.imitate import refuse_wishes
from pipelines.imitating import Drawing
from pipelines.items import Item, items_of, keyed
from pipelines.ledger import FAILED, INSIDE, QUEUED, SKIPPED, Ledger, opened
from pipelines.output import Refused
from pipelines.performing import SYSTEM, Outcome
from pipelines.report import report
from pipelines.seeing import Looking

ATTEMPTS = 3  # at an item, where not the item is at fault
LOOKED = 0.5  # seconds between two looks at who takes too long
REPORT = "report.html"


def batch(
    given: Path, out: Path, how: Batching, drawing: Drawing, looking: Looking, overwrite: bool, talk: Talk
) -> int:
    """The exit code."""
    if how.gpus_per_worker and how.on == "local":
        raise Refused("--gpus-per-worker shares out the GPUs of Ray; give --on ray, too, or --device cuda alone")
    items = items_of(given, how.source, out, drawing, looking)
    for item in {(item.drawing, item.looking): item for item in items}.values():
        refuse_wishes(item.imitating(), item.seeing())
    begun = monotonic()
    with opened(out) as book:
        motions = out / INSIDE / "motions"
        motions.mkdir(exist_ok=True)
        items = [keyed(item, book.contents, motions) for item in items]
        book.plan(items, how.retry_failed, overwrite)
        left = [item for item, row in zip(items, book.rows(items), strict=True) if row["state"] == QUEUED]
        left = left[: how.limit]
        if how.dry_run:
            return told(left, items, book, how, talk)
        try:
            with board(len(items), book.counts(items), talk) as seen, hands_of(how, len(left)) as hands:
                Work(book, hands, seen, how.patience).all(left)
        finally:
            report(out / REPORT, book.rows(items), monotonic() - begun)
        counts = book.counts(items)
        record: dict[str, Any] = {"output": str(out), "items": len(items), **counts}
        record |= {"seconds": round(monotonic() - begun, 1), "report": str(out / REPORT)}
        said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        talk.result(record, f"{out}: {len(items)} videos: {said}; {out / REPORT} shows them")
        return SOME_FAILED if counts[FAILED] or counts[SKIPPED] else OK


def hands_of(how: Batching, items: int) -> AbstractContextManager[Hands]:
    if how.on == "local":
        return local(how.workers, items)
    from pipelines.hands_ray import on_ray

    return on_ray(how, items)


@dataclass(frozen=True)
class Work:
    book: Ledger
    hands: Hands
    board: Board
    patience: float

    def all(self, items: Sequence[Item]) -> None:
        """Until nothing is left to do."""
        waiting, running = deque(items), dict[str, tuple[Item, float]]()
        while waiting or running:
            while self.hands.free() and (item := ready(waiting, running)):
                node = self.hands.start(item)
                self.book.begin(item, node)
                running[item.id] = (item, monotonic() + self.patience + (frames_of(item.clip) or 0))
                self.board.began(item)
            for item, result in self.hands.wait(LOOKED):
                del running[item.id]
                self.settle(item, result, waiting)
            for item, deadline in [*running.values()]:
                if monotonic() > deadline:
                    self.hands.end(item)
                    del running[item.id]
                    lost = Lost(f"it was not done after {self.patience:.0f} s and one for each frame; see --patience")
                    self.settle(item, lost, waiting)

    def settle(self, item: Item, result: Outcome | Lost, waiting: deque[Item]) -> None:
        last = self.book.row(item.id)["attempts"] >= ATTEMPTS
        if isinstance(result, Lost):
            if not result.counted or not last:
                self.again(item, result.reason, result.counted, waiting)
                return
            result = Outcome(SYSTEM, f"{result.reason}; so {ATTEMPTS} times")
        if result.kind == SYSTEM and not last:
            self.again(item, result.reason, True, waiting)
            return
        self.book.end(item, result)
        self.board.ended(item, self.book.row(item.id))

    def again(self, item: Item, reason: str, counted: bool, waiting: deque[Item]) -> None:
        """After all that is waiting."""
        self.book.back(item, reason, counted)
        self.board.left(item)
        waiting.append(item)


def ready(waiting: deque[Item], running: dict[str, tuple[Item, float]]) -> Item | None:
    """The next one whose motion nobody else is just looking at."""
    looked_at = {item.motion for item, _ in running.values() if item.motion and not item.motion.exists()}
    for item in waiting:
        if item.motion not in looked_at:
            waiting.remove(item)
            return item
    return None


def frames_of(clip: Path) -> int | None:
    try:
        return probe(clip).frames
    except (VideoError, OSError):
        return None


def told(left: list[Item], items: list[Item], book: Ledger, how: Batching, talk: Talk) -> int:
    """What would be done."""
    counts = book.counts(items)
    expected = forecast(left, how, talk)
    record = {"items": len(items), **counts, **expected, "would_do": [item.id for item in left]}
    lines = [f"{item.id}: {' + '.join(str(p) for p in item.photos)} does what {item.clip} does" for item in left]
    if expected["seconds"] is None:
        lines.append(f"{len(left)} of {len(items)} videos; how long it takes cannot be told: none could be tried")
    else:
        lines.append(
            f"{len(left)} of {len(items)} videos, {expected['frames']} frames: about {clock(expected['seconds'])} with "
            f"{expected['workers']} workers"
        )
    talk.result(record, "\n".join(lines))
    return OK


def clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
