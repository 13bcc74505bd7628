"""The network that guesses a body from points: what must hold whatever it has learnt, and what it has learnt."""

import pytest
import torch

from motion_imitate import weights
from motion_imitate.bodies import load_body
from motion_imitate.estimators import lifter as lifters
from motion_imitate.estimators.lifter import (
    Lifter,
    LifterConfig,
    PersonFraming,
    lift_pose,
    lifter_features,
    rotation_from_two_columns,
)
from motion_imitate.estimators.rig import Rig
from motion_imitate.estimators.terms import FITTED_LANDMARKS, HIP_ROWS, PoseEvidence, rotation_towards_ray
from motion_imitate.geometry.rotations import matrix_to_rotation_vector
from pipelines.train.lifter import save_lifter
from tests.support.synthetic_scenes import crowd

COUNT = 400


@pytest.fixture(scope="module")
def rig():
    return Rig(load_body("anny"))


@pytest.fixture(scope="module")
def shipped():
    return lifters.load_lifter("anny")


@pytest.fixture(scope="module")
def people(rig):
    return crowd(rig, seed=1).draw(COUNT)


def fed(people):
    framing = PersonFraming.of(people.aim, people.weight)
    return lifter_features(people.aim, people.weight, people.world, framing), framing


def seen(aim, weight, world):
    one, zero = torch.ones(len(aim)).double(), torch.zeros(len(aim)).double()
    return PoseEvidence(aim.double(), one, weight.double(), world.double(), weight.double(), one, zero)


def small():
    torch.manual_seed(0)
    made = Lifter(LifterConfig(width=32, passes=2, shapes=4))
    for value in made.parameters():
        torch.nn.init.normal_(value, std=0.3)  # the last layer starts out nearly zero
    return made


def numbers(guess):
    return torch.cat([value.flatten(1) if value.ndim > 1 else value[:, None] for value in vars(guess).values()], -1)


def test_any_six_numbers_make_a_rotation():
    made = rotation_from_two_columns(torch.randn(500, 6, generator=torch.Generator().manual_seed(0)).double())
    torch.testing.assert_close(made.mT @ made, torch.eye(3).double().expand_as(made))
    torch.testing.assert_close(torch.det(made), torch.ones(500).double())


def test_the_columns_of_a_rotation_make_it_again(people):
    columns = people.state.root[..., :2].mT.flatten(1)
    torch.testing.assert_close(rotation_from_two_columns(columns), people.state.root, atol=1e-5, rtol=0)


def test_roots_of_every_pass_are_rotations(shipped, people):
    for guess in shipped(fed(people)[0]):
        torch.testing.assert_close(guess.root.mT @ guess.root, torch.eye(3).expand(COUNT, 3, 3), atol=1e-5, rtol=0)
        torch.testing.assert_close(torch.det(guess.root), torch.ones(COUNT))


def test_each_person_is_lifted_alone(shipped, people):
    whole = fed(people)[0]
    together = numbers(shipped(whole)[-1])
    for n in (0, 7, COUNT - 1):
        torch.testing.assert_close(numbers(shipped(whole[n : n + 1])[-1])[0], together[n], atol=1e-5, rtol=1e-5)


def test_gradients_reach_every_parameter(people):
    made = small()
    numbers(made(fed(people)[0])[-1]).square().sum().backward()
    for name, value in made.named_parameters():
        assert value.grad is not None, name
        assert value.grad.abs().sum() > 0, name


def test_what_is_saved_is_what_is_loaded(tmp_path, monkeypatch, people):
    made = small().half().float()  # files hold half precision
    save_lifter(tmp_path / "lifter_box.safetensors", made, "box")
    monkeypatch.setattr(weights, "ASSET_FOLDERS", (tmp_path,))
    again = lifters.load_lifter("box")
    assert again.config == made.config
    assert not again.training
    one, other = (numbers(net(fed(people)[0])[-1]) for net in (made, again))
    assert torch.equal(one, other)
    assert [path.name for path in tmp_path.iterdir()] == ["lifter_box.safetensors"]


def away(rig, crowd_, guess, people, framing):
    """Metres from the true points, about the hips."""
    shape = torch.nn.functional.pad(guess.shape, (0, len(rig.offset) - 1 - guess.shape.shape[1]))
    off = rig.place(crowd_.points, guess.state(framing), shape) - people.points
    return (off - off[:, HIP_ROWS].mean(1, keepdim=True)).norm(dim=-1).mean().item()


@torch.no_grad()
def test_the_shipped_lifter_knows_far_more_than_the_mean_pose_and_every_pass_helps(rig, shipped, people):
    what, framing = fed(people)
    mean = shipped.read(shipped.mean.expand(COUNT, -1))
    errors = [away(rig, crowd(rig), guess, people, framing) for guess in (mean, *shipped(what))]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.11  # of poses that it was not trained on, wilder than people's
    assert errors[0] > 3 * errors[-1]


def test_lifted_bodies_stand_about_where_they_are(shipped, people):
    state, _ = lift_pose(shipped, seen(people.aim, people.weight, people.world))
    aim, true = (place[:, :2] / place[:, 2:] for place in (state.place.float(), people.state.place))
    size = PersonFraming.of(people.aim, people.weight).size
    assert ((aim - true).norm(dim=-1) / size).median() < 0.12
    assert (state.place[:, 2].float() / people.state.place[:, 2]).log().abs().median() < 0.12


def test_a_camera_that_turns_on_the_spot_turns_the_guess(shipped, people):
    """The same person elsewhere in the picture is the same person: the root turns as the line of sight does."""
    few = slice(0, 100)
    points = people.points[few].double()
    framing = PersonFraming.of(points[..., :2] / points[..., 2:], people.weight[few].double())
    straight = points @ framing.ray  # now in the middle of the picture
    world = people.world[few].double() @ framing.ray
    turned = rotation_towards_ray(torch.tensor([[0.25, -0.1]]).double())[0]
    roots, bends = [], []
    for turn in (torch.eye(3).double(), turned):
        at = straight @ turn.T
        state, _ = lift_pose(shipped, seen(at[..., :2] / at[..., 2:], people.weight[few], world @ turn.T))
        roots.append(state.root)
        bends.append(state.bends)
    moved = matrix_to_rotation_vector(roots[1] @ roots[0].mT @ turned.T).norm(dim=-1)
    unmoved = matrix_to_rotation_vector(roots[1] @ roots[0].mT).norm(dim=-1)
    by = matrix_to_rotation_vector(turned).norm()
    torch.testing.assert_close(unmoved.median(), by, rtol=0.1, atol=0)
    assert moved.median() < 0.1 * by
    assert (bends[1] - bends[0]).abs().mean() < 0.03


def test_framing_follows_the_person_across_the_picture(people):
    """In picture plane units: what is fed about the middle and the size of a person does not depend on where he is."""
    framing = PersonFraming.of(people.aim, people.weight)
    other = PersonFraming.of(3 * people.aim + torch.tensor([0.2, -0.1]), people.weight)
    torch.testing.assert_close(other.size, 3 * framing.size)
    torch.testing.assert_close(other.centre, 3 * framing.centre + torch.tensor([0.2, -0.1]))
    near = 2 * len(FITTED_LANDMARKS)
    one, moved = (
        lifter_features(a, people.weight, people.world, f)[:, :near]
        for a, f in ((people.aim, framing), (3 * people.aim + torch.tensor([0.2, -0.1]), other))
    )
    torch.testing.assert_close(one, moved, atol=1e-4, rtol=0)
