"""Legs that reach: the foot gets where it should, and nothing else changes."""

import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.motion.feet import build_foot_skeleton, sole_points
from motion_imitate.motion.leg_ik import solve_legs
from motion_imitate.types import Body
from tests.support.box_body import NAMES, BoxBody
from tests.support.walk import walk

MODEL = BoxBody()
LEGS = build_foot_skeleton(MODEL)


def walking() -> Body:
    """A walk, leaning and turned, on legs of another length."""
    body = walk(torch.arange(20) / 12)[0].body
    turned = body.pose.clone()
    turned[:, 0] = rotation_vector_to_matrix(
        torch.randn(20, 3, generator=torch.Generator().manual_seed(4)).double()
    ).float()
    return Body(turned, torch.tensor([[0.5, 1.0, -0.5]]).expand(20, 3))


def test_no_shift_changes_nothing():
    body = walking()
    assert_close(solve_legs(LEGS, body, torch.zeros(20, 2, 3).double()).pose, body.pose, atol=1e-6, rtol=0)


@pytest.mark.parametrize("reach", [0.01, 0.04])
def test_feet_get_where_they_should_and_point_as_they_did(reach):
    body = walking()
    shifts = reach * torch.randn(20, 2, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64).clamp(-1, 1)
    hips = MODEL(body)[1][:, [NAMES.index("hip_left"), NAMES.index("hip_right")]]
    ankles = MODEL(body)[1][:, [NAMES.index("ankle_left"), NAMES.index("ankle_right")]]
    length = 0.8 * (1.05 + 0.1) - 0.5 * 0.04  # of these legs
    possible = (ankles + shifts.float() - hips).norm(dim=-1) < 0.999 * length
    assert possible.float().mean() > 0.9
    moved = sole_points(LEGS, solve_legs(LEGS, body, shifts)) - sole_points(LEGS, body)
    wanted = shifts.repeat_interleave(2, 1)
    seen = possible.repeat_interleave(2, 1)
    assert_close(moved[seen], wanted[seen], atol=1e-5, rtol=0)


def test_only_hips_knees_and_ankles_turn_and_knees_keep_their_hinge():
    body = walking()
    pose = solve_legs(LEGS, body, torch.full((20, 2, 3), 0.03).double()).pose
    others = [i for i, name in enumerate(NAMES) if not name.startswith(("hip", "knee", "ankle"))]
    assert torch.equal(pose[:, others], body.pose[:, others])
    knees = pose[:, [NAMES.index("knee_left"), NAMES.index("knee_right")]]
    assert_close(knees[..., 0, 0], torch.ones(20, 2), atol=1e-4, rtol=0)  # about x alone, as in the walk
    assert (knees[..., 2, 1] > -1e-4).all()  # and never forward


def test_a_foot_out_of_reach_is_reached_for():
    body = Body(MODEL.relaxed[None], torch.zeros(1, 3))
    pose = solve_legs(LEGS, body, torch.tensor([[[0.0, -1.0, 0.0], [0.0, 0.0, 0.6]]]).double()).pose
    straight = MODEL(Body(pose, body.shape))[1][0]
    assert_close(straight[NAMES.index("ankle_left")], torch.tensor([0.1, -0.85, 0.0]), atol=1e-3, rtol=0)
    thrust = straight[NAMES.index("ankle_right")] - straight[NAMES.index("hip_right")]
    assert_close(thrust / thrust.norm(), torch.tensor([0.0, -0.8, 0.6]), atol=1e-3, rtol=0)


def test_on_the_shipped_body_too():
    """There the skin of a heel hangs a little on the shin: a few millimetres from the mesh."""
    model = bodies.load_body("anny")
    legs, noise = build_foot_skeleton(model), torch.Generator().manual_seed(8)
    pose = model.relaxed.repeat(6, 1, 1, 1).clone()
    bent = [
        0,
        *(
            joint
            for name in ("hip", "ankle")
            for side in ("left", "right")
            for joint in model.controls[f"{name}_{side}"]
        ),
    ]
    pose[:, bent] = rotation_vector_to_matrix(
        0.4 * torch.randn(6, len(bent), 3, generator=noise, dtype=torch.float64)
    ).float()
    for side in ("left", "right"):
        flex = torch.tensor([0.6, 0.0, 0.0]).expand(6, 3)
        pose[:, model.controls[f"knee_{side}"][0]] = rotation_vector_to_matrix(flex)
    body = Body(pose, 0.5 * torch.randn(1, model.skin.shape_dirs.shape[0], generator=noise).expand(6, -1))
    from_mesh = torch.einsum("kv,bvi->bki", model.keypoints("blazepose33")[[29, 31, 30, 32]], model(body)[0])
    assert (sole_points(legs, body) - from_mesh).norm(dim=-1).max() < 0.008
    shifts = 0.03 * torch.randn(6, 2, 3, generator=noise, dtype=torch.float64)
    moved = model(solve_legs(legs, body, shifts))[1] - model(body)[1]
    ankles = [model.controls["ankle_left"][0], model.controls["ankle_right"][0]]
    assert_close(moved[:, ankles].double(), shifts, atol=1e-5, rtol=0)
