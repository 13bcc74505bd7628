from dataclasses import replace

import numpy as np
import pytest

from motion_imitate.avatar.layer_rim import SHOES, clean_layer_rim
from motion_imitate.avatar.masks import distance_to_edge
from motion_imitate.avatar.photo_layers import LEG_LEFT, cut_photo_layers
from tests.support import painted
from tests.support.parsed_body import parse_body, place

CLOTH, STRAP = np.float32((0.4, 0.3, 0.7)), np.float32((0.95, 0.95, 0.95))


@pytest.fixture(scope="module")
def leg():
    body = place(*painted.standing(0.0))
    layers = cut_photo_layers(*parse_body(body), body, body)
    cut = layers.seen(LEG_LEFT) & (layers.alpha > 0.5)
    return layers, layers.region[LEG_LEFT].astype(np.float32), cut, distance_to_edge(cut)


def paint(mask):
    return np.where(mask[..., None], STRAP, CLOTH).astype(np.float32)


def test_a_strap_at_the_rim_takes_the_colour_inwards_of_it(leg):
    layers, alpha, cut, depth = leg
    rows = np.nonzero(cut.any(1))[0]
    strap = cut & (depth < 3)
    strap[: rows[len(rows) // 4]] = strap[rows[len(rows) // 2] :] = False
    cleaned = clean_layer_rim(paint(strap), layers, alpha, LEG_LEFT)
    assert strap.sum() > 50
    np.testing.assert_allclose(cleaned[strap], np.broadcast_to(CLOTH, cleaned[strap].shape), atol=0.02)


def test_plain_cloth_patterns_and_stripes_stay(leg):
    layers, alpha, cut, depth = leg
    assert clean_layer_rim(paint(np.zeros_like(cut)), layers, alpha, LEG_LEFT) is None
    checked = np.indices(cut.shape).sum(0) // 4 % 2 == 0
    assert clean_layer_rim(paint(checked), layers, alpha, LEG_LEFT) is None
    x = np.arange(cut.shape[1])
    middle = (cut * x).sum(1, keepdims=True) / np.maximum(cut.sum(1, keepdims=True), 1)
    stripe = cut & (depth < 3) & (x > middle)
    assert clean_layer_rim(paint(stripe), layers, alpha, LEG_LEFT) is None


def test_shoes_keep_their_soles(leg):
    layers, alpha, cut, depth = leg
    shoes = np.full_like(layers.kind, SHOES)
    sole = cut & (depth < 3)
    assert clean_layer_rim(paint(sole), replace(layers, kind=shoes), alpha, LEG_LEFT) is None
