"""How layers are triangulated."""

from dataclasses import replace

import numpy as np
import pytest

from motion_imitate.avatar.layer_mesh import (
    HIP_REACH,
    build_layer_mesh,
    find_cells,
    find_joints,
    layer_alphas,
    mark_cell_corners,
    snap_to_outline,
    solid_of_layer,
    triangulate_cells,
)
from motion_imitate.avatar.masks import distance_to_edge, grow_mask, sample_plane
from motion_imitate.avatar.photo_layers import (
    ARM_LAYERS,
    ARM_LEFT,
    ARM_RIGHT,
    HAIR,
    LAYERS,
    LEAST_ALPHA,
    LEG_LAYERS,
    SKIRT,
    TRUNK,
    cut_photo_layers,
)
from tests.support import painted
from tests.support.parsed_body import parse_body, place


@pytest.fixture(scope="module")
def built():
    """A standing body in layers: layers, joints, alphas, mesh."""
    body = place(*painted.standing(0.3))
    parsed, matte = parse_body(body)
    layers = cut_photo_layers(parsed, matte, body, body)
    joined = find_joints(layers, body)
    alphas = layer_alphas(layers, joined)
    return layers, joined, alphas, build_layer_mesh(layers, alphas, joined)


def area_of(points, faces):
    a, b, c = (points[faces[:, k]] for k in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


def test_the_triangles_of_cells_cover_each_cell_once():
    cells = np.random.default_rng(0).random((9, 7)) < 0.5
    number = np.arange(10 * 8).reshape(10, 8)
    x, y = np.meshgrid(np.arange(8.0), np.arange(10.0))
    faces = triangulate_cells(cells, number)
    area = area_of(np.stack([x, y], -1).reshape(-1, 2), faces)
    np.testing.assert_allclose(area, 0.5)  # all wind the same way
    assert len(faces) == 2 * cells.sum()
    corners = np.zeros((10, 8), bool)
    corners.ravel()[faces] = True
    assert (corners == mark_cell_corners(cells)).all()


def test_every_pixel_that_shows_a_layer_lies_in_its_cells(built):
    layers, _, alphas, mesh = built
    size = layers.alpha.shape
    shape = (int(size[0] / mesh.cell) + 2, int(size[1] / mesh.cell) + 2)
    for layer in LAYERS:
        cells = find_cells(layers.region[layer], alphas[layer], mesh.cell, shape)
        row, column = np.nonzero(layers.region[layer] & (alphas[layer] > LEAST_ALPHA))
        assert cells[((row + 0.5) / mesh.cell).astype(int), ((column + 0.5) / mesh.cell).astype(int)].all()
        assert 2 * cells.sum() == (mesh.layer == layer).sum()


def test_no_solid_face_is_turned_over_and_flat_ones_are_at_most_folded_slivers(built):
    mesh = built[3]
    share = area_of(mesh.points, mesh.faces) / mesh.cell**2
    assert (share[mesh.solid] > 0).all()
    assert share.min() > -0.1
    assert (share > 0).mean() > 0.97


def test_points_near_an_outline_are_moved_onto_it():
    y, x = np.mgrid[:120, :120] + 0.5
    apart = 40 - np.hypot(x - 60, y - 60)
    alpha = apart.clip(-0.5, 0.5).astype(np.float32) + 0.5
    points = np.random.default_rng(1).uniform(2, 118, (4000, 2))
    outline = distance_to_edge(solid_of_layer(alpha))
    moved, inside = snap_to_outline(points, alpha, 6.0)
    before, after = (sample_plane(outline, p)[:, 0] for p in (points, moved))
    near, far = np.abs(before) < 3.2, np.abs(before) > 3.4  # 0.55 cells
    assert np.abs(after[near]).max() < 0.6
    assert np.abs(moved - points).max() < 4.5
    assert (moved[far] == points[far]).all()
    assert inside[before > 3.4].all()
    assert not inside[before < 3.2].any()


def test_joined_layers_share_vertices_and_others_do_not(built):
    layers, joined, _, mesh = built
    used = {layer: np.unique(mesh.faces[mesh.layer == layer]) for layer in LAYERS}
    for layer in (*ARM_LAYERS, *LEG_LAYERS):
        shared = np.intersect1d(used[TRUNK], used[layer])
        assert len(shared) > 4
        assert (mesh.owner[shared] == TRUNK).all()
        assert (mesh.owner[np.setdiff1d(used[layer], shared)] == layer).all()
        row, column = mesh.points[shared].astype(int)[:, ::-1].T
        reach = distance_to_edge(joined[layer])[row, column]
        assert (reach > -mesh.cell).all()  # a vertex may have been moved onto the outline
    assert len(np.intersect1d(used[ARM_LEFT], used[ARM_RIGHT])) == 0
    nowhere = build_layer_mesh(layers, built[2], np.zeros_like(joined))
    assert len(nowhere.points) > len(mesh.points)
    assert (nowhere.owner[nowhere.faces] == nowhere.layer[:, None]).all()


def test_legs_are_joined_to_the_trunk_around_the_hips():
    body = place(*painted.standing())
    parsed, matte = parse_body(body)
    layers = cut_photo_layers(parsed, matte, body, body)
    hips = [body.joint_pixel(f"hip_{side}") for side in ("left", "right")]
    joined = find_joints(layers, body)
    y, x = np.mgrid[: painted.SIZE[0], : painted.SIZE[1]] + 0.5
    for layer, hip in zip(LEG_LAYERS, hips, strict=True):
        assert ((np.hypot(x - hip[0], y - hip[1]) < HIP_REACH * layers.unit) == joined[layer]).all()
    for layer, zone in zip(ARM_LAYERS, layers.shoulders, strict=True):
        assert (joined[layer] == zone).all()


def test_alphas_are_those_of_the_person_where_a_layer_is_and_none_far_from_it(built):
    layers, joined, alphas, _ = built
    for layer in LAYERS:
        own = distance_to_edge(layers.region[layer])
        assert (alphas[layer] <= layers.alpha).all()
        np.testing.assert_allclose(alphas[layer][own > 3], layers.alpha[own > 3], atol=1e-6)
        away = (own < -3) & ~grow_mask(joined[layer], 3.0) & (layers.owner >= 0)
        if layer not in (TRUNK, SKIRT):  # they go on beneath what is joined to them
            assert away.any()
            assert alphas[layer][away].max() < 0.01
    assert np.stack([alphas[layer] for layer in LAYERS]).max(0)[layers.alpha > 0.5].min() >= 0.5


def test_an_arm_that_is_joined_to_the_trunk_does_not_take_hair_that_hangs_there(built):
    layers, joined, alphas, _ = built
    zone = layers.shoulders[0] & layers.seen(TRUNK) & (alphas[ARM_LEFT] > 0.9) & ~layers.region[ARM_LEFT]
    assert zone.sum() > 20
    covered = replace(layers, kind=np.where(layers.seen(TRUNK), HAIR, layers.kind))
    shared = layer_alphas(covered, joined)[ARM_LEFT][zone & (distance_to_edge(layers.region[ARM_LEFT]) < -3)]
    assert shared.max() < 0.1


def test_an_absent_layer_has_neither_alpha_nor_faces(built):
    layers, joined, _, _ = built
    region = layers.region.copy()
    region[ARM_LEFT] = False
    fewer = replace(layers, region=region)
    alphas = layer_alphas(fewer, joined)
    assert not alphas[ARM_LEFT].any()
    assert not (build_layer_mesh(fewer, alphas, joined).layer == ARM_LEFT).any()
