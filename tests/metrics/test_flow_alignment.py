"""What is out of place is slid to fit; what is wrong otherwise stays wrong."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from motion_imitate.metrics.flow_alignment import (
    FlowAlignment,
    align_by_flow,
    limited_flow,
    pictures_to_arrays,
    remap_picture,
)
from motion_imitate.metrics.images import perceptual_distance, ssim

SIZE = (192, 160)


def blobs(seed=0):
    """Detail at three scales."""
    random = torch.Generator().manual_seed(seed)
    parts = [F.interpolate(torch.rand(1, 3, n, n, generator=random), SIZE, mode="bicubic") for n in (6, 16, 40)]
    return (sum(parts) / 3).clamp(0, 1)


@pytest.fixture(scope="module")
def truth():
    return blobs()


@pytest.fixture(scope="module")
def person():
    where = torch.zeros(1, 1, *SIZE, dtype=torch.bool)
    where[..., 16:176, 40:120] = True
    return where


def apart(picture, truth, person):
    """By what lies round each pixel, at five sizes."""

    def features(pictures):
        return [F.avg_pool2d(pictures, 2**n) - F.avg_pool2d(pictures, 2**n).mean((2, 3), True) for n in range(5)]

    return float(perceptual_distance(features, picture, truth, person))


def both(picture, truth, person):
    return apart(picture, truth, person), apart(align_by_flow(picture, truth, person), truth, person)


def test_the_truth_stays_as_it_is(truth, person):
    assert_close(align_by_flow(truth, truth, person), truth, rtol=0, atol=1e-3)


@pytest.mark.parametrize("shift", [(3, 0), (0, -4), (3, 4)])
def test_the_truth_a_few_pixels_off_is_brought_back(truth, person, shift):
    moved = truth.roll(shift, (2, 3))
    before, after = both(moved, truth, person)
    assert before > 0.05
    assert after < 0.1 * before
    assert ssim(moved, truth, person).item() < 0.8
    assert ssim(align_by_flow(moved, truth, person), truth, person).item() > 0.97


def test_a_wrong_colour_stays_wrong(truth, person):
    red = truth.clone()
    red[:, 0, 60:100, 60:100] = 1 - red[:, 0, 60:100, 60:100]
    before, after = both(red, truth, person)
    assert before > 0.05
    assert after > 0.9 * before


def test_another_picture_stays_another(truth, person):
    before, after = both(blobs(1), truth, person)
    assert after > 0.8 * before


def test_nothing_is_moved_farther_than_is_allowed(truth, person):
    real, made = pictures_to_arrays(truth)[0], pictures_to_arrays(truth.roll(20, 3))[0]
    for most in (0.01, 0.04):
        away = limited_flow(made, real, 160, FlowAlignment(most=most))
        assert 0.5 * most * 160 < (away**2).sum(-1).max() ** 0.5 <= most * 160 * 1.001
    before, after = both(truth.roll(20, 3), truth, person)
    assert after > 0.5 * before


def test_each_picture_is_slid_by_itself(truth, person):
    pictures = torch.cat([truth.roll(3, 2), truth.roll(-3, 3)])
    together = align_by_flow(pictures, truth.repeat(2, 1, 1, 1), person.repeat(2, 1, 1, 1))
    for one, alone in zip(pictures, together, strict=True):
        assert torch.equal(align_by_flow(one[None], truth, person)[0], alone)


def test_what_is_read_three_pixels_to_the_right_moves_to_the_left(truth):
    away = torch.zeros(*SIZE, 2)
    away[..., 0] = 3
    moved = torch.from_numpy(remap_picture(pictures_to_arrays(truth)[0], away.numpy())).permute(2, 0, 1)
    assert_close(moved[..., :-3], truth[0, ..., 3:], rtol=0, atol=1e-4)
