"""Keypoints become images: where they are, how large, and only those that are there."""

import torch
from torch.testing import assert_close

from motion_imitate.bodies.keypoints import KEYPOINT_SETS
from motion_imitate.generators.pose_maps import (
    NECK,
    POSE_LIMBS,
    draw_disc_maps,
    draw_gaussian_maps,
    draw_pose_mask,
    openpose_points,
)

SIZE = (128, 96)
NAMES = KEYPOINT_SETS["openpose18"]


def test_points_are_openposes_and_the_neck_is_between_the_shoulders():
    points, visible = torch.rand(2, 33, 2) - 0.5, torch.ones(2, 33)
    found, present = openpose_points(points, visible)
    blaze = dict(zip(KEYPOINT_SETS["blazepose33"], points.unbind(1), strict=True))
    assert present.all()
    for name, point in zip(NAMES, found.unbind(1), strict=True):
        assert_close(point, blaze[name] if name != "neck" else (blaze["shoulder_left"] + blaze["shoulder_right"]) / 2)


def test_points_outside_the_picture_and_hidden_ones_of_the_head_are_absent():
    points, visible = torch.zeros(1, 33, 2), torch.zeros(1, 33)
    points[0, KEYPOINT_SETS["blazepose33"].index("ankle_left")] = torch.tensor([0.0, 1.1])
    present = openpose_points(points, visible)[1][0]
    absent = {name for name, there in zip(NAMES, present.tolist(), strict=True) if not there}
    assert absent == {"nose", "eye_left", "eye_right", "ear_left", "ear_right", "ankle_left"}


def test_a_disc_has_the_published_radius_and_values():
    points = torch.tensor([[[0.0, 0.0], [0.5, 0.5]]])
    maps = draw_disc_maps(points, torch.tensor([[True, False]]), SIZE)
    assert set(maps.unique().tolist()) == {-1.0, 1.0}
    rows, columns = (maps[0, 0] > 0).nonzero().unbind(1)
    assert len(rows) == 49  # pixels within 4 of a pixel
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (60, 68, 44, 52)
    assert (maps[0, 1] == -1).all()


def test_a_gaussian_falls_to_a_known_height():
    maps = draw_gaussian_maps(torch.zeros(1, 2, 2), torch.tensor([[True, False]]), SIZE, 6.0)[0]
    assert maps[0, 64, 48] == 1
    assert_close(maps[0, 64, 54], torch.tensor(-0.5).exp())
    assert maps[1].abs().max() == 0


def test_the_pose_mask_joins_23_limbs():
    assert len(set(POSE_LIMBS)) == 23
    points, present = torch.zeros(1, 18, 2), torch.zeros(1, 18, dtype=torch.bool)
    hip, knee = NAMES.index("hip_left"), NAMES.index("knee_left")
    points[0, knee] = torch.tensor([0.0, 0.5])
    present[0, [hip, knee]] = True
    mask = draw_pose_mask(points, present, SIZE)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    rows, columns = mask[0, 0].nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (60, 100, 44, 52)
    assert mask[0, 0, 64:97, 45:52].all()  # without gaps
    present[0, knee] = False
    assert draw_pose_mask(points, present, SIZE).sum() == 0
    assert NAMES[NECK] == "neck"


def test_points_at_the_border_are_drawn_as_far_as_they_go():
    points = torch.full((1, 18, 2), 0.999)
    present = torch.ones(1, 18, dtype=torch.bool)
    assert draw_pose_mask(points, present, SIZE)[0, 0, -5:, -5:].sum() > 15
    assert (draw_disc_maps(points, present, SIZE)[0, 0] > 0).sum() == 17
