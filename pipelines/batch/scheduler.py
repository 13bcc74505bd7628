"""Runs batch items on workers that may be lost; failed items are retried, and the others go on."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import monotonic

from motion_imitate.files import remove_stale_parts
from motion_imitate.video import VideoError, probe
from pipelines.batch.item import BatchItem
from pipelines.batch.local_workers import WorkerLost, WorkerPool, local_worker_pool
from pipelines.batch.manifest import Manifest
from pipelines.batch.options import BatchOptions
from pipelines.batch.outcome import SYSTEM_FAULT, ItemOutcome
from pipelines.batch.progress import BatchProgress
from pipelines.novel_view.command import frame_count
from pipelines.novel_view.options import NovelViewOptions

MAX_ATTEMPTS = 3  # per item, if the item itself is not at fault
NO_PROGRESS = BatchProgress()  # shows nothing
SCHEDULER_POLL_SECONDS = 0.5  # between checks for timeouts


def open_worker_pool(how: BatchOptions, items: int) -> AbstractContextManager[WorkerPool]:
    """The worker pool that the options ask for: local, or on Ray."""
    if how.on == "local":
        return local_worker_pool(how.workers, items)
    from pipelines.batch.ray_workers import ray_worker_pool

    return ray_worker_pool(how, items)


@dataclass(frozen=True)
class Scheduler:
    """Runs items on a worker pool, with retries and a timeout of `patience` seconds plus some per frame."""

    manifest: Manifest
    pool: WorkerPool
    patience: float
    board: BatchProgress = NO_PROGRESS
    frame_patience: float = 1.0  # seconds added to the timeout for each frame
    clock: Callable[[], float] = monotonic

    def run(self, items: Sequence[BatchItem]) -> Iterator[BatchItem]:
        """Run the items; yield each one when it is finished, whether it succeeded or failed."""
        waiting, running = deque(items), dict[str, tuple[BatchItem, float]]()
        while waiting or running:
            while self.pool.idle_workers() and (item := take_ready_item(waiting, running)):
                node = self.pool.start(item)
                self.manifest.begin(item, node)
                frames = item_frame_count(item) or 0
                running[item.id] = (item, self.clock() + self.patience + self.frame_patience * frames)
                self.board.start_item(item)
            ended = self.pool.wait(SCHEDULER_POLL_SECONDS)
            for item, deadline in [*running.values()]:
                if self.clock() > deadline and not any(item is one for one, _ in ended):
                    self.pool.end(item)
                    allowed = f"{self.patience:g} s plus {self.frame_patience:g} s per frame"
                    ended.append((item, WorkerLost(f"it was not done after {allowed}")))
            for item, result in ended:
                del running[item.id]
                if self.record_result(item, result):
                    yield item
                else:
                    waiting.append(item)  # after all others

    def record_result(self, item: BatchItem, result: ItemOutcome | WorkerLost) -> bool:
        """Record an item's result; return False if it is to be retried."""
        if isinstance(result, WorkerLost):
            remove_stale_parts(item.out)
        last = self.manifest.row(item.id)["attempts"] >= MAX_ATTEMPTS
        counted = result.counted if isinstance(result, WorkerLost) else result.kind == SYSTEM_FAULT
        failed = isinstance(result, WorkerLost) or result.kind == SYSTEM_FAULT
        if failed and not (counted and last):
            self.manifest.back(item, result.reason, counted)
            self.board.requeue_item(item)
            return False
        if isinstance(result, WorkerLost):
            result = ItemOutcome(SYSTEM_FAULT, f"{result.reason}; tried {MAX_ATTEMPTS} times")
        self.manifest.end(item, result)
        self.board.finish_item(item, self.manifest.row(item.id))
        return True


def take_ready_item(waiting: deque[BatchItem], running: dict[str, tuple[BatchItem, float]]) -> BatchItem | None:
    """Remove and return the next item whose motion no running item is computing; None if there is none."""
    looked_at = {item.motion for item, _ in running.values() if item.motion and not item.motion.exists()}
    for item in waiting:
        if item.motion not in looked_at:
            waiting.remove(item)
            return item
    return None


def item_frame_count(item: BatchItem) -> int | None:
    """The number of frames of the clip, or of the views; None if unknown or unreadable."""
    if isinstance(item.drawing, NovelViewOptions):
        return frame_count(item.drawing)
    try:
        return probe(item.clip).frames if item.clip else None
    except (VideoError, OSError):
        return None
