"""The measurements of `imitate`, on next to nothing: that they measure what they say."""

import cv2
import numpy as np
import pytest
import torch

from motion_imitate.runner import INLINE
from motion_imitate.types import Frames
from motion_imitate.video import probe, write
from motion_imitate.weights import find_asset
from pipelines.bench import __main__ as bench
from pipelines.bench.image_quality import PHOTO_HEIGHTS, erode_area, psnr_cell
from pipelines.bench.imitate import (
    FIRST_FRAME_SCRIPT,
    BareGenerator,
    BenchJob,
    RunPace,
    make_bare_person,
    measure_pace,
    stamp_frames,
    time_two_starts,
)
from pipelines.bench.synthetic_clips import render_swaying_body
from pipelines.imitate import render_video
from pipelines.rendering import write_video
from tests.support.painted import source, standing


def test_a_pace_is_frames_over_seconds():
    pace = RunPace([2.0] * 4 + [3.0] * 4 + [4.0] * 4, 5.0, [0.5 * frame for frame in range(12)])
    assert pace.overall_rate() == pytest.approx(12 / 5)
    assert pace.steady_rate(4) == pytest.approx(8 / 2)  # the last eight, from 3 s to 5 s
    assert pace.cpu_cost(4) == pytest.approx(0.5)


def test_every_frame_is_stamped_and_passed():
    runs = [Frames(torch.zeros(n, 3, 2, 2, dtype=torch.uint8), torch.arange(float(n))) for n in (4, 1)]
    came, used = [], []
    assert [run is given for run, given in zip(stamp_frames(runs, 0.0, came, used), runs, strict=True)] == [True, True]
    assert len(came) == len(used) == 5
    assert came == sorted(came)


def test_the_bare_stand_in_covers_the_body():
    seen = source(standing())
    drawn = BareGenerator().draw(BareGenerator().encode(seen), seen.view)
    assert torch.equal(drawn.cover[0, 0] > 0, seen.view.raster.face[0] >= 0)


def test_what_lies_inside_is_two_pixels_inside():
    area = torch.zeros(1, 1, 20, 20, dtype=torch.bool)
    area[..., 3:12, 4:18] = True
    inside = torch.zeros_like(area)
    inside[..., 5:10, 6:16] = True
    assert torch.equal(erode_area(area), inside)


def test_the_photos_own_pose_gives_it_back_and_what_cannot_is_said(tmp_path):
    photo = find_asset("demo/photo.jpg")
    assert float(psnr_cell(photo, PHOTO_HEIGHTS[0])) > 35
    assert psnr_cell(photo, 10_000).strip() == "nan"
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((300, 200, 3), 120, np.uint8))
    assert psnr_cell(tmp_path / "grey.png", PHOTO_HEIGHTS[0]).strip() == "nobody"


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    write(folder / "clip.mp4", render_swaying_body(12), 60)
    return BenchJob(find_asset("demo/photo.jpg"), folder / "clip.mp4", folder / "out.mp4", 240)


@pytest.mark.slow
def test_a_run_is_the_commands_own_and_each_of_its_frames_counts(job):
    loop = measure_pace(job, make_bare_person, runner=INLINE)
    pace = measure_pace(job, make_bare_person)
    assert len(loop.came) == len(pace.came)
    assert len(pace.came) == probe(job.out).frames == 12
    assert 0 < pace.came[0] <= pace.came[-1] < pace.whole


def test_what_the_first_frames_process_listens_to_is_there():
    for module, name in ((render_video, "render_once"), (write_video, "write")):
        assert f"{module.__name__.rpartition('.')[2]}.{name} = " in FIRST_FRAME_SCRIPT
        assert callable(getattr(module, name))


@pytest.mark.slow
def test_the_first_frames_seconds_come_from_a_process_of_its_own(job):
    stamps = time_two_starts(job)
    assert stamps[0] > 0
    assert stamps == sorted(stamps)
    assert len(stamps) == 6


def test_every_part_of_the_bench_is_there(capsys):
    for place in bench.BENCHMARKS.values():
        module, _, verb = place.partition(":")
        assert callable(getattr(bench.import_module(module), verb))
    assert bench.run_benchmarks(["absent"]) == 2
    assert "flatness" in capsys.readouterr().err
