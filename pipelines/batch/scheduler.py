"""Working through items with hands that may be lost: whatever becomes of some, all are brought to an end."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from motion_imitate.files import sweep
from motion_imitate.video import VideoError, probe
from pipelines.batch.item import Item
from pipelines.batch.local_workers import Hands, Lost, local
from pipelines.batch.manifest import Ledger
from pipelines.batch.options import Batching
from pipelines.batch.outcome import SYSTEM, Outcome
from pipelines.batch.progress import Board

ATTEMPTS = 3  # at an item, where not the item is at fault
NOBODY = Board()  # who looks
LOOKED = 0.5  # seconds between two looks at who takes too long


def hands_of(how: Batching, items: int) -> AbstractContextManager[Hands]:
    if how.on == "local":
        return local(how.workers, items)
    from pipelines.batch.ray_workers import on_ray

    return on_ray(how, items)


@dataclass(frozen=True)
class Work:
    book: Ledger
    hands: Hands
    patience: float
    board: Board = NOBODY

    def all(self, items: Sequence[Item]) -> Iterator[Item]:
        """Each as soon as it has come to an end, a good one or not."""
        waiting, running = deque(items), dict[str, tuple[Item, float]]()
        while waiting or running:
            while self.hands.free() and (item := ready(waiting, running)):
                node = self.hands.start(item)
                self.book.begin(item, node)
                running[item.id] = (item, monotonic() + self.patience + (frames_of(item.clip) or 0))
                self.board.began(item)
            ended = self.hands.wait(LOOKED)
            for item, deadline in [*running.values()]:
                if monotonic() > deadline and not any(item is one for one, _ in ended):
                    self.hands.end(item)
                    ended.append((item, Lost(f"it was not done after {self.patience:.0f} s and one for each frame")))
            for item, result in ended:
                del running[item.id]
                if self.settle(item, result):
                    yield item
                else:
                    waiting.append(item)  # after all others

    def settle(self, item: Item, result: Outcome | Lost) -> bool:
        """Whether that is the end of it."""
        if isinstance(result, Lost):
            sweep(item.out)
        last = self.book.row(item.id)["attempts"] >= ATTEMPTS
        counted = result.counted if isinstance(result, Lost) else result.kind == SYSTEM
        failed = isinstance(result, Lost) or result.kind == SYSTEM
        if failed and not (counted and last):
            self.book.back(item, result.reason, counted)
            self.board.left(item)
            return False
        if isinstance(result, Lost):
            result = Outcome(SYSTEM, f"{result.reason}; so {ATTEMPTS} times")
        self.book.end(item, result)
        self.board.ended(item, self.book.row(item.id))
        return True


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
