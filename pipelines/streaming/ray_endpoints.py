"""Sources and sinks of a stream on Ray, each in its own process on this machine."""

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import Queue
from threading import Thread
from traceback import format_exc
from typing import Any, TypeVar

from motion_imitate.runner import StageFactory, close_stream
from pipelines.streaming.ray_actors import (
    MAX_RETRIES,
    RemoteFailure,
    fetch_ray_result,
    kill_actors,
    map_in_actors,
    send_to_ray,
)
from pipelines.streaming.ray_cluster import check_ray_gpus, connect_ray
from pipelines.streaming.threads import in_order, prefetch_items

A = TypeVar("A")
B = TypeVar("B")

ENDPOINT_AHEAD = 8  # items buffered between two processes
ABANDON_SECONDS = 2.0  # for a process to clean up
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
END_OF_STREAM = object()


def remote_source(make: Callable[[], Iterator[A]]) -> Generator[A]:
    """The items of make(), from another process, a few ahead of the reader.

    If the process dies it is restarted and continues where it was, so make() must be deterministic.
    """
    with connect_ray() as ray:
        how = {"max_restarts": MAX_RETRIES, "max_task_retries": MAX_RETRIES}
        with local_actor(ray, SourceActor, **how) as source:
            given = {"num_returns": "streaming", "_generator_backpressure_num_objects": ENDPOINT_AHEAD}
            for item in source.stream.options(**given).remote([send_to_ray(ray.put, make)]):
                yield fetch_ray_result(ray, item)


def remote_sink(consume: Callable[[Iterator[A]], B], items: Iterable[A]) -> B:
    """The result of consume(items), run in another process. If that process dies, the stream fails."""
    try:
        with connect_ray() as ray, local_actor(ray, SinkActor, max_restarts=0) as sink:
            ray.get(sink.see_gpus.remote(os.environ.get(VISIBLE_GPUS)))
            fetch_ray_result(ray, sink.begin.remote([send_to_ray(ray.put, consume)]))
            try:
                give = partial(send_to_ray, sink.give.remote)
                for _ in in_order(give, partial(fetch_ray_result, ray), items, ENDPOINT_AHEAD):
                    pass
                return fetch_ray_result(ray, sink.finish.remote())
            except BaseException:
                with suppress(Exception):
                    ray.get(sink.abandon.remote(), timeout=ABANDON_SECONDS)
                raise
    finally:
        close_stream(items)


@contextmanager
def local_actor(ray: Any, kind: type, **how: Any) -> Iterator[Any]:
    """An actor on this machine, where the files are. It reserves no processor, so that streams never wait for one."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    made = ray.remote(num_cpus=0, scheduling_strategy=here, **how)(kind).remote(sys.path)
    try:
        yield made
    finally:
        kill_actors(ray, [made])


@dataclass(frozen=True)
class RayRunner:
    """A `StreamRunner` in Ray processes; each process of a stage has this many GPUs."""

    gpus: float = 0

    def source(self, make: Callable[[], Iterator[A]]) -> Generator[A]:
        return remote_source(make)

    def prefetch(self, items: Iterable[A], ahead: int = 2, low_priority: bool = False) -> Generator[A]:
        return prefetch_items(items, ahead, low_priority)

    def stage(
        self, make: StageFactory[A, B], items: Iterable[A], workers: int, low_priority: bool = False
    ) -> Generator[B]:
        return map_in_actors(make, items, workers, self.gpus)

    def sink(self, consume: Callable[[Iterator[A]], B], items: Iterable[A]) -> B:
        return remote_sink(consume, items)


@contextmanager
def ray_runner(address: str | None, gpus: float, processes: int) -> Iterator[RayRunner]:
    """A runner that keeps Ray connected; the thread that starts Ray must outlive the stream's own threads. Refused
    unless so many processes of stages have GPUs at the same time."""
    with connect_ray(address) as ray:
        check_ray_gpus(ray.nodes(), processes, gpus)
        yield RayRunner(gpus)


class SourceActor:
    """The actor that runs a source."""

    def __init__(self, path: list[str]) -> None:
        sys.path.extend(place for place in path if place not in sys.path)

    def stream(self, sent: list[Any]) -> Iterator[Any]:
        """Yield the items, and at last the failure if there is one."""
        import ray

        try:
            for item in ray.get(sent[0])():  # noqa: UP028, Ray sends values into the generator, which not all accept
                yield item
        except Exception as error:
            error.add_note(f"In a Ray process:\n{format_exc()}")
            yield RemoteFailure.of(error)


class StreamBroken(Exception):
    """The producer stopped before the end of its items."""


class SinkActor:
    """The actor that runs a consumer, in a thread, so that items can arrive meanwhile."""

    def __init__(self, path: list[str]) -> None:
        sys.path.extend(place for place in path if place not in sys.path)
        self.items: Queue[Any] = Queue(ENDPOINT_AHEAD)
        self.outcome: Any = None
        self.thread: Thread | None = None

    def see_gpus(self, visible: str | None) -> None:
        """See the GPUs that the caller sees, for NVENC; some versions of Ray hide all from who reserves none."""
        os.environ.pop(VISIBLE_GPUS, None)
        if visible is not None:
            os.environ[VISIBLE_GPUS] = visible

    def begin(self, sent: list[Any]) -> None:
        """Start the consumer."""
        import ray

        self.thread = Thread(target=self.consume, args=(ray.get(sent[0]),), daemon=True)
        self.thread.start()

    def consume(self, consume: Callable[[Iterator[Any]], Any]) -> None:
        """Run the consumer; keep its result or failure."""
        try:
            self.outcome = consume(self.incoming_items())
        except Exception as error:
            self.outcome = RemoteFailure.of(error)
            while self.items.get() is not END_OF_STREAM:  # the producer gets the failure with its next item
                pass

    def incoming_items(self) -> Iterator[Any]:
        """The items as they arrive; raises `StreamBroken` if the producer has failed."""
        while (item := self.items.get()) is not END_OF_STREAM:
            if isinstance(item, StreamBroken):
                raise item
            yield item

    def give(self, item: Any) -> Any:
        """Queue an item; return the consumer's failure if it has failed."""
        if isinstance(self.outcome, RemoteFailure):
            return self.outcome
        self.items.put(item)
        return None

    def finish(self) -> Any:
        """End the stream; return the consumer's result."""
        self.items.put(END_OF_STREAM)
        assert self.thread is not None
        self.thread.join()
        return self.outcome

    def abandon(self) -> None:
        """Make the consumer fail, so that it cleans up."""
        self.items.put(StreamBroken())
        self.finish()
