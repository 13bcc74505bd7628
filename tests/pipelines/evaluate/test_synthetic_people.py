"""`motion-imitate evaluate --synthetic`: those who are made up anew are measured like clips."""

import json
from dataclasses import replace

import cv2
import pytest
import torch

from motion_imitate import bodies
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.metrics.images import psnr
from motion_imitate.metrics.motion import mean_mask_iou
from motion_imitate.portray import make_person
from motion_imitate.synthesis.pairs import PeoplePool, SampleSettings, SyntheticDataset
from motion_imitate.training.samples import GroundTruth, make_training_scene
from pipelines.cli.commands import main
from pipelines.evaluate.scores import MetricNetworks
from pipelines.evaluate.synthetic_people import render_scene_views, score_scene_views, score_synthetic_view

HELD = ["evaluate", "--synthetic", "3", "--seed", "4", "--quiet"]


@pytest.fixture(scope="module")
def people():
    return SyntheticDataset(bodies.load_body(), SampleSettings((96, 96), 3, casting=PeoplePool(1, 1)), 1)


@pytest.fixture(scope="module")
def one(people):
    return make_training_scene(people, 0)


def test_the_truth_has_no_fault(one):
    marks = score_synthetic_view(one.truth.image[:1], one.truth.matte[:1], one, slice(0, 1), MetricNetworks(eyes=None))
    assert marks["person_ssim"] == pytest.approx(1)
    assert marks["outline"] == 1
    assert marks["psnr"] == float("inf")


def test_who_is_drawn_is_nearer_than_who_stays(one):
    first, second = score_scene_views(one, MetricNetworks(eyes=None))
    assert set(first.marks) == {"copy", AVATAR_RENDERER}
    for view in (first, second):
        [[drawn], [copied]] = view.marks[AVATAR_RENDERER], view.marks["copy"]
        assert drawn["outline"] > max(copied["outline"], 0.5)
    assert not torch.equal(first.pictures[AVATAR_RENDERER], second.pictures[AVATAR_RENDERER])


def test_an_avatar_in_the_photos_own_pose_is_the_photo(people):
    scene = make_training_scene(people, 0)
    photo = scene.source
    truth = GroundTruth(photo.image, photo.matte, photo.background, torch.full((1, 4), torch.nan))
    body = make_person(photo, scene.model, AVATAR_RENDERER).source.body  # where the photo shows arms and legs
    still = replace(scene, body=body, camera=photo.camera, truth=truth)
    made, cover = render_scene_views(still, AVATAR_RENDERER, None)
    assert psnr(made[:1], still.truth.image[:1], still.truth.matte[:1] > 0.9) > 25
    assert mean_mask_iou(cover[0] > 0.5, still.truth.matte[0] > 0.5) > 0.9


@pytest.mark.slow
def test_a_table_and_a_sheet_of_people_who_are_made_up(tmp_path, capsys, unchecked_shapes):
    out, folder = tmp_path / "out.json", tmp_path / "sheets"
    assert main([*HELD, "-o", str(out), "--sheet", str(folder)]) == 0
    assert "| synthetic people | avatar | 3 |" in capsys.readouterr().out
    record = json.loads(out.read_text())
    assert [row["row"] for row in record["rows"]] == ["copy", AVATAR_RENDERER]
    assert all(row["perceptual"] < record["rows"][0]["perceptual"] for row in record["rows"][1:])
    assert cv2.imread(str(folder / "synthetic_people.png")).shape[0] >= 3 * 512
    assert main([*HELD, "--sheet", str(folder)]) == 2
    assert "already exists" in capsys.readouterr().err
