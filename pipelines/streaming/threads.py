"""Running a stage over a stream, in threads. Streams are pulled: whoever stops reading stops it all."""

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")
H = TypeVar("H")

Make = Callable[[], Callable[[A], B]]


class Running(Protocol):
    """Where the parts of a stream are at work."""

    def source(self, make: Callable[[], Iterator[A]], /) -> Generator[A]:
        """make(), from the first item that is asked for."""

    def stage(self, make: Make[A, B], items: Iterable[A], /, workers: int, patient: bool = False) -> Generator[B]:
        """make()(item) for each item, in order, a bounded few ahead of the reader."""

    def sink(self, consume: Callable[[Iterator[A]], B], items: Iterable[A], /) -> B:
        """consume(items)."""


@dataclass
class Manner:
    alone: bool = False  # one thing after the other, all in the thread that reads


MANNER = Manner()


@contextmanager
def alone() -> Iterator[None]:
    """Meanwhile, streams have no threads of their own."""
    before, MANNER.alone = MANNER.alone, True
    try:
        yield
    finally:
        MANNER.alone = before


def in_order(submit: Callable[[A], H], result: Callable[[H], B], items: Iterable[A], ahead: int) -> Iterator[B]:
    """result(submit(item)) for each item, in order, with at most `ahead` under way while one is waited for."""
    pending: deque[H] = deque()
    for item in items:
        pending.append(submit(item))
        if len(pending) > ahead:
            yield result(pending.popleft())
    while pending:
        yield result(pending.popleft())


def threads(make: Make[A, B], items: Iterable[A], workers: int = 1, patient: bool = False) -> Generator[B]:
    """One stage, which all workers call: it must not remember. Patient ones let others go first."""
    if MANNER.alone:
        yield from loop(make, items)
        return
    stage = make()
    pool = pool_of(workers, patient)
    try:
        yield from in_order(lambda item: pool.submit(stage, item), Future.result, items, workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        close(items)


def loop(make: Make[A, B], items: Iterable[A]) -> Generator[B]:
    """The stage in the thread that reads."""
    try:
        yield from map(make(), items)
    finally:
        close(items)


def pool_of(workers: int, patient: bool) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, initializer=give_way if patient else None)


def give_way() -> None:
    """The thread yields to all others of the process. Elsewhere than on Linux threads have no such standing."""
    if sys.platform == "linux":
        os.nice(10)


def beside(items: Iterable[A], ahead: int = 2, patient: bool = False) -> Generator[A]:
    """The same items, made in a thread of their own from now on, up to `ahead` of them before they are asked for."""
    if MANNER.alone:
        return loop(lambda: lambda item: item, items)
    made = under_way(items, ahead, patient)
    next(made)
    return made


def under_way(items: Iterable[Any], ahead: int, patient: bool) -> Generator[Any]:
    """Once asked for nothing, it goes by itself."""
    source = iter(items)
    pool = pool_of(1, patient)
    pending: deque[Future[list[Any]]] = deque()
    try:
        pending.extend(pool.submit(some, source) for _ in range(ahead))
        yield None
        while item := pending.popleft().result():
            pending.append(pool.submit(some, source))
            yield item[0]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        close(source)


def some(source: Iterator[A]) -> list[A]:
    """The next item, if there is one."""
    for item in source:
        return [item]
    return []


def close(source: Iterable[A]) -> None:
    """Lets a stream that is a generator put away what it holds."""
    if isinstance(source, Generator):
        source.close()


class Here:
    """In this process."""

    def source(self, make: Callable[[], Iterator[A]]) -> Generator[A]:
        yield from make()

    def stage(self, make: Make[A, B], items: Iterable[A], workers: int, patient: bool = False) -> Generator[B]:
        return threads(make, items, workers, patient)

    def sink(self, consume: Callable[[Iterator[A]], B], items: Iterable[A]) -> B:
        return consume(iter(items))


HERE = Here()
