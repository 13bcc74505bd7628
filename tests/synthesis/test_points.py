"""People made up: the same for the same seed, and seen with the errors that are stated, no more and no less."""

from math import log

import pytest
import torch

from motion_imitate.bodies import load_body
from motion_imitate.estimators.pose_prior import build_pose_prior
from motion_imitate.estimators.rig import Rig
from motion_imitate.estimators.terms import FITTED_LANDMARKS, HIP_ROWS, landmark_trust, rotation_towards_ray
from motion_imitate.geometry.rotations import matrix_to_rotation_vector
from motion_imitate.synthesis import points
from motion_imitate.synthesis.points import GUESS_TILT, LIMB_DEPTH_ERRORS, TRUNK_DEPTH_ERROR
from tests.support.synthetic_scenes import crowd

MANY = 3000


@pytest.fixture(scope="module")
def rig():
    return Rig(load_body("anny"))


@pytest.fixture(scope="module")
def people(rig):
    return crowd(rig).draw(MANY)


def test_the_same_seed_draws_the_same_people_and_another_does_not(rig):
    one, same, other = (crowd(rig, seed).draw(20) for seed in (3, 3, 4))
    assert all(torch.equal(getattr(one, name), getattr(same, name)) for name in ("points", "aim", "weight", "world"))
    assert torch.equal(one.state.bends, same.state.bends)
    assert not torch.isclose(one.points, other.points).all(dim=(1, 2)).any()


def test_a_crowd_does_not_repeat_itself(rig):
    drawn = crowd(rig)
    one, next_ = drawn.draw(20), drawn.draw(20)
    assert not torch.isclose(one.points, next_.points).all(dim=(1, 2)).any()


def test_points_are_those_of_the_body_that_is_told(rig, people):
    shape = torch.nn.functional.pad(people.shape, (0, len(rig.offset) - 1 - people.shape.shape[1]))
    at = rig.place(crowd(rig).points, people.state, shape)
    torch.testing.assert_close(at, people.points, atol=1e-5, rtol=0)


def test_points_are_seen_where_they_are_with_the_stated_errors(people):
    true = people.points[..., :2] / people.points[..., 2:].clamp(min=0.3)
    size = (true.amax(1) - true.amin(1)).amax(-1)
    off = (people.aim - true) / size[:, None, None]
    clear = people.weight > 0.99 * landmark_trust(FITTED_LANDMARKS)
    assert 0.85 < clear.float().mean() < 0.91  # 12 % are hardly visible
    count = clear.sum(1)
    each = (off.square().sum(-1) * clear).sum(1).div(2 * count).sqrt()  # a person's standard error
    assert each.log().median().item() == pytest.approx(log(0.006), abs=0.06)
    assert each.log().std().item() == pytest.approx(0.6, abs=0.05)
    faint = off[~clear].square().mean().sqrt().item()
    assert faint == pytest.approx((0.03**2 + each.square().mean().item()) ** 0.5, rel=0.06)
    assert off[clear].mean(0).abs().max() < 1e-3  # to no side


def test_hinges_stay_within_their_limits(rig, people):
    usual = build_pose_prior(rig.model)
    hinged = usual.hinge.norm(dim=-1) > 0.5
    bend = (people.state.bends * usual.hinge).sum(-1)[:, hinged]
    assert hinged.sum() == 4
    assert (bend >= usual.least[hinged] - 1e-5).all()
    assert (bend <= usual.most[hinged] + 1e-5).all()
    assert (bend.amax(0) - bend.amin(0) > 0.8).all()  # and use them


def ahead(people):
    """The truth and the guess about the hips, in the axes of a camera that looks straight at the person."""
    ray = rotation_towards_ray(people.state.place[:, :2] / people.state.place[:, 2:])
    true = people.points - people.points[:, HIP_ROWS].mean(1, keepdim=True)
    return true @ ray, people.world @ ray


def test_guesses_in_depth_are_off_limb_by_limb_by_the_stated_metres(rig, monkeypatch):
    monkeypatch.setattr(points, "GUESS_TILT", (0.0, 0.0, 0.0))
    true, guess = ahead(crowd(rig).draw(MANY))
    off = (guess - true)[..., 2]
    for side in (0, 1):
        carried = 0.0
        for number, (moved, error) in enumerate(LIMB_DEPTH_ERRORS):
            carried = (carried if number % 2 else 0) + error**2
            for k in moved:
                column = FITTED_LANDMARKS.index(k + side)
                trunk = TRUNK_DEPTH_ERROR[1] ** 2 if k in TRUNK_DEPTH_ERROR[0] else 0
                scale = (0.06 * true[:, column, 2]).square().mean().item()
                assert off[:, column].std().item() == pytest.approx(
                    (carried + trunk + scale + 1.5 * 0.02**2) ** 0.5, rel=0.06
                )
    lower, upper = (off[:, FITTED_LANDMARKS.index(k)] for k in (15, 13))
    assert (lower - upper).std().item() == pytest.approx(
        LIMB_DEPTH_ERRORS[1][1], rel=0.1
    )  # a wrist errs with its elbow
    across = (guess - true)[..., :2].std().item()
    assert across < 0.04


def test_guesses_are_turned_as_a_whole_by_the_stated_angles(rig, monkeypatch):
    monkeypatch.setattr(points, "LIMB_DEPTH_ERRORS", ())
    monkeypatch.setattr(points, "TRUNK_DEPTH_ERROR", (TRUNK_DEPTH_ERROR[0], 0.0))
    true, guess = ahead(crowd(rig).draw(MANY))
    u, _, vt = torch.linalg.svd(true.mT @ guess)
    turned = (u @ torch.diag_embed(torch.stack([*[torch.ones(MANY)] * 2, torch.det(u @ vt)], -1)) @ vt).mT
    torch.testing.assert_close(
        matrix_to_rotation_vector(turned).std(0), torch.tensor(GUESS_TILT), rtol=0.08, atol=0.005
    )


def test_guesses_are_about_the_hips(people):
    assert people.world[:, HIP_ROWS].mean(1).abs().max() < 1e-5
