"""Facts of the poses of people in photos."""

import numpy as np
import pytest
import torch

from motion_imitate import bodies
from motion_imitate.synthesis.poses import PoseSampler
from motion_imitate.synthesis.stances import HAND_PLACES, StanceSampler, StanceSettings, joints_of_bends


@pytest.fixture(scope="module")
def stances() -> StanceSampler:
    return StanceSampler(PoseSampler(bodies.load_body()), StanceSettings(tried=6000))


def joints_of_legs(stances: StanceSampler, change) -> dict[str, torch.Tensor]:
    bends = stances.poses.mean.clone()
    change(np.random.default_rng(0), bends)
    return {name: at[0] for name, at in joints_of_bends(stances.poses, bends[None]).items()}


def test_hands_are_found_at_every_place(stances):
    assert set(stances.found) == set(HAND_PLACES)
    assert all(len(some) for some in stances.found.values())


def test_who_sits_has_the_knees_ahead_at_the_hips_height_and_the_feet_below_them(stances):
    at = joints_of_legs(stances, lambda random, bends: stances.seat_legs(random, bends, 5.0))
    for side in ("L", "R"):
        hip, knee, foot = (at[f"{name}.{side}"] for name in ("upperleg01", "lowerleg01", "foot"))
        assert knee[2] > hip[2] + 0.25
        assert abs(float(knee[1] - hip[1])) < 0.25
        assert foot[1] < knee[1] - 0.2


def test_closed_legs_bring_the_ankles_closer(stances):
    plain = joints_of_legs(stances, lambda random, bends: None)
    closed = joints_of_legs(stances, stances.close_legs)
    apart = [float((at["foot.L"] - at["foot.R"])[0]) for at in (closed, plain)]
    assert apart[0] < apart[1] - 0.03


def test_only_one_leg_is_lifted(stances):
    plain = joints_of_legs(stances, lambda random, bends: None)
    lifted = joints_of_legs(stances, lambda random, bends: stances.lift_leg(random, bends, 1, 90.0, 90.0))
    assert lifted["lowerleg01.R"][1] > plain["lowerleg01.R"][1] + 0.2
    assert torch.equal(lifted["lowerleg01.L"], plain["lowerleg01.L"])
