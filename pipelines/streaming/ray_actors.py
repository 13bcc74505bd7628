"""Run a stage of a stream in Ray actors: worker processes on this machine or on a cluster."""

import sys
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from traceback import format_exc
from typing import Any, TypeVar

from motion_imitate.runner import StageFactory, close_stream
from pipelines.streaming.gpu_share import limit_gpu_memory
from pipelines.streaming.ray_cluster import RayError, check_ray_gpus, connect_ray
from pipelines.streaming.threads import in_order

A = TypeVar("A")
B = TypeVar("B")

MAX_RETRIES = 2  # restarts of a dead worker, and retries of an item
ACTOR_START_SECONDS = 120.0  # for all workers to become ready; the first one imports torch


def map_in_actors(
    make: StageFactory[A, B], items: Iterable[A], workers: int = 1, gpus: float = 0, threads: int = 1
) -> Generator[B]:
    """Apply a stage to the items in worker processes, in order.

    The stage must be stateless: a worker that dies is restarted and given its items again. Each worker gets `gpus` GPUs
    (of a share of one, torch holds no more than the share of its memory) and `threads` processor threads for torch.
    """
    try:
        with connect_ray() as ray:
            check_ray_gpus(ray.nodes(), workers, gpus)
            stage = [send_to_ray(ray.put, make)]
            pool = start_stage_actors(ray, stage, workers, gpus, threads)
            turn = cycle(pool)
            try:
                submit = partial(send_to_ray, lambda item: next(turn).call.remote(stage, item))
                yield from in_order(submit, partial(fetch_ray_result, ray), items, 2 * workers)
            finally:
                kill_actors(ray, pool)
    finally:
        close_stream(items)


def send_to_ray(send: Callable[[Any], Any], what: Any) -> Any:
    """Call `send`; if Ray cannot serialize the argument, raise one sentence in place of Ray's page-long report."""
    try:
        return send(what)
    except TypeError as error:
        why = str(error.__cause__ or error).splitlines()[0]
        raise RayError(f"{type(what).__name__} cannot be sent to another process ({why}); use threads") from error


def start_stage_actors(ray: Any, stage: list[Any], workers: int, gpus: float, threads: int) -> list[Any]:
    """Actors that are ready. They reserve no processor, so that streams that feed each other never block each other."""
    how = {"num_cpus": 0, "num_gpus": gpus, "max_restarts": MAX_RETRIES, "max_task_retries": MAX_RETRIES}
    remote = ray.remote(scheduling_strategy="SPREAD", **how)(StageActor)
    pool = [remote.remote(threads, sys.path, gpus) for _ in range(workers)]
    try:
        ready = [worker.ready.remote(stage) for worker in pool]
        _, late = ray.wait(ready, num_returns=workers, timeout=ACTOR_START_SECONDS)
        if late:
            raise RayError(
                f"{len(late)} of {workers} Ray workers not ready after {ACTOR_START_SECONDS:.0f} s; use fewer workers"
            )
        ray.get(ready)
    except BaseException as error:
        kill_actors(ray, pool)
        if isinstance(error, ray.exceptions.RayError):
            raise RayError(f"a Ray worker cannot be started: {last_error_line(error)}") from error
        raise
    return pool


def kill_actors(ray: Any, pool: Iterable[Any]) -> None:
    """Kill the actors, unless Ray has shut down."""
    if ray.is_initialized():  # otherwise the call would start Ray again
        for worker in pool:
            ray.kill(worker)


def fetch_ray_result(ray: Any, sent: Any) -> Any:
    """The value of a Ray reference; errors of the stage are raised as they were, errors of Ray as `RayError`."""
    try:
        answer = ray.get(sent)
    except ray.exceptions.RayTaskError as error:
        raise RayError(f"a result cannot be sent between processes ({error.cause}); use threads") from error
    except ray.exceptions.RayActorError as error:
        why = f"a Ray worker died {MAX_RETRIES + 1} times"
        raise RayError(f"{why}; if memory ran out, use fewer workers or a smaller --size") from error
    except ray.exceptions.RayError as error:
        raise RayError(f"Ray lost a result ({last_error_line(error)}); run it again") from error
    if isinstance(answer, RemoteFailure):
        raise answer.error()
    return answer


def last_error_line(error: Exception) -> str:
    """The last line of a Ray error, which names its cause."""
    return str(error).strip().splitlines()[-1].strip(" .")


class StageActor:
    """The actor that runs a stage. The first call builds the stage, so that its errors reach the reader."""

    def __init__(self, threads: int, path: list[str], gpus: float) -> None:
        sys.path.extend(place for place in path if place not in sys.path)  # import what the caller can import
        self.threads, self.gpus = threads, gpus
        self.make: StageFactory[Any, Any] | None = None
        self.stage: Callable[[Any], Any] | None = None

    def load(self, sent: list[Any]) -> StageFactory[Any, Any]:
        """The stage's factory. Every call sends it, because a restarted process has no other source."""
        if self.make is None:
            import ray

            self.make = ray.get(sent[0])
            limit_gpu_memory(self.gpus)
            if torch := sys.modules.get("torch"):
                torch.set_num_threads(self.threads)
        return self.make

    def ready(self, sent: list[Any]) -> None:
        """Return once the process has started and has loaded the factory."""
        self.load(sent)

    def call(self, sent: list[Any], item: Any) -> Any:
        """The stage's result, or the failure that it raised."""
        make = self.load(sent)
        try:
            if self.stage is None:
                self.stage = make()
            return self.stage(item)
        except Exception as error:
            error.add_note(f"In a Ray worker:\n{format_exc()}")
            return RemoteFailure.of(error)


@dataclass(frozen=True)
class RemoteFailure:
    """An exception, serialized to be passed between processes."""

    packed: bytes

    @classmethod
    def of(cls, error: Exception) -> "RemoteFailure":
        """Serialize the exception itself if its message survives; else its type and arguments; else its message."""
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
        """The exception, deserialized."""
        from ray import cloudpickle

        got = cloudpickle.loads(self.packed)
        if isinstance(got, Exception):
            return got
        kind, given, kept = got  # bypass the constructor, which may take other arguments
        error: Exception = kind.__new__(kind, *given)
        vars(error).update(kept)
        return error
