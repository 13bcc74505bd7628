"""Behind the photo's frame: the photo itself to the last pixel, and round it what goes on from it."""

from dataclasses import replace

import pytest
import torch

from motion_imitate.background.window import (
    ContinuedPhoto,
    PhotoSurroundings,
    frame_windows,
    window_backdrop,
    window_sides,
)
from motion_imitate.geometry.camera import aim_camera
from motion_imitate.types import Body, Motion
from tests.support import painted

SIZE = (48, 32)


@pytest.fixture(scope="module")
def photo():
    """A wall over a floor of stripes."""
    picture = torch.full((1, 3, *SIZE), 0.7)
    picture[:, :, 30:] = 0.3
    picture[:, 0, 30:, ::4] = 0.5
    return replace(painted.source(painted.standing(size=SIZE), size=SIZE), background=picture)


def seen_through(photo, *windows):
    """Frames whose cameras see windows: middle x and y, and the size over the photo's."""
    count = len(windows)
    seen = torch.tensor(windows, dtype=torch.float32)
    camera = aim_camera(photo.camera.map(lambda t: t.expand(count, -1)), seen[:, :2], seen[:, 2:].expand(-1, 2))
    body = Body(photo.body.pose.expand(count, -1, -1, -1), photo.body.shape.expand(count, -1))
    return Motion(body, camera, torch.ones(count), torch.arange(count) / 25.0)


def test_the_photos_own_window_is_the_photo(photo):
    shown = window_backdrop(photo).send(seen_through(photo, (0, 0, 1), (0, 0, 1)))
    assert torch.equal(shown, (photo.background * 255 + 0.5).to(torch.uint8).expand(2, -1, -1, -1))


def test_the_photo_stays_as_it_is_in_a_window_beside_it(photo):
    """Half a photo to the right: the photo's right half is on the left."""
    shown = window_backdrop(photo).send(seen_through(photo, (1, 0, 1)))[0]
    own = (photo.background[0] * 255 + 0.5).to(torch.uint8)
    assert torch.equal(shown[:, :, :16], own[:, :, 16:])


def test_wall_and_floor_go_on(photo):
    shown = window_backdrop(photo).send(seen_through(photo, (0.5, 0.2, 1.5)))[0].float() / 255
    horizon = (30 / 48 * 2 - 1 - 0.2) / 1.5  # in image points of the window
    row = round((horizon + 1) / 2 * SIZE[0])
    assert (shown[1, : row - 4] - 0.7).abs().max() < 0.06
    assert (shown[1, row + 4 :] - 0.3).abs().max() < 0.06


def test_frames_do_not_depend_on_runs_nor_on_where_a_segment_begins(photo):
    windows = [(0, 0, 1), (0.1, 0, 1.1), (0.3, 0, 1.3), (0.9, -0.2, 1.6), (1.5, -0.2, 1.6)]
    motion = seen_through(photo, *windows)
    whole = window_backdrop(photo).send(motion)
    apart = window_backdrop(photo)
    assert all(torch.equal(apart.send(motion[t : t + 1])[0], whole[t]) for t in range(len(motion)))
    around, begun = PhotoSurroundings(SIZE), []
    for window in frame_windows(photo, motion[:4]):
        begun.append(around.padding_for(window_sides(window)))
        around = around.pad(begun[-1])
    assert sum(map(any, begun)) > 1
    assert torch.equal(window_backdrop(photo, begun).send(motion[4:])[0], whole[4])


def test_surroundings_hold_every_window_and_grow_in_steps():
    around = PhotoSurroundings((100, 80))
    assert around.padding_for((-1.0, -1.0, 1.0, 1.0)) == (0, 0, 0, 0)
    around = around.pad(around.padding_for((-1.3, -1.0, 1.01, 1.0)))
    assert around.pixels == (20, 0, 10, 0)
    assert around.padding_for((-1.2, -1.0, 1.2, 1.0)) == (0, 0, 0, 0)
    assert around.pad(around.padding_for((-1.0, -1.1, 1.3, 1.0))).pixels == (20, 50, 50, 0)


def test_an_even_photo_goes_on_evenly():
    whole = ContinuedPhoto.of(torch.full((3, 40, 60), 0.5)).pad((10, 0, 20, 30))
    assert whole.shown.shape == (70, 90, 3)
    assert abs(whole.shown.astype(int) - 128).max() <= 1
