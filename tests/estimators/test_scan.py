"""A scan tells roughly, from few frames, how a clip begins."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from motion_imitate.estimators.clip import load_body_model, open_clip
from motion_imitate.estimators.same_person import follows_same_person
from motion_imitate.estimators.scan import Scanning, read_first_shot, scan_motion
from motion_imitate.types import Frames
from motion_imitate.video import write
from motion_imitate.weights import find_asset
from tests.support.two_alike import film_two_alike

RATE = 24


def scenery(seed: int, count: int) -> torch.Tensor:
    picture = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(seed))
    large = torch.nn.functional.interpolate(picture, (96, 128), mode="bicubic").clamp(0, 1)
    return (255 * large).to(torch.uint8).expand(count, -1, -1, -1)


def film(path, *counts: int):
    """Shots of so many frames, without anybody."""
    data = torch.cat([scenery(seed, count) for seed, count in enumerate(counts)])
    write(path, [Frames(data, torch.arange(len(data), dtype=torch.float64) / RATE)], Fraction(RATE))
    return open_clip(path)


def test_after_the_clip_the_last_pose_is_held_unseen():
    clip = open_clip(find_asset("demo/clip.mp4"))
    found = scan_motion(clip, load_body_model("anny"), Scanning(seconds=4.0))
    assert found is not None
    assert found.seconds.tolist() == pytest.approx([t / 12 for t in range(49)], abs=1e-5)
    last = (clip.info.frames - 1) / float(clip.info.rate)
    assert bool((found.confidence[found.seconds < last - 0.1] > 0).all())
    assert not found.confidence[found.seconds > last].any()
    assert found.camera.place[:, 2].min() > 2
    held = found[found.seconds > last]
    assert torch.equal(held.body.pose, held.body.pose[:1].expand_as(held.body.pose))


def test_who_is_not_there_is_not_found(tmp_path):
    nobody = film(tmp_path / "nobody.mp4", RATE)
    assert scan_motion(nobody, load_body_model("anny")) is None
    third = replace(nobody.how, person=3)
    assert scan_motion(replace(open_clip(find_asset("demo/clip.mp4")), how=third), load_body_model("anny")) is None


def test_a_scan_ends_with_the_shot(tmp_path):
    frames, until = read_first_shot(film(tmp_path / "cut.mp4", 2 * RATE, RATE), Scanning())
    assert 1.7 < until < 2
    assert until == float(frames.seconds[-1])
    frames, until = read_first_shot(film(tmp_path / "one.mp4", 3 * RATE), Scanning(seconds=2.0))
    assert until == 2
    assert frames.seconds.diff().min() > 0.19
    assert len(frames) == pytest.approx(10, abs=1)


def test_of_two_alike_the_one_of_the_motion_is_scanned(tmp_path):
    two_alike = film_two_alike(tmp_path / "two.mp4")
    model, brief = load_body_model("anny"), Scanning(model="lite", seconds=0.6, dense=5.0)
    left, right = (
        scan_motion(replace(two_alike, how=replace(two_alike.how, person=who)), model, brief)
        for who in ("left", "right")
    )
    assert left is not None
    assert right is not None
    assert follows_same_person(left, left[2:], model)
    assert not follows_same_person(left, right, model)
    again = scan_motion(replace(two_alike, how=replace(two_alike.how, person="left")), model, brief, right)
    assert again is not None
    torch.testing.assert_close(again.camera.place, right.camera.place)
    unseen = replace(right, confidence=right.confidence * 0)
    assert follows_same_person(left, unseen, model)
