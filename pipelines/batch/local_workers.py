"""Worker processes on this machine, one batch item each at a time; a lost worker is replaced.

Not pebble.ProcessPool: it fails for good when a worker is killed while none is busy.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from signal import SIG_IGN, SIGINT, Signals, signal
from threading import Thread
from time import sleep
from typing import Any, Generic, Protocol, TypeVar

from pipelines.batch.item import BatchItem
from pipelines.batch.outcome import ItemOutcome
from pipelines.streaming.memory import return_freed_memory

WorkT = TypeVar("WorkT")
ResultT = TypeVar("ResultT")
ServeWork = Callable[[Connection, int], None]  # runs in a worker process: its pipe, and the id of the parent process
WORKER_MEMORY_GIB = 1.5  # memory of a worker process
PARENT_POLL_SECONDS = 0.5  # between checks that the parent process is alive


@dataclass(frozen=True)
class WorkerLost:
    """The process that worked on an item is gone."""

    reason: str
    counted: bool = True  # as an attempt; False if the whole machine was lost


class WorkerPool(Protocol):
    """Workers that process batch items, one each at a time."""

    workers: int

    def idle_workers(self) -> int:
        """How many workers are idle."""

    def start(self, item: BatchItem) -> str:
        """Start an item on an idle worker; return the name of its machine."""

    def wait(self, seconds: float) -> list[tuple[BatchItem, ItemOutcome | WorkerLost]]:
        """The items that ended, as soon as any does or after the timeout."""

    def end(self, item: BatchItem) -> None:
        """Kill the item's worker; `wait` does not report the item."""


@dataclass
class LocalWorker(Generic[WorkT]):
    """A worker process, its pipe and its current item."""

    process: BaseProcess
    pipe: Connection
    item: WorkT | None = None


class LocalWorkerPool(Generic[WorkT, ResultT]):
    """Processes on this machine that turn items into results; of batch items, a `WorkerPool`."""

    def __init__(self, workers: int, serve: ServeWork | None = None) -> None:
        self.workers = workers
        self.serve = serve or serve_batch_items
        self.context = get_context("spawn")
        self.members: list[LocalWorker[WorkT]] = []

    def start_worker(self) -> LocalWorker[WorkT]:
        """Start a worker process."""
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=self.serve, args=(theirs, os.getpid()), daemon=True)
        with blocked_interrupts():  # inherited: Ctrl-C is for the parent, also while the worker still imports
            process.start()
        theirs.close()
        return LocalWorker(process, ours)

    def warm_up(self) -> None:
        """Start all worker processes now, before the first item."""
        while len(self.members) < self.workers:
            self.members.append(self.start_worker())

    def idle_workers(self) -> int:
        return self.workers - sum(worker.item is not None for worker in self.members)

    def start(self, item: WorkT) -> str:
        idle = [worker for worker in self.members if worker.item is None]
        worker = idle[0] if idle else self.start_worker()
        if not idle:
            self.members.append(worker)
        worker.item = item
        with suppress(OSError):  # it has died, which `wait` reports
            worker.pipe.send(item)
        return socket.gethostname()

    def wait(self, seconds: float) -> list[tuple[WorkT, ResultT | WorkerLost]]:
        busy: dict[Any, LocalWorker[WorkT]] = {
            worker.pipe: worker for worker in self.members if worker.item is not None
        }
        ended: list[tuple[WorkT, ResultT | WorkerLost]] = []
        for pipe in wait(list(busy), seconds):
            worker = busy[pipe]
            item, worker.item = worker.item, None
            assert item is not None
            try:
                ended.append((item, worker.pipe.recv()))
            except (EOFError, OSError):
                worker.process.join(5)
                ended.append((item, WorkerLost(f"the worker process {describe_worker_exit(worker.process.exitcode)}")))
                self.kill_worker(worker)
        return ended

    def end(self, item: WorkT) -> None:
        for worker in [worker for worker in self.members if worker.item is item]:
            self.kill_worker(worker)

    def kill_worker(self, worker: LocalWorker[WorkT]) -> None:
        """Kill a worker and remove it from the pool."""
        self.members.remove(worker)
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()

    def kill_workers(self) -> None:
        """Kill all workers."""
        for worker in list(self.members):
            self.kill_worker(worker)


def describe_worker_exit(code: int | None) -> str:
    """How a worker process ended, from its exit code."""
    if code is not None and code < 0:
        return f"was killed ({Signals(-code).name}); if memory ran out, give fewer --workers or a smaller --size"
    return f"ended by itself (exit code {code})"


@contextmanager
def local_worker_pool(workers: int | None, items: int) -> Iterator[LocalWorkerPool[BatchItem, ItemOutcome]]:
    """A pool of at most as many workers as items; its workers are killed on exit."""
    pool = LocalWorkerPool[BatchItem, ItemOutcome](max(1, min(workers or default_local_workers(), items)))
    try:
        yield pool
    finally:
        pool.kill_workers()


def default_local_workers() -> int:
    """The number of processors, or fewer if memory is short."""
    most = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        most = len(os.sched_getaffinity(0))
    with suppress(ValueError, OSError, AttributeError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        most = min(most, int(memory / WORKER_MEMORY_GIB))
    return max(1, most)


@contextmanager
def blocked_interrupts() -> Iterator[None]:
    """Hold SIGINT back within this block, and for the processes that are started in it."""
    if sys.platform == "win32":
        yield
        return
    from signal import SIG_BLOCK, SIG_SETMASK, pthread_sigmask

    before = pthread_sigmask(SIG_BLOCK, {SIGINT})
    try:
        yield
    finally:
        pthread_sigmask(SIG_SETMASK, before)


def serve_batch_items(pipe: Connection, parent: int) -> None:
    """Run in the worker process: receive items and send outcomes until the pipe closes."""

    def make_item_runner() -> Callable[[BatchItem], ItemOutcome]:
        from pipelines.batch.worker_job import ItemRunner

        return ItemRunner()

    serve_work(pipe, parent, make_item_runner)


def serve_work(pipe: Connection, parent: int, make: Callable[[], Callable[[Any], Any]]) -> None:
    """Run in a worker process: receive items and send what make() returns for each, until the pipe closes."""
    signal(SIGINT, SIG_IGN)  # the parent handles Ctrl-C and ends this process
    Thread(target=exit_with_parent, args=(parent,), daemon=True).start()
    return_freed_memory()
    perform = make()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(perform(pipe.recv()))


def exit_with_parent(parent: int) -> None:
    """Exit when the parent process is gone, because another run may start on the same item."""
    while os.getppid() == parent:
        sleep(PARENT_POLL_SECONDS)
    os._exit(1)
