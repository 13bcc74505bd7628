"""Background that shows between the legs is no part of them."""

import numpy as np
import pytest

from motion_imitate.avatar.leg_gap import find_leg_gap
from motion_imitate.avatar.photo_layers import LEG_LEFT, LEG_RIGHT, NO_LAYER

UNIT, SIZE = 600.0, (400, 200)
WALL, DENIM = np.array([0.8, 0.75, 0.9], np.float32), np.array([0.15, 0.2, 0.4], np.float32)


@pytest.fixture
def legs():
    """Two legs side by side before a wall, and the columns between them."""
    x = np.arange(SIZE[1])[None, :].repeat(SIZE[0], 0)
    owner = np.where((x >= 60) & (x < 100), LEG_RIGHT, np.where((x >= 100) & (x < 140), LEG_LEFT, NO_LAYER))
    return owner, (owner != NO_LAYER).astype(np.float32), np.abs(x - 99.5) < 4


def test_a_strip_of_wall_between_the_legs_is_found(legs):
    owner, alpha, strip = legs
    image = np.where((strip | (owner == NO_LAYER))[..., None], WALL, DENIM)
    gap = find_leg_gap(image, alpha, owner, UNIT)
    assert gap[20:-20][strip[20:-20]].mean() > 0.9
    assert gap[np.abs(np.arange(SIZE[1]) - 99.5)[None, :].repeat(SIZE[0], 0) > 8].max() < 0.01


@pytest.mark.parametrize("colour", [DENIM, np.array([0.6, 0.1, 0.1], np.float32)])
def test_a_crease_or_a_seam_between_the_legs_is_theirs(legs, colour):
    owner, alpha, strip = legs
    image = np.where((owner == NO_LAYER)[..., None], WALL, np.where(strip[..., None], colour, DENIM))
    assert find_leg_gap(image.astype(np.float32), alpha, owner, UNIT).max() == 0
