"""A body without a lifter is posed by its limbs' directions, however it stands or lies."""

import torch

from motion_imitate.bodies import load_body, stored
from motion_imitate.estimators.fitter import Fitter, blazepose_points
from motion_imitate.estimators.limb_lift import lift_limbs, rotation_between_points
from motion_imitate.estimators.pose_prior import build_pose_prior
from motion_imitate.estimators.rig import BENDS, PoseState, Rig
from motion_imitate.estimators.terms import FITTED_LANDMARKS, HIP_ROWS, PoseEvidence
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from tests.support.small_smpl import converted

FRAMES = 6


def evidence(world):
    one = torch.ones(len(world), len(FITTED_LANDMARKS), dtype=torch.float64)
    return PoseEvidence(world[..., :2], one[:, 0], one, world, one, one[:, 0], torch.arange(len(world)).double())


def test_turned_points_are_turned_back():
    random = torch.Generator().manual_seed(0)
    points = torch.randn(FRAMES, 4, 3, generator=random)
    turns = rotation_vector_to_matrix(2 * torch.randn(FRAMES, 3, generator=random))
    torch.testing.assert_close(rotation_between_points(points, points @ turns.mT + 3), turns, atol=1e-5, rtol=0)


def test_poses_of_any_kind_are_found_to_centimetres(tmp_path):
    for model in (load_body("anny"), stored.read_body_file(converted(tmp_path))):
        rig, habits = Rig(model), build_pose_prior(model)
        points = blazepose_points(rig)
        random = torch.Generator().manual_seed(1)
        bends = habits.mean + 0.5 * torch.randn(FRAMES, len(BENDS), 3, generator=random).double() * (
            torch.linalg.inv(habits.precision).diagonal(dim1=1, dim2=2).sqrt()
        )
        roots = rotation_vector_to_matrix(2 * torch.randn(FRAMES, 3, generator=random).double())
        shape = torch.zeros(1, len(points.arm_dirs), dtype=torch.float64)
        at = rig.place(points, PoseState(roots[:, 0] * 0, roots, bends), shape)
        world = at - at[:, HIP_ROWS].mean(1, keepdim=True)
        found = rig.place(points, lift_limbs(rig, points, habits, evidence(world)), shape)
        found = found - found[:, HIP_ROWS].mean(1, keepdim=True)
        assert (found - world).norm(dim=-1).mean() < 0.03


def test_a_fitter_of_a_body_without_a_lifter_places_it_at_the_landmarks(tmp_path):
    fitter = Fitter(stored.read_body_file(converted(tmp_path)))
    shape = torch.zeros(fitter.shapes, dtype=torch.float64)
    upright = torch.diag(torch.tensor([1.0, -1, -1])).double().expand(FRAMES, 3, 3)
    place = torch.tensor([0.3, 0.1, 4]).double().expand(FRAMES, 3)
    truth = PoseState(place, upright, fitter.habits.mean.expand(FRAMES, -1, -1))
    at = fitter.rig.place(fitter.points, truth, shape[None])
    seen = evidence(at - at[:, HIP_ROWS].mean(1, keepdim=True))
    seen = PoseEvidence(**(vars(seen) | {"aim": at[..., :2] / at[..., 2:]}))
    found, shape = fitter.lift(seen)
    assert not shape.any()
    assert (found.place - place).norm(dim=1).max() < 0.1
