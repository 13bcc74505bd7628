"""Distances, growing and labelling of masks."""

import cv2
import numpy as np
import pytest

from motion_imitate.avatar.masks import (
    blur_within,
    close_mask,
    distance_to_edge,
    ellipse_kernel,
    grow_mask,
    mask_box,
    nearest_known_pixels,
    open_mask,
    pixels_of_points,
    sample_plane,
    smoothstep,
    spread_colours,
    spread_labels,
)


def random_mask(seed, size=(40, 30), share=0.02):
    return np.random.default_rng(seed).random(size) < share


def test_the_distance_to_a_straight_edge_is_measured_from_pixel_centres():
    mask = np.zeros((20, 30), bool)
    mask[:, :10] = True
    expected = 9.5 - np.arange(30, dtype=np.float32)  # the edge lies between the columns 9 and 10
    edge = distance_to_edge(mask)
    np.testing.assert_allclose(edge[10, 10:], expected[10:], atol=0.05)
    np.testing.assert_allclose(edge[10, 5:10], expected[5:10], atol=0.05)
    assert edge[10, 0] == pytest.approx(0.5)  # outside the image is outside the mask
    assert (distance_to_edge(np.zeros((4, 4), bool)) < -1000).all()


@pytest.mark.parametrize("radius", [1, 3, 6])
def test_growing_reaches_as_far_as_the_radius(radius):
    mask = random_mask(radius)
    apart = 0.5 - distance_to_edge(mask)
    grown = grow_mask(mask, float(radius))
    assert grown[mask | (apart <= radius - 0.8)].all()
    assert not grown[apart > radius + 0.8].any()


@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_known_pixel_is_as_near_as_any(seed):
    known = random_mask(seed)
    row, column = nearest_known_pixels(known)
    assert known[row, column].all()
    y, x = np.mgrid[: known.shape[0], : known.shape[1]]
    places = np.stack(np.nonzero(known))
    least = np.hypot(y[..., None] - places[0], x[..., None] - places[1]).min(-1)
    assert (np.hypot(y - row, x - column) <= 1.05 * least + 1e-6).all()
    assert (row[known] == y[known]).all()
    assert (column[known] == x[known]).all()


def test_labels_spread_to_what_is_unknown_and_leave_the_known_alone():
    known = random_mask(4)
    labels = np.random.default_rng(4).integers(0, 9, known.shape)
    spread = spread_labels(labels, known)
    assert (spread[known] == labels[known]).all()
    assert (spread == labels[nearest_known_pixels(known)]).all()
    assert (spread_labels(labels, np.zeros_like(known)) == labels).all()


def test_opening_removes_and_closing_fills_what_is_narrow():
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:30] = True
    thorn, slit = mask.copy(), mask.copy()
    thorn[30:32, 30:45] = True
    slit[30:32, 12:28] = False
    assert (open_mask(thorn, 4.0) <= mask).all()
    assert not open_mask(thorn, 4.0)[:, 31:].any()
    assert (close_mask(slit, 4.0) == mask).all()


def test_bilinear_reads_of_a_ramp_are_exact_between_pixel_centres():
    y, x = np.mgrid[:20, :30].astype(np.float32) + 0.5
    points = np.random.default_rng(5).uniform(0.5, 19.5, (50, 2))
    read = sample_plane(np.stack([2 * x + y, x - 3 * y], -1), points)
    expected = np.stack([2 * points[:, 0] + points[:, 1], points[:, 0] - 3 * points[:, 1]], 1)
    np.testing.assert_allclose(read, expected, atol=0.15)  # OpenCV rounds positions to 1/32 of a pixel
    row, column = pixels_of_points(points, (20, 30))
    assert (np.abs(column + 0.5 - points[:, 0]) <= 0.5).all()
    assert (np.abs(row + 0.5 - points[:, 1]) <= 0.5).all()


def test_the_smooth_step_rises_from_0_to_1():
    step = smoothstep(np.linspace(-1, 4, 101), 1.0, 3.0)
    assert step[0] == 0
    assert step[-1] == 1
    assert step[60] == pytest.approx(0.5)
    assert (np.diff(step) >= 0).all()


def test_known_colours_stay_and_spread_over_the_rest():
    known = np.zeros((30, 20), bool)
    known[:, :8] = True
    image = np.random.default_rng(6).random((30, 20, 3)).astype(np.float32)
    image[known] = (0.2, 0.6, 0.9)
    spread = spread_colours(image, known)
    np.testing.assert_allclose(spread, np.broadcast_to(np.float32([0.2, 0.6, 0.9]), image.shape), atol=1e-3)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3)])
def test_reads_at_no_points_are_none(shape):
    read = sample_plane(np.ones(shape, np.float32), np.zeros((0, 2)))
    assert read.shape == (0, 3 if len(shape) == 3 else 1)


@pytest.mark.parametrize("radius", [1.0, 6.0])
def test_growing_in_a_box_is_growing_in_the_picture(radius):
    mask = np.random.default_rng(0).random((60, 50)) > 0.995
    mask[0, :3] = True
    whole = cv2.dilate(mask.astype(np.uint8), ellipse_kernel(radius)) > 0
    np.testing.assert_array_equal(grow_mask(mask, radius), whole)
    assert not grow_mask(np.zeros((60, 50), bool), radius).any()


def test_a_masks_box_holds_it_and_its_margin():
    mask = np.zeros((60, 50), bool)
    assert mask_box(mask) == (slice(0, 0), slice(0, 0))
    mask[3:20, 30:41] = True
    assert mask_box(mask) == (slice(3, 20), slice(30, 41))
    assert mask_box(mask, 5.0) == (slice(0, 25), slice(25, 46))


def test_a_blur_within_a_mask_does_not_see_what_lies_outside():
    mask = np.zeros((40, 60), bool)
    mask[:, :30] = True
    plane = np.where(mask, 0.25, 9.0).astype(np.float32)
    np.testing.assert_allclose(blur_within(plane, mask, 3.0)[mask], 0.25, rtol=1e-5)
    picture = plane[..., None] * np.float32((1, 2, 3))
    np.testing.assert_allclose(blur_within(picture, mask, 3.0)[mask] / (0.25, 0.5, 0.75), 1, rtol=1e-5)
