"""Learning to retouch: what is wrong becomes less, and a run that was stopped goes on as if it had not been."""

import json

import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.backbones import load_backbone
from motion_imitate.generators.retouch import Retouching
from motion_imitate.lessons import Teaching, lesson
from motion_imitate.synthesis.pairs import Casting, Pairs, Sampling
from motion_imitate.weights import read
from pipelines.cli import main
from pipelines.teach import CHECKPOINT, LOG, SHEET, WEIGHTS, Learner, Learning, terms, weighed

SIDE = 64


@pytest.fixture(scope="module")
def eyes():
    return load_backbone("efficientnet-lite0")


@pytest.fixture(scope="module")
def some():
    pairs = Pairs(bodies.load("anny"), Sampling((SIDE, SIDE), 3, casting=Casting(1, 100)), 5)
    return [lesson(pairs, k, Teaching(retouch=Retouching(size=SIDE))) for k in range(2)]


def test_what_is_wrong_becomes_less(some, eyes):
    how = Learning(rate=1e-3)
    learner = Learner.new(how, 0)
    before = weighed(terms(learner.networks(some, Retouching()), some, eyes, how), how).detach()
    told = [learner.learn(some, eyes, how) for _ in range(20)]
    after = weighed(terms(learner.networks(some, Retouching()), some, eyes, how), how).detach()
    assert told[0]["loss"] == pytest.approx(float(before), rel=1e-4)
    assert after < 0.9 * before


def test_a_step_that_is_not_finite_is_left_out(some, eyes):
    learner = Learner.new(Learning(), 0)
    weight = next(learner.networks.parameters())
    kept = weight.detach().clone()
    some[0].truth.image[0, 0, 0, 0], whole = torch.nan, some[0].truth.image[0, 0, 0, 0].clone()
    learner.learn(some, eyes, Learning())
    some[0].truth.image[0, 0, 0, 0] = whole
    assert_close(weight, kept, rtol=0, atol=0)


def run(folder, steps):
    return main(["train", "retouch", "-o", str(folder), "--steps", str(steps), "--size", str(SIDE), "--quiet"])


def test_a_run_goes_on_where_it_was_to_the_bit(tmp_path, capsys):
    assert (run(tmp_path / "once", 3), run(tmp_path / "twice", 1), run(tmp_path / "twice", 3)) == (0, 0, 0)
    (about, one), (other_about, other) = (read(tmp_path / name / CHECKPOINT) for name in ("once", "twice"))
    assert about == other_about == {"step": 3, "seed": 0}
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert_close(other[name], tensor, rtol=0, atol=0)
    line = json.loads((tmp_path / "once" / LOG).read_text())
    assert line["step"] == 2
    assert line["unchanged perceptual"] > 0
    header, weights = read(tmp_path / "once" / WEIGHTS)
    assert (header["step"], header["size"], header["part"], header["motions"]) == (3, SIDE, "learn", [])
    assert header["metrics"] == line
    assert header["learning"]["rate"] == Learning().rate
    assert weights["target.glass.head.weight"].dtype == torch.float16
    assert (tmp_path / "once" / SHEET).stat().st_size > 1000
    assert "step 3, 2 of them now" in capsys.readouterr().out


def test_a_trial_learns_or_says_that_it_did_not(tmp_path, capsys, monkeypatch):
    words = ["train", "retouch", "--smoke", "--size", str(SIDE), "--quiet", "-o"]
    assert main([*words, str(tmp_path / "run")]) == 0
    assert "step 20" in capsys.readouterr().out
    assert main([*words, str(tmp_path / "run")]) == 2
    assert "another folder" in capsys.readouterr().err
    monkeypatch.setattr(Learner, "learn", lambda self, *_: told_nothing(self))
    assert main([*words, str(tmp_path / "other")]) == 1
    assert "nothing was learnt" in capsys.readouterr().err


def told_nothing(learner):
    learner.step += 1
    return {"step": float(learner.step), "loss": 1.0}
