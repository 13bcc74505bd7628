"""Training learns, is repeatable, and leaves whole files only."""

import json
import os
import signal

import pytest
import torch

from motion_imitate import weights
from motion_imitate.bodies import load_body
from motion_imitate.estimators import lifter as lifters
from motion_imitate.estimators.lifter import DEPTH_SCALE, LifterGuess, PersonFraming
from motion_imitate.estimators.rig import Rig
from pipelines.cli.commands import main
from pipelines.train import lifter as train
from pipelines.train.lifter import (
    LifterTraining,
    lifter_loss,
    lifter_training_step,
    start_lifter_training,
    train_lifter_network,
)
from tests.support.recorded import frame, write
from tests.support.synthetic_scenes import crowd, poses


@pytest.fixture(scope="module")
def model():
    return load_body("anny")


@pytest.fixture(scope="module")
def rig(model):
    return Rig(model)


@pytest.fixture(scope="module")
def motions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motions")
    write(folder / "bend.txt", [frame(elbow_left=0.3 * n, knee_right=-0.2 * n) for n in range(5)])
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where weights are looked for first."""
    monkeypatch.setattr(weights, "ASSET_FOLDERS", (tmp_path, *weights.ASSET_FOLDERS))
    return tmp_path


def right(people, framing):
    """The guess that is the truth."""
    aim = people.state.place[:, :2] / people.state.place[:, 2:]
    shift = (aim - framing.centre) / framing.size[:, None]
    depth = (people.state.place[:, 2] * framing.size / DEPTH_SCALE).log()
    return LifterGuess(framing.ray.mT @ people.state.root, people.state.bends, people.shape, shift, depth)


def test_nothing_is_wrong_with_the_truth_and_something_with_everything_else(rig):
    drawn = crowd(rig)
    people = drawn.draw(32)
    framing = PersonFraming.of(people.aim, people.weight)
    truth = right(people, framing)
    assert lifter_loss(truth, framing, people, drawn, True)[0] < 1e-3
    assert lifter_loss(truth, framing, people, drawn, True)[1] < 1e-5
    for name, value in vars(truth).items():
        other = LifterGuess(**(vars(truth) | {name: value.roll(1, 0)}))
        assert lifter_loss(other, framing, people, drawn, True)[0] > 1e-2, name


def test_the_loss_falls(model, rig):
    lifter, drawn, optimizer = start_lifter_training(model, poses(rig), LifterTraining(batch=32))
    told = torch.tensor([lifter_training_step(lifter, drawn, optimizer, 32) for _ in range(40)])
    start, end = told[:3].mean(0), told[-10:].mean(0)
    assert (end < 0.75 * start).all()  # of the loss, and of the metres


def test_the_same_seed_takes_the_same_first_steps(model, rig):
    def first(seed):
        lifter, drawn, optimizer = start_lifter_training(model, poses(rig), LifterTraining(batch=8, seed=seed))
        return [lifter_training_step(lifter, drawn, optimizer, 8) for _ in range(3)]

    assert first(0) == first(0)
    assert first(0) != first(1)


def test_training_writes_a_lifter_that_is_read_again(model, motions, home):
    told = []
    out = home / "lifter_anny.safetensors"
    end = train_lifter_network(model, motions, out, LifterTraining(minutes=0.02, batch=8), told.append)
    assert end.steps >= 1
    assert end.done >= 1
    assert told == []  # it is over before there is something to tell
    assert lifters.load_lifter("anny").config.shapes == 10
    assert os.listdir(home) == [out.name]


COMMAND = ["train", "lifter", "--batch", "4", "-o", "lifter_anny.safetensors"]


@pytest.fixture
def folder(home, monkeypatch):
    monkeypatch.chdir(home)
    return home


def test_the_command_trains_and_says_how_well(folder, motions, capsys):
    assert main([*COMMAND, "--minutes", "0.01", "--motions", str(motions), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["output"] == "lifter_anny.safetensors"
    assert 0.05 < told["metres"] < 1
    assert os.listdir(folder) == ["lifter_anny.safetensors"]


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["--motions", "motions", "-o", "there.safetensors"], 2, "-y"),
        (["--motions", "motions", "-o", "out.pt"], 2, "must end in"),
        (["--motions", "motions", "--minutes", "0"], 2, "--minutes"),
        (["--motions", "motions", "--batch", "0"], 2, "--batch"),
        (["--motions", "motions"], 3, "is not a folder"),
        (["--motions", ".", "--seed", str(10**24)], 2, "--seed"),
        (["--motions", "."], 3, "no motion files"),
        ([], 2, "--motions"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_it_begins(folder, capsys, words, code, hint):
    (folder / "there.safetensors").write_text("precious")
    assert main(["train", "lifter", *words]) == code
    said = capsys.readouterr().err
    assert hint in said
    assert len(said.splitlines()) == 1
    assert (folder / "there.safetensors").read_text() == "precious"
    assert os.listdir(folder) == ["there.safetensors"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("every", [0.0, 1e9])
def test_who_is_told_to_end_leaves_what_was_saved_last(folder, motions, monkeypatch, capsys, how, every):
    out = folder / "lifter_anny.safetensors"
    out.write_text("precious")
    taken = []

    def until_told_to_end(*given):
        taken.append(lifter_training_step(*given))
        if len(taken) == 3:
            os.kill(os.getpid(), how)
        return taken[-1]

    monkeypatch.setattr(train, "SAVE_SECONDS", every)
    monkeypatch.setattr(train, "lifter_training_step", until_told_to_end)
    assert main([*COMMAND, "--minutes", "9", "-y", "--motions", str(motions)]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert len(taken) == 3
    assert os.listdir(folder) == [out.name]
    if every:
        assert out.read_text() == "precious"
    else:
        assert lifters.load_lifter("anny").config.shapes == 10
