"""A turned square is cut out where it says, whatever its turn and size."""

import cv2
import numpy as np
import pytest
import torch

from motion_imitate.estimators.roi import Roi, crop_roi, frame_to_rgb, roi_around_circle


def test_the_rim_is_straight_up_and_the_centre_in_the_middle():
    centre, rim = np.array([310.0, 220.0], np.float32), np.array([350.0, 190.0], np.float32)
    roi = roi_around_circle(centre, rim, 1.25)
    assert np.allclose(roi.out(np.array([[128, 128]], np.float32), 256), [centre], atol=1e-3)
    assert np.isclose(roi.side, 2.5 * 50)
    assert np.allclose(roi.out(np.array([[128, 128 - 256 / 2.5]], np.float32), 256), [rim], atol=1e-3)


@pytest.mark.parametrize("side", [100.0, 300.0, 700.0, 1500.0])
@pytest.mark.parametrize("turn", [0.0, 0.7, -2.5])
def test_a_spot_appears_where_the_matrix_says(side, turn):
    image = np.zeros((900, 1200, 3), np.uint8)
    spot = np.array([520.0, 430.0])
    cv2.circle(image, (520, 430), int(side / 20), (255, 255, 255), -1)
    roi = Roi(600.0, 400.0, side, turn)
    if side < 300:
        roi = Roi(510.0, 440.0, side, turn)
    part = crop_roi(image, roi, 256)[..., 0].astype(float)
    y, x = np.mgrid[0:256, 0:256] + 0.5
    seen = np.array([[(x * part).sum() / part.sum(), (y * part).sum() / part.sum()]], np.float32)
    assert np.abs(roi.out(seen, 256) - (spot + 0.5)).max() < max(0.6, side / 256)


def test_outside_the_picture_is_black():
    image = np.full((50, 50, 3), 200, np.uint8)
    assert crop_roi(image, Roi(500.0, 500.0, 80.0, 0.3), 64).max() == 0
    assert crop_roi(image, Roi(5000.0, 500.0, 8000.0, 0.3), 64).max() == 0


def test_a_frame_is_the_same_picture_however_it_lies_in_memory():
    frame = torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8)
    lying = frame.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert np.array_equal(frame_to_rgb(frame), frame_to_rgb(lying))
    assert np.array_equal(frame_to_rgb(frame)[4, 7], frame[:, 4, 7].numpy())
