"""Workers that render nothing: some in memory, on a clock of their own, and some in real processes."""

import os
import signal
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace

from pipelines.batch.item import BatchItem
from pipelines.batch.local_workers import WorkerLost, serve_batch_items
from pipelines.batch.outcome import ItemOutcome
from pipelines.batch.worker_job import ItemRunner
from pipelines.imitate.options import RenderOptions
from pipelines.motion.options import BaseEstimationOptions

FINE = ItemOutcome("done", "", 8, 0.1, 100.0, "here")
BROKEN = ItemOutcome("system", "the disk is full")
NO_VIDEO = ItemOutcome("input", "it is no video")
KILLED = WorkerLost("the worker process was killed (SIGKILL)")
NODE_LOST = WorkerLost("the machine was lost", counted=False)


def batch_item(folder, name, motion=None):
    clip, photo = folder / "clips" / name, folder / "photo.jpg"
    return BatchItem(name, (photo,), clip, folder / name, RenderOptions(), BaseEstimationOptions(), name, motion)


class FakeWorkerPool:
    """In-memory workers. `script` gives, for each attempt at an item, the seconds it takes and its result; None for an
    item that hangs. What is not in it succeeds in a second. It is interrupted after `most` attempts."""

    def __init__(self, workers, script=None, most=1000):
        self.workers, self.script, self.most = workers, script or {}, most
        self.now, self.running, self.started, self.killed = 0.0, {}, [], []

    def clock(self):
        return self.now

    def idle_workers(self):
        return self.workers - len(self.running)

    def start(self, item):
        attempts = self.script.get(item.id, [])
        seconds, result = attempts.pop(0) if attempts else (1.0, FINE)
        self.running[item.id] = (item, float("inf") if result is None else self.now + seconds, result)
        self.started.append((self.now, item.id))
        return "here"

    def wait(self, seconds):
        if len(self.started) > self.most:
            raise KeyboardInterrupt
        until = min([self.now + seconds, *(end for _, end, _ in self.running.values())])
        self.now = max(self.now + 1e-3, until)
        ended = [(item, result) for item, end, result in self.running.values() if end <= self.now]
        for item, result in ended:
            del self.running[item.id]
            if result is FINE:
                item.out.write_text(f"video {item.id}")
        return ended

    def end(self, item):
        del self.running[item.id]
        self.killed.append((self.now, item.id))


class InProcessPool:
    """A worker pool in this process, so that monkeypatches apply to it. It is interrupted after `most` items."""

    def __init__(self, workers=1, most=1000):
        self.workers, self.left, self.perform, self.given = workers, most, ItemRunner(), []

    def idle_workers(self):
        return self.workers - len(self.given)

    def start(self, item):
        self.given.append(item)
        return "here"

    def wait(self, seconds):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        item = self.given.pop(0)
        return [(item, self.perform(item))]

    def end(self, item):
        raise AssertionError("nothing takes that long")


@contextmanager
def in_process_pool(workers, items):
    """In the place of `local_worker_pool`."""
    yield InProcessPool(max(1, min(workers or 1, items)))


@contextmanager
def open_in_process_pool(how, items):
    """In the place of `open_worker_pool`."""
    yield InProcessPool(max(1, min(how.workers or 1, items)))


class SufferingWithoutWork:
    """The `ItemRunner` of a process: it writes a word, but a clip's name may say that it is to die or to hang."""

    def __call__(self, item):
        if "poison" in item.clip.name:
            item.out.with_name(f".{item.out.name}.{os.getpid()}-1.part").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in item.clip.name:
            item.out.with_name(f"hanging-{os.getpid()}").touch()
            time.sleep(3600)
        item.out.write_text(f"video {item.id}")
        return FINE


def serve_without_work(pipe, parent):
    sys.modules["pipelines.batch.worker_job"] = SimpleNamespace(ItemRunner=SufferingWithoutWork)
    serve_batch_items(pipe, parent)
