"""Running a stage over a stream on Ray: in processes of their own, here or on a cluster. Nothing else knows of Ray."""

import sys
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from traceback import format_exc
from typing import Any, TypeVar

from pipelines.streaming.ray_cluster import RayError, cluster, refuse_gpus
from pipelines.streaming.threads import Make, close, in_order

A = TypeVar("A")
B = TypeVar("B")

AGAIN = 2  # times that a worker which died is made anew, and that an item is tried again
PATIENCE = 120.0  # seconds until all workers stand ready; the first has torch to load


def actors(make: Make[A, B], items: Iterable[A], workers: int = 1, gpus: float = 0, threads: int = 1) -> Generator[B]:
    """A stage in each worker, which must not remember: one that dies is made anew, and given its items again.

    Each has its share of GPUs, and that many processor threads for torch.
    """
    try:
        with cluster() as ray:
            refuse_gpus(ray.nodes(), workers, gpus)
            stage = [sending(ray.put, make)]
            pool = started(ray, stage, workers, gpus, threads)
            turn = cycle(pool)
            try:
                submit = partial(sending, lambda item: next(turn).call.remote(stage, item))
                yield from in_order(submit, partial(result, ray), items, 2 * workers)
            finally:
                ended(ray, pool)
    finally:
        close(items)


def sending(send: Callable[[Any], Any], what: Any) -> Any:
    """What Ray says of things that it cannot send fills a page."""
    try:
        return send(what)
    except TypeError as error:
        why = str(error.__cause__ or error).splitlines()[0]
        raise RayError(f"{type(what).__name__} cannot be sent to another process ({why}); threads need not") from error


def started(ray: Any, stage: list[Any], workers: int, gpus: float, threads: int) -> list[Any]:
    """Workers that stand ready. They ask for no processor, so that streams which feed each other never wait for one."""
    how = {"num_cpus": 0, "num_gpus": gpus, "max_restarts": AGAIN, "max_task_retries": AGAIN}
    remote = ray.remote(scheduling_strategy="SPREAD", **how)(Worker)
    pool = [remote.remote(threads, sys.path) for _ in range(workers)]
    try:
        ready = [worker.ready.remote(stage) for worker in pool]
        _, late = ray.wait(ready, num_returns=workers, timeout=PATIENCE)
        if late:
            raise RayError(
                f"{len(late)} of {workers} workers of Ray were not there after {PATIENCE:.0f} s; ask for fewer"
            )
        ray.get(ready)
    except BaseException as error:
        ended(ray, pool)
        if isinstance(error, ray.exceptions.RayError):
            raise RayError(f"a worker of Ray cannot be made: {said(error)}") from error
        raise
    return pool


def ended(ray: Any, pool: Iterable[Any]) -> None:
    if ray.is_initialized():  # else asking would start it again
        for worker in pool:
            ray.kill(worker)


def result(ray: Any, sent: Any) -> Any:
    try:
        answer = ray.get(sent)
    except ray.exceptions.RayTaskError as error:
        raise RayError(f"a result cannot be sent between processes ({error.cause}); threads need not") from error
    except ray.exceptions.RayActorError as error:
        why = f"a worker of Ray died {AGAIN + 1} times over"
        raise RayError(f"{why}; if the memory was full, ask for fewer workers or a smaller --size") from error
    except ray.exceptions.RayError as error:
        raise RayError(f"Ray lost a result ({said(error)}); start again") from error
    if isinstance(answer, Failure):
        raise answer.error()
    return answer


def said(error: Exception) -> str:
    """What is said in the last line, where the error that began it all stands."""
    return str(error).strip().splitlines()[-1].strip(" .")


class Worker:
    """What runs in a process of Ray. The stage is made by the first call, so that its errors reach the reader."""

    def __init__(self, threads: int, path: list[str]) -> None:
        sys.path.extend(place for place in path if place not in sys.path)  # it finds what whoever asks would find
        self.threads = threads
        self.make: Make[Any, Any] | None = None
        self.stage: Callable[[Any], Any] | None = None

    def load(self, sent: list[Any]) -> Make[Any, Any]:
        """Each call brings it along: a process made anew has nothing else to get it from."""
        if self.make is None:
            import ray

            self.make = ray.get(sent[0])
            if torch := sys.modules.get("torch"):
                torch.set_num_threads(self.threads)
        return self.make

    def ready(self, sent: list[Any]) -> None:
        self.load(sent)

    def call(self, sent: list[Any], item: Any) -> Any:
        make = self.load(sent)
        try:
            if self.stage is None:
                self.stage = make()
            return self.stage(item)
        except Exception as error:
            error.add_note(f"In a worker of Ray:\n{format_exc()}")
            return Failure.of(error)


@dataclass(frozen=True)
class Failure:
    """An error on its way between processes."""

    packed: bytes

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        """As it is; else as far as it can be sent, and says the same; else its words."""
        from ray import cloudpickle

        kind, words = type(error), str(error)
        for parts in (error, (kind, error.args, vars(error)), (kind, error.args, {})):
            try:
                sent = cls(cloudpickle.dumps(parts))
                if str(sent.error()) == words:
                    return sent
            except Exception:
                continue
        return cls(cloudpickle.dumps(RuntimeError(f"{kind.__name__}: {words}")))

    def error(self) -> Exception:
        from ray import cloudpickle

        got = cloudpickle.loads(self.packed)
        if isinstance(got, Exception):
            return got
        kind, given, kept = got  # made without its own constructor, which may ask for something else
        error: Exception = kind.__new__(kind, *given)
        vars(error).update(kept)
        return error
