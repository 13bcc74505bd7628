"""What worker processes do, on a small job of each kind."""

import json

from motion_imitate.video import probe
from motion_imitate.weights import find_asset
from pipelines.batch import worker_job
from pipelines.batch.item import BatchItem
from pipelines.imitate.options import RenderOptions
from pipelines.motion.options import BaseEstimationOptions
from pipelines.novel_view.options import NovelViewOptions
from pipelines.rendering.clothes_options import ClothesOptions
from pipelines.web.work import PROGRESS_FILE, InspectUpload
from pipelines.web.worker import WebItemRunner, inspect_upload


def test_a_small_turn_is_rendered_with_progress(tmp_path, unchecked_shapes):
    views = NovelViewOptions(seconds=0.4, rate=10, size=160)
    photo = find_asset("demo/photo.jpg")
    item = BatchItem("a", (photo,), None, tmp_path / "a" / "result.mp4", views, BaseEstimationOptions())
    outcome = WebItemRunner()(item)
    assert (outcome.kind, outcome.frames) == ("done", 4)
    assert probe(item.out).frames == 4
    progress = json.loads((item.out.parent / PROGRESS_FILE).read_text())
    assert (progress["progress"], progress["of"]) == ("novel-view", 4)


def test_clothes_are_worn_while_a_clip_is_followed(tmp_path, monkeypatch):
    wear, jobs = ClothesOptions(("other.jpg",)), []
    monkeypatch.setattr(worker_job, "render_video", lambda job, *_: jobs.append(job))
    clip, out = tmp_path / "clip.mp4", tmp_path / "a" / "result.mp4"
    item = BatchItem("a", (tmp_path / "photo.jpg",), clip, out, RenderOptions(), BaseEstimationOptions(), wear=wear)
    WebItemRunner()(item)
    assert [job.wear for job in jobs] == [wear]


def test_a_stored_motion_is_read_whole(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"no motion")
    work = InspectUpload("a", "motion", file, tmp_path / "small.jpg")
    assert str(file) in inspect_upload(work).refusal
