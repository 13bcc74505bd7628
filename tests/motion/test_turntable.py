"""A person who stands still, seen from several sides."""

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.geometry.camera import body_to_camera, project_points
from motion_imitate.motion.feet import build_foot_skeleton, sole_points
from motion_imitate.motion.turntable import change_field_of_view, orbit_rotations, pose_person, turn_person
from motion_imitate.types import cat_batched
from tests.support.painted import MODEL, standing


def test_azimuth_0_is_the_photos_view_and_360_is_the_same():
    body, camera = standing(0.3)
    turn = cat_batched(list(turn_person(body, camera, (0.0, 180.0, 360.0, -360.0), 10.0, run=3)))
    assert_close(turn.seconds, torch.arange(4) / 10)
    for same in (0, 2, 3):
        assert torch.equal(turn.body.pose[same : same + 1], body.pose)
    assert_close(turn.body.pose[1, 0] @ body.pose[0, 0].mT, torch.diag(torch.tensor([-1.0, 1, -1])), atol=1e-5, rtol=0)


def test_azimuth_90_shows_the_right_side():
    body, camera = standing()
    turn = next(iter(turn_person(body, camera, (90.0,))))
    joints = body_to_camera(MODEL(turn.body)[1], turn.camera)[0]
    near, far = (joints[MODEL.controls[f"shoulder_{side}"][0]] for side in ("right", "left"))
    assert near[2] < far[2] - 0.2


def test_nothing_but_the_root_turns_and_it_stays_in_its_place():
    body, camera = standing()
    turn = cat_batched(list(turn_person(body, camera, map(float, range(0, 360, 45)), elevation=20.0)))
    assert_close(turn.body.pose[:, 1:], body.pose[:, 1:].expand(8, -1, -1, -1))
    assert_close(turn.camera.place, camera.place.expand(8, -1))
    roots = body_to_camera(MODEL(turn.body)[1], turn.camera)[:, 0]
    assert_close(roots, roots[:1].expand_as(roots))


def test_a_camera_above_sees_the_head_nearer_than_the_feet():
    up = torch.tensor([0.0, 1.0, 0.0])
    for azimuth in (0.0, 90.0, 150.0):
        seen = orbit_rotations(torch.tensor([azimuth]), 20.0)[0] @ up
        assert seen[2] > 0.3  # z of body space comes towards the camera
        assert_close(seen.norm(), torch.tensor(1.0))


def test_a_field_of_view_keeps_the_persons_size_and_changes_their_depth():
    body, camera = standing()
    narrow = change_field_of_view(camera, 20.0)
    assert float(2 * torch.rad2deg(torch.atan(1 / narrow.focal.amin()))) == pytest.approx(20.0, abs=1e-3)
    roots = [project_points(torch.zeros(1, 1, 3), each)[0, 0] for each in (camera, narrow)]
    assert_close(roots[0][:2], roots[1][:2])
    heights = [project_points(MODEL(body)[0], each)[0, :, 1].aminmax() for each in (camera, narrow)]
    assert float(heights[1].max - heights[1].min) == pytest.approx(float(heights[0].max - heights[0].min), rel=0.05)
    assert narrow.place[0, 2] > 3 * camera.place[0, 2]


@pytest.mark.parametrize(("pose", "drop"), [("a", 1.0), ("t", 0.0)])
def test_straight_poses_face_the_camera_with_arms_out_on_the_same_ground(pose, drop):
    body, camera = standing(0.6)
    straight, moved = pose_person(MODEL, body, camera, pose)
    joints = MODEL(straight)[1][0]
    for side, sign in (("left", 1), ("right", -1)):
        shoulder, elbow, wrist = (
            joints[MODEL.controls[f"{bend}_{side}"][0]] for bend in ("shoulder", "elbow", "wrist")
        )
        for bone in (elbow - shoulder, wrist - elbow):
            assert_close(bone[1], -drop * sign * bone[0], atol=1e-4, rtol=0)
            assert sign * bone[0] > 0
            assert abs(bone[2]) < 1e-4
    legs = build_foot_skeleton(MODEL)
    grounds = [
        float((each.place[:, 1] - sole_points(legs, one)[..., 1].amin(1))[0])
        for one, each in ((body, camera), (straight, moved))
    ]
    assert grounds[1] == pytest.approx(grounds[0], abs=1e-4)
    assert pose_person(MODEL, body, camera, "photo") == (body, camera)
