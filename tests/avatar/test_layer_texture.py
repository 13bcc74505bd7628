"""The colours of layers, seen and hidden."""

import numpy as np
import pytest

from motion_imitate.avatar.layer_mesh import find_joints, layer_alphas
from motion_imitate.avatar.layer_texture import continue_layer, fold_coordinates, layer_colours, read_pixels
from motion_imitate.avatar.masks import distance_to_edge, grow_mask
from motion_imitate.avatar.photo_layers import (
    ARM_LAYERS,
    FACE,
    LAYERS,
    LEG_LAYERS,
    SKIN,
    TRUNK,
    UPPER,
    PhotoLayers,
    cut_photo_layers,
)
from tests.support import painted
from tests.support.parsed_body import parse_body, place


def test_folding_leaves_known_pixels_and_what_is_not_wanted_alone():
    rng = np.random.default_rng(0)
    known = rng.random((40, 30)) < 0.3
    wanted = rng.random((40, 30)) < 0.5
    y, x = np.mgrid[:40, :30]
    folded = fold_coordinates(known, wanted)
    alone = known | ~wanted
    assert (folded[alone] == np.stack([x, y], -1)[alone]).all()
    image = rng.random((40, 30, 3)).astype(np.float32)
    np.testing.assert_allclose(read_pixels(image, folded)[alone], image[alone], atol=1e-6)


@pytest.mark.parametrize("turn", range(4), ids=["right", "up", "left", "down"])
def test_folding_reflects_at_a_straight_edge(turn):
    known = np.zeros((50, 60), bool)
    known[:, :30] = True
    folded = fold_coordinates(np.rot90(known, turn).copy(), np.ones_like(np.rot90(known, turn)))
    y, x = (np.rot90(c, turn) for c in np.mgrid[:50, :60])
    source = x[np.rint(folded[..., 1]).astype(int), np.rint(folded[..., 0]).astype(int)]
    away = x - 29
    expected = np.where(away > 0, 29 - away, x)
    sure = (away < 25) & (y > 0)
    assert (np.abs(source - expected)[sure] <= 1).all()


def test_folding_goes_back_and_forth_where_little_is_known():
    known = np.zeros((9, 60), bool)
    known[:, 10:16] = True  # the reflection turns round after five pixels
    columns = fold_coordinates(known, np.ones_like(known))[4, :, 0]
    assert columns[16:].min() >= 10
    assert columns[16:].max() <= 15
    assert columns[10:16].tolist() == [10, 11, 12, 13, 14, 15]
    assert columns[16:36].tolist() == [14, 13, 12, 11, 10, 11, 12, 13, 14, 15] * 2
    assert columns[15 + 5] == 10


def test_mirrored_masks_fold_to_mirrored_places():
    known = np.zeros((30, 40), bool)
    known[5:20, 6:22] = True
    known[12:, 14:18] = True
    folded = fold_coordinates(known, np.ones_like(known))
    mirrored = fold_coordinates(known[:, ::-1].copy(), np.ones_like(known))[:, ::-1]
    mirrored = np.stack([39 - mirrored[..., 0], mirrored[..., 1]], -1)
    assert (np.abs(mirrored - folded).max(-1) < 0.01).mean() > 0.95  # ties have two nearest pixels


@pytest.fixture(scope="module")
def dressed():
    """A body turned so that an arm is before the trunk: red arms, a green trunk, blue legs on grey ground."""
    body = place(*painted.standing(1.0))
    parsed, matte = parse_body(body)
    layers = cut_photo_layers(parsed, matte, body, body)
    table = np.float32([[0, 0.8, 0], [0.8, 0, 0], [0.8, 0, 0], [0, 0, 0.8], [0, 0, 0.8], [1, 1, 1], [0.5, 0.5, 0.5]])
    joined = find_joints(layers, body)
    alphas = layer_alphas(layers, joined)
    return table[layers.owner], layers, alphas, table, joined


def test_textures_are_the_photo_where_their_layer_is_seen(dressed):
    image, layers, alphas, *_ = dressed
    for layer in LAYERS:
        colours = layer_colours(image, layers, alphas, layer)
        inner = distance_to_edge(layers.seen(layer)) > 2
        np.testing.assert_allclose(colours[inner], image[inner], atol=1e-5)
        assert np.isfinite(colours).all()


def test_hidden_cloth_has_the_colour_of_the_cloth_around(dressed):
    image, layers, alphas, table, joined = dressed
    legs = joined[list(LEG_LAYERS)].any(0)  # there the trunk's texture shows the legs, which go on from it
    hidden = layers.hidden(TRUNK) & np.isin(layers.owner, ARM_LAYERS) & ~grow_mask(legs, 8.0)
    colours = layer_colours(image, layers, alphas, TRUNK)
    deep = hidden & (distance_to_edge(np.isin(layers.owner, ARM_LAYERS)) > 2)
    assert deep.sum() > 200
    np.testing.assert_allclose(colours[deep], np.broadcast_to(table[TRUNK], colours[deep].shape), atol=0.05)


def test_the_background_colours_no_layer(dressed):
    image, layers, alphas, *_ = dressed
    loud = image.copy()
    loud[layers.alpha == 0] = (1, 0, 1)
    for layer in ARM_LAYERS:
        quiet, other = (layer_colours(photo, layers, alphas, layer) for photo in (image, loud))
        visible = alphas[layer] > 0.02
        np.testing.assert_allclose(quiet[visible], other[visible], atol=1e-5)


@pytest.mark.parametrize("kind", [UPPER, SKIN], ids=["dressed", "bare"])
def test_beneath_an_arm_a_dressed_chest_is_cloth_though_bare_skin_is_nearer(kind):
    size = (200, 120)
    y, x = np.mgrid[: size[0], : size[1]]
    neck, face, arm = (np.abs(x - 60) < 16) & (y < 80), (np.abs(x - 60) < 16) & (y < 40), (y >= 80) & (y < 100)
    trunk = (np.abs(x - 60) < 50) & (y >= 50) | neck
    kinds = np.where(face, FACE, np.where(neck, SKIN, np.where(trunk, kind, 0)))
    owner = np.where(arm & trunk, ARM_LAYERS[0], np.where(trunk, TRUNK, -1))
    region = np.stack([owner == layer for layer in LAYERS])
    region[TRUNK] = trunk
    layers = PhotoLayers(220.0, trunk.astype(np.float32), owner, region, kinds, np.zeros((2, *size), bool), ())
    image = np.zeros((*size, 3), np.float32)
    image[kinds == SKIN], image[kinds == UPPER] = (0.9, 0.6, 0.5), (0.1, 0.2, 0.8)
    hidden, clear = layers.hidden(TRUNK), layers.seen(TRUNK)
    made = continue_layer(image, layers, TRUNK, hidden, clear)[hidden]
    blue = made[:, 2] > made[:, 0]
    assert blue.all() if kind == UPPER else not blue.any()
