"""The ends of a stream on Ray: what is read and written in other processes comes whole, or not at all."""

import os
import signal
from importlib.util import find_spec
from itertools import count

import pytest
import torch

from motion_imitate.files import cleanup_child_output
from motion_imitate.types import Frames, cat_batched
from motion_imitate.video import read, write
from tests.support.media import film

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module", autouse=True)
def ray():
    from pipelines.streaming.ray_cluster import connect_ray

    with connect_ray() as running:
        yield running


def numbers():
    for i in range(60):
        yield i, os.getpid()


def test_a_source_that_is_killed_goes_on_where_it_was():
    from pipelines.streaming.ray_endpoints import remote_source

    got, processes = [], set()
    for i, process in remote_source(numbers):
        got.append(i)
        processes.add(process)
        if i == 20:
            os.kill(process, signal.SIGKILL)
    assert got == list(range(60))
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_an_error_of_a_source_reaches_the_reader():
    from pipelines.streaming.ray_endpoints import remote_source

    def broken():
        yield 1
        raise ValueError("no more")

    stream = remote_source(broken)
    assert next(stream) == 1
    with pytest.raises(ValueError, match="no more"):
        next(stream)


def test_no_more_is_read_than_a_few_ahead(tmp_path):
    from pipelines.streaming.ray_endpoints import ENDPOINT_AHEAD, remote_source

    log = tmp_path / "log"

    def noting():
        for i in count():
            with log.open("a") as lines:
                lines.write(f"{i}\n")
            yield i

    stream = remote_source(noting)
    assert [next(stream) for _ in range(5)] == list(range(5))
    stream.close()
    assert len(log.read_text().splitlines()) < 2 * (5 + ENDPOINT_AHEAD)


def written(path, frames):
    return write(path, frames, 30), os.getpid()


def pictures(count):
    for i in range(count):
        yield Frames(torch.full((2, 3, 32, 32), i, dtype=torch.uint8), torch.tensor([2 * i / 30, (2 * i + 1) / 30]))


def test_a_file_is_written_by_another_process(tmp_path):
    from functools import partial

    from pipelines.streaming.ray_endpoints import remote_sink

    frames, process = remote_sink(partial(written, tmp_path / "out.mp4"), pictures(20))
    assert (frames, process != os.getpid()) == (40, True)
    write(tmp_path / "here.mp4", pictures(20), 30)
    there, here = (cat_batched(list(read(tmp_path / name))) for name in ("out.mp4", "here.mp4"))
    assert torch.equal(there.data, here.data)
    assert torch.equal(there.seconds, here.seconds)


@pytest.mark.parametrize("fault", ["of the items", "of the consumer", "killed"])
def test_whatever_goes_wrong_nothing_half_done_is_left(tmp_path, fault):
    from functools import partial

    from pipelines.streaming.ray_cluster import RayError
    from pipelines.streaming.ray_endpoints import remote_sink

    out = tmp_path / "folder" / "out.mp4"
    out.parent.mkdir()

    def some():
        for i, frames in enumerate(pictures(200)):
            if i == 30:
                [part] = list(out.parent.glob(".*.part"))
                if fault == "of the items":
                    raise ValueError("a fault of the items")
                if fault == "killed":
                    os.kill(int(part.name.split(".")[3].split("-")[0]), signal.SIGKILL)
            if i == 40 and fault == "of the consumer":
                frames = Frames(frames.data[..., :16], frames.seconds)
            yield frames

    error, sentence = {
        "of the items": (ValueError, "a fault of the items"),
        "of the consumer": (Exception, "give all frames the same size"),
        "killed": (RayError, "died"),
    }[fault]
    with pytest.raises(error, match=sentence), cleanup_child_output(out):
        remote_sink(partial(written, out), some())
    assert list(out.parent.iterdir()) == []


def test_a_clip_is_read_elsewhere_with_what_there_is_to_warn_of(tmp_path):
    from functools import partial

    from motion_imitate.estimators.clip import forward_warnings, read_with_warnings
    from pipelines.streaming.ray_endpoints import remote_source

    clip = film(tmp_path / "clip.mkv", count=30)
    whole = clip.read_bytes()
    clip.write_bytes(whole[: len(whole) * 3 // 4])
    here, there = [], []
    frames = [run.data for run in read(clip, 4, warn=here.append)]
    size = (frames[0].shape[2], frames[0].shape[3])
    other = [run.data for run in forward_warnings(remote_source(partial(read_with_warnings, clip, size)), there.append)]
    assert torch.equal(torch.cat(frames), torch.cat(other))
    assert there == here
    assert here
