"""`python -m pipelines.bench run`, on little."""

import re

import pytest

from motion_imitate.types import Frames
from motion_imitate.video import write
from pipelines.bench.runners import compare_runners
from pipelines.bench.synthetic_clips import render_swaying_body
from tests.support.batches import PHOTO
from tests.support.fake_workers import in_process_pool


@pytest.mark.slow
@pytest.mark.parametrize("real", [False, True])
def test_every_way_is_paced_in_one_run(tmp_path, monkeypatch, unchecked_shapes, real):
    """A batch by workers of this process, and by processes."""
    if not real:
        monkeypatch.setattr("pipelines.bench.runners.local_worker_pool", in_process_pool)
    monkeypatch.setattr("pipelines.bench.runners.RUNNER_LONGEST", 160)
    monkeypatch.setattr("pipelines.bench.runners.find_spec", lambda _: None)  # test_actors starts Ray often enough
    clip = tmp_path / "clip.mp4"
    write(clip, (Frames(run.data, run.seconds) for run in render_swaying_body(16, (160, 120))), 30)
    told = list(compare_runners(PHOTO, clip, tmp_path, times=1, clips=3))
    paces = [float(line.split("frames/s")[0].split()[-1]) for line in told[1:]]
    assert len(paces) == 4
    assert all(pace > 0 for pace in paces)
    assert told[0].startswith("16 frames of clip.mp4")
    ratio = float(re.search(r"([\d.]+) times as many", told[-1])[1])
    assert abs(ratio - paces[3] / paces[2]) < 0.05 + 0.02 * ratio / min(paces[2:])
