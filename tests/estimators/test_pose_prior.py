"""What is usual is usual on both sides, and hinges go where people's do."""

from math import radians

import pytest
import torch

from motion_imitate.bodies import load_body
from motion_imitate.estimators.pose_prior import build_pose_prior
from motion_imitate.estimators.rig import BENDS, PoseState, Rig
from motion_imitate.synthesis.mocap import mirror_motion

BODIES = ("anny",)
UPRIGHT = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))
ACROSS = torch.tensor([1.0, -1, -1]).double()  # what a mirror makes of rotation vectors
HINGES = [f"{joint}_{side}" for joint in ("elbow", "knee") for side in ("left", "right")]


@pytest.fixture(scope="module", params=BODIES)
def rig(request):
    return Rig(load_body(request.param))


@pytest.fixture(scope="module")
def usual(rig):
    return build_pose_prior(rig.model)


def joints(rig, bent):
    """By name, in body space."""
    state = PoseState(torch.zeros(1, 3).double(), UPRIGHT[None], bent[None])
    at = rig.model(rig.body(state, torch.zeros(1, len(rig.offset) - 1).double()))[1][0].double()
    return {name: at[rig.model.controls[name][0]] for name in BENDS}


def twin(name):
    return name.replace("left", "R").replace("right", "left").replace("R", "right")


def test_left_and_right_are_mirror_images(usual):
    order = [BENDS.index(twin(name)) for name in BENDS]
    assert torch.allclose(usual.mean[order] * ACROSS, usual.mean, atol=1e-3)
    assert torch.allclose(usual.hinge[order] * ACROSS, usual.hinge, atol=1e-2)
    turned = ACROSS[:, None] * usual.precision[order] * ACROSS
    assert torch.allclose(turned, usual.precision, atol=0.02 * usual.precision.abs().max().item())
    assert torch.allclose(usual.least[order], usual.least, atol=1e-3)
    assert torch.allclose(usual.most[order], usual.most, atol=1e-3)
    _, mirror = mirror_motion(torch.eye(3).double()[None], usual.mean[None])
    assert torch.allclose(mirror[0], usual.mean, atol=1e-3)


def test_only_elbows_and_knees_are_hinges(usual):
    length = usual.hinge.norm(dim=-1)
    assert {name for name, x in zip(BENDS, length, strict=True) if x > 0} == set(HINGES)
    torch.testing.assert_close(length[length > 0], torch.ones(4).double())
    inside = (usual.mean * usual.hinge).sum(-1)
    assert ((inside >= usual.least) & (inside <= usual.most)).all()


@pytest.mark.parametrize("name", HINGES)
def test_a_hinge_bends_the_forearm_forwards_and_the_lower_leg_backwards(rig, usual, name):
    column, sign = BENDS.index(name), 1 if "elbow" in name else -1
    straight = (usual.least[column] + radians(3)).item()
    end = name.replace("elbow", "wrist").replace("knee", "ankle")
    ways = []
    for angle in torch.linspace(straight, straight + radians(90), 4).double():
        bent = torch.zeros(len(BENDS), 3).double()
        bent[column] = angle * usual.hinge[column]
        at = joints(rig, bent)
        ways.append(torch.nn.functional.normalize(at[end] - at[name], dim=0)[2])
    assert (sign * torch.stack(ways).diff() > 0.05).all()  # further with every thirty degrees
    assert sign * ways[-1] > 0.5


@pytest.mark.parametrize("name", HINGES)
def test_a_hinge_stops_a_little_past_straight(rig, usual, name):
    upper = name.replace("elbow", "shoulder").replace("knee", "hip")
    end = name.replace("elbow", "wrist").replace("knee", "ankle")
    column = BENDS.index(name)

    def inner(angle):
        bent = torch.zeros(len(BENDS), 3).double()
        bent[column] = angle * usual.hinge[column]
        at = joints(rig, bent)
        limbs = [torch.nn.functional.normalize(at[a] - at[b], dim=0) for a, b in ((name, upper), (end, name))]
        return torch.acos((limbs[0] @ limbs[1]).clamp(-1, 1)).rad2deg().item()

    assert inner(usual.least[column]) < 12  # degrees from straight
    assert inner(usual.most[column]) > 130  # folded


def test_usual_arms_hang_lower_than_those_of_the_rest_pose(rig, usual):
    rest, at = (joints(rig, bent) for bent in (torch.zeros_like(usual.mean), usual.mean))
    for side in ("left", "right"):
        assert at[f"elbow_{side}"][1] < rest[f"elbow_{side}"][1] - 0.05
        assert at[f"ankle_{side}"][2] < rest[f"ankle_{side}"][2]


def test_precisions_are_those_of_possible_covariances(usual):
    torch.testing.assert_close(usual.precision, usual.precision.mT)
    assert torch.linalg.eigvalsh(usual.precision).min() > 0
