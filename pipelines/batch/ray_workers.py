"""Processes of Ray that work at items of a batch, here or on many machines; one that is lost is replaced."""

import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import floor
from time import monotonic, sleep
from typing import Any

from pipelines.batch.item import Item
from pipelines.batch.local_workers import Lost
from pipelines.batch.options import Batching
from pipelines.batch.outcome import Outcome
from pipelines.streaming.memory import give_back
from pipelines.streaming.ray_actors import PATIENCE, ended, said
from pipelines.streaming.ray_cluster import RayError, cluster, refuse_gpus

NOTICED = 30.0  # seconds until Ray surely knows that a node is gone


@dataclass
class Hand:
    actor: Any
    ready: Any  # what Ray has promised: where the process is, once it stands
    node: tuple[str, str] | None = None  # Ray's name of the machine, and its own
    item: Item | None = None
    doing: Any = None  # the promised outcome


class OnRay:
    """Hands that Ray holds. Their processes never restart by themselves: what they were at is begun anew instead."""

    def __init__(self, ray: Any, workers: int, gpus: float) -> None:
        self.ray, self.workers = ray, workers
        how = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": 0, "max_task_retries": 0}
        self.remote = ray.remote(scheduling_strategy="SPREAD", **how)(Worker)
        self.hands = [self.hired() for _ in range(workers)]
        self.since = monotonic()  # when anybody was last there

    def hired(self) -> Hand:
        actor = self.remote.remote(sys.path)
        return Hand(actor, actor.where.remote())

    def free(self) -> int:
        self.meet(0)
        return sum(hand.node is not None and hand.item is None for hand in self.hands)

    def meet(self, seconds: float) -> None:
        """Whoever has come to stand. Those whom there is no room for may come later, when others have left."""
        new = {hand.ready: hand for hand in self.hands if hand.node is None}
        there = self.ray.wait([*new], num_returns=len(new), timeout=seconds)[0] if new else []
        for promise in there:
            try:
                new[promise].node = self.ray.get(promise)
            except self.ray.exceptions.RayError as error:
                raise RayError(f"a worker of Ray cannot be made: {said(error)}") from error
        if len(new) - len(there) < len(self.hands):
            self.since = monotonic()
        elif monotonic() - self.since > PATIENCE:
            raise RayError(f"none of {self.workers} workers of Ray was there after {PATIENCE:.0f} s; is it busy?")

    def start(self, item: Item) -> str:
        hand = next(hand for hand in self.hands if hand.node is not None and hand.item is None)
        hand.item, hand.doing = item, hand.actor.perform.remote(item)
        assert hand.node is not None
        return hand.node[1]

    def wait(self, seconds: float) -> list[tuple[Item, Outcome | Lost]]:
        busy = {hand.doing: hand for hand in self.hands if hand.item is not None}
        if not busy:
            self.meet(seconds)
            return []
        over, _ = self.ray.wait([*busy], num_returns=1, timeout=seconds)
        return [self.ended(busy[promise]) for promise in over]

    def ended(self, hand: Hand) -> tuple[Item, Outcome | Lost]:
        item, promise = hand.item, hand.doing
        assert item is not None
        hand.item = hand.doing = None
        try:
            return item, self.ray.get(promise)
        except self.ray.exceptions.RayActorError as error:
            here, why = self.fate(hand, error)
            self.ray.kill(hand.actor)
            self.hands[self.hands.index(hand)] = self.hired()
            what = "the process that worked at it died" if here else "the machine that worked at it was lost"
            return item, Lost(f"{what} ({why})", counted=here)

    def fate(self, hand: Hand, error: Exception) -> tuple[bool, str]:
        """Whether the machine is still there, and what Ray says. It takes Ray a while to be sure that one is gone."""
        until = monotonic() + NOTICED
        while isinstance(error, self.ray.exceptions.ActorUnavailableError) and monotonic() < until:
            sleep(0.5)
            try:
                self.ray.get(hand.actor.where.remote(), timeout=NOTICED)
                return False, "it could not be reached for a while"
            except self.ray.exceptions.RayError as later:
                error = later
        assert hand.node is not None
        alive = any(node["Alive"] and node["NodeID"] == hand.node[0] for node in self.ray.nodes())
        return alive and "node has died" not in str(error), said(error)

    def end(self, item: Item) -> None:
        for k, hand in enumerate(self.hands):
            if hand.item is item:
                self.ray.kill(hand.actor)
                self.hands[k] = self.hired()

    def close(self) -> None:
        ended(self.ray, (hand.actor for hand in self.hands))


@contextmanager
def on_ray(how: Batching, items: int) -> Iterator[OnRay]:
    with cluster(how.address) as ray:
        nodes = ray.nodes()
        workers = max(1, min(how.workers or fitting(nodes, how.gpus_per_worker), items))
        refuse_gpus(nodes, workers, how.gpus_per_worker)
        hands = OnRay(ray, workers, how.gpus_per_worker)
        try:
            yield hands
        finally:
            with suppress(ray.exceptions.RayError):
                hands.close()


def fitting(nodes: Iterable[Any], gpus: float) -> int:
    """As many as there are processors; and GPUs, if they want any."""
    there = [node["Resources"] for node in nodes if node["Alive"]]
    processors = int(sum(has.get("CPU", 0) for has in there))
    return min(processors, floor(sum(has.get("GPU", 0) for has in there) / gpus)) if gpus else processors


class Worker:
    """What runs in a process of Ray."""

    def __init__(self, path: list[str]) -> None:
        sys.path.extend(place for place in path if place not in sys.path)
        give_back()
        from pipelines.batch.worker_job import Performer

        self.performer = Performer()

    def where(self) -> tuple[str, str]:
        import ray

        return ray.get_runtime_context().get_node_id(), socket.gethostname()

    def perform(self, item: Item) -> Outcome:
        from pipelines.streaming.threads import alone

        with alone():
            return self.performer(item)
