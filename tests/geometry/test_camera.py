"""Projection: known places in the picture, and lenses nobody told us about."""

import pytest
import torch
from torch.nn.functional import grid_sample
from torch.testing import assert_close

from motion_imitate.geometry.camera import (
    DEFAULT_FOCAL_RATIO,
    NEAR_PLANE,
    body_to_camera,
    camera_to_image,
    default_intrinsics,
    flip_camera_axes,
    project_points,
)
from motion_imitate.geometry.raster import rasterize
from motion_imitate.types import Camera

SIZE = (90, 160)


def standing(distance: float) -> Camera:
    focal, centre = default_intrinsics(SIZE, 1)
    return Camera(focal, centre, torch.tensor([[0.0, 0.0, distance]]))


def test_facing_is_half_a_turn():
    points = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    axes = flip_camera_axes(torch.eye(3))
    assert torch.equal(flip_camera_axes(flip_camera_axes(points)), points)
    assert torch.linalg.det(axes) == 1
    assert torch.equal(axes[0], torch.tensor([1.0, 0, 0]))


def test_the_persons_left_is_the_pictures_right_and_up_is_up():
    left, up, front = project_points(torch.eye(3)[None], standing(4))[0]
    assert left[0] > 0
    assert left[1] == 0
    assert up[0] == 0
    assert up[1] < 0
    assert_close(front, torch.tensor([0.0, 0.0, 3.0]))


def test_an_unknown_lens_has_square_pixels_and_the_field_it_says():
    """A metre is as many pixels wide as high; at FIELD of a distance across, it fills the long side."""
    distance = 3.0
    across = distance / DEFAULT_FOCAL_RATIO / 2
    corners = torch.tensor([[[across, 0.0, 0.0], [0.0, across, 0.0]]])
    x, y = project_points(corners, standing(distance))[0, 0, 0], project_points(corners, standing(distance))[0, 1, 1]
    assert_close(x, torch.tensor(1.0))
    assert_close(-y * SIZE[0], torch.tensor(float(SIZE[1])))
    assert_close(default_intrinsics((160, 90), 2)[0], default_intrinsics(SIZE, 2)[0].flip(-1))


def test_twice_as_far_is_half_as_big():
    points = torch.tensor([[[0.4, 0.3, 0.0], [-0.2, 0.5, 0.0]]])
    near, far = (project_points(points, standing(d))[..., :2] for d in (2.0, 4.0))
    assert_close(near, 2 * far)


def test_place_moves_the_body_and_depth_is_in_metres():
    points = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(1))
    focal, centre = default_intrinsics(SIZE, 2)
    place = torch.tensor([[0.5, -0.2, 6.0], [0.0, 1.0, 8.0]])
    camera = Camera(focal, centre + 0.1, place)
    assert_close(body_to_camera(points, camera) - place[:, None], flip_camera_axes(points))
    assert_close(project_points(points, camera), camera_to_image(body_to_camera(points, camera), camera))
    assert_close(project_points(points, camera)[..., 2], place[:, None, 2] - points[..., 2])
    assert_close(camera_to_image(torch.tensor([[[0.0, 0, 5]]]).expand(2, 1, 3), camera)[:, 0, :2], centre + 0.1)


@pytest.mark.parametrize("depth", [0.0, -3.0, NEAR_PLANE / 2])
def test_what_is_behind_the_lens_stays_finite_and_is_not_drawn(depth):
    points = torch.tensor([[[0.1, 0.2, depth], [0.3, 0.1, 2.0], [0.0, -0.3, 2.0]]], requires_grad=True)
    seen = camera_to_image(points, standing(0))
    seen.sum().backward()
    assert seen.isfinite().all()
    assert points.grad.isfinite().all()
    assert (rasterize(seen.detach()[:, None], SIZE).face == -1).all()


@pytest.mark.parametrize("pixel", [(0, 0), (89, 159), (17, 101)])
def test_drawing_and_reading_a_picture_agree_on_where_a_pixel_is(pixel):
    """A small face round a pixel's centre is seen by that pixel, and `grid_sample` reads that pixel there."""
    row, column = pixel
    at = torch.tensor([(column + 0.5) * 2 / SIZE[1] - 1, (row + 0.5) * 2 / SIZE[0] - 1])
    small = torch.tensor([[-1.0, -1, 0], [2, -1, 0], [-1, 2, 0]]) * 0.4 / SIZE[1]
    face = rasterize((small + torch.cat([at, torch.ones(1)]))[None, None], SIZE).face[0]
    assert (face == 0).nonzero().tolist() == [[row, column]]
    picture = (face == 0).float()[None, None]
    assert_close(grid_sample(picture, at[None, None, None], align_corners=False).item(), 1.0, atol=1e-3, rtol=0)
