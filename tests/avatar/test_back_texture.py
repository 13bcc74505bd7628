"""The colours of the trunk's back: no prints, and cloth up to the nape."""

import numpy as np

from motion_imitate.avatar.back_texture import (
    complete_back_cloth,
    complete_back_hair,
    find_head,
    find_print,
    find_strands,
)
from motion_imitate.avatar.photo_layers import FACE, HAIR, LAYERS, SKIN, TRUNK, UPPER, PhotoLayers, cut_photo_layers
from tests.support import painted
from tests.support.parsed_body import parse_body, place

SIZE = (240, 160)
COLLAR, LOW_NECK = 84, 110  # rows: the top of the collar at the neck's sides, and where the neckline ends in front


def striped_cloth():
    """A shirt of two colours in rows, all over the picture."""
    image = np.full((*SIZE, 3), 0.8, np.float32)
    image[(np.arange(SIZE[0]) // 8) % 2 == 0] = (0.1, 0.2, 0.6)
    away = np.repeat(np.abs(np.arange(SIZE[1]) - 80.0)[None], SIZE[0], 0).astype(np.float32)
    return image + np.random.default_rng(0).normal(0, 0.01, image.shape).astype(np.float32), away


def test_a_print_is_found_and_stripes_are_none():
    image, away = striped_cloth()
    cloth = np.ones(SIZE, bool)
    assert find_print(image, cloth, away).mean() < 0.01
    image[60:110, 60:90] = (0.8, 0.1, 0.1)
    found = find_print(image, cloth, away)
    assert found[62:108, 62:88].mean() > 0.95
    found[56:114, 56:94] = False
    assert found.mean() < 0.01


def test_too_little_cloth_has_no_print():
    image, away = striped_cloth()
    assert not find_print(image, np.zeros(SIZE, bool), away).any()


def dressed_layers(collar):
    """A head with a deep neckline; cloth beside the neck goes up to a row."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    head = (np.abs(x - 80) < 20) & (y > 20)
    kind = np.zeros(SIZE, np.int64)
    kind[(y >= 90) & (np.abs(x - 80) < 60)] = UPPER
    kind[(y >= collar) & (np.abs(x - 80) < 60)] = UPPER
    kind[head & (y < 40)] = HAIR
    kind[head & (y >= 40) & (y < 80)] = FACE
    kind[(np.abs(x - 80) < 12) & (y >= 80) & (y < LOW_NECK)] = SKIN
    trunk = kind > 0
    owner = np.where(trunk, TRUNK, -1)
    region = np.stack([owner == layer for layer in LAYERS])
    return PhotoLayers(220.0, trunk.astype(np.float32), owner, region, kind, np.zeros((2, *SIZE), bool), ())


def test_the_head_ends_where_cloth_begins_beside_the_neck():
    rows = np.nonzero(find_head(dressed_layers(COLLAR)).pixels.any(1))[0]
    assert abs(rows[-1] - COLLAR) <= 2
    lower = np.nonzero(find_head(dressed_layers(90)).pixels.any(1))[0]
    assert abs(lower[-1] - 90) <= 2


def test_hair_in_the_shade_of_cloth_is_found_but_no_dark_shirt_is():
    image = np.full((*SIZE, 3), 0.8, np.float32)
    hair, cloth = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    hair[:60], cloth[60:] = True, True
    image[hair], image[100:110] = 0.1, 0.2
    assert (find_strands(image, cloth, hair).any(1).nonzero()[0] == np.arange(100, 110)).all()
    image[60:] = 0.12
    assert not find_strands(image, cloth, hair).any()
    assert not find_strands(image, cloth, np.zeros(SIZE, bool)).any()


def test_long_hair_hangs_over_a_back_whose_cloth_was_made_before():
    """Hair that hangs before the chest is gone from the cloth's page, but not from the back."""
    layers = dressed_layers(COLLAR)
    layers.kind[40:180, 65:95][layers.kind[40:180, 65:95] != FACE] = HAIR
    front = np.where((layers.kind == HAIR)[..., None], np.float32(0.1), np.float32(0.8)).repeat(3, 2)
    back = complete_back_hair(np.full_like(front, 0.8), front, layers.alpha, layers, find_head(layers))
    assert (back[90:150, 72:88] < 0.2).all()
    assert (back[190:] == np.float32(0.8)).all()


def test_a_bare_back_has_no_navel():
    body = place(*painted.standing(0.0))
    layers = cut_photo_layers(*parse_body(body), body, body)
    trunk, hip = layers.seen(TRUNK), body.joint_pixel("hip_left")
    y, x = np.indices(trunk.shape)
    layers.kind[trunk & ~np.isin(layers.kind, (FACE, HAIR)) & (y < hip[1] + 20)] = SKIN
    navel = trunk & (np.hypot(y - hip[1] + 15, x - np.nonzero(trunk)[1].mean()) < 4)
    front = np.full((*trunk.shape, 3), (0.8, 0.6, 0.5), np.float32)
    front[navel] = (0.3, 0.1, 0.1)
    alpha = layers.region[TRUNK].astype(np.float32)
    back = complete_back_cloth(front, alpha, layers, body, find_head(layers), np.zeros(trunk.shape, bool))
    assert navel.sum() > 20
    np.testing.assert_allclose(back[navel], np.broadcast_to(np.float32((0.8, 0.6, 0.5)), back[navel].shape), atol=0.03)
