"""Measures whose answers are known without measuring."""

from math import cos, sin

import pytest
import torch

from motion_imitate.metrics.motion import (
    acceleration_error,
    foot_sliding_speed,
    mean_joint_error,
    mean_mask_iou,
    procrustes_align,
    relative_to_root,
)

FRAMES, JOINTS = 6, 12


def normal(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotations(count, seed=0):
    q, r = torch.linalg.qr(normal(count, 3, 3, seed=seed))
    q = q * r.diagonal(dim1=1, dim2=2).sign()[:, None]
    return q * torch.det(q)[:, None, None]


def moved(joints):
    """Turned, scaled and shifted, each frame otherwise."""
    scale = torch.linspace(0.5, 2, len(joints)).double()[:, None, None]
    return scale * joints @ rotations(len(joints)) + normal(len(joints), 1, 3, seed=1)


@pytest.fixture
def joints():
    return normal(FRAMES, JOINTS, 3, seed=2)


def test_alignment_undoes_turn_scale_and_shift(joints):
    assert mean_joint_error(moved(joints), joints) > 1
    torch.testing.assert_close(procrustes_align(moved(joints), joints), joints)


def test_alignment_does_not_depend_on_how_the_joints_were_turned(joints):
    truth = joints + 0.1 * normal(*joints.shape, seed=3)
    torch.testing.assert_close(procrustes_align(moved(joints), truth), procrustes_align(joints, truth))


def test_alignment_does_not_mirror(joints):
    mirrored = joints * torch.tensor([-1.0, 1, 1]).double()
    assert mean_joint_error(procrustes_align(mirrored, joints), joints) > 0.1


def test_no_other_turn_scale_or_shift_comes_nearer(joints):
    truth = joints + 0.3 * normal(*joints.shape, seed=4)

    def square(x):
        return (x - truth).square().sum((1, 2))

    best = procrustes_align(moved(joints), truth)
    for small in (0.01, -0.01):
        about = torch.tensor([[cos(small), -sin(small), 0], [sin(small), cos(small), 0], [0, 0, 1]]).double()
        for axis in range(3):
            turned = best @ about.roll((axis, axis), (0, 1))
            turned = turned - turned.mean(1, keepdim=True) + best.mean(1, keepdim=True)
            assert (square(turned) > square(best)).all()
        assert (square(best + small) > square(best)).all()
        middle = best.mean(1, keepdim=True)
        assert (square(middle + (1 + small) * (best - middle)) > square(best)).all()


def test_flat_poses_are_aligned_too(joints):
    flat = joints * torch.tensor([1.0, 1, 0]).double()
    torch.testing.assert_close(procrustes_align(moved(flat), flat), flat)


def test_mean_error_is_a_length(joints):
    assert mean_joint_error(joints, joints) == 0
    assert mean_joint_error(joints + torch.tensor([3.0, 0, 4]).double(), joints) == pytest.approx(5)
    half = joints.clone()
    half[:, : JOINTS // 2, 1] += 2
    assert mean_joint_error(half, joints) == pytest.approx(1)


def test_from_the_root_a_shift_is_gone(joints):
    shifted = joints + normal(FRAMES, 1, 3, seed=5)
    torch.testing.assert_close(relative_to_root(shifted, (3, 7)), relative_to_root(joints, (3, 7)))
    assert relative_to_root(joints, (3, 7))[:, [3, 7]].mean(1).abs().max() < 1e-12


def test_acceleration_error_does_not_see_place_or_velocity_but_sees_acceleration(joints):
    rate = 25.0
    t = torch.arange(FRAMES).double()[:, None, None] / rate
    drifting = joints + normal(1, JOINTS, 3, seed=6) + t * normal(1, JOINTS, 3, seed=7)
    assert acceleration_error(drifting, joints, rate) == pytest.approx(0, abs=1e-9)
    falling = joints + 0.5 * 9.81 * t * t * torch.tensor([0, 1.0, 0]).double()
    assert acceleration_error(falling, joints, rate) == pytest.approx(9.81)


def squares(*corners):
    """Ten pixels square each, in a picture of 40."""
    out = torch.zeros(len(corners), 40, 40, dtype=torch.bool)
    for picture, (y, x) in zip(out, corners, strict=True):
        picture[y : y + 10, x : x + 10] = True
    return out


def test_overlap_of_squares():
    here, half, elsewhere = squares((5, 5)), squares((5, 10)), squares((25, 25))
    assert mean_mask_iou(here, here) == 1
    assert mean_mask_iou(here, elsewhere) == 0
    assert mean_mask_iou(here, half) == mean_mask_iou(half, here) == pytest.approx(50 / 150)
    assert mean_mask_iou(torch.cat([here, here]), torch.cat([here, elsewhere])) == pytest.approx(0.5)


def test_feet_slide_only_while_they_stand():
    rate = 30.0
    feet = torch.zeros(5, 2, 3)
    feet[:, 0, 0] = 0.01 * torch.arange(5)  # 0.3 m/s
    feet[:, 1, 2] = torch.tensor([0, 0, 0, 1.0, 2.0])  # stands still, then is lifted
    both = torch.tensor([[True, True], [True, True], [True, False], [True, False]])
    assert foot_sliding_speed(feet, both, rate) == pytest.approx(0.3 * 4 / 6)
    assert foot_sliding_speed(feet, torch.stack([torch.zeros(4).bool(), both[:, 1]], 1), rate) == 0
    assert foot_sliding_speed(feet + 5, both, rate) == pytest.approx(0.2, rel=1e-4)
