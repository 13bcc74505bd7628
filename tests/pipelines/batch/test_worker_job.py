"""What a process tells of an item."""

from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from motion_imitate.renderer_chain import BY_AVATAR, RendererChoice
from motion_imitate.types import Frames
from motion_imitate.weights import find_asset
from pipelines.batch import worker_job
from pipelines.batch.item import BatchItem
from pipelines.batch.outcome import STRIP_FRAMES, read_outcome_record
from pipelines.batch.worker_job import RecordingReporter
from pipelines.dress.command import DressedPicture
from pipelines.dress.options import DressOptions
from pipelines.imitate.options import RenderOptions
from pipelines.imitate.render_video import RenderedVideo
from pipelines.motion.options import BaseEstimationOptions
from pipelines.rendering.clothes_options import ClothesOptions
from pipelines.rendering.options import PersonOptions


def runs(count, length=4):
    for first in range(0, count, length):
        numbers = torch.arange(first, min(first + length, count))
        yield Frames(numbers.to(torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2), numbers / 30)


@pytest.mark.parametrize("count", [1, 3, 7, 8, 72, 200])
@pytest.mark.parametrize("known", [True, False])
def test_pictures_are_spread_over_the_whole_however_long_it_is(count, known):
    reporter = RecordingReporter()
    assert sum(map(len, reporter.track_progress(runs(count), "imitate", count if known else None))) == count
    shown = [int(picture[0, 0, 0]) for picture in reporter.pictures]
    assert 1 <= len(shown) <= STRIP_FRAMES
    assert shown[0] == 0
    steps = {b - a for a, b in pairwise(shown)}
    assert len(steps) <= 1
    assert shown[-1] >= count / 2 - 1 or count == 1
    assert [reporter.warn("a"), reporter.heard] == [None, ["a"]]


def test_a_record_says_what_drew_the_person_and_why(monkeypatch, tmp_path):
    choice = RendererChoice("pg2", ("drawn by pg2, because nothing fits",))
    made = RenderedVideo([torch.ones(5)], choice)
    monkeypatch.setattr(worker_job, "render_video", lambda *_: made)
    clip, out = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    item = BatchItem("out.mp4", (tmp_path / "a.jpg",), clip, out, RenderOptions(), BaseEstimationOptions())
    outcome = worker_job.ItemRunner()(item)
    assert (outcome.kind, outcome.frames, outcome.renderer) == ("done", 5, "pg2")
    record = read_outcome_record(out)
    assert (record["renderer"], record["renderer_reason"], record["face"]) == ("pg2", choice.sentence, "off")


def test_whoever_is_dressed_is_a_picture_with_a_record(monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(worker_job, "write_dressed", lambda *given: told.append(given) or DressedPicture(BY_AVATAR))
    wear, out = ClothesOptions(("lower=b.jpg",)), tmp_path / "sub" / "out.png"
    item = BatchItem("out.png", (tmp_path / "a.jpg",), None, out, DressOptions(), BaseEstimationOptions(), wear=wear)
    outcome = worker_job.ItemRunner()(item)
    assert (outcome.kind, outcome.frames, told[0][:4]) == ("done", 1, ([tmp_path / "a.jpg"], out, wear, item.drawing))
    record = read_outcome_record(out)
    assert (record["task"], record["clothes"]) == ("dress", {"lower": "b.jpg"})


def test_clothes_without_a_photo_fail_alone(tmp_path):
    wear = ClothesOptions((str(tmp_path / "none.jpg"),))
    photo, options = find_asset("demo/photo.jpg"), DressOptions(size=64)
    item = BatchItem("o.png", (photo,), None, tmp_path / "o.png", options, BaseEstimationOptions(), wear=wear)
    runner = worker_job.ItemRunner()
    runner.person = lambda photos, *_: [path.stat() for path in photos]
    outcome = runner(item)
    assert outcome.kind == "input"
    assert "none.jpg" in outcome.reason


def test_a_person_who_serves_again_is_told_of_again(monkeypatch, tmp_path):
    photo = tmp_path / "a.jpg"
    photo.touch()
    loaded = SimpleNamespace(choice=RendererChoice("pg2", ("drawn by pg2",)))
    monkeypatch.setattr(worker_job, "load_person", lambda *_: loaded)
    runner, reporter = worker_job.ItemRunner(), RecordingReporter()
    for _ in range(2):
        assert runner.person((photo,), 640, PersonOptions(), reporter) is loaded
    assert reporter.heard == [f"{photo}: drawn by pg2"]
