"""Learning to correct avatars: what is wrong becomes less, and a run that was stopped goes on as if it had not been."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from torch import distributed
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.avatar.parsing_net import load_parsing_net
from motion_imitate.generators.corrections import PersonCrop
from motion_imitate.synthesis.pairs import PeoplePool, SampleSettings, SyntheticDataset
from motion_imitate.training.backbones import load_backbone
from motion_imitate.training.losses import face_box_mask
from motion_imitate.training.samples import CorrectionSample, GroundTruth, make_correction_sample
from motion_imitate.types import Draft
from motion_imitate.weights import read_weights
from pipelines.cli.commands import main
from pipelines.train.corrections import (
    CorrectionLossWeights,
    CorrectionObjective,
    open_sample_folder,
    read_kept_sample,
    select_crops,
    select_views,
)
from pipelines.train.loop import CHECKPOINT_FILE, LOG_FILE, PREVIEW_FILE, WEIGHTS_FILE, build_learner, catch_termination
from pipelines.train.optimizer import Learner, OptimizerSettings
from pipelines.train.options import CorrectionOptions

SIDE = 64


@pytest.fixture(autouse=True)
def few_views(monkeypatch):
    """Four views of each person, and one held-out person."""
    for name, count in (("VIEWS", 4), ("HELD_OUT_PEOPLE", 1)):
        monkeypatch.setattr(f"pipelines.train.corrections.{name}", count)


@pytest.fixture(scope="module")
def subject():
    return CorrectionObjective(load_backbone("efficientnet-lite0"))


@pytest.fixture(scope="module")
def some():
    pairs = SyntheticDataset(bodies.load_body("anny"), SampleSettings((SIDE, SIDE), 3, casting=PeoplePool(1, 100)), 5)
    net = load_parsing_net()
    return CorrectionSample.joined([make_correction_sample(pairs, net, k, SIDE) for k in range(2)])


@pytest.fixture(scope="module")
def few(some):
    """One view of each person."""
    return some.views(0, 3)


def fresh(subject, **pace):
    torch.manual_seed(0)
    return build_learner(subject.networks(), subject.critic(), OptimizerSettings(**pace))


def weights_of(pupil):
    return torch.cat([weight.detach().flatten().clone() for weight in pupil.net.parameters()])


def test_what_is_wrong_becomes_less(few, subject):
    learner = fresh(subject, rate=1e-3)

    def loss():
        return subject.weighted_loss(subject.run_networks(learner.networks.net, few).wrong).detach()

    before = loss()
    told = [learner.learn(few, subject) for _ in range(20)]
    assert told[0]["loss"] == pytest.approx(float(before), rel=1e-4)
    assert loss() < 0.93 * before
    assert learner.critic is None


def test_a_step_sees_every_fourth_view_of_each_person():
    person, view = torch.arange(3.0), torch.arange(36.0)

    def crop(numbers):
        return PersonCrop(numbers[:, None, None, None].expand(-1, 7, 1, 1), numbers[:, None].expand(-1, 4))

    def each(*shape):
        return view.view(-1, *[1] * len(shape)).expand(-1, *shape)

    draft = Draft(each(3, 1, 1), each(1, 1, 1), each(1, 1, 2), each(1, 1, 1), each(3, 1, 1))
    truth = GroundTruth(each(3, 1, 1), each(1, 1, 1), each(3, 1, 1), each(4))
    seen = select_views(CorrectionSample(crop(person), draft, truth), 5)
    assert seen.draft.cover.flatten().tolist() == [1, 5, 9, 13, 17, 21, 25, 29, 33]
    assert seen.truth.matte.flatten().tolist() == seen.draft.cover.flatten().tolist()
    assert seen.crop.picture[:, 0].flatten().tolist() == [0, 1, 2]


def test_a_part_of_a_view_shows_what_the_whole_shows_there(some):
    tops, lefts = torch.tensor([3, 8, 0, 20]), torch.tensor([2, 0, 30, 9])
    part = some.window(tops, lefts, 32)
    for k, (top, left) in enumerate(zip(tops.tolist(), lefts.tolist(), strict=True)):
        here = (..., slice(top, top + 32), slice(left, left + 32))
        assert torch.equal(part.draft.position[k], some.draft.position[k][here])
        assert torch.equal(part.truth.image[k], some.truth.image[k][here])
        assert torch.equal(part.draft.flow[k], some.draft.flow[k, top : top + 32, left : left + 32])
        whole = face_box_mask(some.truth.face[k : k + 1], (SIDE, SIDE))[here]
        assert torch.equal(face_box_mask(part.truth.face[k : k + 1], (32, 32)), whole)


def test_steps_see_parts_with_some_of_the_person(some):
    how = CorrectionOptions(crop=32)
    seen = [select_crops(how, some, step) for step in (0, 0, 4)]
    assert seen[0].draft.cover.shape[2:] == (32, 32)
    assert torch.equal(seen[0].truth.image, seen[1].truth.image)
    assert not torch.equal(seen[0].truth.image, seen[2].truth.image)
    assert all((view.truth.matte > 0.5).flatten(1).any(1).all() for view in seen)


def test_packed_samples_are_the_samples_in_half_precision(some):
    again = CorrectionSample.unpacked(some.packed())
    assert_close(again.draft.colour, some.draft.colour, rtol=0, atol=5e-4)
    assert_close(again.draft.flow, some.draft.flow, rtol=1e-3, atol=5e-4)


def test_kept_samples_are_made_once(tmp_path, monkeypatch):
    how = CorrectionOptions(size=SIDE, kept=2, seed=7)
    first = [read_kept_sample(tmp_path, how, 0, number) for number in range(2)]
    monkeypatch.delattr("pipelines.train.corrections.make_correction_sample")
    later = [read_kept_sample(tmp_path, how, 0, number) for number in range(2, 6)]
    assert set(first) == set(later)
    assert len(set(first)) == 2


def test_a_folder_of_other_samples_is_refused(tmp_path, capsys):
    open_sample_folder(tmp_path, CorrectionOptions(size=SIDE))
    assert run(tmp_path / "run", 1, "--samples", str(tmp_path), "--seed", "3") == 2
    assert "keeps samples of other options" in capsys.readouterr().err


def test_the_discriminator_learns_and_is_learnt_against_from_its_step_on(few, subject):
    against = replace(subject, weights=CorrectionLossWeights(adversarial=1.0))
    learner = fresh(against, warm=1, after=1)
    start = weights_of(learner.critic)
    first = learner.learn(few, against)
    assert torch.equal(weights_of(learner.critic), start)
    assert "critic" not in first
    alone = fresh(against, warm=1, after=1000)
    alone.learn(few, against)
    assert torch.equal(weights_of(alone.networks), weights_of(learner.networks))
    told = learner.learn(few, against)
    alone.learn(few, against)
    assert not torch.equal(weights_of(alone.networks), weights_of(learner.networks))
    assert not torch.equal(weights_of(learner.critic), start)
    parts = {k: v for k, v in told.items() if k not in ("step", "loss", "adversarial", "critic")}
    assert told["loss"] == pytest.approx(sum(getattr(against.weights, k) * v for k, v in parts.items()), rel=1e-4)


@pytest.mark.slow
def test_the_discriminator_comes_to_tell_true_from_made(some, subject):
    against = replace(subject, weights=CorrectionLossWeights(adversarial=1.0))
    learner = fresh(against, rate=0, critic_rate=2e-5, warm=10)
    told = [learner.learn(some, against)["critic"] for _ in range(15)]
    assert told[-1] < 0.5 * told[0]


def test_the_discriminator_sees_pictures_in_its_range_and_what_they_are_to_show(some, subject):
    learner = fresh(subject)
    tried = subject.run_networks(learner.networks.net, some)
    assert tried.made.shape == tried.true.shape == (4, 6, SIDE, SIDE)
    assert_close((tried.true[:, :3] + 1) / 2, some.truth.image)
    assert_close(tried.made[:, 3:], tried.true[:, 3:], rtol=0, atol=0)
    body = some.draft.cover[0, 0] > 0.9
    assert tried.true[0, 3:, body].abs().sum(0).gt(0).float().mean() > 0.7


def test_a_step_that_is_not_finite_is_left_out(few, subject):
    against = replace(subject, weights=CorrectionLossWeights(adversarial=1.0))
    learner = fresh(against)
    pupils = (learner.networks, learner.critic)
    kept = [weights_of(pupil) for pupil in pupils]
    broken = replace(few.truth, image=few.truth.image * torch.nan)
    learner.learn(replace(few, truth=broken), against)
    assert all(torch.equal(weights_of(pupil), before) for pupil, before in zip(pupils, kept, strict=True))
    learner.learn(few, against)
    assert not any(torch.equal(weights_of(pupil), before) for pupil, before in zip(pupils, kept, strict=True))


@pytest.fixture
def group(tmp_path):
    """Processes that learn together: one."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_one_process_that_learns_with_others_learns_as_it_does_alone(few, subject, request):
    against = replace(subject, weights=CorrectionLossWeights(adversarial=1.0))
    alone = fresh(against)
    request.getfixturevalue("group")
    member = fresh(against)
    for learner in (alone, member):
        for _ in range(2):
            learner.learn(few, against)
    assert_close(weights_of(member.networks), weights_of(alone.networks), rtol=0, atol=1e-5)
    assert_close(weights_of(member.critic), weights_of(alone.critic), rtol=0, atol=1e-5)
    assert member.stored().keys() == alone.stored().keys()


def run(folder, steps, *more, size=SIDE):
    words = ["train", "corrections", "-o", str(folder), "--steps", str(steps), "--size", str(size), "--people", "1"]
    return main([*words, "--quiet", *more])


def test_a_run_goes_on_where_it_was_to_the_bit(tmp_path, capsys, unchecked_shapes):
    assert (run(tmp_path / "once", 3), run(tmp_path / "twice", 1), run(tmp_path / "twice", 3)) == (0, 0, 0)
    (about, one), (other_about, other) = (read_weights(tmp_path / name / CHECKPOINT_FILE) for name in ("once", "twice"))
    assert about == other_about == {"step": 3, "seed": 0}
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert_close(other[name], tensor, rtol=0, atol=0)
    line = json.loads((tmp_path / "once" / LOG_FILE).read_text())
    assert line["step"] == 2
    assert line["draft perceptual"] > 0
    assert line["corrected perceptual"] > 0
    header, weights = read_weights(tmp_path / "once" / WEIGHTS_FILE)
    assert not any(name.startswith("critic.") for name in one)
    assert (header["step"], header["size"], header["part"], header["motions"]) == (3, SIDE, "learn", [])
    assert header["metrics"] == line
    assert header["learning"]["pace"]["rate"] == OptimizerSettings().rate
    assert weights["target.glass.head.weight"].dtype == torch.float16
    assert (tmp_path / "once" / PREVIEW_FILE).stat().st_size > 1000
    assert "step 3, 2 of them in this run" in capsys.readouterr().out


def test_a_run_that_is_terminated_saves_what_it_learnt_and_goes_on(tmp_path, capsys, monkeypatch, unchecked_shapes):
    learn = Learner.learn

    def learn_and_be_terminated(self, *given):
        os.kill(os.getpid(), signal.SIGTERM)
        return learn(self, *given)

    monkeypatch.setattr(Learner, "learn", learn_and_be_terminated)
    assert run(tmp_path, 5) == 0
    assert read_weights(tmp_path / CHECKPOINT_FILE)[0]["step"] == 1
    assert "step 1" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_termination_is_caught_meanwhile_only(number):
    before = signal.getsignal(number)
    with catch_termination() as terminated:
        assert not terminated()
        os.kill(os.getpid(), number)
        assert terminated()
        with pytest.raises(KeyboardInterrupt):  # who asks twice will not wait
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(number) == before


@pytest.mark.slow
def test_so_does_one_against_a_discriminator(tmp_path, capsys):
    words = ("--adversarial", "0.1", "--adversarial-after", "1")
    for name, steps in (("once", 3), ("twice", 2), ("twice", 3)):
        assert run(tmp_path / name, steps, *words, size=72) == 0
    one, other = (read_weights(tmp_path / name / CHECKPOINT_FILE)[1] for name in ("once", "twice"))
    assert sum(value.numel() for name, value in one.items() if name.startswith("critic.now.")) == 6_962_625
    assert any(name.startswith("critic.adam.") for name in one)
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert_close(other[name], tensor, rtol=0, atol=0)
    assert json.loads((tmp_path / "once" / LOG_FILE).read_text())["critic"] > 0
    assert run(tmp_path / "small", 1, *words) == 2
    assert "too small for a discriminator" in capsys.readouterr().err


@pytest.mark.slow
def test_a_trial_learns_or_says_that_it_did_not(tmp_path, capsys, monkeypatch, unchecked_shapes):
    words = ["train", "corrections", "--smoke", "--size", str(SIDE), "--people", "1", "--quiet", "-o"]
    assert main([*words, str(tmp_path / "run")]) == 0
    assert "step 20" in capsys.readouterr().out
    assert main([*words, str(tmp_path / "run")]) == 2
    assert "another folder" in capsys.readouterr().err
    monkeypatch.setattr(Learner, "learn", lambda self, *_: told_nothing(self))
    assert main([*words, str(tmp_path / "other")]) == 1
    assert "the loss did not fall" in capsys.readouterr().err


def told_nothing(learner):
    learner.step += 1
    return {"step": float(learner.step), "loss": 1.0}
