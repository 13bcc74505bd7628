"""`motion-imitate synthesize-pairs`: a run that was broken off goes on, and makes what an unbroken one makes."""

import json

import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.synthesis import shards
from motion_imitate.synthesis.pairs import PeoplePool, SampleSettings, SyntheticDataset
from pipelines.cli.commands import main
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter
from pipelines.synthesize import command as synthesize
from pipelines.synthesize.options import SynthesizeOptions

HOW = SynthesizeOptions(count=5, seed=2, size=64)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(synthesize, "SAMPLES_PER_SHARD", 2)
    monkeypatch.setattr(
        synthesize, "synthesis_sampling", lambda how: SampleSettings((how.size, how.size), casting=PeoplePool(1, 100))
    )


def run(folder, how=HOW):
    synthesize.run_synthesize(folder, how, Reporter(quiet=True))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_broken_run_goes_on_and_makes_the_same_bytes(tmp_path, monkeypatch, capsys):
    whole = run(tmp_path / "whole")
    assert len(whole) == 5  # three files, the settings and the sheet
    made, done = synthesize.synthesize_shard, []

    def tired(job):
        if done:
            raise KeyboardInterrupt
        done.append(job)
        return made(job)

    monkeypatch.setattr(synthesize, "synthesize_shard", tired)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken")
    assert len(list((tmp_path / "broken").glob("*.safetensors"))) == 1
    monkeypatch.setattr(synthesize, "synthesize_shard", made)
    assert run(tmp_path / "broken") == whole
    assert "written now" in capsys.readouterr().out


def test_more_may_be_asked_for_later(tmp_path):
    whole = run(tmp_path / "whole")
    fewer = run(tmp_path / "grown", SynthesizeOptions(count=3, seed=2, size=64))
    assert len(fewer) == 4
    assert run(tmp_path / "grown") == whole


def test_a_folder_of_something_else_is_refused(tmp_path, capsys, monkeypatch):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        synthesize.prepare_synthesis_folder(tmp_path, HOW)
    synthesize.prepare_synthesis_folder(tmp_path / "new", HOW)
    with pytest.raises(UsageError, match="other settings"):
        synthesize.prepare_synthesis_folder(tmp_path / "new", SynthesizeOptions(seed=3, size=64))
    assert main(["synthesize-pairs", "-o", str(tmp_path / "new"), "--count", "0"]) == 2
    assert "count" in capsys.readouterr().err
    missing = [
        "synthesize-pairs",
        "-o",
        str(tmp_path / "other"),
        "--count",
        "1",
        "--motions",
        str(tmp_path / "nowhere"),
    ]
    assert json.loads((tmp_path / "new" / "settings.json").read_text())["seed"] == 2
    monkeypatch.undo()
    assert main(missing) == 3
    assert "is not a folder" in capsys.readouterr().err


def test_what_is_read_is_what_was_written(tmp_path):
    sample = SyntheticDataset(bodies.load_body("anny"), SampleSettings((64, 64), casting=PeoplePool(1, 100)), 1)[0]
    shards.write_shard(tmp_path / "a.safetensors", [sample, sample], {})
    first, _ = shards.read_shard(tmp_path / "a.safetensors")
    for name in shards.BYTE_FIELDS:
        assert_close(getattr(first, name), getattr(sample, name), atol=0.5 / 255 + 1e-6, rtol=0)
    known = sample.part > 0
    assert_close(first.flow[known].clamp(-1.9, 1.9), sample.flow[known].clamp(-1.9, 1.9), atol=1e-4, rtol=0)
    assert torch.equal(first.part, sample.part)
    assert torch.equal(first.seen_body.pose, sample.seen_body.pose)
    assert torch.equal(first.camera.place, sample.camera.place)
