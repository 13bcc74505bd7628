"""Compute the images of several threads together: on a GPU, a batch of eight takes hardly longer than one image."""

from collections import deque
from concurrent.futures import Future
from threading import Lock

import numpy as np

from motion_imitate.estimators.nets import InferenceNet, NetFloats

LARGEST_BATCH = 16  # images


class BatchedNet:
    """A network for several threads. Those that call it while it computes share its next batch; nobody waits for a
    batch to fill."""

    def __init__(self, net: InferenceNet, largest: int = LARGEST_BATCH) -> None:
        self.net, self.largest = net, largest
        self.waiting: deque[tuple[NetFloats, Future[list[NetFloats]]]] = deque()
        self.turn = Lock()

    def __call__(self, pictures: NetFloats) -> list[NetFloats]:
        outputs: Future[list[NetFloats]] = Future()
        self.waiting.append((pictures, outputs))
        with self.turn:
            while not outputs.done():
                self.run_batch()
        return outputs.result()

    def run_batch(self) -> None:
        """Compute the outputs of those who have waited longest."""
        batch = [self.waiting.popleft()]
        while self.waiting and sum(len(x) for x, _ in [*batch, self.waiting[0]]) <= self.largest:
            batch.append(self.waiting.popleft())
        try:
            outputs = self.net(np.concatenate([pictures for pictures, _ in batch]))
        except Exception as error:
            for _, future in batch:
                future.set_exception(error)
            return
        start = 0
        for pictures, future in batch:
            end = start + len(pictures)
            future.set_result([output[start:end] for output in outputs])
            start = end
