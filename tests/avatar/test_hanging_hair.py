from dataclasses import replace

import numpy as np
import pytest
import torch

from motion_imitate.avatar.hair_labels import correct_hair
from motion_imitate.avatar.hanging_hair import (
    find_hair_before_trunk,
    find_hair_shade,
    find_lit_cloth,
    lighten_beside,
    remove_hair,
    uncover_sides,
)
from motion_imitate.avatar.masks import distance_to_edge, grow_mask
from motion_imitate.avatar.parse_photo import ParsedPhoto
from motion_imitate.avatar.parsing_net import KIND_NAMES, LAYER_NAMES
from motion_imitate.avatar.photo_layers import ARM_LEFT, FACE, HAIR, SKIN, TRUNK, UPPER, cut_photo_layers
from tests.support import painted
from tests.support.parsed_body import parse_body, place

CLOTH, STRANDS = np.float32((0.9, 0.6, 0.7)), np.float32((0.1, 0.05, 0.05))


@pytest.fixture(scope="module")
def cut():
    body = place(*painted.standing(0.0))
    parsed, matte = parse_body(body)
    return body, parsed, cut_photo_layers(parsed, matte, body, body)


def hang_hair(layers):
    """Layers and image of a person in one cloth, with hair along the left side of the trunk."""
    rows, columns = np.nonzero(layers.seen(TRUNK) & (layers.kind == UPPER))
    top, low = np.quantile(rows, (0.1, 0.8)).astype(int)
    kind = layers.kind.copy()
    for row in range(top, low):
        mine = columns[rows == row]
        kind[row, mine[mine > np.quantile(mine, 0.75)]] = HAIR
    image = np.where((kind == HAIR)[..., None], STRANDS, CLOTH).astype(np.float32)
    return replace(layers, kind=kind), image, top, low


def test_hair_before_an_arm_is_found_by_its_colour(cut):
    body, parsed, layers = cut
    hanging, image, top, low = hang_hair(layers)
    hair = (hanging.kind == HAIR) & (np.arange(len(image))[:, None] >= top) & (np.arange(len(image))[:, None] < low)
    kinds = parsed.kind.clone()
    kinds[:, hair], kinds[HAIR, hair] = 0, 1
    strip = layers.seen(ARM_LEFT) & grow_mask(hair, 3.0) & ~hair
    assert strip.sum() > 20
    image[strip] = STRANDS
    found = correct_hair(replace(parsed, kind=kinds), image, layers.alpha, body.stature).kind.argmax(0).numpy()

    assert (found[strip] == HAIR).mean() > 0.9
    changed = found != kinds.argmax(0).numpy()
    assert not (changed & ~grow_mask(strip, 1.5)).any()


def test_sleeves_of_the_hairs_colour_stay_sleeves(cut):
    body, parsed, layers = cut
    image = np.full((*layers.kind.shape, 3), STRANDS)
    found = correct_hair(parsed, image, layers.alpha, body.stature)
    assert (found.kind == parsed.kind).all()


def test_the_sides_behind_hair_are_covered_and_their_front_is_not(cut):
    layers = cut[-1]
    hanging, image, top, low = hang_hair(layers)
    covered, beyond = find_hair_before_trunk(image, hanging, float(top))
    seen = hanging.seen(TRUNK) & (hanging.kind == HAIR)
    edge = distance_to_edge(hanging.region[TRUNK])
    rows = np.zeros_like(seen)
    rows[top + 10 : low - 10] = True
    assert covered[seen & rows & (edge < 3)].min() > 0.9
    assert covered[seen & (edge > 0.45 * hanging.region[TRUNK].sum(1, keepdims=True) / 2)].max(initial=0) == 0
    assert covered[: top - 10][hanging.seen(TRUNK)[: top - 10]].max() == 0
    assert not find_hair_before_trunk(image, layers, 1e4).sides.any()
    assert not (beyond & ~hanging.hidden(TRUNK)).any()

    beneath = uncover_sides(hanging, covered)
    assert (beneath.kind[seen & (covered > 0.5)] == UPPER).all()
    np.testing.assert_array_equal(beneath.kind[covered < 0.5], hanging.kind[covered < 0.5])


def test_a_shoulder_loses_the_hair_that_lies_on_it(cut):
    layers = cut[-1]
    rows = np.nonzero((layers.seen(ARM_LEFT) & (layers.kind != SKIN)).any(1))[0]
    kind = layers.kind.copy()
    lock = np.zeros(kind.shape, bool)
    lock[rows.min() : rows.min() + 12] = True
    lock &= layers.seen(ARM_LEFT)
    kind[lock] = HAIR
    image = np.where(lock[..., None], STRANDS, CLOTH).astype(np.float32)
    alpha = layers.region[ARM_LEFT].astype(np.float32)
    cleared = remove_hair(image, alpha, replace(layers, kind=kind), ARM_LEFT)
    np.testing.assert_allclose(cleared[lock], np.broadcast_to(CLOTH, cleared[lock].shape), atol=0.05)
    bald = np.where(layers.kind == HAIR, UPPER, layers.kind)
    assert remove_hair(image, alpha, replace(layers, kind=bald), ARM_LEFT) is None


def test_a_sleeve_is_lit_alike_beneath_hair_and_beside_it():
    arm, hair = np.zeros((300, 200), bool), np.zeros((300, 200), bool)
    arm[20:280, 60:160], hair[20:280, 120:170] = True, True
    shade = np.interp(np.arange(200), (60, 80, 120), (1.0, 1.0, 0.7)).astype(np.float32)
    colours = np.broadcast_to(CLOTH * shade[None, :, None], (300, 200, 3)).copy()
    colours[hair] = STRANDS
    lit = find_lit_cloth(colours, arm & ~hair, 30.0)
    assert lit.any()
    assert not lit[:, 112:].any()
    spread = np.broadcast_to(CLOTH, colours.shape).astype(np.float32)
    apart = np.broadcast_to(np.abs(120 - np.arange(200, dtype=np.float32)), hair.shape)
    evened = lighten_beside(colours, spread, arm & ~hair, apart, 1000.0)
    beside = np.index_exp[100:200, 105:115]
    assert (evened[beside] > 0.85 * CLOTH).all()
    assert (colours[beside] < 0.82 * CLOTH).all()
    np.testing.assert_array_equal(evened[hair], colours[hair])


def test_cloth_that_hair_darkens_is_made_like_the_rest_and_a_pattern_is_kept():
    hair, cloth = np.zeros((80, 200), bool), np.ones((80, 200), bool)
    hair[:, :20] = True
    cloth &= ~hair
    plain = np.where(hair[..., None], STRANDS, CLOTH).astype(np.float32)
    shaded, striped = plain.copy(), plain.copy()
    shaded[:, 20:28] *= 0.7
    shaded[:, 90:98] *= 0.7  # a fold, far from the hair
    striped[:, 20::8] *= 0.8
    striped[:, 21::8] *= 0.8
    shade = find_hair_shade(shaded, cloth, hair, cloth, 1000.0)
    assert shade[:, 21:27].min() > 0.9
    assert shade[:, 45:].max() == 0
    assert find_hair_shade(striped, cloth, hair, cloth, 1000.0).max() < 0.5
    assert find_hair_shade(plain, cloth, hair, cloth, 1000.0).max() == 0
    assert find_hair_shade(shaded, cloth, hair, hair, 1000.0).max() == 0  # nothing is clear


def test_a_hat_that_is_taken_for_hair_is_told_by_its_colour():
    kind = np.zeros((120, 100), np.int64)
    kind[10:40, 20:80], kind[40:60, 20:80] = UPPER, HAIR  # the hat, of which the lower half is taken for hair
    kind[60:80, 30:70] = FACE
    kind[60:120, 15:30] = HAIR
    image = np.full((*kind.shape, 3), (0.7, 0.6, 0.5), np.float32)
    image[kind == HAIR] = STRANDS
    image[10:50, 20:80] = (0.6, 0.5, 0.9)
    scores = np.eye(len(KIND_NAMES), dtype=np.float32)[kind].transpose(2, 0, 1)
    layer = torch.zeros(len(LAYER_NAMES), *kind.shape)
    parsed = ParsedPhoto(layer, torch.from_numpy(np.ascontiguousarray(scores)), torch.ones(1, *kind.shape))
    found = correct_hair(parsed, image, np.ones(kind.shape, np.float32), 500.0).kind.argmax(0).numpy()

    assert (found[42:48, 25:75] == UPPER).all()
    assert (found[53:60, 25:75] == HAIR).all()
    assert (found[70:] == kind[70:]).all()
