"""Where the stages of a stream run: the protocol, and the plain loop.

Streams are pulled: closing the reader stops all stages.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

StageFactory = Callable[[], Callable[[ItemT], ResultT]]


@runtime_checkable
class StreamRunner(Protocol):
    """Where the stages of a stream run."""

    def source(self, make: Callable[[], Iterator[ItemT]], /) -> Generator[ItemT]:
        """The items of make(), which is called when the first item is requested."""

    def prefetch(self, items: Iterable[ItemT], /, ahead: int = 2, low_priority: bool = False) -> Generator[ItemT]:
        """The same items, produced from now on, up to `ahead` in advance."""

    def stage(
        self, make: StageFactory[ItemT, ResultT], items: Iterable[ItemT], /, workers: int, low_priority: bool = False
    ) -> Generator[ResultT]:
        """make()(item) for each item, in order, a bounded number ahead of the reader."""

    def sink(self, consume: Callable[[Iterator[ItemT]], ResultT], items: Iterable[ItemT], /) -> ResultT:
        """Consume the stream where this runner places its sink, and return what `consume` returns."""


class InlineRunner:
    """A `StreamRunner` that runs every stage in the reading thread; `workers` and `ahead` don't matter."""

    def source(self, make: Callable[[], Iterator[ItemT]]) -> Generator[ItemT]:
        yield from make()

    def prefetch(self, items: Iterable[ItemT], ahead: int = 2, low_priority: bool = False) -> Generator[ItemT]:
        try:
            yield from items
        finally:
            close_stream(items)

    def stage(
        self, make: StageFactory[ItemT, ResultT], items: Iterable[ItemT], workers: int, low_priority: bool = False
    ) -> Generator[ResultT]:
        try:
            yield from map(make(), items)
        finally:
            close_stream(items)

    def sink(self, consume: Callable[[Iterator[ItemT]], ResultT], items: Iterable[ItemT]) -> ResultT:
        return consume(iter(items))


INLINE = InlineRunner()


def close_stream(source: Iterable[ItemT]) -> None:
    """Close the stream if it is a generator, so that it releases its resources."""
    if isinstance(source, Generator):
        source.close()
