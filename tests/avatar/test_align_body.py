"""A body whose limbs lie beside what the photo shows is turned towards it."""

import numpy as np
import pytest
import torch

from motion_imitate.avatar.align_body import align_body_to_layers
from motion_imitate.avatar.photo_layers import NO_LAYER, cut_photo_layers
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body
from tests.support import painted
from tests.support.parsed_body import parse_body, place

BODY, CAMERA = painted.standing(0.0)


@pytest.fixture(scope="module")
def truth():
    return place(BODY, CAMERA)


@pytest.fixture(scope="module")
def owner(truth):
    return cut_photo_layers(*parse_body(truth), truth, truth).owner


def turned(**angles):
    """The standing body with joints turned in the picture's plane."""
    pose = BODY.pose.clone()
    for control, angle in angles.items():
        joint = painted.MODEL.controls[control][0]
        pose[:, joint] = pose[:, joint] @ rotation_vector_to_matrix(torch.tensor([0.0, 0.0, angle]))
    return Body(pose, BODY.shape)


def error(body, truth, control):
    """Pixels between a joint and its true place, of the height."""
    return np.linalg.norm(place(body, CAMERA).joint_pixel(control) - truth.joint_pixel(control)) / truth.stature


@pytest.mark.parametrize(("joint", "end"), [("shoulder_left", "wrist_left"), ("hip_right", "ankle_right")])
@pytest.mark.parametrize("angle", [-0.15, 0.15])
def test_a_limb_that_is_turned_wrongly_comes_back(truth, owner, joint, end, angle):
    wrong = turned(**{joint: angle})
    aligned = align_body_to_layers(wrong, place(wrong, CAMERA), owner)
    assert error(aligned, truth, end) < 0.4 * error(wrong, truth, end)


def test_a_body_that_fits_hardly_moves(truth, owner):
    aligned = align_body_to_layers(BODY, truth, owner)
    assert (
        max(error(aligned, truth, f"{end}_{side}") for end in ("wrist", "ankle") for side in ("left", "right")) < 0.006
    )


def test_what_the_photo_does_not_show_stays(truth):
    nothing = np.full(truth.size, NO_LAYER)
    assert align_body_to_layers(BODY, truth, nothing) is BODY
