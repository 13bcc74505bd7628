"""A camera that goes once round a person: where it is at which frame."""

from math import pi

import torch
from torch.testing import assert_close

from motion_imitate.geometry.camera import body_to_camera
from motion_imitate.motion.turntable import circle_person, orbit_rotations
from motion_imitate.types import cat_batched
from tests.support.painted import MODEL, standing


def test_the_first_frame_is_the_photo_and_the_camera_comes_back_to_it():
    body, camera = standing(0.3)
    turn = cat_batched(list(circle_person(body, camera, 40, 10.0)))
    assert len(turn) == 40
    assert_close(turn.body.pose[:1], body.pose)
    assert_close(turn.seconds, torch.arange(40) / 10)
    half = turn.body.pose[20, 0] @ body.pose[0, 0].mT
    assert_close(half, torch.diag(torch.tensor([-1.0, 1.0, -1.0])), atol=1e-5, rtol=0)


def test_nothing_but_the_root_turns_and_it_stays_in_its_place():
    body, camera = standing()
    turn = cat_batched(list(circle_person(body, camera, 8, 10.0, elevation=20.0)))
    assert_close(turn.body.pose[:, 1:], body.pose[:, 1:].expand(8, -1, -1, -1))
    assert_close(turn.camera.place, camera.place.expand(8, -1))
    roots = body_to_camera(MODEL(turn.body)[1], turn.camera)[:, 0]
    assert_close(roots, roots[:1].expand_as(roots))


def test_a_camera_above_sees_the_head_nearer_than_the_feet():
    up = torch.tensor([0.0, 1.0, 0.0])
    for azimuth in (0.0, pi / 2, 2.5):
        seen = orbit_rotations(torch.tensor([azimuth]), 0.4)[0] @ up
        assert seen[2] > 0.3  # z of body space comes towards the camera
        assert_close(seen.norm(), torch.tensor(1.0))
