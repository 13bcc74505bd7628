"""Streams through threads and processes: in order, bounded, concurrent, and gone when nobody reads on."""

import gc
import threading
import time
import weakref
from importlib.util import find_spec
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as some

from motion_imitate.runner import INLINE
from pipelines.streaming.ray_actors import map_in_actors
from pipelines.streaming.ray_cluster import connect_ray
from pipelines.streaming.threads import in_order, map_in_threads, prefetch_items

RUNNERS = {
    "threads": lambda stage, items: map_in_threads(lambda: stage, items, workers=3),
    "beside": lambda stage, items: prefetch_items(map(stage, items), ahead=3),
    "actors": lambda stage, items: map_in_actors(lambda: stage, items, workers=3),
}


@pytest.fixture(scope="module")
def ray():
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    with connect_ray() as running:
        yield running


@pytest.fixture(params=RUNNERS)
def runner(request):
    if request.param == "actors":
        request.getfixturevalue("ray")
    return RUNNERS[request.param]


@given(some.lists(some.integers()), some.integers(0, 9))
def test_in_order_is_a_map_that_starts_early(items, ahead):
    begun, least = [], []

    def submit(item):
        begun.append(item)
        return item

    def result(item):
        least.append(len(begun))
        return item + 1

    assert list(in_order(submit, result, items, ahead)) == [item + 1 for item in items]
    for i, started in enumerate(least):
        assert started == min(i + ahead + 1, len(items))


def test_results_keep_the_order_of_items_though_later_ones_are_done_first(runner):
    def slow_when_even(i):
        time.sleep(0.02 * (i % 2 == 0))
        return i

    assert list(runner(slow_when_even, range(20))) == list(range(20))


def test_an_error_of_a_stage_reaches_the_reader_and_ends_the_stream(runner):
    def fails_at_three(i):
        if i == 3:
            raise ValueError("three")
        return i

    stream = runner(fails_at_three, count())
    assert list(islice(stream, 3)) == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(stream)
    assert list(stream) == []


def test_an_error_of_the_source_reaches_the_reader(runner):
    def source():
        yield from range(10)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(runner(lambda i: i, source()))


def test_who_stops_reading_stops_the_source_and_its_threads(runner):
    closed = threading.Event()

    def source():
        try:
            yield from count()
        finally:
            closed.set()

    before = threading.active_count()
    stream = runner(abs, source())
    assert list(islice(stream, 5)) == [0, 1, 2, 3, 4]
    stream.close()
    assert closed.is_set()
    assert threading.active_count() == before


def test_what_goes_beside_has_begun_before_it_is_asked_for():
    begun, closed = threading.Event(), threading.Event()

    def source():
        try:
            begun.set()
            yield from count()
        finally:
            closed.set()

    stream = prefetch_items(source())
    assert begun.wait(5)
    stream.close()
    assert closed.is_set()


@pytest.mark.parametrize("runner", ["threads", "actors"], indirect=True)
def test_nothing_is_begun_before_it_is_asked_for(runner):
    asked = []
    stream = runner(abs, map(asked.append, count()))
    assert asked == []
    stream.close()


def test_an_empty_stream_stays_empty(runner):
    assert list(runner(abs, [])) == []


def test_few_items_are_held_however_long_the_stream(runner):
    class Item:
        pass

    alive = weakref.WeakSet()

    def source():
        for _ in range(300):
            item = Item()
            alive.add(item)
            yield item
            del item

    most = 0
    for item in runner(lambda x: x, source()):
        del item
        gc.collect(0)
        most = max(most, len(alive))
    assert most <= 10


def test_reader_and_source_work_at_once():
    """Each waits until the other is at work; one after the other would be a deadlock, which ends by its timeout."""
    meeting = threading.Barrier(2, timeout=10)

    def source():
        for i in range(4):
            if i:
                meeting.wait()
            yield i

    for i in prefetch_items(source(), ahead=1):
        if i < 3:
            meeting.wait()


@pytest.mark.parametrize("name", ["threads", "actors"])
def test_workers_work_at_once(name, request, tmp_path):
    """Each waits until three are at work; one after the other would wait in vain."""
    if name == "actors":
        request.getfixturevalue("ray")

    def stage(i):
        (tmp_path / str(i)).touch()
        until = time.monotonic() + 10
        while len(list(tmp_path.iterdir())) < 3:
            assert time.monotonic() < until
            time.sleep(0.005)
        return i

    assert list(RUNNERS[name](stage, range(6))) == list(range(6))


@pytest.mark.parametrize("name", ["threads", "actors"])
def test_an_error_of_making_the_stage_reaches_the_reader(name, request):
    if name == "actors":
        request.getfixturevalue("ray")

    def make():
        raise ValueError("no weights")

    with pytest.raises(ValueError, match="no weights") as caught:
        list({"threads": map_in_threads, "actors": map_in_actors}[name](make, range(3)))
    assert str(caught.value) == "no weights"


def test_who_is_alone_has_no_threads_and_lets_its_items_go():
    gone = []

    def items():
        try:
            while True:
                yield threading.get_ident()
        finally:
            gone.append(True)

    made = INLINE.prefetch(items())
    assert [next(made), next(made)] == [threading.get_ident()] * 2
    made.close()
    assert gone == [True]
    here = INLINE.stage(lambda: lambda _: threading.get_ident(), range(3), workers=3)
    assert list(here) == [threading.get_ident()] * 3
    apart = map_in_threads(lambda: lambda _: threading.get_ident(), range(3), workers=3)
    assert threading.get_ident() not in list(apart)
