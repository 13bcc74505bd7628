"""`motion-imitate evaluate --synthetic`: those who are made up anew are measured like clips."""

import json

import cv2
import pytest
import torch

from motion_imitate import bodies
from motion_imitate.generators import GENERATORS
from motion_imitate.synthesis.pairs import PeoplePool, SampleSettings, SyntheticDataset
from motion_imitate.training.samples import make_training_scene
from pipelines.cli.commands import main
from pipelines.evaluate.scores import MetricNetworks
from pipelines.evaluate.synthetic_people import score_scene_views, score_synthetic_view

HELD = ["evaluate", "--synthetic", "3", "--seed", "4", "--quiet"]


@pytest.fixture(scope="module")
def one():
    return make_training_scene(
        SyntheticDataset(bodies.load_body(), SampleSettings((96, 96), 3, casting=PeoplePool(1, 1)), 1), 0
    )


def test_the_truth_has_no_fault(one):
    marks = score_synthetic_view(one.truth.image[:1], one.truth.matte[:1], one, slice(0, 1), MetricNetworks(eyes=None))
    assert marks["person_ssim"] == pytest.approx(1)
    assert marks["outline"] == 1
    assert marks["psnr"] == float("inf")


def test_who_is_carried_is_nearer_than_who_stays(one):
    first, second = score_scene_views(one, MetricNetworks(eyes=None))
    assert set(first.marks) == {"copy", *GENERATORS}
    for view in (first, second):
        assert view.marks["geometric"]["outline"] > view.marks["copy"]["outline"]
        assert view.marks["geometric"]["outline"] > 0.6
    assert not torch.equal(first.pictures["geometric"], second.pictures["geometric"])


def test_a_table_and_a_sheet_of_people_who_are_made_up(tmp_path, capsys, unchecked_shapes):
    out, folder = tmp_path / "out.json", tmp_path / "sheets"
    assert main([*HELD, "-o", str(out), "--sheet", str(folder)]) == 0
    assert "| synthetic people | geometric | 3 |" in capsys.readouterr().out
    record = json.loads(out.read_text())
    assert [row["row"] for row in record["rows"]] == ["copy", *GENERATORS]
    assert record["rows"][1]["perceptual"] < record["rows"][0]["perceptual"]
    assert cv2.imread(str(folder / "synthetic_people.png")).shape[0] > 4 * 256
    assert main([*HELD, "--sheet", str(folder)]) == 2
    assert "already exists" in capsys.readouterr().err
