"""What is known beforehand of a photo whose person will look wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from motion_imitate.avatar.avatar import BodyHand
from motion_imitate.avatar.photo_faults import find_photo_faults, shoulder_turn
from motion_imitate.avatar.photo_layers import ARM_LEFT, LEG_LAYERS, LEG_RIGHT, cut_photo_layers
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body
from tests.support import painted
from tests.support.parsed_body import parse_body, place


@pytest.fixture(scope="module")
def standing():
    body = place(*painted.standing(0.0))
    return body, cut_photo_layers(*parse_body(body), body, body)


def test_nothing_is_wrong_with_a_person_who_stands_in_front_of_the_camera(standing):
    body, layers = standing
    assert find_photo_faults(layers, body) == ()


def test_a_hidden_arm_and_a_hidden_hand_are_named_by_their_side(standing):
    body, layers = standing
    assert "too little is seen of the left arm, which" in find_photo_faults(layers, body, plain=[ARM_LEFT])[0]
    assert "of the left arm and the right leg, which" in find_photo_faults(layers, body, [ARM_LEFT, LEG_RIGHT])[0]
    lost = replace(layers, lost_hands=(ARM_LEFT,))
    assert "the left hand is hidden, so it will be missing" in find_photo_faults(lost, body)[0]
    elbow, wrist = (painted.MODEL.controls[f"{name}_left"][0] for name in ("elbow", "wrist"))
    (drawn,) = find_photo_faults(lost, body, hands=[BodyHand(elbow, wrist, 1.0, False)])
    assert "the left hand is hidden, so a plain one in the face's colour will appear" in drawn


@pytest.mark.parametrize("yaw", [0.3, -0.9, 2.5])
def test_the_turn_of_the_shoulders_is_that_of_the_body(yaw):
    body = place(*painted.standing(yaw))
    assert shoulder_turn(body) == pytest.approx(abs(np.degrees(yaw)), abs=8)


def test_a_turned_person_and_a_sitting_one_are_told(standing):
    _, layers = standing
    assert "turned" in find_photo_faults(layers, place(*painted.standing(1.0)))[0]
    body, camera = painted.standing(0.0)
    pose = body.pose.clone()
    pose[:, painted.MODEL.controls["neck"][0]] = rotation_vector_to_matrix(torch.tensor([0.0, 0.8, 0.0]))
    assert "the head is turned" in find_photo_faults(layers, place(Body(pose, body.shape), camera))[0]
    pose = body.pose.clone()
    for side in ("left", "right"):
        pose[:, painted.MODEL.controls[f"hip_{side}"][0]] = rotation_vector_to_matrix(torch.tensor([-1.4, 0.0, 0.0]))
    sitting = place(Body(pose, body.shape), camera)
    assert "sits" in find_photo_faults(layers, sitting)[0]
    assert "sits" not in find_photo_faults(layers, sitting, plain=LEG_LAYERS)[0]
