"""Training on a store: pairs that are seen again are learnt, runs resume to the bit, who is told to stop saves."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.generators.detail_replenishing import DETAIL_FORMS, SMALL_POSE_BRANCH, DetailConfig
from motion_imitate.generators.pose_guided import SMALL_POSE_GUIDED
from motion_imitate.training.backbones import load_lite0
from motion_imitate.training.pair_inputs import CropPerception
from motion_imitate.training.store_pairs import StorePairs
from motion_imitate.weights import read_weights
from pipelines.cli.commands import main
from pipelines.train.detail_replenishing import SMALL_WEIGHTS, DetailLossWeights, DetailObjective
from pipelines.train.loop import CHECKPOINT_FILE, LOG_FILE, PREVIEW_FILE, WEIGHTS_FILE, build_learner
from pipelines.train.optimizer import Learner, OptimizerSettings
from pipelines.train.options import StoreTrainingOptions
from pipelines.train.pose_guided import PoseGuidedLossWeights, PoseGuidedObjective, published_loss_weights
from pipelines.train.store_loop import small_network_pace
from tests.support.oval_store import oval_store, write_oval_store

SYSTEMS = ("pg2", "drn")
SIZE = (32, 32)
NARROW_POSE_GUIDED = replace(SMALL_POSE_GUIDED, size=SIZE, fold=1, width=8, critic_width=4)
NARROW_DETAIL = DetailConfig(replace(SMALL_POSE_BRANCH, width=24, blocks=1), 1, 1, 8, 4, 1)


def eight_pairs(size):
    return StorePairs(oval_store(size=size), torch.arange(6)).draw(torch.Generator().manual_seed(0), 8)


def pose_guided(pairs, weights=PoseGuidedLossWeights()):
    return PoseGuidedObjective(NARROW_POSE_GUIDED, pairs, weights)


def replenishing(pairs, weights, perceive=lambda *_: {}):
    return DetailObjective(NARROW_DETAIL, pairs, weights, perceive)


def fresh(subject, **pace):
    torch.manual_seed(0)
    return build_learner(subject.networks(), subject.critic(), OptimizerSettings(**{"warm": 10, **pace}))


def weights_of(net):
    return torch.cat([weight.detach().flatten().clone() for weight in net.parameters()])


def test_the_stages_of_pg2_learn_eight_pairs_by_heart(unchecked_shapes):
    pairs = eight_pairs(SIZE)
    subject = pose_guided(pairs)
    learner = fresh(subject, rate=5e-3)
    told = [learner.learn(pairs, subject)["loss"] for _ in range(45)]
    assert told[-1] < 0.1 * told[0]


def test_drn_learns_eight_pairs_by_heart(unchecked_shapes):
    pairs = eight_pairs((16, 16))
    subject = replenishing(pairs, replace(SMALL_WEIGHTS, cover=2.0))
    learner = fresh(subject, rate=4e-3)
    told = [learner.learn(pairs, subject)["loss"] for _ in range(80)]
    assert told[-1] < 0.1 * told[0]


def test_the_stages_of_pg2_take_turns_as_published():
    pairs = eight_pairs(SIZE)
    subject = pose_guided(pairs, weights=published_loss_weights(128))
    learner = fresh(subject, after=1)
    net, critic = learner.networks.net, learner.critic.net
    parts = (net.integration, net.refinement, critic)
    for moved in ([True, False, False], [False, True, True]):
        before = [weights_of(part) for part in parts]
        told = learner.learn(pairs, subject)
        assert [not torch.equal(weights_of(part), old) for part, old in zip(parts, before, strict=True)] == moved
    assert told["loss"] == pytest.approx(10 * told["fine"], rel=1e-4)
    assert told["adversarial"] > 0
    assert told["critic"] == pytest.approx(0.7, abs=0.3)  # nothing is told apart yet: log 2
    assert (published_loss_weights(256).fine, published_loss_weights(128).fine) == (50, 10)


def test_drn_learns_in_turns_and_its_discriminators_three_times(monkeypatch):
    pairs = eight_pairs((16, 16))
    subject = replenishing(pairs, DetailLossWeights(), CropPerception(load_lite0(depths=3), 16))
    learner, steps = fresh(subject), []
    monkeypatch.setattr(learner, "improve_networks", lambda loss, parts=None: steps.append(parts))
    monkeypatch.setattr(learner, "improve_critic", lambda loss: steps.append("critic"))
    told = learner.learn(pairs, subject)
    assert steps == [[learner.networks.net.pose_branch], None, *["critic"] * 3]
    known = {k: v for k, v in told.items() if hasattr(subject.weights, k) and k != "adversarial"}
    assert set(known) == {"pixel", "cover", "perceptual", "style"}
    whole = sum(getattr(subject.weights, k) * v for k, v in known.items())
    coarse = sum(getattr(subject.weights, k) * told[f"coarse {k}"] for k in known if k != "style")
    assert told["loss"] == pytest.approx(whole + coarse, rel=1e-4)


def test_the_rate_falls_to_the_last_step_if_that_is_known():
    pace = small_network_pace(StoreTrainingOptions(steps=1000))
    assert [round(pace.rate_fraction(step), 3) for step in (74, 150, 575, 1000)] == [0.5, 1.0, 0.505, 0.01]
    assert small_network_pace(StoreTrainingOptions()).rate_fraction(10**6) == 1


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    write_oval_store(folder, size=SIZE)
    return folder


@pytest.fixture
def narrow(monkeypatch, unchecked_shapes):
    """Networks of the small form with few channels."""
    monkeypatch.setattr("pipelines.train.pose_guided.pose_guided_form", lambda *_: NARROW_POSE_GUIDED)
    monkeypatch.setitem(DETAIL_FORMS, "small", NARROW_DETAIL)


def run(system, store, folder, *more):
    words = ["train", system, "--store", str(store), "-o", str(folder), "--batch", "2", "--quiet"]
    return main([*words, *more])


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_run_goes_on_where_it_was_to_the_bit(system, store, tmp_path, narrow):
    for name, steps in (("once", 3), ("twice", 2), ("twice", 3)):
        assert run(system, store, tmp_path / name, "--steps", str(steps), "--adversarial", "1") == 0
    (about, one), (other_about, other) = (read_weights(tmp_path / name / CHECKPOINT_FILE) for name in ("once", "twice"))
    assert about == other_about == {"step": 3, "seed": 0}
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert_close(other[name], tensor, rtol=0, atol=0)
    line = json.loads((tmp_path / "once" / LOG_FILE).read_text())
    assert line["step"] == 2
    assert {name for name in line if name.startswith("held out")}
    assert (tmp_path / "once" / PREVIEW_FILE).stat().st_size > 1000
    header, weights = read_weights(tmp_path / "once" / WEIGHTS_FILE)
    assert (header["system"], header["form"], header["size"]) == (system, "small", list(SIZE))
    assert all(tensor.dtype == torch.float16 for tensor in weights.values())
    assert (tmp_path / "once" / WEIGHTS_FILE).stat().st_size < 8e6


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_trial_learns(system, store, tmp_path, narrow):
    assert run(system, store, tmp_path / "run", "--smoke") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_saves_what_it_learnt(number, store, tmp_path, monkeypatch, narrow):
    learn = Learner.learn

    def learn_and_be_stopped(self, *given):
        os.kill(os.getpid(), number)
        return learn(self, *given)

    monkeypatch.setattr(Learner, "learn", learn_and_be_stopped)
    assert run("pg2", store, tmp_path / "run", "--steps", "5") == 0
    assert read_weights(tmp_path / "run" / CHECKPOINT_FILE)[0]["step"] == 1


def test_what_is_no_store_is_refused(tmp_path, capsys):
    assert run("pg2", tmp_path / "none", tmp_path / "run") == 3
    assert "make one with `motion-imitate synthesize`" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
