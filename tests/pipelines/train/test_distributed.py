"""Processes that torchrun starts learn together: each from its own samples, all to the same weights."""

import json
import os
import subprocess
import sys
from itertools import islice
from types import SimpleNamespace

import pytest
from torch.testing import assert_close

from motion_imitate.weights import read_weights
from pipelines.train.distributed import ProcessRank, any_rank_true, join_process_group
from pipelines.train.loop import CHECKPOINT_FILE, LOG_FILE
from pipelines.train.worker_samples import WorkerSamples

TEAM = """
import sys, torch
from dataclasses import replace
from pathlib import Path
from tests.support.narrow_networks import narrow
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES
from pipelines.train import loop, optimizer
from pipelines.cli.commands import main

NETWORK_SHAPES["paper"] = narrow("paper")
folder = Path(sys.argv[1])
seen = []

def kept(self, samples, subject, learn=optimizer.Learner.learn):
    told = learn(self, samples, subject)
    seen.append(float(samples.truth.image.sum()))
    state = {k: v.clone() for k, v in self.stored().items()} | {"seen": torch.tensor(seen, dtype=torch.float64)}
    rank = torch.distributed.get_rank()
    loop.write_weights(folder / f"rank{rank}.safetensors", {}, state)
    return told

if __name__ == "__main__":  # not where samples are made
    optimizer.Learner.learn = kept
    sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
def test_two_processes_learn_the_same_from_different_samples(tmp_path):
    (tmp_path / "team.py").write_text(TEAM)
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    train = [
        "train",
        "liquid-warping",
        "-o",
        str(tmp_path / "run"),
        "--steps",
        "2",
        "--size",
        "72",
        "--people",
        "1",
        "--json",
    ]
    there = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [*run, str(tmp_path / "team.py"), str(tmp_path), *train]
    done = subprocess.run(command, capture_output=True, text=True, env=there, timeout=300)
    assert done.returncode == 0, done.stderr
    one, other = (read_weights(tmp_path / f"rank{k}.safetensors")[1] for k in range(2))
    assert (one.pop("seen") != other.pop("seen")).all()
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert_close(other[name], tensor, rtol=0, atol=0)
    about, written = read_weights(tmp_path / "run" / CHECKPOINT_FILE)
    assert about["step"] == 2
    assert written.keys() == one.keys()
    assert any(name.startswith("critic.") for name in one)
    (said,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert said["learnt"] == 2
    assert len((tmp_path / "run" / LOG_FILE).read_text().splitlines()) == 1


def test_processes_make_samples_of_their_own_and_none_is_left_out():
    """From whichever step on, as a run that goes on does."""
    samples = WorkerSamples(SimpleNamespace(workers=1, people=2), lambda lot, number: (lot, number), tuple, times=2)
    first, second = (list(islice(samples.stream(0, ProcessRank("cpu", rank, 2)), 5)) for rank in range(2))
    assert first == [((0, 0), (0, 1))] * 2 + [((1, 4), (1, 5))] * 2 + [((2, 8), (2, 9))]
    assert second == [((0, 2), (0, 3))] * 2 + [((1, 6), (1, 7))] * 2 + [((2, 10), (2, 11))]
    assert [next(samples.stream(step, ProcessRank("cpu", 1, 2))) for step in range(5)] == second


def test_a_process_alone_is_the_first():
    with join_process_group("cpu") as rank:
        assert rank == ProcessRank("cpu", 0, 1)
        assert rank.first
        assert [any_rank_true(yes, "cpu") for yes in (True, False)] == [True, False]
