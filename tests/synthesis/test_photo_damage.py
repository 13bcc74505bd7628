"""Facts of the damage of training photos."""

import torch
import torch.nn.functional as F
from torch.testing import assert_close

from motion_imitate.synthesis.photo_damage import (
    LUMA_MATRIX,
    RGB_MATRIX,
    BatchRandom,
    PhotoDamage,
    darken_photo,
    light_part_of_photo,
    slide_maximum,
)


def seeded_random(count: int) -> BatchRandom:
    return BatchRandom(torch.Generator().manual_seed(0), count)


def test_the_maximum_over_a_square_may_be_taken_along_one_axis_after_the_other():
    images = torch.rand(2, 3, 20, 30)
    assert_close(slide_maximum(images, 9), F.max_pool2d(images, 9, 1, 4), rtol=0, atol=0)


def test_photos_at_night_are_darker_and_others_unchanged():
    photo = torch.rand(40, 3, 16, 12)
    dark, night = darken_photo(photo, seeded_random(40), PhotoDamage(night=0.5))
    assert 5 < int(night.sum()) < 35
    assert_close(dark[~night], photo[~night], rtol=0, atol=0)
    assert (dark[night].mean((1, 2, 3)) < photo[night].mean((1, 2, 3))).all()


def test_a_lamp_lights_a_part_of_the_photo():
    photo = torch.full((8, 3, 32, 24), 0.5)
    assert_close(light_part_of_photo(photo, seeded_random(8), PhotoDamage(lamp=0.0)), photo)
    lit = light_part_of_photo(photo, seeded_random(8), PhotoDamage(lamp=1.0))
    assert (lit.flatten(1).std(1) > 0.001).all()


def test_luma_is_inverted():
    assert_close(torch.tensor(LUMA_MATRIX) @ torch.tensor(RGB_MATRIX).view(3, 3), torch.eye(3), rtol=0, atol=1e-6)
