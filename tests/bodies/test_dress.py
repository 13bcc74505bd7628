"""A body is dressed until its outline is that of the person in the photo."""

import pytest
import torch

from motion_imitate.bodies.dress import add_vertex_bumps, bare_vertices, dress_body, region_vertices
from motion_imitate.bodies.skinning import rest_shape
from motion_imitate.geometry.mesh import vertex_normals
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.metrics.motion import mean_mask_iou
from tests.support.painted import MODEL, SIZE, standing


def outline(model, body, camera):
    return (view_of_body(model, rasterize, body, camera, SIZE).raster.face >= 0)[:, None].float()


@pytest.fixture(scope="module")
def clothed():
    """Wide trousers and a jacket: legs and trunk 4 cm thicker."""
    outward = vertex_normals(rest_shape(MODEL.skin, torch.zeros(1, len(MODEL.skin.shape_dirs)))[0], MODEL.faces)[0]
    loose = (
        (region_vertices(MODEL, "lower") | region_vertices(MODEL, "upper"))
        & ~bare_vertices(MODEL)
        & ~region_vertices(MODEL, "feet")
    )
    return add_vertex_bumps(MODEL, 0.04 * loose[:, None] * outward)


def test_the_outline_meets_that_of_a_clothed_person(clothed):
    body, camera = standing()
    matte = outline(clothed, body, camera)
    naked = mean_mask_iou(outline(MODEL, body, camera)[:, 0] > 0, matte[:, 0] > 0)
    dressed = mean_mask_iou(outline(dress_body(MODEL, body, camera, matte), body, camera)[:, 0] > 0, matte[:, 0] > 0)
    assert naked < 0.85
    assert dressed > 0.95


def test_a_naked_person_is_left_as_he_is():
    body, camera = standing()
    dressed = dress_body(MODEL, body, camera, outline(MODEL, body, camera))
    moved = (dressed.skin.template - MODEL.skin.template).norm(dim=1)
    assert moved.mean() < 0.005
    assert moved.max() < 0.03


def test_hands_and_face_stay(clothed):
    body, camera = standing()
    dressed = dress_body(MODEL, body, camera, outline(clothed, body, camera))
    moved = (dressed.skin.template - MODEL.skin.template).norm(dim=1)
    assert moved[bare_vertices(MODEL)].mean() < 0.003
    assert moved[region_vertices(MODEL, "lower")].mean() > 0.015


def test_clothes_are_alike_on_both_sides(clothed):
    body, camera = standing(0.5)
    dressed = dress_body(MODEL, body, camera, outline(clothed, body, camera))
    moved = (dressed.skin.template - MODEL.skin.template).norm(dim=1)
    assert (moved - moved[MODEL.mirror_vertices]).abs().mean() < 0.006
