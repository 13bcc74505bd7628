"""A clip in, its motion out: as stream, as file, over the clip; the same whichever way."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from motion_imitate.estimators.clip import limit_size
from motion_imitate.motion import file as motion_file
from motion_imitate.runner import INLINE
from motion_imitate.types import Frames, cat_batched
from motion_imitate.video import VideoError, probe, read, write
from motion_imitate.weights import find_asset
from pipelines.cli.commands import main
from pipelines.motion.estimate import GPU_RUNS, count_parallel_runs, pair_with_motion
from pipelines.streaming.threads import THREAD_RUNNER
from tests.support.media import film
from tests.support.standing import standing

SHORT = 24  # frames


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A man who moves, with an empty end: half the size of the shipped clip, a quarter of its length."""
    path = tmp_path_factory.mktemp("watch") / "clip.mp4"
    runs = [run for run in read(find_asset("demo/clip.mp4"), SHORT, (480, 270))]
    write(path, runs[:1], 60)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch, unchecked_shapes):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(path):
    return torch.cat([run.data for run in read(path)]).float()


def test_what_is_drawn_is_what_is_stored(capsys, folder, clip):
    """Looked at and drawn at once, or stored between: the same video."""
    words = ["--quality", "fast", "--quiet"]
    assert main(["motion", "extract", str(clip), "-o", "m.npz", *words]) == 0
    assert main(["motion", "overlay", str(clip), "-o", "at_once.mp4", *words]) == 0
    assert main(["motion", "overlay", str(clip), "-o", "stored.mp4", "--motion", "m.npz", *words]) == 0
    bare, at_once, stored = (pictures(path) for path in (clip, folder / "at_once.mp4", folder / "stored.mp4"))
    assert len(at_once) == len(stored) == SHORT
    assert (at_once - stored).abs().mean() < 0.5
    assert (at_once - bare).abs().mean() > 2
    assert probe(folder / "at_once.mp4").rate == 60
    points = np.load("m.npz")["keypoints"]
    assert points.shape == (SHORT, 33, 3)
    changed = (at_once - bare).abs().amax(1) > 12
    column = ((points[..., 0] + 1) / 2 * 270).astype(int).clip(0, 269)
    row = ((points[..., 1] + 1) / 2 * 480).astype(int).clip(0, 479)
    limbs = [11, 12, 13, 14, 23, 24, 25, 26]
    drawn = [changed[t, row[t, k], column[t, k]] for t in range(SHORT) for k in limbs]
    assert np.mean(drawn) > 0.9  # where the network saw limbs, there is clay
    assert changed[:, :60].float().mean() < 0.02  # and none on the ceiling


def test_live_looks_at_no_later_frame(capsys, folder, clip):
    """What is told of the first frames does not depend on what comes after them."""
    shorter = folder / "shorter.mp4"
    write(shorter, [next(iter(read(clip, 16)))], 60)
    longer = folder / "longer.mp4"
    write(longer, [next(iter(read(clip, 16))), *skipped(read(clip, 16))], 60)
    poses = []
    for path in (shorter, longer):
        assert main(["motion", "extract", str(path), "-o", f"{path.stem}.npz", "--live", "--quiet"]) == 0
        poses.append(motion_file.load_motion(Path(f"{path.stem}.npz"))[0])
    place = poses[1].camera.place[:16] - poses[0].camera.place
    assert place.norm(dim=1).max() < 0.03  # not 0: the two videos are compressed differently
    assert len(poses[1]) == SHORT


def skipped(runs):
    next(runs)
    return list(runs)


@pytest.mark.parametrize("job", [["extract", "-o", "out.npz"], ["overlay", "-o", "out.mp4"]])
def test_a_clip_of_nobody_is_refused_and_leaves_nothing(capsys, folder, tmp_path_factory, job):
    empty = film(tmp_path_factory.mktemp("empty") / "empty.mp4", count=20)
    assert main(["motion", job[0], str(empty), *job[1:], "--json", "--quality", "fast"]) == 3
    last = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert "nobody is seen" in last["error"]
    assert list(folder.iterdir()) == []


def test_a_person_who_is_not_there_is_a_matter_of_the_input(capsys, folder, clip):
    assert main(["motion", "extract", str(clip), "-o", "out.npz", "--person", "9", "--quality", "fast"]) == 3
    assert "no person 9" in capsys.readouterr().err.splitlines()[-1]
    assert list(folder.iterdir()) == []


cuts = some.lists(some.integers(1, 9), min_size=1, max_size=8)
WALK = standing(40)


@settings(deadline=None)
@given(cuts, cuts)
def test_every_frame_meets_its_own_pose_however_both_streams_are_cut(film_cuts, motion_cuts):
    count = min(sum(film_cuts), sum(motion_cuts), 40)
    frames = Frames(torch.zeros(count, 3, 2, 2, dtype=torch.uint8), WALK.seconds[:count].clone())
    pairs = list(pair_with_motion(sliced(frames, film_cuts), iter(sliced(WALK[:count], motion_cuts))))
    assert all(torch.equal(run.seconds, motion.seconds) for run, motion in pairs)
    together = cat_batched([motion for _, motion in pairs])
    assert torch.equal(together.body.pose, WALK.body.pose[:count])


def sliced(whole, lengths):
    ends = np.cumsum([0, *lengths, len(whole)])
    return [whole[a:b] for a, b in pairwise(ends) if len(whole[a:b])]


def test_threads_that_share_a_gpu_detect_people_in_more_runs_at_once():
    assert count_parallel_runs(2, "cpu", THREAD_RUNNER) == 2
    assert count_parallel_runs(2, "cuda:1", THREAD_RUNNER) == GPU_RUNS > 2
    assert count_parallel_runs(20, "cuda", THREAD_RUNNER) == 20
    assert count_parallel_runs(2, "cuda", INLINE) == 2


def test_frames_without_a_pose_are_an_error():
    frames = Frames(torch.zeros(8, 3, 2, 2, dtype=torch.uint8), WALK.seconds[:8].clone())
    with pytest.raises(VideoError, match="more frames"):
        list(pair_with_motion([frames], iter([WALK[:5]])))
    with pytest.raises(VideoError, match="fewer frames"):
        list(pair_with_motion([frames], iter([WALK[:8], WALK[8:16]])))


@given(some.integers(16, 4000), some.integers(16, 4000), some.integers(64, 4096))
def test_a_scaled_picture_keeps_its_form_and_is_never_larger(height, width, longest):
    got = limit_size((height, width), longest)
    assert max(got) <= max(longest, 2)
    if max(height, width) <= longest:
        assert got == (height, width)
    else:
        scale = longest / max(height, width)
        assert all(g % 2 == 0 for g in got)
        assert abs(got[0] - height * scale) <= 2
        assert abs(got[1] - width * scale) <= 2
