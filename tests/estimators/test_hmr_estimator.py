"""An estimator whose landmarks are points of regressed bodies: the fit gives those bodies back."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.bodies import load_body
from motion_imitate.estimators.fit import fit
from motion_imitate.estimators.fitter import Fitter, Fitting
from motion_imitate.estimators.hmr import HMR_FORMS, Hmr, HmrGuess, write_hmr
from motion_imitate.estimators.hmr_bodies import HmrBodies
from motion_imitate.estimators.hmr_estimator import HmrEstimator, roi_of_person
from motion_imitate.estimators.landmarks import Landmarking, empty_sighting
from motion_imitate.estimators.pose_prior import build_pose_prior
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Frames

SIZE = (240, 180)
FRAMES = 4


@pytest.fixture(scope="module")
def model():
    return load_body()


@pytest.fixture(scope="module")
def guess(model):
    """Somebody who stands with an arm raised, and turns a little."""
    bends = build_pose_prior(model).mean.float().expand(FRAMES, -1, -1).clone()
    bends[:, 5, 2] += 1.2
    yaw = torch.stack([torch.zeros(FRAMES), 0.1 * torch.arange(FRAMES), torch.zeros(FRAMES)], 1)
    root = torch.diag(torch.tensor([1.0, -1, -1])) @ rotation_vector_to_matrix(yaw)
    turns = torch.cat([root[:, None], rotation_vector_to_matrix(bends)], 1)
    return HmrGuess(
        torch.full((FRAMES,), 0.75), torch.tensor([[0.0, 0.1]]).expand(FRAMES, 2), turns, torch.zeros(FRAMES, 10)
    )


class KnownNet:
    """Regresses the same bodies, whatever it sees, and remembers what that was."""

    config = HMR_FORMS["small"]

    def __init__(self, guess):
        self.guess, self.seen = guess, []

    def __call__(self, crops):
        self.seen.append(crops)
        return [self.guess[: len(crops)]]


@pytest.fixture
def estimator(guess, tmp_path):
    write_hmr(tmp_path / "a.safetensors", Hmr(HMR_FORMS["small"]), {})
    made = HmrEstimator(Landmarking(model="lite"), tmp_path / "a.safetensors")
    made.net = KnownNet(guess)
    return made


@pytest.fixture
def frames():
    return Frames(torch.full((FRAMES, 3, *SIZE), 90, dtype=torch.uint8), torch.arange(FRAMES) / 30)


@pytest.fixture
def seen(frames):
    """Somebody found in a box: other landmarks than those that will be regressed."""
    points = torch.rand(FRAMES, 33, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [0.6, 1.2]
    ) - torch.tensor([0.3, 0.6])
    crop = torch.tensor([[0.9, 0, 0], [0, 0.7, 0]]).expand(FRAMES, 2, 3)
    return replace(
        empty_sighting(frames.seconds),
        points=points,
        visible=torch.ones(FRAMES, 33),
        score=torch.ones(FRAMES),
        crop=crop,
    )


def test_landmarks_are_those_of_the_regressed_body_in_the_crop(estimator, frames, seen, guess, model):
    again = estimator.look_again(frames, seen)
    at = HmrBodies(model).landmarks(guess)
    half = torch.tensor([SIZE[1], SIZE[0]]) / 2
    for row in range(FRAMES):
        roi = roi_of_person((seen.points[row] + 1) * half, seen.visible[row])
        pixels = guess.project(at)[row] * roi.side / 2 + torch.tensor([roi.x, roi.y])
        assert_close((again.points[row] + 1) * half, pixels, atol=1e-2, rtol=0)
    assert_close(again.world[:, [23, 24]].mean(1), torch.zeros(FRAMES, 3), atol=1e-5, rtol=0)
    assert_close(again.world[:, 0] - again.world[:, 27], at[:, 0] - at[:, 27], atol=1e-4, rtol=0)
    assert estimator.net.seen[0].shape == (FRAMES, 3, 128, 128)
    assert_close(again.visible, (again.points.abs() < 1).all(2).float())


def test_frames_without_the_person_stay_without(estimator, frames, seen):
    gone = replace(seen, score=torch.tensor([1.0, 0, 1, 0]))
    again = estimator.look_again(frames, gone)
    assert_close(again.points[[1, 3]], seen.points[[1, 3]])
    assert (again.points[[0, 2]] - seen.points[[0, 2]]).abs().max() > 0.1
    nobody = empty_sighting(frames.seconds)
    assert estimator.look_again(frames, nobody) is nobody


def test_the_fit_gives_the_regressed_body_back(estimator, frames, seen, guess, model):
    steady = replace(seen, points=seen.points[:1].expand(FRAMES, -1, -1))
    again = estimator.look_again(frames, steady)
    (motion,) = fit([again], Fitter(model, Fitting(outline_steps=0)), SIZE)
    found, true = (model(body)[1] for body in (motion.body, HmrBodies(model).body(guess)))
    assert (found - true).norm(dim=2).mean() < 0.1
