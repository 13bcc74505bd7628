"""Every term's gradient and curvature, against differences of what it says it weighs."""

from dataclasses import dataclass

import pytest
import torch

from motion_imitate.bodies import load_body
from motion_imitate.estimators.banded import NormalEquations
from motion_imitate.estimators.fitter import blazepose_points
from motion_imitate.estimators.pose_prior import build_pose_prior
from motion_imitate.estimators.rig import BENDS, ROOT_SIZE, STATE_SIZE, PoseState, Rig
from motion_imitate.estimators.terms import (
    ANKLE_ROWS,
    FITTED_LANDMARKS,
    FOOT_ROWS,
    LIMB_ENDS,
    LIMB_ERRORS,
    LIMB_STARTS,
    SHOULDER_ROWS,
    PoseEvidence,
    acceleration_scale,
    add_foot_contact,
    add_limb_directions,
    add_pose_prior,
    add_reprojection,
    add_shape_prior,
    add_smoothness,
    add_upright_prior,
    evidence_from_sighting,
    geman_mcclure_weight,
    rotation_towards_ray,
    standing_weights,
)
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Camera, Sighting

FRAMES, SMALL = 4, 1e-5
SECONDS = torch.tensor([0.0, 0.03, 0.08, 0.1]).double()  # unevenly


def normal(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass
class Scene:
    """Somebody, and where everything goes when one number changes: first the frames' numbers, then the shape's."""

    rig: Rig
    state: PoseState
    shape: torch.Tensor
    at: torch.Tensor
    rate: torch.Tensor
    shape_rate: torch.Tensor
    seen: PoseEvidence
    moved: list  # for each number, (state, shape, at) a little after and a little before


def moves(rig, points, state, shape):
    for number in range(FRAMES * STATE_SIZE + len(shape)):
        pair = []
        for way in (SMALL, -SMALL):
            step, other = torch.zeros(FRAMES * STATE_SIZE).double(), shape.clone()
            if number < FRAMES * STATE_SIZE:
                step[number] = way
            else:
                other[number - FRAMES * STATE_SIZE] += way
            now = state.moved(step.view(FRAMES, STATE_SIZE))
            pair.append((now, other, rig.place(points, now, other[None])))
        yield pair


@pytest.fixture(scope="module")
def scene():
    rig = Rig(load_body("anny"))
    points = blazepose_points(rig)
    angle = torch.tensor([0.1, 0.15, 0.3, 0.35]).double()[:, None] * torch.tensor([0, 1.0, 0]).double()
    root = torch.diag(torch.tensor([1.0, -1, -1]).double()) @ rotation_vector_to_matrix(angle)
    place = 0.05 * normal(FRAMES, 3) + torch.tensor([0.2, 0, 3.0])
    state, shape = (
        PoseState(place, root, 0.4 * normal(FRAMES, len(BENDS), 3, seed=2)),
        normal(len(rig.offset) - 1, seed=3),
    )
    turns, places = rig.pose(state, shape[None])
    at, rate = rig.rates(points.share[None], points.arms_for_shape(shape[None]), state, turns, places)
    aim = at[..., :2] / at[..., 2:] + 0.02 * normal(FRAMES, len(FITTED_LANDMARKS), 2, seed=4)
    world = at + 0.2 * normal(*at.shape, seed=5)
    weight, far = (
        torch.rand(FRAMES, len(FITTED_LANDMARKS), generator=torch.Generator().manual_seed(n)).double() for n in (6, 7)
    )
    sharp = torch.tensor([0.004, 0.005, 0.006, 0.01]).double()
    seen = PoseEvidence(aim, sharp, weight, world, far, torch.ones(FRAMES).double(), SECONDS)
    shape_rate = rig.shape_rates(points, turns)
    return Scene(rig, state, shape, at, rate, shape_rate, seen, list(moves(rig, points, state, shape)))


def empty(scene):
    return NormalEquations.zero(FRAMES, STATE_SIZE, len(scene.shape))


def dense(found):
    """All of a Normal as one matrix and one gradient."""
    frames, shapes = len(found.diag) * STATE_SIZE, len(found.shape)
    whole = torch.zeros(frames + shapes, frames + shapes).double()
    square = whole[:frames, :frames].view(FRAMES, STATE_SIZE, FRAMES, STATE_SIZE)
    for t in range(FRAMES):
        square[t, :, t] = found.diag[t]
        if t + 1 < FRAMES:
            square[t + 1, :, t], square[t, :, t + 1] = found.next[t], found.next[t].T
        if t + 2 < FRAMES:
            square[t + 2, :, t] = square[t, :, t + 2] = torch.diag(found.after[t])
    whole[:frames, frames:] = found.by_shape.flatten(0, 1)
    whole[frames:, :frames] = found.by_shape.flatten(0, 1).T
    whole[frames:, frames:] = found.shape
    return whole, torch.cat([found.gradient.flatten(), found.shape_gradient])


def agree(scene, found, errors, weight, numbers=None):
    """`found` against half of the sum of weight * error^2, its weights held: `errors(state, shape, at)` [n]."""
    now = errors(scene.state, scene.shape, scene.at)
    pairs = [[errors(*each) for each in pair] for pair in scene.moved]
    slope = torch.stack([(after - before) / (2 * SMALL) for after, before in pairs], -1)  # [n, numbers]
    weight = torch.as_tensor(weight).double().expand_as(now)
    matrix, gradient = dense(found)
    kept = slice(None) if numbers is None else numbers
    curved, pulled = slope.T @ (weight[:, None] * slope), slope.T @ (weight * now)
    assert pulled[kept].abs().max() > 0
    scale = curved.abs().max().item()
    torch.testing.assert_close(matrix[kept][:, kept], curved[kept][:, kept], atol=1e-5 * scale, rtol=1e-5)
    torch.testing.assert_close(gradient[kept], pulled[kept], atol=1e-6 * pulled.abs().max().item(), rtol=1e-5)


def test_points(scene):
    limit = 5.0

    def errors(state, shape, at):
        return ((at[..., :2] / at[..., 2:] - scene.seen.aim) / scene.seen.sharp[:, None, None]).flatten()

    found = empty(scene)
    add_reprojection(found, scene.seen, scene.at, scene.rate, scene.shape_rate, limit)
    square = errors(None, None, scene.at).view(FRAMES, -1, 2).square().sum(-1)
    weight = scene.seen.weight * (limit**2 / (limit**2 + square)) ** 2
    agree(scene, found, errors, weight[..., None].expand(-1, -1, 2).flatten())


def test_world(scene):
    metres = torch.tensor(list(LIMB_ERRORS.values())).double()

    def errors(state, shape, at):
        off = at - scene.seen.world
        return ((off[:, LIMB_ENDS] - off[:, LIMB_STARTS]) / metres[:, None]).flatten()

    found = empty(scene)
    add_limb_directions(found, scene.seen, scene.at, scene.rate, scene.shape_rate, 1.5)
    square = errors(None, None, scene.at).view(FRAMES, -1, 3).square().sum(-1)
    sure = torch.minimum(scene.seen.world_weight[:, LIMB_STARTS], scene.seen.world_weight[:, LIMB_ENDS])
    weight = 1.5 * sure * (9 / (9 + square)) ** 2
    agree(scene, found, errors, weight[..., None].expand(-1, -1, 3).flatten())


def test_upright(scene):
    def errors(state, shape, at):
        return (at[:, SHOULDER_ROWS, 2].mean(1) - at[:, ANKLE_ROWS, 2].mean(1)) / 0.3

    found = empty(scene)
    add_upright_prior(found, scene.at, scene.rate, scene.shape_rate, 0.3, 2.0)
    agree(scene, found, errors, 2.0 * (4 / (4 + errors(None, None, scene.at).square())) ** 2)


def test_habits(scene):
    usual = build_pose_prior(scene.rig.model)
    root = torch.linalg.cholesky(usual.precision)

    def over(state):
        bend = (state.bends * usual.hinge).sum(-1)
        return (bend - usual.most).clamp(min=0) - (usual.least - bend).clamp(min=0)

    def errors(state, shape, at):
        off = torch.einsum("cba,tcb->tca", root, state.bends - usual.mean)
        return torch.cat([2.0**0.5 * off.flatten(), over(state).flatten() / torch.deg2rad(torch.tensor(4.0)).item()])

    hinged = usual.hinge.norm(dim=-1) > 0
    stopped = over(scene.state)[:, hinged] != 0
    assert stopped.any()
    assert not stopped.all()
    found = empty(scene)
    add_pose_prior(found, usual, scene.state, 2.0)
    agree(scene, found, errors, 1.0)


def test_smoothness(scene):
    """Of places, bends and the turn about the axis that the root turns about; about the others it is not exact."""
    gap = SECONDS.diff()
    unit = acceleration_scale()

    def errors(state, shape, at):
        speed = [state[t + 1 : t + 2].minus(state[t : t + 1])[0] / gap[t] for t in range(FRAMES - 1)]
        bends = [(speed[t + 1] - speed[t]) / ((gap[t] + gap[t + 1]) / 2) / unit for t in range(FRAMES - 2)]
        return torch.cat(bends)

    found = empty(scene)
    add_smoothness(found, scene.state, SECONDS, 3.0)
    numbers = [n for n in range(FRAMES * STATE_SIZE) if n % STATE_SIZE not in (3, 5)]
    agree(scene, found, errors, 3.0, torch.tensor(numbers))


def test_standing(scene):
    slide = 0.1
    sure = torch.rand(FRAMES - 1, len(FOOT_ROWS), generator=torch.Generator().manual_seed(8)).double()

    def errors(state, shape, at):
        return (at[:, FOOT_ROWS].diff(dim=0) / SECONDS.diff()[:, None, None] / slide).flatten()

    found = empty(scene)
    add_foot_contact(found, scene.seen, sure, scene.at, scene.rate, scene.shape_rate, slide)
    square = errors(None, None, scene.at).view(FRAMES - 1, -1, 3).square().sum(-1)
    weight = sure * (49 / (49 + square)) ** 2
    agree(scene, found, errors, weight[..., None].expand(-1, -1, 3).flatten())


def test_shape(scene):
    found = empty(scene)
    add_shape_prior(found, scene.shape, 2.5)
    agree(scene, found, lambda state, shape, at: shape, 2.5)


def test_a_bounded_error_never_counts_more_than_its_limit():
    """The weight is the slope of a cost that rises to the limit and no further."""
    square = torch.linspace(0, 200, 400).double().requires_grad_()
    cost = 9 * square / (9 + square)
    slope = torch.autograd.grad(cost.sum(), square)[0]
    torch.testing.assert_close(geman_mcclure_weight(square.detach(), 9.0), slope)
    assert cost.max() < 9


@pytest.mark.parametrize("seconds", [[0.0, 0.1, 0.2, 0.3, 0.4], [0.0, 0.04, 0.2, 0.22, 0.5]])
def test_what_goes_on_evenly_is_smooth_however_frames_fall(seconds):
    t = torch.tensor(seconds).double()[:, None]
    start, speed, bend = normal(1, 3), normal(1, 3, seed=1), normal(1, len(BENDS), 3, seed=2)
    root = rotation_vector_to_matrix(torch.tensor([0, 1.2, 0]).double() * t) @ rotation_vector_to_matrix(
        normal(1, 3, seed=3)
    )
    state = PoseState(start + t * speed, root, bend + t[..., None] * normal(1, len(BENDS), 3, seed=4))
    found = NormalEquations.zero(len(t), STATE_SIZE, 0)
    add_smoothness(found, state, t[:, 0], 3.0)
    assert found.diag.diagonal(dim1=1, dim2=2).min() > 0
    assert found.gradient.abs().max() < 1e-9 * found.diag.max()
    jolted = PoseState(state.place, state.root, state.bends.clone())
    jolted.bends[2, 5] += 0.1
    other = NormalEquations.zero(len(t), STATE_SIZE, 0)
    add_smoothness(other, jolted, t[:, 0], 3.0)
    pulled = other.gradient[2, ROOT_SIZE + 15 : ROOT_SIZE + 18]
    assert (pulled > 0).all()
    assert (pulled > 1e3 * found.gradient.abs().max()).all()


def test_towards_a_point_is_the_least_turn_that_looks_there():
    aim = torch.cat([torch.zeros(1, 2).double(), normal(50, 2)])
    turned = rotation_towards_ray(aim)
    ray = torch.nn.functional.normalize(torch.cat([aim, torch.ones(51, 1)], -1), dim=-1)
    torch.testing.assert_close(turned[..., 2], ray)
    torch.testing.assert_close(turned.mT @ turned, torch.eye(3).double().expand_as(turned))
    cosine = (turned.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2
    torch.testing.assert_close(cosine, ray[:, 2])  # by no more than the angle between


def test_feet_that_hold_still_stand_and_feet_that_do_not_do_not(scene):
    count = 12
    aim = torch.zeros(count, len(FITTED_LANDMARKS), 2).double()
    seconds = torch.arange(count).double() / 30
    aim[:, FOOT_ROWS[0], 0] = 1.0 * seconds  # three metres a second, three metres away
    one, at = (
        torch.ones(count, len(FITTED_LANDMARKS)).double(),
        torch.full((count, len(FITTED_LANDMARKS), 3), 3.0).double(),
    )
    seen = PoseEvidence(aim, one[:, 0], one, at, one, one[:, 0], seconds)
    sure = standing_weights(seen, at, 0.2)
    assert (sure[:, 1:] == 1).all()
    assert (sure[:, 0] < 1e-6).all()


def test_evidence_does_not_depend_on_the_pictures_shape():
    """One person, seen by one lens into a wide and into a tall picture, is the same evidence."""
    aim = 0.3 * normal(2, 33, 2)
    world, visible, one = normal(2, 33, 3, seed=1).float(), torch.rand(2, 33), torch.ones(2)
    found = []
    for width, height in ((640, 360), (360, 640)):
        focal = torch.tensor([[2 / width, 2 / height]]).expand(2, 2) * 500
        centre = torch.tensor([[0.1, -0.2]]).expand(2, 2)
        crop = torch.zeros(2, 2, 3)
        crop[:, 0, 0], crop[:, 1, 1], crop[..., 2] = 100 / width, 100 / height, centre
        points = (aim * focal[:, None] + centre[:, None]).float()
        blank = torch.zeros(2, 8, 8, dtype=torch.uint8)
        seen = Sighting(points, world, visible, one, crop, blank, torch.arange(2.0))
        found.append(evidence_from_sighting(seen, Camera(focal, centre, torch.zeros(2, 3))))
    torch.testing.assert_close(found[0].aim, aim[:, FITTED_LANDMARKS], atol=1e-5, rtol=0)
    for name in vars(found[0]):
        torch.testing.assert_close(getattr(found[0], name), getattr(found[1], name), atol=1e-5, rtol=0)
    assert found[0].sharp[0].item() == pytest.approx(0.0045 * 100 / 500)  # of a crop of 100 pixels
