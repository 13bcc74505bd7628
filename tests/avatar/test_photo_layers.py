"""What the layers of a photo are, on bodies whose limbs are known under each pixel."""

import numpy as np
import pytest
import torch

from motion_imitate.avatar.body_surface import LEG_LIMBS, LIMB_NUMBERS, SIDES
from motion_imitate.avatar.masks import distance_to_edge
from motion_imitate.avatar.parse_photo import ParsedPhoto
from motion_imitate.avatar.parsing_net import KIND_NAMES, LAYER_NAMES
from motion_imitate.avatar.photo_layers import (
    ARM_LAYERS,
    ARM_LEFT,
    ARM_RIGHT,
    HAIR,
    LAYERS,
    LEAST_SKIRT,
    LEG_LAYERS,
    LEG_LEFT,
    LEG_RIGHT,
    NO_LAYER,
    SKIRT,
    TRUNK,
    UPPER,
    cover_of_person,
    cut_photo_layers,
    hand_is_lost,
    label_layers,
    nearer_leg,
    reassign_fragments,
    remove_matte_holes,
)
from tests.support import painted
from tests.support.parsed_body import parse_body, place

MIRRORED = (TRUNK, ARM_RIGHT, ARM_LEFT, LEG_RIGHT, LEG_LEFT, SKIRT)


def cut(body, change=lambda layer, kind: None):
    parsed, matte = parse_body(body, change)
    return parsed, cut_photo_layers(parsed, matte, body, body)


@pytest.fixture(scope="module")
def turned():
    """A body whose left arm is in front of the trunk, or whose right one is; a leg is in front of the other."""
    return {yaw: place(*painted.standing(yaw)) for yaw in (-1.0, 1.0)}


@pytest.mark.parametrize("yaw", [-1.0, 1.0])
def test_every_pixel_of_the_person_belongs_to_the_layer_of_its_limb(turned, yaw):
    parsed, layers = cut(turned[yaw])
    truth = parsed.layer.argmax(0).numpy() - 1
    assert ((layers.owner == NO_LAYER) == (layers.alpha == 0)).all()
    person = layers.owner != NO_LAYER
    assert (layers.owner[person] == truth[person]).mean() > 0.98  # slivers become part of what is next to them
    for layer in LAYERS:
        assert (layers.owner[distance_to_edge(truth == layer) > 2.5] == layer).all()
        assert (layers.region[layer] >= layers.seen(layer)).all()


@pytest.mark.parametrize("yaw", [-1.0, 1.0])
def test_hidden_regions_are_inside_the_person_and_beneath_other_layers(turned, yaw):
    _, layers = cut(turned[yaw])
    for layer in LAYERS:
        assert (layers.alpha[layers.hidden(layer)] > 0.5).all()
        assert (layers.owner[layers.hidden(layer)] != layer).all()
    arms = np.isin(layers.owner, ARM_LAYERS)
    assert (layers.hidden(TRUNK) & arms).sum() > 0.3 * arms.sum()  # an arm is in front of the trunk
    for layer in ARM_LAYERS:
        assert not layers.hidden(layer).any()


def test_the_leg_that_is_nearer_hides_the_other(turned):
    for yaw, body in turned.items():
        _, layers = cut(body)
        hips = {layer: body.corners[0, :, :, 2][torch.isin(body.limbs, limb_of(layer))].mean() for layer in LEG_LAYERS}
        front = min(hips, key=hips.get)
        assert nearer_leg(layers, body) == front, yaw
        back = LEG_LAYERS[1 - LEG_LAYERS.index(front)]
        assert (layers.hidden(back) & layers.seen(front)).any()
        assert not (layers.hidden(front) & layers.seen(back)).any()


def limb_of(layer):
    return torch.tensor(LEG_LIMBS[SIDES[LEG_LAYERS.index(layer)]])


def scores_of(names, kinds=None):
    """A parsed photo of label numbers."""
    layer = torch.nn.functional.one_hot(torch.from_numpy(names), len(LAYER_NAMES)).permute(2, 0, 1).float()
    kind = torch.zeros(len(KIND_NAMES), *names.shape)
    return ParsedPhoto(layer, kind, (layer[:1] == 0).float())


@pytest.mark.parametrize(("share", "stays"), [(0.8, False), (1.25, True)])
def test_a_skirt_that_is_too_small_becomes_part_of_its_neighbours(share, stays):
    unit = 200.0
    names = np.zeros((220, 120), np.int64)
    names[10:120, 30:90] = LAYER_NAMES.index("trunk")
    names[120:210, 30:60] = LAYER_NAMES.index("leg_left")
    names[120:210, 60:90] = LAYER_NAMES.index("leg_right")
    rows = round(share * LEAST_SKIRT * unit**2 / 40)
    names[120 : 120 + rows, 40:80] = LAYER_NAMES.index("skirt")
    alpha = (names > 0).astype(np.float32)
    owner = label_layers(scores_of(names), alpha, unit)
    assert ((owner == SKIRT).sum() > 0.9 * rows * 40) == stays
    assert (owner == SKIRT).any() == stays
    if not stays:
        inner = np.s_[121 : 119 + rows, 44:76]
        assert np.isin(owner[inner], (TRUNK, LEG_LEFT, LEG_RIGHT)).all()


def test_mirrored_scores_give_mirrored_layers():
    rng = np.random.default_rng(0)
    names = np.kron(rng.integers(1, 7, (12, 8)), np.ones((10, 10), np.int64))
    names[:10], names[-10:] = 0, 0
    scores = 0.9 * scores_of(names).layer + 0.1 * torch.rand(8, *names.shape, generator=torch.manual_seed(0))
    swap = [LAYER_NAMES.index(name) for name in mirrored_names(LAYER_NAMES)]
    one = ParsedPhoto(scores, torch.zeros(9, *names.shape), torch.ones(1, *names.shape))
    other = ParsedPhoto(scores.flip(2)[swap].contiguous(), one.kind, one.alpha)
    alpha = (names > 0).astype(np.float32)
    expected = label_layers(one, alpha, 100.0)
    assert len(np.unique(expected)) > 6
    mirrored = label_layers(other, alpha[:, ::-1].copy(), 100.0)[:, ::-1]
    back = np.where(mirrored == NO_LAYER, NO_LAYER, np.array(MIRRORED)[mirrored])
    assert (back == expected).mean() > 0.995  # only ties between two sides may differ


def mirrored_names(names):
    swap = {"left": "right", "right": "left"}
    return ["_".join(swap.get(word, word) for word in name.split("_")) for name in names]


def test_a_mirrored_person_has_mirrored_layers():
    """The body is symmetric, but its triangles are not: pixels at the outline may differ."""
    layers = cut(place(*painted.standing(0.7)))[1]
    other = cut(place(*painted.standing(-0.7)))[1]
    for layer in LAYERS:
        mine, theirs = layers.region[layer], other.region[MIRRORED[layer]][:, ::-1]
        off = np.abs(distance_to_edge(mine)) * (mine != theirs)
        assert (off > 3).sum() <= 0.01 * max(mine.sum(), 1), layer
    assert layers.lost_hands == other.lost_hands == ()


@pytest.mark.parametrize(("side", "layer"), [("left", ARM_LEFT), ("right", ARM_RIGHT)])
def test_a_hand_is_lost_where_the_photo_shows_cloth_instead(side, layer):
    body = place(*painted.standing())
    hand = body.limbs_of(body.whole_surface) == LIMB_NUMBERS[side]["hand"]
    assert cut(body)[1].lost_hands == ()

    def pocket(_, kind):
        kind[hand] = KIND_NAMES.index("lower")

    assert cut(body, pocket)[1].lost_hands == (layer,)

    def behind(layers, kind):
        layers[hand], kind[hand] = 0, 0

    assert cut(body, behind)[1].lost_hands == (layer,)


def test_a_hand_beside_the_fitted_one_is_not_lost_and_one_outside_the_photo_is_not_either():
    body = place(*painted.standing())
    hand = body.limbs_of(body.whole_surface) == LIMB_NUMBERS["left"]["hand"]
    _, layers = cut(body)
    beside = np.roll(hand, round(0.04 * body.stature), 1)
    kind = np.where(beside, KIND_NAMES.index("skin"), KIND_NAMES.index("upper"))
    owner = np.where(beside, ARM_LEFT, layers.owner)
    assert not hand_is_lost(ARM_LEFT, kind, owner, body)
    assert hand_is_lost(ARM_LEFT, np.zeros_like(kind), owner, body)
    outside = place(*painted.standing(0.0, 5.0))
    assert not hand_is_lost(ARM_LEFT, np.zeros_like(kind), owner, outside)


def test_shoulders_lie_where_arm_and_trunk_meet():
    body = place(*painted.standing())
    _, layers = cut(body)
    y, x = np.mgrid[: painted.SIZE[0], : painted.SIZE[1]] + 0.5
    for zone, layer, side in zip(layers.shoulders, ARM_LAYERS, SIDES, strict=True):
        assert (zone & layers.seen(layer)).any()
        assert (zone & layers.seen(TRUNK)).any()
        joint = body.joint_pixel(f"shoulder_{side}")
        assert np.hypot(x[zone] - joint[0], y[zone] - joint[1]).max() < 0.1 * layers.unit


def test_the_matte_loses_what_the_parsing_knows_to_be_a_hole_and_nothing_else():
    matte = np.full((10, 10), 0.9, np.float32)
    parsed = np.full((10, 10), 0.8, np.float32)
    parsed[4:6, 4:6] = 0.05
    kept = remove_matte_holes(matte, parsed)
    assert (kept[4:6, 4:6] == 0).all()
    assert (kept[parsed > 0.5] == np.float32(0.9)).all()


def test_only_hair_fades_out():
    matte = torch.linspace(0, 1, 40).expand(40, -1).numpy()
    kind = torch.zeros(len(KIND_NAMES), 40, 40)
    kind[HAIR, :20], kind[UPPER, 20:] = 1, 1
    alpha = cover_of_person(matte, ParsedPhoto(torch.zeros(8, 40, 40), kind, torch.ones(1, 40, 40)))
    assert np.abs(alpha[:8] - matte[:8]).max() < 0.01
    assert alpha[32:][matte[32:] < 0.2].max() < 0.01
    assert alpha[32:][matte[32:] > 0.8].min() > 0.99


def test_a_fragment_of_a_layer_joins_the_layer_around_it_or_is_dropped():
    owner = np.full((40, 40), NO_LAYER)
    owner[5:20, 5:35] = ARM_LEFT
    owner[20:35, 5:35] = LEG_LEFT
    owner[28:31, 34:37] = ARM_LEFT  # touches the leg
    owner[37:39, 1:3] = ARM_LEFT  # touches nothing
    assigned = reassign_fragments(owner)
    assert (assigned[28:31, 34:37] == LEG_LEFT).all()
    assert (assigned[37:39, 1:3] == NO_LAYER).all()
    untouched = np.ones_like(owner, bool)
    untouched[28:31, 34:37] = untouched[37:39, 1:3] = False
    assert (assigned[untouched] == owner[untouched]).all()
