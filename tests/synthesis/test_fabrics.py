"""Generated cloth: what is asked for, the same each time, and without a seam."""

import numpy as np
import pytest

from motion_imitate.synthesis import fabrics
from motion_imitate.synthesis.fabrics import PATTERNS, add_chest_print, make_cloth_texture, make_denim_texture
from motion_imitate.synthesis.noise import noise_at_points, noise_field


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_lies_between_its_two_colours(name):
    share = PATTERNS[name][1](np.random.default_rng(0), 64)
    assert share.shape == (64, 64)
    assert share.min() >= 0
    assert share.max() <= 1
    assert (share.max() > share.min()) == (name != "plain")


@pytest.mark.parametrize("make", [make_cloth_texture, make_denim_texture])
def test_the_same_seed_weaves_the_same_cloth_and_another_another(make):
    first, second, other = (make(np.random.default_rng(seed), 64) for seed in (1, 1, 2))
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_noise_goes_on_beyond_its_edge():
    noise = noise_field(np.random.default_rng(0), 96, 5.0, 3)
    inside = np.abs(np.diff(noise, axis=0)).mean()
    assert np.abs(noise[0] - noise[-1]).mean() < 1.5 * inside
    assert np.abs(noise[:, 0] - noise[:, -1]).mean() < 1.5 * np.abs(np.diff(noise, axis=1)).mean()


def test_noise_is_about_standard_normal():
    noise = np.concatenate([noise_field(np.random.default_rng(k), 64, 8.0, 2).ravel() for k in range(20)])
    assert abs(noise.mean()) < 0.2
    assert 0.6 < noise.std() < 1.6
    points = np.random.default_rng(0).normal(0, 1, (4000, 3))
    assert 0.6 < noise_at_points(np.random.default_rng(1), points, 5.0).std() < 1.6


def test_a_print_is_on_the_chest_and_nowhere_else():
    plain = np.full((128, 128, 3), 77, np.uint8)
    changed = np.zeros((128, 128), bool)
    for seed in range(12):
        made = add_chest_print(np.random.default_rng(seed), plain)
        assert (made != plain).any()
        changed |= (made != plain).any(2)
    low, high = (int(128 * share) for share in fabrics.PRINT_AREA)
    outside = np.ones_like(changed)
    outside[low:high, low:high] = False
    assert not changed[outside].any()
