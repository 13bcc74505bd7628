"""Ray: lost processes are replaced, errors stay themselves, and nothing of it is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path

import pytest

from pipelines.output_path import UsageError
from pipelines.streaming.ray_actors import MAX_RETRIES, RemoteFailure, map_in_actors
from pipelines.streaming.ray_cluster import QUIET_RAY_VARIABLES, RayError, check_ray_gpus
from pipelines.streaming.threads import map_in_threads
from tests.support import ROOT

here = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module")
def theirs():
    """A Ray that whoever calls has started, and that says it has two GPUs."""
    os.environ.update(QUIET_RAY_VARIABLES)
    import ray

    ray.init(address="local", num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    assert ray.is_initialized()  # whoever starts it ends it
    ray.shutdown()


def square(i):
    time.sleep(0.01)
    return i * i, os.getpid()


def fate(pid):
    """Whether a process is gone after a while."""
    for _ in range(100):
        with suppress(FileNotFoundError):
            if ") Z " not in Path(f"/proc/{pid}/stat").read_text():
                time.sleep(0.05)
                continue
        return "gone"
    return "alive"


@here
def test_a_killed_worker_is_replaced_and_the_results_are_as_if_it_had_lived(theirs):
    """Each with more than half of a GPU, of which there are as many as workers: the new one takes over its share."""

    def place(i):
        return *square(i), os.environ["CUDA_VISIBLE_DEVICES"]

    got, workers = [], {}
    for value, pid, gpu in map_in_actors(lambda: place, range(60), workers=2, gpus=0.6):
        got.append(value)
        workers[pid] = gpu
        if len(got) in (10, 30):
            os.kill(pid, signal.SIGKILL)
    assert got == [i * i for i in range(60)]
    assert len(workers) > 2
    assert set(workers.values()) == {"0", "1"}


@here
def test_what_kills_every_worker_ends_in_a_sentence(theirs):
    def poison(i):
        if i == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    with pytest.raises(RayError, match=f"died {MAX_RETRIES + 1} times") as caught:
        list(map_in_actors(lambda: poison, count(), workers=2))
    assert len(str(caught.value).splitlines()) == 1
    assert theirs.is_initialized()


@here
@pytest.mark.parametrize("end", ["exhausted", "closed", "error"])
def test_no_process_outlives_its_stream(theirs, end):
    def stage(i):
        assert i != 9
        return os.getpid()

    stream = map_in_actors(lambda: stage, range(9) if end == "exhausted" else count(), workers=2)
    workers = set(islice(stream, 6))
    if end == "exhausted":
        list(stream)
    elif end == "error":
        with pytest.raises(AssertionError):
            list(stream)
    stream.close()
    assert len(workers) == 2
    assert {fate(pid) for pid in workers} == {"gone"}


@here
def test_a_stage_at_work_is_not_waited_for(theirs):
    def stage(i):
        time.sleep(0 if i == 0 else 60)
        return i

    stream = map_in_actors(lambda: stage, count(), workers=1)
    assert next(stream) == 0
    begun = time.monotonic()
    stream.close()
    assert time.monotonic() - begun < 2


@here
def test_streams_may_feed_each_other_however_few_processors_there_are(theirs):
    processors = int(theirs.cluster_resources()["CPU"])
    first = map_in_actors(lambda: abs, range(-20, 0), workers=processors)
    second = map_in_actors(lambda: lambda i: i + 1, first, workers=processors)
    assert list(second) == list(range(21, 1, -1))


@here
def test_a_gpu_that_is_not_there_is_refused_and_one_that_is_there_is_lent(theirs):
    with pytest.raises(UsageError, match=r"3 workers with 1 GPUs each .* 2 GPUs, room for 2"):
        next(map_in_actors(lambda: abs, count(), workers=3, gpus=1))
    lent = map_in_actors(lambda: lambda i: os.environ["CUDA_VISIBLE_DEVICES"], range(4), workers=2, gpus=1)
    assert sorted(set(lent)) == ["0", "1"]


@pytest.mark.parametrize(
    ("nodes", "workers", "gpus", "fits"),
    [
        ([0], 9, 0, True),
        ([2], 4, 0.5, True),
        ([2], 5, 0.5, False),
        ([2], 3, 0.6, False),  # a GPU is shared by those only whom it holds whole
        ([1, 1], 1, 2, False),  # and none are lent across machines
        ([4, 1], 2, 2, True),
        ([], 1, 1, False),
    ],
)
def test_room_for_workers_is_what_the_machines_hold(nodes, workers, gpus, fits):
    there = [{"Alive": True, "Resources": {"GPU": float(n)} if n else {}} for n in nodes]
    there.append({"Alive": False, "Resources": {"GPU": 8.0}})
    if fits:
        check_ray_gpus(there, workers, gpus)
    else:
        with pytest.raises(UsageError):
            check_ray_gpus(there, workers, gpus)


class Two(Exception):
    def __init__(self, what, where):
        super().__init__(f"{what} in {where}")
        self.where = where


class Closed(Exception):
    def __reduce__(self):
        raise TypeError("stays here")


class Holding(Exception):
    def __init__(self, words):
        super().__init__(words)
        self.lock = (i for i in ())


@here
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("plain"), ValueError),
        (Two("a hole", "the film"), Two),
        (FileNotFoundError(2, "No such file", "a.mp4"), FileNotFoundError),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), UnicodeDecodeError),
        (Closed("door"), Closed),
        (Holding("what cannot be sent"), Holding),
    ],
)
def test_an_error_keeps_its_kind_and_words_on_its_way(error, kind):
    got = RemoteFailure.of(error).error()
    assert type(got) is kind
    assert str(got) == str(error)
    assert getattr(got, "where", None) == getattr(error, "where", None)
    assert getattr(got, "filename", None) == getattr(error, "filename", None)


@here
def test_an_error_of_no_known_kind_keeps_its_words():
    class Odd(Exception):
        def __new__(cls, first, *, second):
            return super().__new__(cls, first)

        def __init__(self, first, *, second):
            super().__init__(first)

    got = RemoteFailure.of(Odd("strange", second=1)).error()
    assert str(got) == "Odd: strange"


@here
def test_what_cannot_be_sent_is_said_in_a_sentence(theirs):
    stuck = threading.Lock()
    cases = [
        map_in_actors(lambda: lambda i: stuck, range(3)),
        map_in_actors(lambda: abs, [stuck]),
        map_in_actors(lambda: lambda i: threading.Lock(), range(3)),
    ]
    for stream in cases:
        with pytest.raises(RayError, match=r"cannot be sent .*lock.*; use threads") as caught:
            list(stream)
        assert len(str(caught.value).splitlines()) == 1


def test_without_ray_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        next(map_in_actors(lambda: abs, count()))
    assert caught.value.name == "ray"


@here
def test_torch_has_the_processor_threads_it_is_given(theirs):
    import torch

    def make():
        torch.zeros(1)
        return lambda i: torch.get_num_threads()

    assert list(map_in_actors(make, range(2), threads=3)) == [3, 3]


JOB = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs in the background has it ignored
from contextlib import closing
from itertools import count
from pathlib import Path
import torch
from motion_imitate.types import Frames
from motion_imitate.video import write
from pipelines.cli.guard import run_guarded
from pipelines.reporter import Reporter
from pipelines.streaming.ray_actors import map_in_actors as actors
from pipelines.streaming.threads import map_in_threads as threads

def stage(i):
    __import__("time").sleep(0.02)
    return i

def frames(numbers):
    for i in numbers:
        if i == 5:
            print("under way", flush=True)
        yield Frames(torch.full((1, 3, 64, 64), i % 256, dtype=torch.uint8), torch.tensor([i / 30]))

def job():
    with closing({"threads": threads, "actors": actors}[sys.argv[1]](lambda: stage, count(), 2)) as numbers:
        write(Path(sys.argv[2]), frames(numbers), 30)

sys.exit(run_guarded(Reporter(), job))
"""


def members(session):
    """The living processes of a session."""
    out = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, belongs, *_ = stat.read_text().rpartition(") ")[2].split()
            out += [stat.parent.name] if int(belongs) == session and state != "Z" else []
    return out


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("runner", "ways"),
    [
        ("threads", {signal.SIGINT: os.killpg, signal.SIGTERM: os.kill}),  # as a terminal and as `kill` do
        pytest.param("actors", {signal.SIGINT: os.killpg}, marks=here),
        pytest.param("actors", {signal.SIGTERM: os.kill}, marks=[here, pytest.mark.slow]),
        pytest.param("threads", {signal.SIGINT: os.kill, signal.SIGTERM: os.killpg}, marks=pytest.mark.slow),
        pytest.param("actors", {signal.SIGINT: os.kill, signal.SIGTERM: os.killpg}, marks=[here, pytest.mark.slow]),
    ],
)
def test_who_is_told_to_end_ends_soon_and_leaves_nothing(tmp_path, runner, ways):
    running = {}
    for told in ways:
        command = [sys.executable, "-c", JOB, runner, str(tmp_path / f"{told.name}.mp4")]
        running[told] = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
        )
    try:
        for told, process in running.items():
            assert process.stdout.readline() == "under way\n"
            ways[told](process.pid, told)
            out, err = process.communicate(timeout=20)
            assert (process.returncode, out, err) == (
                130,
                "",
                "motion-imitate: interrupted; unfinished output was removed\n",
            )
            for _ in range(20):
                if members(process.pid):
                    time.sleep(0.05)
            assert members(process.pid) == []
    finally:
        for process in running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


@here
def test_a_person_is_drawn_alike_by_threads_and_actors(theirs):
    import torch

    from motion_imitate.frame_renderer import FrameRenderer
    from motion_imitate.geometry.raster import rasterize
    from motion_imitate.person import Person
    from motion_imitate.types import Frames, Motion
    from tests.support import painted

    render = FrameRenderer(Person.of(painted.source(painted.standing()), painted.MODEL, painted.painter()), rasterize)
    pairs = []
    for i in range(4):
        body, camera = painted.standing(yaw=0.4 * i)
        ground = torch.full((1, 3, *painted.SIZE), 60 * i, dtype=torch.uint8)
        pairs.append((Frames(ground, torch.tensor([i / 30])), Motion(body, camera, torch.ones(1), torch.ones(1))))
    one, other = (list(run(lambda: render, pairs)) for run in (map_in_threads, map_in_actors))
    for here, there in zip(one, other, strict=True):
        assert torch.equal(here.data, there.data)
        assert torch.equal(here.seconds, there.seconds)
    assert not torch.equal(one[0].data, one[1].data)
