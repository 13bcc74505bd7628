"""Depth, thickness and weights behind the vertices of a layer mesh."""

import numpy as np
import pytest

from motion_imitate.avatar.body_surface import LIMB_NUMBERS, SIDES, joint_descendants
from motion_imitate.avatar.layer_mesh import LayerMesh, build_layer_mesh, find_joints, layer_alphas
from motion_imitate.avatar.layer_shape import (
    DEPTH_SPIKE,
    MOST_ARM_THICKNESS,
    MOST_THICKNESS,
    flatten_spikes,
    hang_round,
    inflate_region,
    relax_membrane,
    shape_layers,
    smooth_values,
)
from motion_imitate.avatar.layer_weights import JOINTS_PER_VERTEX, LEAST_VOLUME, sharpen_weights
from motion_imitate.avatar.parsing_net import LAYER_NAMES
from motion_imitate.avatar.photo_layers import (
    ARM_LAYERS,
    LEG_LAYERS,
    SKIRT,
    TRUNK,
    cut_photo_layers,
)
from motion_imitate.avatar.surface_samples import surface_of_shoulder
from tests.support import painted
from tests.support.parsed_body import parse_body, place

DEPTH = 2.6  # metres at which `painted.standing` stands


@pytest.mark.parametrize("half", [4, 9])
def test_a_membrane_over_a_strip_is_half_a_disk_squared(half):
    mask = np.zeros((2 * half + 3, 160), bool)
    mask[2:-2] = True  # 2 * half - 1 rows: the membrane is 0 half a row beyond the centres around them
    values = relax_membrane(mask, 300)
    away = np.arange(len(mask)) - (half + 1)
    expected = (half**2 - away**2).clip(0).astype(np.float32)
    np.testing.assert_allclose(values[:, 80], expected, atol=0.02 * half**2)


def test_a_region_rises_like_its_outline_is_round():
    mask = np.zeros((300, 80), bool)
    mask[:, 20:60] = True
    height = inflate_region(mask, 4.0)[150]
    x = np.arange(80) + 0.5 - 40
    np.testing.assert_allclose(height[24:56], np.sqrt(20**2 - x[24:56] ** 2), atol=1.6)
    assert (height[:18] == 0).all()
    assert (height[62:] == 0).all()


def test_a_skirt_hangs_in_circles_below_its_top():
    mask = np.zeros((300, 80), bool)
    mask[100:260, 20:60] = True
    height = hang_round(mask, 400.0)
    x = np.arange(80) + 0.5 - 40
    np.testing.assert_allclose(height[200], np.sqrt((20**2 - x**2).clip(0)), atol=0.3)
    assert height[100].max() == 0
    assert (np.diff(height[100:140, 40]) > 0).all()
    assert not hang_round(np.zeros_like(mask), 400.0).any()


def test_weights_across_a_fold_can_be_undone_and_others_stay():
    cosine, sine = np.cos(np.radians(170)), np.sin(np.radians(170))
    turns = np.stack([np.eye(3), [[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]])
    share = np.linspace(0, 1, 41)
    weights = np.stack([1 - share, share], 1)
    sharp = sharpen_weights(weights.copy(), turns)
    assert np.linalg.det(np.tensordot(weights, turns, 1)).min() < 0.01
    volume = np.linalg.det(np.tensordot(np.delete(sharp, 20, 0), turns, 1))  # without the very middle
    assert volume.min() >= LEAST_VOLUME
    np.testing.assert_allclose(sharp.sum(1), 1)
    far = np.abs(share - 0.5) > 0.3
    np.testing.assert_array_equal(sharp[far], weights[far])


@pytest.mark.parametrize("side", SIDES)
def test_no_forearm_gives_a_shoulder_its_depth(side):
    body = place(*painted.standing())
    limbs = body.limbs_of(body.whole_surface)
    torso, forearm = (limbs == LIMB_NUMBERS[side][group] for group in ("torso", "forearm"))
    assert surface_of_shoulder(torso, side, body) is body.whole_surface
    crossed = surface_of_shoulder(torso | forearm, side, body)
    used = set(body.limbs_of(crossed).ravel().tolist())
    assert LIMB_NUMBERS[side]["upperarm"] in used
    other = SIDES[1 - SIDES.index(side)]
    assert not used & {LIMB_NUMBERS[s][g] for s, g in ((side, "forearm"), (side, "hand"), (other, "upperarm"))}


def strip_mesh(columns=12, rows=8):
    """A rectangle of triangles."""
    number = np.arange((rows + 1) * (columns + 1)).reshape(rows + 1, columns + 1)
    x, y = np.meshgrid(np.arange(columns + 1.0), np.arange(rows + 1.0))
    a, b, c, d = number[:-1, :-1].ravel(), number[:-1, 1:].ravel(), number[1:, :-1].ravel(), number[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)])
    points = np.stack([x, y], -1).reshape(-1, 2)
    count = len(points)
    return LayerMesh(points, np.zeros(count, int), np.ones(count, bool), faces, np.zeros(len(faces), int), 1.0)


def test_spikes_are_flattened_and_slopes_are_not():
    mesh = strip_mesh()
    slope = 2 + 0.01 * mesh.points[:, 0] + 0.02 * mesh.points[:, 1]
    thickness = np.full(len(slope), 0.1)
    inner = (np.abs(mesh.points - [6, 4]) < [4, 2]).all(1)
    middle, thin = flatten_spikes(mesh, slope, thickness)
    np.testing.assert_allclose(middle[inner], slope[inner], atol=DEPTH_SPIKE)
    np.testing.assert_allclose(thin, thickness)
    spike = int(np.nonzero((mesh.points == [6, 4]).all(1))[0][0])
    slope[spike] += 0.5
    thickness[spike] = 1.0
    middle, thin = flatten_spikes(mesh, slope, thickness)
    around = [spike - 1, spike + 1, spike - 13, spike + 13]
    assert abs(middle[spike] - middle[around].mean()) < 2 * DEPTH_SPIKE
    assert abs(middle[around].mean() - slope[around].mean()) < 4 * DEPTH_SPIKE
    assert thin[spike] < 0.13


def test_unknown_values_are_filled_in_between_known_ones():
    mesh = strip_mesh()
    x = mesh.points[:, 0]
    known = (np.abs(mesh.points - [6, 4]) == [6, 4]).any(1)  # the rim
    solved = smooth_values(mesh, np.where(known, x, 99.0), known * 1e6 + 1e-9, 1.0)
    np.testing.assert_allclose(solved, x, atol=1e-3)


def skirted(layer, _):
    """A skirt over the upper half of both legs."""
    legs = np.isin(layer, [LAYER_NAMES.index("leg_left"), LAYER_NAMES.index("leg_right")])
    rows = np.nonzero(legs.any(1))[0]
    legs[rows[0] + len(rows) // 2 :] = False
    layer[legs] = LAYER_NAMES.index("skirt")


@pytest.fixture(scope="module", params=["trousers", "skirt"])
def shaped(request):
    body = place(*painted.standing(0.2))
    parsed, matte = parse_body(body, skirted if request.param == "skirt" else lambda layer, kind: None)
    layers = cut_photo_layers(parsed, matte, body, body)
    joined = find_joints(layers, body)
    alphas = layer_alphas(layers, joined)
    mesh = build_layer_mesh(layers, alphas, joined)
    focal = float(body.camera.focal[0, 0]) * painted.SIZE[1] / 2
    return body, layers, mesh, shape_layers(mesh, layers, alphas, body, focal), request.param


def test_the_weights_of_each_vertex_sum_to_one_and_are_finite(shaped):
    weights = shaped[3].weights
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-9)
    assert (weights > 0).sum(1).max() <= JOINTS_PER_VERTEX


def test_vertices_on_the_outline_have_no_thickness_and_none_is_too_thick(shaped):
    _, _, mesh, shape, _ = shaped
    assert (shape.thickness[~mesh.inside] == 0).all()
    assert (shape.thickness[mesh.inside] > 0).mean() > 0.99
    assert shape.thickness.max() <= MOST_THICKNESS
    arms = np.isin(mesh.owner, ARM_LAYERS)
    assert shape.thickness[arms].max() <= MOST_ARM_THICKNESS + 0.1  # in shoulders, the trunk's
    assert np.isfinite(shape.middle).all()
    assert np.abs(shape.middle - DEPTH).max() < 0.7


def test_the_middle_lies_between_the_bodys_front_and_back(shaped):
    body, _, mesh, shape, kind = shaped
    surface = body.whole_surface
    row, column = mesh.points.astype(int)[:, ::-1].T
    row, column = row.clip(0, painted.SIZE[0] - 1), column.clip(0, painted.SIZE[1] - 1)
    trunk = (mesh.owner == TRUNK) & mesh.inside & (surface.covered[row, column])
    front, back = surface.front[row, column], surface.back[row, column]
    between = (shape.middle > front - 0.03) & (shape.middle < back + 0.03)
    assert between[trunk].mean() > 0.97, kind


def test_limbs_move_with_their_own_joints(shaped):
    body, _, mesh, shape, kind = shaped
    for layer, side, other in zip((*ARM_LAYERS, *LEG_LAYERS), SIDES * 2, SIDES[::-1] * 2, strict=True):
        control = "elbow" if layer in ARM_LAYERS else "knee"
        below = distal_share(body, shape.weights, f"{control}_{side}")
        wrong = distal_share(body, shape.weights, f"{control}_{other}")
        mine = mesh.owner == layer
        assert below[mine].max() > 0.95, kind
        assert wrong[mine].max() < 0.02, kind


def distal_share(body, weights, control):
    return weights[:, joint_descendants(body.model, body.model.controls[control][0])].sum(1)


def test_a_skirt_turns_from_one_leg_to_the_other_across_its_width(shaped):
    body, _, mesh, shape, kind = shaped
    skirt = mesh.owner == SKIRT
    assert skirt.any() == (kind == "skirt")
    if kind != "skirt":
        return
    left, right = (distal_share(body, shape.weights, f"hip_{side}")[skirt] for side in SIDES)
    x, y = mesh.points[skirt].T
    low = y > np.percentile(y, 60)
    order = np.argsort((body.joint_pixel("knee_left") - body.joint_pixel("knee_right"))[0] * x[low])
    share = (left / (left + right))[low][order]
    third = len(share) // 4
    assert share[:third].mean() < 0.1
    assert share[-third:].mean() > 0.9
    assert 0.3 < share[len(share) // 2 - third // 4 : len(share) // 2 + third // 4].mean() < 0.7
