"""The ends of a stream on Ray: where it comes from and where it goes, each in a process of its own on this machine."""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import Queue
from threading import Thread
from traceback import format_exc
from typing import Any, TypeVar

from pipelines.streaming.ray_actors import AGAIN, Failure, actors, ended, result, sending
from pipelines.streaming.ray_cluster import cluster
from pipelines.streaming.threads import Make, close, in_order

A = TypeVar("A")
B = TypeVar("B")

AHEAD = 8  # items that wait between two processes
MOMENT = 2.0  # seconds that a process has to put away what it has begun
OVER = object()


def away(make: Callable[[], Iterator[A]]) -> Generator[A]:
    """make(), in another process, a few items ahead of the reader. One that dies is made anew and goes on where it was:
    the same must come of it again."""
    with cluster() as ray:
        how = {"max_restarts": AGAIN, "max_task_retries": AGAIN}
        with actor(ray, Source, **how) as source:
            given = {"num_returns": "streaming", "_generator_backpressure_num_objects": AHEAD}
            for item in source.stream.options(**given).remote([sending(ray.put, make)]):
                yield result(ray, item)


def into(consume: Callable[[Iterator[A]], B], items: Iterable[A]) -> B:
    """consume(items), in another process. If that dies it is over: what it has begun cannot be begun twice."""
    try:
        with cluster() as ray, actor(ray, Sink, max_restarts=0) as sink:
            result(ray, sink.begin.remote([sending(ray.put, consume)]))
            try:
                give = partial(sending, sink.give.remote)
                for _ in in_order(give, partial(result, ray), items, AHEAD):
                    pass
                return result(ray, sink.finish.remote())
            except BaseException:
                with suppress(Exception):
                    ray.get(sink.abandon.remote(), timeout=MOMENT)
                raise
    finally:
        close(items)


@contextmanager
def actor(ray: Any, kind: type, **how: Any) -> Iterator[Any]:
    """On this machine, where the files are. It asks for no processor: streams never wait for one."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    made = ray.remote(num_cpus=0, scheduling_strategy=here, **how)(kind).remote(sys.path)
    try:
        yield made
    finally:
        ended(ray, [made])


@dataclass(frozen=True)
class OnRay:
    """A Running: each part in processes of Ray; GPUs are lent to those who look at people."""

    gpus: float = 0

    def source(self, make: Callable[[], Iterator[A]]) -> Generator[A]:
        return away(make)

    def stage(self, make: Make[A, B], items: Iterable[A], workers: int, patient: bool = False) -> Generator[B]:
        return actors(make, items, workers, self.gpus if patient else 0)

    def sink(self, consume: Callable[[Iterator[A]], B], items: Iterable[A]) -> B:
        return into(consume, items)


@contextmanager
def on_ray(address: str | None, gpus: float) -> Iterator[OnRay]:
    """Ray lives as long as the thread that started it: parts of a stream, in threads of their own, must not be the
    first."""
    with cluster(address):
        yield OnRay(gpus)


class Source:
    def __init__(self, path: list[str]) -> None:
        sys.path.extend(place for place in path if place not in sys.path)

    def stream(self, sent: list[Any]) -> Iterator[Any]:
        import ray

        try:
            for item in ray.get(sent[0])():  # noqa: UP028, Ray sends something to what yields, which not all can take
                yield item
        except Exception as error:
            error.add_note(f"In a process of Ray:\n{format_exc()}")
            yield Failure.of(error)


class Broken(Exception):
    """Whoever gave items gives no more, and not because there are none."""


class Sink:
    """Consumes in a thread, so that items can come meanwhile."""

    def __init__(self, path: list[str]) -> None:
        sys.path.extend(place for place in path if place not in sys.path)
        self.items: Queue[Any] = Queue(AHEAD)
        self.outcome: Any = None
        self.thread: Thread | None = None

    def begin(self, sent: list[Any]) -> None:
        import ray

        self.thread = Thread(target=self.consume, args=(ray.get(sent[0]),), daemon=True)
        self.thread.start()

    def consume(self, consume: Callable[[Iterator[Any]], Any]) -> None:
        try:
            self.outcome = consume(self.coming())
        except Exception as error:
            self.outcome = Failure.of(error)
            while self.items.get() is not OVER:  # whoever gives is told with the next item
                pass

    def coming(self) -> Iterator[Any]:
        while (item := self.items.get()) is not OVER:
            if isinstance(item, Broken):
                raise item
            yield item

    def give(self, item: Any) -> Any:
        if isinstance(self.outcome, Failure):
            return self.outcome
        self.items.put(item)
        return None

    def finish(self) -> Any:
        self.items.put(OVER)
        assert self.thread is not None
        self.thread.join()
        return self.outcome

    def abandon(self) -> None:
        self.items.put(Broken())
        self.finish()
