"""The person of a photo stands upright, and nothing in the photo moves."""

from dataclasses import replace
from math import radians

import pytest
import torch

from motion_imitate.bodies.dress import dress_body, undress_body
from motion_imitate.bodies.skinning import posed_keypoints
from motion_imitate.estimators.rig import Rig
from motion_imitate.estimators.stance import stand_in_photos
from motion_imitate.geometry.camera import project_points
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body
from tests.support.painted import MODEL, SIZE, seen, standing


def bend(body, name, degrees):
    """The body bent forward, evenly over a chain of joints."""
    pose = body.pose.clone()
    joints = list(MODEL.controls[name])
    pose[:, joints] = rotation_vector_to_matrix(torch.tensor([radians(degrees) / len(joints), 0.0, 0.0]))
    return replace(body, pose=pose)


def lean(model, body, low, high):
    """Degrees by which the way from one joint to another leans to the camera."""
    joints = model(body)[1][0]
    _, y, z = (joints[MODEL.controls[high][0]] - joints[MODEL.controls[low][0]]).tolist()
    return float(torch.rad2deg(torch.atan2(torch.tensor(z), torch.tensor(y))))


@pytest.fixture(scope="module")
def crooked():
    """Leaning back from the feet, with the head far forward."""
    body, camera = standing(0.2)
    pose = body.pose.clone()
    pose[:, 0] = rotation_vector_to_matrix(torch.tensor([[-radians(12), 0.0, 0.0]])) @ pose[:, 0]
    return bend(replace(body, pose=pose), "neck", 30), camera


def test_trunk_legs_and_head_come_upright_along_the_viewing_rays(crooked):
    body, camera = crooked
    model, upright, moved = stand_in_photos(MODEL, body, camera)
    for low, high in (("spine_low", "neck"), ("ankle_left", "hip_left")):
        assert abs(lean(model, upright, low, high)) < 0.5 * abs(lean(MODEL, body, low, high))
    assert lean(model, upright, "neck", "head") < lean(MODEL, body, "neck", "head") - 3
    pixels = torch.tensor([SIZE[1], SIZE[0]]) / 2
    for old, new in (
        (MODEL(body), model(upright)),
        ([posed_keypoints(MODEL, body, "blazepose33")], [posed_keypoints(model, upright, "blazepose33")]),
    ):
        for before, after in zip(old, new, strict=True):
            moved_by = (project_points(after, moved) - project_points(before, camera))[0, :, :2] * pixels
            assert moved_by.norm(dim=1).max() < 0.05


def test_who_stands_upright_stays(crooked):
    model, body, camera = stand_in_photos(MODEL, *crooked)
    again, upright, _ = stand_in_photos(model, body, camera)
    for low, high in (("spine_low", "neck"), ("ankle_left", "hip_left")):
        assert abs(lean(again, upright, low, high) - lean(model, body, low, high)) < 3


def test_who_sits_keeps_sitting():
    body, camera = standing()
    for side in ("left", "right"):
        body = bend(bend(body, f"hip_{side}", -80), f"knee_{side}", 80)
    model, after, _ = stand_in_photos(MODEL, body, camera)
    assert lean(model, after, "knee_left", "hip_left") < 0.8 * lean(MODEL, body, "knee_left", "hip_left")


def test_a_pose_is_read_back_from_a_body(crooked):
    body, camera = crooked
    rig = Rig(MODEL)
    state = rig.state(body, camera.place)
    assert torch.allclose(rig.body(state, body.shape).pose, body.pose, atol=1e-5)


def test_clothes_come_off_again():
    body, camera = standing()
    _, matte, _ = seen(body, camera)
    dressed = dress_body(MODEL, Body(body.pose, body.shape), camera, matte)
    assert torch.allclose(undress_body(dressed).skin.template, MODEL.skin.template, atol=1e-6)
    assert undress_body(MODEL) is MODEL
