"""Run the stages of a stream in threads. Streams are pulled: closing the reader stops all stages."""

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from motion_imitate.runner import StageFactory, close_stream

A = TypeVar("A")
B = TypeVar("B")
H = TypeVar("H")


def in_order(submit: Callable[[A], H], result: Callable[[H], B], items: Iterable[A], ahead: int) -> Iterator[B]:
    """result(submit(item)) for each item, in order, with at most `ahead` in progress while one is waited for."""
    pending: deque[H] = deque()
    for item in items:
        pending.append(submit(item))
        if len(pending) > ahead:
            yield result(pending.popleft())
    while pending:
        yield result(pending.popleft())


def map_in_threads(
    make: StageFactory[A, B], items: Iterable[A], workers: int = 1, low_priority: bool = False
) -> Generator[B]:
    """Apply a stage to the items in a thread pool, in order. All workers share the stage, so it must be stateless.

    Patient workers run at low priority.
    """
    stage = make()
    pool = create_thread_pool(workers, low_priority)
    try:
        yield from in_order(lambda item: pool.submit(stage, item), Future.result, items, workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        close_stream(items)


def create_thread_pool(workers: int, low_priority: bool) -> ThreadPoolExecutor:
    """A thread pool; its threads run at low priority if asked."""
    return ThreadPoolExecutor(workers, initializer=lower_thread_priority if low_priority else None)


def lower_thread_priority() -> None:
    """Lower the priority of this thread within the process (Linux only)."""
    if sys.platform == "linux":
        os.nice(10)


def prefetch_items(items: Iterable[A], ahead: int = 2, low_priority: bool = False) -> Generator[A]:
    """The same items, produced in a separate thread that starts at once, up to `ahead` in advance."""
    made = prefetch_in_thread(items, ahead, low_priority)
    next(made)
    return made


def prefetch_in_thread(items: Iterable[Any], ahead: int, low_priority: bool) -> Generator[Any]:
    """A generator that starts prefetching at the first `next`, which returns None."""
    source = iter(items)
    pool = create_thread_pool(1, low_priority)
    pending: deque[Future[list[Any]]] = deque()
    try:
        pending.extend(pool.submit(next_item_if_any, source) for _ in range(ahead))
        yield None
        while item := pending.popleft().result():
            pending.append(pool.submit(next_item_if_any, source))
            yield item[0]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        close_stream(source)


def next_item_if_any(source: Iterator[A]) -> list[A]:
    """The next item in a list, or an empty list at the end."""
    for item in source:
        return [item]
    return []


class ThreadRunner:
    """A `StreamRunner` in this process: stages run in threads, source and sink in the caller."""

    def source(self, make: Callable[[], Iterator[A]]) -> Generator[A]:
        yield from make()

    def prefetch(self, items: Iterable[A], ahead: int = 2, low_priority: bool = False) -> Generator[A]:
        return prefetch_items(items, ahead, low_priority)

    def stage(
        self, make: StageFactory[A, B], items: Iterable[A], workers: int, low_priority: bool = False
    ) -> Generator[B]:
        return map_in_threads(make, items, workers, low_priority)

    def sink(self, consume: Callable[[Iterator[A]], B], items: Iterable[A]) -> B:
        return consume(iter(items))


THREAD_RUNNER = ThreadRunner()
