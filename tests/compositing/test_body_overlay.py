"""The body over the picture: there where it is, as strong as it is sure, and nowhere else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motion_imitate.compositing.body_overlay import OverlayStyle, overlay_body, shade_vertices
from motion_imitate.compositing.body_overlay_numba import normals_and_front
from motion_imitate.geometry.camera import default_intrinsics
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.types import Body, Camera, Frames, Motion
from tests.support.box_body import NAMES, BoxBody
from tests.support.torus import torus

MODEL = BoxBody()
HEIGHT, WIDTH = SIZE = (200, 260)
BAR = (slice(-22, None), slice(None, 118))


def grey(count: int, value: int = 128) -> Frames:
    return Frames(torch.full((count, 3, *SIZE), value, dtype=torch.uint8), torch.arange(count) / 30)


def standing(confidence: list[float], distance: float = 3.5) -> Motion:
    count = len(confidence)
    body = Body(torch.eye(3).repeat(count, len(NAMES), 1, 1), torch.zeros(count, MODEL.skin.shape_dirs.shape[0]))
    focal, centre = default_intrinsics(SIZE, count)
    place = torch.tensor([[0.2123, 0.1071, distance]]).expand(count, -1)
    return Motion(body, Camera(focal, centre, place), torch.tensor(confidence), torch.arange(count) / 30)


def silhouette(motion: Motion, grown: int = 0) -> Tensor:
    """Where the body is, more or less some pixels."""
    seen = view_of_body(MODEL, rasterize, motion.body, motion.camera, SIZE).raster.face[0] >= 0
    work = cv2.dilate if grown > 0 else cv2.erode
    return torch.from_numpy(work(seen.numpy().astype(np.uint8), np.ones((3, 3)), iterations=abs(grown))) > 0


def without_bar(data: Tensor) -> Tensor:
    data = data.clone()
    data[..., *BAR] = 0
    return data


def test_the_body_and_nothing_else_is_painted():
    given = grey(1)
    before, motion = given.data.clone(), standing([1.0])
    drawn = overlay_body(given, MODEL, motion)
    changed = (without_bar(drawn.data) != without_bar(before))[0].any(0)
    assert torch.equal(given.data, before)
    assert torch.equal(drawn.seconds, given.seconds)
    assert changed[silhouette(motion)].all()
    assert not changed[~silhouette(motion, 2)].any()


@pytest.mark.parametrize("confidence", [1.0, 0.6, 0.05])
def test_what_is_behind_shows_through_as_much_as_is_said(confidence):
    """Between a black and a white background lies just what the body lets through."""
    how, motion = OverlayStyle(), standing([confidence])
    black, white = (overlay_body(grey(1, value), MODEL, motion).data[0].float() for value in (0, 255))
    inside = silhouette(motion, -3)
    assert inside.sum() > 500
    through = 1 - how.opacity * (how.faint + (1 - how.faint) * confidence)
    assert_close((white - black)[:, inside], torch.full((3, int(inside.sum())), 255 * through), rtol=0, atol=1.1)


def test_the_less_sure_the_greyer():
    colours = [shade_vertices(torch.tensor([[0.0, 0.0, -1.0]]), c, OverlayStyle())[0] for c in (1.0, 0.5, 0.0)]
    spread = [float(c.max() - c.min()) for c in colours]
    assert spread[0] > 60
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 15


def test_light_comes_from_above_on_the_left():
    lit = shade_vertices(
        torch.tensor([[-0.6, -0.6, -0.5], [0.0, 0.0, -1.0], [0.6, 0.6, -0.5]]), 1.0, OverlayStyle()
    ).mean(-1)
    assert lit[0] > lit[1] > lit[2]


def test_nobody_is_drawn_where_nobody_was_seen():
    given = grey(2)
    drawn = overlay_body(given, MODEL, standing([0.0, float("nan")]))
    assert torch.equal(without_bar(drawn.data), without_bar(given.data))


@pytest.mark.parametrize(
    "place", [(0.0, 0.0, -4.0), (50.0, 0.0, 4.0), (0.0, -50.0, 4.0), (0.0, 0.0, float("nan")), (1e30, 0.0, 2.0)]
)
def test_a_body_out_of_sight_leaves_the_picture_alone(place):
    motion = standing([1.0])
    motion = replace(motion, camera=replace(motion.camera, place=torch.tensor([place])))
    drawn = overlay_body(grey(1), MODEL, motion)
    assert torch.equal(without_bar(drawn.data), without_bar(grey(1).data))


@pytest.mark.parametrize("distance", [0.3, 0.4, 1.0])
def test_a_body_that_fills_the_picture_and_more_is_drawn(distance):
    drawn = overlay_body(grey(1), MODEL, standing([1.0], distance))
    assert (drawn.data != 128).any(1).float().mean() > 0.1


def test_a_picture_that_slides_takes_the_drawing_along():
    """Whole pixels of shift in the camera's centre shift the drawing by them, cut off where the picture ends."""
    motion, right, down = standing([1.0]), 70, -40
    shift = torch.tensor([[2 * right / WIDTH, 2 * down / HEIGHT]])
    moved = replace(motion, camera=replace(motion.camera, centre=motion.camera.centre + shift))
    here, there = (without_bar(overlay_body(grey(1), MODEL, m).data)[0].int() for m in (motion, moved))
    there_again = torch.roll(here, (down, right), (1, 2))[:, :down, right:]
    differing = ((there_again - there[:, :down, right:]).abs() > 2).any(0)
    assert differing[:130].float().mean() < 0.005  # where boxes touch, rounding decides which is in front


def test_each_frame_is_drawn_alone():
    motion = standing([1.0, 0.5, 0.8])
    motion = replace(motion, camera=replace(motion.camera, place=torch.tensor([[0.0, 0, 2], [0.3, 0, 5], [0, 0, 3]])))
    together = overlay_body(grey(3), MODEL, motion)
    for i in range(3):
        alone = overlay_body(grey(1), MODEL, motion[i : i + 1])
        assert torch.equal(alone.data[0], together.data[i])


def test_the_bar_is_as_long_as_the_motion_is_sure():
    drawn = overlay_body(grey(4), MODEL, standing([0.0, 0.25, 0.5, 1.0]))
    corner = drawn.data[..., *BAR][:, 0].int() - drawn.data[..., *BAR][:, 2].int()  # the bar is warmer than all else
    lengths = (corner > 50).any(1).sum(1)
    assert lengths[0] == 0
    assert_close(lengths[3] - lengths[1:3], torch.tensor([46, 31]), rtol=0, atol=2)


@pytest.mark.parametrize("size", [(1, 1), (16, 9), (721, 1283)])
def test_any_size_of_picture_will_do(size):
    frames = Frames(torch.zeros(1, 3, *size, dtype=torch.uint8), torch.zeros(1))
    assert overlay_body(frames, MODEL, standing([0.9])).data.shape == (1, 3, *size)


def test_frames_and_poses_must_be_as_many():
    with pytest.raises(ValueError, match="2 frames and 3 poses"):
        overlay_body(grey(2), MODEL, standing([1.0] * 3))


def test_normals_point_out_of_a_torus_and_hidden_faces_turn_away():
    vertices, faces = torus(90, 60)
    ring = torch.nn.functional.normalize(vertices * torch.tensor([1.0, 1.0, 0.0]), dim=-1)
    true = torch.nn.functional.normalize(vertices - ring, dim=-1)
    at = vertices + torch.tensor([0.2, 0.1, 3.0])
    normals, front = normals_and_front(at.numpy(), faces.numpy())
    assert_close(torch.from_numpy(normals), true, rtol=0, atol=0.02)
    image = torch.cat([at[:, :2] / at[:, 2:], at[:, 2:]], -1)
    seen = rasterize(image[faces][None], (300, 300)).face.unique()
    assert torch.from_numpy(front)[seen[seen >= 0]].all()
    assert 0.3 < front.mean() < 0.7
