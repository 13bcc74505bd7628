"""The measurements of `imitate`, on next to nothing: that they measure what they say."""

import cv2
import numpy as np
import pytest
import torch

from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import look
from motion_imitate.types import Frames
from motion_imitate.video import probe, write
from motion_imitate.weights import find
from pipelines.bench import __main__ as bench
from pipelines.bench.image_quality import LINES, measure, returned, shrunk
from pipelines.bench.imitate import SOON, Bare, Job, Pace, bare, paced, stamped, started
from pipelines.bench.synthetic_clips import swaying
from pipelines.imitate import render_video as imitate
from pipelines.streaming.threads import alone
from tests.support.painted import MODEL, source, standing


def test_a_pace_is_frames_over_seconds():
    pace = Pace([2.0] * 4 + [3.0] * 4 + [4.0] * 4, 5.0, [0.5 * frame for frame in range(12)])
    assert pace.overall() == pytest.approx(12 / 5)
    assert pace.steady(4) == pytest.approx(8 / 2)  # the last eight, from 3 s to 5 s
    assert pace.cost(4) == pytest.approx(0.5)


def test_every_frame_is_stamped_and_passed():
    runs = [Frames(torch.zeros(n, 3, 2, 2, dtype=torch.uint8), torch.arange(float(n))) for n in (4, 1)]
    came, used = [], []
    assert [run is given for run, given in zip(stamped(runs, 0.0, came, used), runs, strict=True)] == [True, True]
    assert len(came) == len(used) == 5
    assert came == sorted(came)


def test_the_bare_stand_in_reads_the_photo_where_it_is_in_its_own_pose():
    seen = source(standing())
    view = seen.view
    drawn = Bare().draw(Bare().encode(seen), view)
    body = view.raster.face[0] >= 0
    height, width = body.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    here = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    assert torch.equal(drawn.cover[0, 0] > 0, body)
    assert (drawn.flow[0, 0][body] - here[body]).abs().max() < 1e-3
    assert drawn.trust[0, 0][body].mean() > 0.95
    turned = look(MODEL, rasterize, *standing(yaw=3.0), (height, width))
    assert Bare().draw(view, turned).trust.sum() < 0.5 * drawn.trust.sum()  # its back is not in the photo


def test_what_lies_inside_is_two_pixels_inside():
    area = torch.zeros(1, 1, 20, 20, dtype=torch.bool)
    area[..., 3:12, 4:18] = True
    inside = torch.zeros_like(area)
    inside[..., 5:10, 6:16] = True
    assert torch.equal(shrunk(area), inside)


def test_the_photos_own_pose_gives_it_back_and_what_cannot_is_said(tmp_path):
    photo = find("demo/photo.jpg")
    assert float(returned(photo, LINES[0])) > 35
    assert returned(photo, 10_000).strip() == "nan"
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((300, 200, 3), 120, np.uint8))
    assert returned(tmp_path / "grey.png", LINES[0]).strip() == "nobody"


def test_without_clips_of_two_cameras_it_is_said_which(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.bench.image_quality.LINES", ())
    assert "single_cam03.mp4" in list(measure(tmp_path))[-1]


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    write(folder / "clip.mp4", swaying(12), 60)
    return Job(find("demo/photo.jpg"), folder / "clip.mp4", folder / "out.mp4", 240)


def test_a_run_is_the_commands_own_and_each_of_its_frames_counts(job):
    with alone():
        loop = paced(job, bare)
    pace = paced(job, bare)
    assert len(loop.came) == len(pace.came)
    assert len(pace.came) == probe(job.out).frames == 12
    assert 0 < pace.came[0] <= pace.came[-1] < pace.whole


def test_what_the_first_frames_process_listens_to_is_there():
    for name in ("person_of", "write"):
        assert f"imitate.{name} = " in SOON
        assert callable(getattr(imitate, name))


@pytest.mark.slow
def test_the_first_frames_seconds_come_from_a_process_of_its_own(job):
    stamps = started(job)
    assert stamps[0] > 0
    assert stamps == sorted(stamps)
    assert len(stamps) == 6


def test_every_part_of_the_bench_is_there(capsys):
    for place in bench.PARTS.values():
        module, _, verb = place.partition(":")
        assert callable(getattr(bench.import_module(module), verb or "measure"))
    assert bench.main(["absent"]) == 2
    assert "flatness" in capsys.readouterr().err
