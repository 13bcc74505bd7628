import numpy as np
import pytest
import torch

from motion_imitate.avatar.cuffs import (
    CUFF_MARGIN,
    HAND_SPAN,
    MOST_DRAWN_BACK,
    beyond_cuff,
    cut_cuff,
    find_cuff,
    find_cuff_end,
)
from motion_imitate.avatar.photo_layers import ARM_LEFT, SKIN, UPPER, PhotoHand, cut_photo_layers
from tests.support import painted
from tests.support.parsed_body import parse_body, place


@pytest.fixture(scope="module")
def arm():
    """The layers of a person with bare hands in long sleeves, and the left hand."""
    body = place(*painted.standing(0.0))
    layers = cut_photo_layers(*parse_body(body), body, body)
    hand = PhotoHand.of(ARM_LEFT, body)
    y, x = np.indices(layers.kind.shape) + 0.5
    along = hand.along(np.stack([x.ravel(), y.ravel()], 1)).reshape(layers.kind.shape)
    layers.kind[layers.seen(ARM_LEFT)] = UPPER
    layers.kind[layers.seen(ARM_LEFT) & (along > 0.5)] = SKIN
    return layers, hand, along


def test_a_cuff_ends_where_skin_begins():
    along = np.linspace(-1.5, 2, 701)
    assert find_cuff_end(along, along > 0.5) == pytest.approx(0.5 - CUFF_MARGIN, abs=0.01)
    assert find_cuff_end(along, np.ones(701, bool)) == -MOST_DRAWN_BACK
    assert find_cuff_end(along, np.zeros(701, bool)) == pytest.approx(1 - CUFF_MARGIN, abs=0.01)
    speckled = (along > 0.5) ^ (np.arange(701) % 9 == 0)
    assert find_cuff_end(along, speckled) == pytest.approx(0.5 - CUFF_MARGIN, abs=0.02)


def test_a_cuff_ends_before_the_dark_that_is_seen_in_it(arm):
    layers, hand, along = arm
    image = np.full((*along.shape, 3), (0.2, 0.5, 0.6), np.float32)
    assert find_cuff(image, layers, ARM_LEFT, hand) == pytest.approx(0.5 - CUFF_MARGIN, abs=0.1)
    image[along > 0.2] = 0.02
    assert find_cuff(image, layers, ARM_LEFT, hand) == pytest.approx(0.2 - CUFF_MARGIN, abs=0.1)


def test_a_cut_texture_ends_in_a_straight_line_across_the_hand(arm):
    _, hand, along = arm
    page = torch.full((*along.shape, 4), 255, dtype=torch.uint8)
    cut = cut_cuff(page, hand, 0.3)[..., 3].numpy()
    y, x = np.indices(along.shape) + 0.5
    away = np.hypot(x - hand.wrist[0], y - hand.wrist[1]) / np.hypot(*hand.way)
    texel = 1 / np.hypot(*hand.way)
    assert (cut[along < 0.3 - texel] == 255).all()
    assert (cut[(along > 0.3 + texel) & (away < HAND_SPAN - texel)] == 0).all()
    assert (cut[away > HAND_SPAN] == 255).all()
    points = np.stack([x.ravel(), y.ravel()], 1)
    np.testing.assert_array_equal(beyond_cuff(points, hand, 0.3).reshape(along.shape) & (along < 0.3), False)
