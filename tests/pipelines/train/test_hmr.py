"""Human Mesh Recovery is trained on a store: crops keep the truth, its losses fall, and the result finds landmarks."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from motion_imitate.bodies import load_body
from motion_imitate.estimators import hmr
from motion_imitate.estimators.hmr import HMR_FORMS, load_hmr
from motion_imitate.estimators.hmr_bodies import HmrBodies
from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.synthesis.photo_damage import BatchRandom
from motion_imitate.training.decoded_store import open_decoded_store
from motion_imitate.training.person_crops import crop_people, frame_people
from motion_imitate.training.store_pairs import StorePairs
from pipelines.cli.commands import main
from pipelines.train import hmr as training
from pipelines.train.hmr import HmrObjective, distance_from_hips, mark_points
from pipelines.train.optimizer import Learner, OptimizerSettings
from tests.support.small_store import write_small_store

TINY = replace(HMR_FORMS["small"], encoder="tiny", size=48, hidden=64)


def tiny_encoder():
    """192 features of crops of 48 pixels."""
    widths = (3, 16, 24, 32, 48)
    layers = [nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.ReLU()) for a, b in pairwise(widths)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_small_store(tmp_path_factory.mktemp("hmr") / "store")


@pytest.fixture(scope="module")
def pairs(store):
    return StorePairs.select(open_decoded_store(store), "learn").draw(torch.Generator().manual_seed(0), 8)


@pytest.fixture(scope="module")
def bodies():
    return HmrBodies(load_body())


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(hmr.ENCODERS, "tiny", (tiny_encoder, 192))
    monkeypatch.setitem(HMR_FORMS, "small", TINY)


def test_a_person_fills_the_crop_as_in_the_paper():
    points = torch.tensor([[[10.0, 10], [40, 50], [500, 500]]])
    centre, side = frame_people(points, torch.tensor([[1.0, 1, 0]]))
    assert_close(centre, torch.tensor([[25.0, 30]]))
    assert_close(50 / side, torch.tensor([150 / 224]))


def test_true_joints_are_where_the_true_points_are(pairs, bodies):
    views = pairs.source
    at = crop_people(views, bodies, TINY).joints + views.camera.place[:, None]
    assert (camera_to_image(at, views.camera)[..., :2] - views.points).norm(dim=2).mean() < 0.03


def test_a_mark_in_the_photo_is_where_the_crop_has_its_point(pairs, bodies):
    views = pairs.source
    height, width = views.picture.shape[2:]
    place = ((views.points[:, 11] + 1) * torch.tensor([width, height]) / 2).long()  # a shoulder's pixel
    marked = torch.zeros_like(views.picture)
    marked[torch.arange(8), :, place[:, 1].clamp(0, height - 1), place[:, 0].clamp(0, width - 1)] = 1
    crops = crop_people(replace(views, picture=marked), bodies, TINY, BatchRandom(torch.Generator().manual_seed(1), 8))
    for picture, point in zip(crops.picture, crops.points[:, 11], strict=True):
        row, column = divmod(int(picture[0].argmax()), TINY.size)
        assert (torch.tensor([column, row]) + 0.5 - (point + 1) * TINY.size / 2).abs().max() < 2


def test_crops_move_with_the_random_numbers_and_their_points_with_them(pairs, bodies):
    still = crop_people(pairs.source, bodies, TINY)
    moved = crop_people(pairs.source, bodies, TINY, BatchRandom(torch.Generator().manual_seed(1), 8))
    assert (moved.points - still.points).abs().mean() > 0.01
    assert_close(moved.joints, still.joints)
    lengths = (moved.points[:, 11] - moved.points[:, 24]).norm(dim=1) / (
        still.points[:, 11] - still.points[:, 24]
    ).norm(dim=1)
    assert 0.79 < lengths.min() < lengths.max() < 1.24


def test_eight_crops_are_learnt_by_heart(pairs, bodies, monkeypatch, unchecked_shapes):
    torch.manual_seed(0)
    crops = crop_people(pairs.source, bodies, TINY)
    monkeypatch.setattr(training, "crop_people", lambda *_: crops)
    objective = HmrObjective(TINY, bodies, pairs, training.SMALL_LOSS_WEIGHTS)
    pace = OptimizerSettings(5e-3, warm=10, steady=0.9, falls=(40, 110), curve="cosine")
    learner = Learner(objective.networks(), None, pace)
    lost = [learner.learn(pairs, objective)["loss"] for _ in range(110)]
    assert lost[-1] < 0.1 * lost[0]


def test_bodies_are_judged_in_every_pass(pairs, bodies):
    torch.manual_seed(0)
    objective = HmrObjective(TINY, bodies, pairs, training.HmrLossWeights())
    learner = Learner(objective.networks(), objective.critic(), OptimizerSettings(1e-3, warm=1))
    told = [learner.learn(pairs, objective) for _ in range(8)]
    assert told[0]["adversarial"] > 3 * 5  # about 20 scores of each of three passes, near 0
    assert told[-1]["critic"] < told[0]["critic"]


def test_the_preview_marks_points_and_measures_distances(pairs, bodies):
    objective = HmrObjective(TINY, bodies, pairs, training.SMALL_LOSS_WEIGHTS)
    shown = objective.render_preview(objective.networks(), pairs)
    assert shown.rows.shape == (8, 3, 48, 3 * 48)
    joints = torch.rand(1, 33, 3)
    assert_close(distance_from_hips(joints + 1, joints), torch.zeros(1), atol=1e-5, rtol=0)
    marked = mark_points(torch.zeros(1, 3, 8, 8), torch.full((1, 1, 2), 1 / 8), (1.0, 0.0, 0.0))
    assert marked[0, 0].nonzero().tolist() == [[4, 4]]


def test_the_command_trains_and_its_result_is_an_estimator(store, tmp_path, unchecked_shapes):
    run = tmp_path / "run"
    assert main(["train", "hmr", "--store", str(store), "-o", str(run), "--smoke", "--batch", "4"]) == 0
    net = load_hmr(run / "weights.safetensors")
    assert net.config == TINY
