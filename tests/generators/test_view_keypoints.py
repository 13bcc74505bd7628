"""Keypoints and face of a view are those of the body, and hidden where the body hides them."""

import math

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.bodies.skinning import local_to_global
from motion_imitate.generators.view_keypoints import ViewKeypoints
from motion_imitate.geometry.camera import project_points
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from tests.support.painted import MODEL, standing

SIZE = (320, 240)
KEYPOINTS = ViewKeypoints.of(MODEL)


@pytest.mark.parametrize("yaw", [0.0, 2.2])
def test_points_are_the_bodys_with_their_offsets_wherever_it_turns(yaw):
    body, camera = standing(yaw, 0.4, SIZE)
    points, _ = KEYPOINTS.read(view_of_body(MODEL, rasterize, body, camera, SIZE))
    offsets, joints = MODEL.keypoint_offsets
    turns = local_to_global(body.pose, MODEL.skin.parents)[:, joints]
    at = MODEL.keypoints("blazepose33") @ MODEL(body)[0] + (turns @ offsets[..., None])[..., 0]
    assert_close(points, project_points(at, camera)[..., :2], atol=0.02, rtol=0)


def test_a_nose_is_seen_from_the_front_alone():
    seen = [
        KEYPOINTS.read(view_of_body(MODEL, rasterize, *standing(yaw, 0.0, SIZE), SIZE))[1] for yaw in (0.0, math.pi)
    ]
    assert seen[0][0, 0] == 1
    assert seen[1][0, 0] == 0


@pytest.mark.parametrize(("yaw", "least", "most"), [(0.0, 0.8, 1.0), (1.57, -0.4, 0.4), (math.pi, -1.0, -0.8)])
def test_a_face_looks_where_the_head_does(yaw, least, most):
    box, turned = KEYPOINTS.read_face(view_of_body(MODEL, rasterize, *standing(yaw, 0.0, SIZE), SIZE))
    assert least <= float(turned) <= most
    nose = KEYPOINTS.read(view_of_body(MODEL, rasterize, *standing(0.0, 0.0, SIZE), SIZE))[0][0, 0]
    if yaw == 0:
        assert bool(((nose > box[0, :2]) & (nose < box[0, 2:])).all())


def test_every_point_is_a_mean_of_vertices():
    assert len(KEYPOINTS.corners) < len(MODEL.skin.template)
    assert_close(KEYPOINTS.blend.sum(1), torch.ones(33), atol=1e-4, rtol=0)
