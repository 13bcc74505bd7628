"""Threads that share a network get their own outputs, from batches that fill while it computes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from motion_imitate.estimators.landmarks import Landmarking, load_batched_net
from motion_imitate.estimators.net_batches import BatchedNet


class CountingNet:
    """Adds one, notes the size of each batch, and lets the first wait."""

    def __init__(self):
        self.sizes, self.begun, self.go_on = [], Event(), Event()

    def __call__(self, pictures):
        self.sizes.append(len(pictures))
        self.begun.set()
        self.go_on.wait(10)
        if np.isnan(pictures).any():
            raise ValueError("no number")
        return [pictures + 1, pictures.sum((1, 2, 3))]


def images(value, count=1):
    return np.full((count, 2, 2, 3), value, np.float32)


def run_while_busy(net, inner, each):
    """Outputs of calls made while the network computes its first image."""
    with ThreadPoolExecutor(len(each) + 1) as pool:
        first = pool.submit(net, images(0))
        assert inner.begun.wait(10)
        others = [pool.submit(net, one) for one in each]
        while len(net.waiting) < len(each):
            pass
        inner.go_on.set()
        return [first, *others]


def test_threads_share_the_batches_of_a_busy_network():
    inner = CountingNet()
    net = BatchedNet(inner, largest=4)
    each = [images(1), images(2, 2), images(3), images(4)]
    outputs = [future.result() for future in run_while_busy(net, inner, each)]
    assert sum(inner.sizes) == 6
    assert inner.sizes[0] == 1
    assert len(inner.sizes) == 3
    assert max(inner.sizes) <= 4
    for given, (plus, total) in zip([images(0), *each], outputs, strict=True):
        assert np.array_equal(plus, given + 1)
        assert np.array_equal(total, given.sum((1, 2, 3)))


def test_an_error_reaches_those_of_its_batch_and_no_others():
    inner = CountingNet()
    net = BatchedNet(inner, largest=2)
    first, *others = run_while_busy(net, inner, [images(np.nan), images(1), images(2), images(3)])
    failed = [future for future in others if future.exception() is not None]
    assert first.exception() is None
    assert len(failed) == 2
    with pytest.raises(ValueError, match="no number"):
        failed[0].result()
    assert net(images(5))[0].max() == 6


def test_more_images_than_a_batch_holds_are_one_call():
    inner = CountingNet()
    inner.go_on.set()
    assert len(BatchedNet(inner, largest=2)(images(1, 5))[0]) == 5
    assert inner.sizes == [5]


def test_networks_on_a_gpu_compute_in_batches():
    assert isinstance(load_batched_net("pose_lite", Landmarking(device="meta", runtime="torch")), BatchedNet)
    assert not isinstance(load_batched_net("pose_lite", Landmarking()), BatchedNet)
