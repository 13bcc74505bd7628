"""Processes of this machine that work at items of a batch, one each at a time; one that is lost is replaced."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from signal import SIG_IGN, SIGINT, Signals, signal
from threading import Thread
from time import sleep
from typing import Any, Protocol

from pipelines.batch.item import Item
from pipelines.batch.outcome import Outcome
from pipelines.streaming.memory import give_back

ROOM = 1.5  # GiB that a process may take
WATCHED = 0.5  # seconds between two looks whether whoever asked is still there


@dataclass(frozen=True)
class Lost:
    """The process that worked at an item is no more."""

    reason: str
    counted: bool = True  # as an attempt: not where its whole machine was lost


class Hands(Protocol):
    workers: int

    def free(self) -> int:
        """How many wait for work."""

    def start(self, item: Item) -> str:
        """Where it is being made now."""

    def wait(self, seconds: float) -> list[tuple[Item, Outcome | Lost]]:
        """What has ended, if anything does within the seconds."""

    def end(self, item: Item) -> None:
        """Stops whoever works at it, on the spot; it is not told of by `wait`."""


@dataclass
class Hand:
    process: BaseProcess
    pipe: Connection
    item: Item | None = None


class Local:
    """Hands on this machine."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.context = get_context("spawn")
        self.hands: list[Hand] = []

    def hired(self) -> Hand:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=serve, args=(theirs, os.getpid()), daemon=True)
        process.start()
        theirs.close()
        return Hand(process, ours)

    def free(self) -> int:
        return self.workers - sum(hand.item is not None for hand in self.hands)

    def start(self, item: Item) -> str:
        idle = [hand for hand in self.hands if hand.item is None]
        hand = idle[0] if idle else self.hired()
        if not idle:
            self.hands.append(hand)
        hand.item = item
        with suppress(OSError):  # it died meanwhile, which `wait` tells
            hand.pipe.send(item)
        return socket.gethostname()

    def wait(self, seconds: float) -> list[tuple[Item, Outcome | Lost]]:
        busy: dict[Any, Hand] = {hand.pipe: hand for hand in self.hands if hand.item is not None}
        ended: list[tuple[Item, Outcome | Lost]] = []
        for pipe in wait(list(busy), seconds):
            hand = busy[pipe]
            item, hand.item = hand.item, None
            assert item is not None
            try:
                ended.append((item, hand.pipe.recv()))
            except (EOFError, OSError):
                hand.process.join(5)
                ended.append((item, Lost(f"the process that worked at it {fate(hand.process.exitcode)}")))
                self.drop(hand)
        return ended

    def end(self, item: Item) -> None:
        for hand in [hand for hand in self.hands if hand.item is item]:
            self.drop(hand)

    def drop(self, hand: Hand) -> None:
        self.hands.remove(hand)
        hand.process.kill()
        hand.process.join()
        hand.pipe.close()


def fate(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed ({Signals(-code).name}); if the memory was full, give fewer --workers or a smaller --size"
    return f"ended by itself (exit code {code})"


@contextmanager
def local(workers: int | None, items: int) -> Iterator[Local]:
    """No more than there are items."""
    hands = Local(max(1, min(workers or fitting(), items)))
    try:
        yield hands
    finally:
        for hand in list(hands.hands):
            hands.drop(hand)


def fitting() -> int:
    """As many as there are processors, if the memory has room for them."""
    most = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        most = len(os.sched_getaffinity(0))
    with suppress(ValueError, OSError, AttributeError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        most = min(most, int(memory / ROOM))
    return max(1, most)


def serve(pipe: Connection, parent: int) -> None:
    """In the process: items come, outcomes go, until nobody asks any more."""
    signal(SIGINT, SIG_IGN)  # Ctrl-C is for whoever asked, who ends this too
    Thread(target=leave_with, args=(parent,), daemon=True).start()
    give_back()
    from pipelines.batch.worker_job import Performer
    from pipelines.streaming.threads import alone

    perform = Performer()
    with alone(), suppress(EOFError, OSError):
        while True:
            pipe.send(perform(pipe.recv()))


def leave_with(parent: int) -> None:
    """Whoever asked may be killed; then nobody wants what is being made, and somebody else may begin to make it."""
    while os.getppid() == parent:
        sleep(WATCHED)
    os._exit(1)
