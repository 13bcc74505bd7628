"""A motion from other sides: what stands still, what turns, and how many frames there are."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.background.frozen import freeze_backdrop
from motion_imitate.motion.view_path import Freeze, ViewPath, turn_view
from motion_imitate.types import cat_batched
from tests.support.standing import standing

FREEZE = Freeze(0.2, degrees=360.0, seconds=0.5, rate=30.0)


def walking(frames=12):
    """Someone who comes nearer, 3 cm a frame."""
    motion = standing(frames)
    place = motion.camera.place.clone()
    place[:, 2] -= 0.03 * torch.arange(frames)
    return replace(motion, camera=replace(motion.camera, place=place))


def seen(motion, path, run=5):
    runs = [motion[k : k + run] for k in range(0, len(motion), run)]
    return cat_batched(list(turn_view(runs, path)))


def test_without_a_path_nothing_changes():
    motion = walking()
    [same] = turn_view([motion], ViewPath())
    assert same is motion


def test_a_freeze_holds_the_pose_adds_its_frames_and_delays_the_rest():
    motion = walking()
    shown = seen(motion, ViewPath(freeze=FREEZE))
    assert len(shown) == len(motion) + 15
    assert_close(shown.seconds, torch.arange(27, dtype=torch.float64) / 30)
    held = shown[6:22]  # the frame at 0.2 s and the added ones
    assert_close(held.body.pose[:, 1:], motion.body.pose[6:7, 1:].expand(16, -1, -1, -1))
    assert_close(held.camera.place, motion.camera.place[6:7].expand(16, -1))
    half = held.body.pose[0, 0].mT @ held.body.pose[7, 0]
    assert half.diagonal().sum() < -0.5  # about half of the way round
    rest = torch.cat([torch.arange(7), torch.arange(22, 27)])
    assert_close(shown.body.pose[rest], motion.body.pose)
    assert_close(shown.camera.place[rest], motion.camera.place)


def test_the_view_after_a_sweep_stays_where_it_ended():
    motion = walking()
    shown = seen(motion, ViewPath(freeze=replace(FREEZE, degrees=90.0)))
    assert_close(shown.body.pose[22:], seen(motion, ViewPath(azimuth=90.0)).body.pose[7:])


def test_the_way_turns_with_the_person_from_where_they_stand():
    motion = walking()
    shown = seen(motion, ViewPath(azimuth=90.0))
    assert_close(shown.camera.place[0], motion.camera.place[0])
    went = shown.camera.place[-1] - shown.camera.place[0]
    assert_close(went, torch.tensor([0.33, 0.0, 0.0]), atol=1e-5, rtol=0)  # to the right, as they face


def test_an_orbit_turns_by_the_second():
    motion = replace(walking(), seconds=torch.arange(12, dtype=torch.float64) / 2)
    shown = seen(motion, ViewPath(orbit=60.0))
    for frame, azimuth in ((0, 0.0), (6, 180.0), (11, 330.0)):
        assert_close(shown.body.pose[frame], seen(motion, ViewPath(azimuth=azimuth)).body.pose[frame])


@pytest.mark.parametrize("path", [ViewPath(azimuth=30.0, orbit=200.0), ViewPath(freeze=FREEZE)])
def test_a_frame_does_not_depend_on_its_run(path):
    motion = walking()
    for k in (1, 7):
        one, other = seen(motion, path, run=12), seen(motion, path, run=k)
        assert torch.equal(one.body.pose, other.body.pose)
        assert_close(one.camera.place, other.camera.place, atol=1e-6, rtol=0)


def test_a_freeze_after_the_end_is_an_error():
    with pytest.raises(ValueError, match="ends before second 9"):
        seen(walking(), ViewPath(freeze=replace(FREEZE, second=9.0)))


@pytest.mark.parametrize("run", [1, 4, 27])
def test_a_backdrop_stands_still_meanwhile(run):
    asked = []

    def count():
        motion = yield
        while True:
            asked.extend(motion.seconds.tolist())
            motion = yield (motion.seconds * 30).round().to(torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)

    backdrop = count()
    next(backdrop)
    behind = freeze_backdrop(backdrop, FREEZE)
    shown = seen(walking(), ViewPath(freeze=FREEZE))
    pictures = torch.cat([behind.send(shown[k : k + run]) for k in range(0, len(shown), run)])
    assert pictures[:, 0, 0, 0].tolist() == [*range(7), *[6] * 15, *range(7, 12)]
    assert asked == pytest.approx([k / 30 for k in range(12)], abs=1e-6)
