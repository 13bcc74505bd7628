"""Worker processes on Ray, on one or many machines, one batch item each at a time; a lost worker is replaced."""

import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import floor
from time import monotonic, sleep
from typing import Any

from pipelines.batch.item import BatchItem
from pipelines.batch.local_workers import WorkerLost
from pipelines.batch.options import BatchOptions
from pipelines.batch.outcome import ItemOutcome
from pipelines.streaming.gpu_share import limit_gpu_memory
from pipelines.streaming.memory import return_freed_memory
from pipelines.streaming.ray_actors import ACTOR_START_SECONDS, kill_actors, last_error_line
from pipelines.streaming.ray_cluster import RayError, check_ray_gpus, connect_ray

NODE_LOSS_SECONDS = 30.0  # until Ray reliably reports a lost node


@dataclass
class RayWorker:
    """A Ray actor, its machine and its current item."""

    actor: Any
    ready: Any  # Ray reference to the process's location, once it has started
    node: tuple[str, str] | None = None  # Ray's ID of the machine, and its host name
    item: BatchItem | None = None
    doing: Any = None  # Ray reference to the outcome


class RayWorkerPool:
    """A `WorkerPool` of Ray actors.

    The actors never restart by themselves: the pool replaces them, and their items are started again.
    """

    def __init__(self, ray: Any, workers: int, gpus: float) -> None:
        self.ray, self.workers, self.gpus = ray, workers, gpus
        how = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": 0, "max_task_retries": 0}
        self.remote = ray.remote(scheduling_strategy="SPREAD", **how)(BatchItemActor)
        self.members = [self.start_worker() for _ in range(workers)]
        self.since = monotonic()  # when any worker was last ready

    def start_worker(self) -> RayWorker:
        """Create a worker; Ray starts its process when there is room."""
        actor = self.remote.remote(sys.path, self.gpus)
        return RayWorker(actor, actor.where.remote())

    def idle_workers(self) -> int:
        """How many workers are ready and idle."""
        self.register_ready_workers(0)
        return sum(worker.node is not None and worker.item is None for worker in self.members)

    def register_ready_workers(self, seconds: float) -> None:
        """Register workers that have become ready; the others may become ready later, when there is room."""
        new = {worker.ready: worker for worker in self.members if worker.node is None}
        there = self.ray.wait([*new], num_returns=len(new), timeout=seconds)[0] if new else []
        for promise in there:
            try:
                new[promise].node = self.ray.get(promise)
            except self.ray.exceptions.RayError as error:
                raise RayError(f"a Ray worker cannot be started: {last_error_line(error)}") from error
        if len(new) - len(there) < len(self.members):
            self.since = monotonic()
        elif monotonic() - self.since > ACTOR_START_SECONDS:
            raise RayError(
                f"none of {self.workers} Ray workers was ready after {ACTOR_START_SECONDS:.0f} s; is Ray busy?"
            )

    def start(self, item: BatchItem) -> str:
        worker = next(worker for worker in self.members if worker.node is not None and worker.item is None)
        worker.item, worker.doing = item, worker.actor.perform.remote(item)
        assert worker.node is not None
        return worker.node[1]

    def wait(self, seconds: float) -> list[tuple[BatchItem, ItemOutcome | WorkerLost]]:
        busy = {worker.doing: worker for worker in self.members if worker.item is not None}
        if not busy:
            self.register_ready_workers(seconds)
            return []
        over, _ = self.ray.wait([*busy], num_returns=1, timeout=seconds)
        return [self.finish_item(busy[promise]) for promise in over]

    def finish_item(self, worker: RayWorker) -> tuple[BatchItem, ItemOutcome | WorkerLost]:
        """The item and outcome of a worker that has ended; a dead worker is replaced."""
        item, promise = worker.item, worker.doing
        assert item is not None
        worker.item = worker.doing = None
        try:
            return item, self.ray.get(promise)
        except self.ray.exceptions.RayActorError as error:
            here, why = self.diagnose_loss(worker, error)
            self.ray.kill(worker.actor)
            self.members[self.members.index(worker)] = self.start_worker()
            what = "the worker process died" if here else "the worker's machine was lost"
            return item, WorkerLost(f"{what} ({why})", counted=here)

    def diagnose_loss(self, worker: RayWorker, error: Exception) -> tuple[bool, str]:
        """Whether the worker's machine is alive, and Ray's reason. Ray takes a while to report a lost machine."""
        until = monotonic() + NODE_LOSS_SECONDS
        while isinstance(error, self.ray.exceptions.ActorUnavailableError) and monotonic() < until:
            sleep(0.5)
            try:
                self.ray.get(worker.actor.where.remote(), timeout=NODE_LOSS_SECONDS)
                return False, "it was unreachable for a while"
            except self.ray.exceptions.RayError as later:
                error = later
        assert worker.node is not None
        alive = any(node["Alive"] and node["NodeID"] == worker.node[0] for node in self.ray.nodes())
        return alive and "node has died" not in str(error), last_error_line(error)

    def end(self, item: BatchItem) -> None:
        for k, worker in enumerate(self.members):
            if worker.item is item:
                self.ray.kill(worker.actor)
                self.members[k] = self.start_worker()

    def close(self) -> None:
        """Kill all workers."""
        kill_actors(self.ray, (worker.actor for worker in self.members))


@contextmanager
def ray_worker_pool(how: BatchOptions, items: int) -> Iterator[RayWorkerPool]:
    """A pool of at most as many workers as items, for as long as Ray is connected."""
    with connect_ray(how.address) as ray:
        nodes = ray.nodes()
        workers = max(1, min(how.workers or default_ray_workers(nodes, how.gpus_per_worker), items))
        check_ray_gpus(nodes, workers, how.gpus_per_worker)
        pool = RayWorkerPool(ray, workers, how.gpus_per_worker)
        try:
            yield pool
        finally:
            with suppress(ray.exceptions.RayError):
                pool.close()


def default_ray_workers(nodes: Iterable[Any], gpus: float) -> int:
    """The cluster's number of processors, or the number of GPU shares if GPUs are requested."""
    there = [node["Resources"] for node in nodes if node["Alive"]]
    processors = int(sum(has.get("CPU", 0) for has in there))
    return min(processors, floor(sum(has.get("GPU", 0) for has in there) / gpus)) if gpus else processors


class BatchItemActor:
    """The actor that runs in a Ray process."""

    def __init__(self, path: list[str], gpus: float) -> None:
        sys.path.extend(place for place in path if place not in sys.path)
        return_freed_memory()
        limit_gpu_memory(gpus)
        from pipelines.batch.worker_job import ItemRunner

        self.performer = ItemRunner()

    def where(self) -> tuple[str, str]:
        """Ray's ID of the machine, and its host name."""
        import ray

        return ray.get_runtime_context().get_node_id(), socket.gethostname()

    def perform(self, item: BatchItem) -> ItemOutcome:
        """Render an item."""
        return self.performer(item)
