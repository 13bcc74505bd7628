"""`motion-imitate evaluate`: a still clip is its own copy; marks are of the truth; nonsense is refused."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from motion_imitate.estimators.face import MEAN_FACE, FaceLandmarks
from motion_imitate.training import backbones
from motion_imitate.types import Sighting
from pipelines.cli.commands import main
from pipelines.evaluate import compare
from pipelines.evaluate import tables as evaluated
from pipelines.evaluate.scores import GroundTruthFrame, MetricNetworks, frames_with_next, score_clip_frame
from pipelines.evaluate.tables import SCORE_COLUMNS, markdown_score_table, mean_scores, system_means, without_infinities
from pipelines.motion.estimate import open_input_clip
from pipelines.motion.options import EstimationOptions
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter
from tests.support import DATA
from tests.support.media import film, number

PERSON = DATA / "one_person.jpg"
SIZE = (96, 128)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def still(path, count, height=320):
    """The photo as a clip in which nothing moves, hardly compressed."""
    photo = cv2.imread(str(PERSON))[..., ::-1]
    width = round(photo.shape[1] * height / photo.shape[0] / 2) * 2
    small = np.ascontiguousarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA))
    return film(path, count, (height, width), options={"qp": "0"}, image=lambda frame, size: small)


def test_a_still_clip_is_its_own_copy(capsys, folder, unchecked_shapes):
    still(folder / "still.mp4", 4)
    words = ["--every", "2", "--quality", "fast", "--sheet", "sheets", "-o", "out.json", "--quiet"]
    assert main(["evaluate", "still.mp4", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[2].strip() for line in lines] == ["row", "---", "copy", "avatar"]
    assert len({line.count("|") for line in lines}) == 1
    record = json.loads(Path("out.json").read_text())
    copy, drawn = record["rows"]
    for system, row in (("copy-source", copy), ("avatar", drawn)):
        assert record["systems"][system] == {"clips": 1} | {k: v for k, v in row.items() if k not in ("clip", "row")}
    assert copy["person_ms_ssim"] == pytest.approx(1, abs=0.001)
    assert copy["perceptual"] < 0.01 < drawn["perceptual"] < 0.4
    assert copy["person_ms_ssim"] > drawn["person_ms_ssim"]
    assert copy["frames"] == drawn["frames"] == 1  # the photo itself does not count, and the last has no next
    assert copy["person_psnr"] is None or copy["person_psnr"] > 50
    for name in ("person_ssim", "ssim", "outline"):
        assert copy[name] == pytest.approx(1, abs=0.01)
    assert copy["pose_error"] < 0.003
    assert copy["flicker"] < 0.1
    assert 0.5 < drawn["person_ssim"] < copy["person_ssim"]
    assert drawn["pose_error"] < 0.04
    assert drawn["outline"] > 0.8
    sheet = cv2.imread("sheets/1_still.png")
    assert sheet.shape[0] > 3 * 480 - 1  # truth, copy, avatar
    assert sorted(os.listdir(folder)) == ["out.json", "sheets", "still.mp4"]


def refused(capsys, code, *words):
    assert main(["evaluate", *map(str, words)]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "Traceback" not in said.err
    return said.err


def test_what_cannot_be_is_refused_in_a_sentence(capsys, folder):
    film(folder / "clip.mp4", count=3)
    (folder / "file").write_text("")
    (folder / "old.json").write_text("{}")
    assert "--pair FIRST SECOND" in refused(capsys, 2)
    assert "--pair" in refused(capsys, 2, "--pair", "clip.mp4")
    assert "absent.mp4" in refused(capsys, 3, "absent.mp4")
    assert "absent.mp4" in refused(capsys, 3, "--pair", "clip.mp4", "absent.mp4")
    assert "must end in" in refused(capsys, 2, "clip.mp4", "-o", "out.txt")
    assert "already exists" in refused(capsys, 2, "clip.mp4", "-o", "old.json")
    assert "name one after --sheet" in refused(capsys, 2, "clip.mp4", "--sheet", "file")
    assert "name another after --sheet" in refused(capsys, 2, "clip.mp4", "--sheet", "no/folder")
    assert "goes to 2" in refused(capsys, 2, "clip.mp4", "--source-frame", "3")
    assert "every" in refused(capsys, 2, "clip.mp4", "--every", "0")
    assert "nobody is seen in frame 1 of clip.mp4" in refused(capsys, 3, "clip.mp4", "--source-frame", "1")
    assert sorted(os.listdir(folder)) == ["clip.mp4", "file", "old.json"]


def test_a_sheet_that_is_there_already_stays(capsys, folder):
    film(folder / "clip.mp4", count=3)
    (folder / "sheets").mkdir()
    (folder / "sheets" / "1_clip.png").write_bytes(b"mine")
    (folder / "sheets" / "synthetic_people.png").write_bytes(b"of no concern")
    job = [(Path("clip.mp4"), Path("clip.mp4"))]
    assert len(evaluated.plan_sheet_paths([], ["synthetic_people"], None, Path("new"), False)) == 1
    with pytest.raises(UsageError, match="1_clip"):
        evaluated.plan_sheet_paths(job, [], None, Path("sheets"), False)
    with pytest.raises(UsageError, match="synthetic_people"):
        evaluated.plan_sheet_paths([], ["synthetic_people"], None, Path("sheets"), False)
    assert evaluated.plan_sheet_paths([], [], None, Path("sheets"), False) == []
    assert "already exists" in refused(capsys, 2, "clip.mp4", "--sheet", "sheets")
    assert (folder / "sheets" / "1_clip.png").read_bytes() == b"mine"


def test_wanted_frames_come_with_the_next_across_runs(folder):
    """The frames' own numbers are read off the pictures."""
    opened = open_input_clip(film(folder / "clip.mp4", count=40), EstimationOptions(), lambda _: None)
    found = {
        frame: [number(p.permute(1, 2, 0).numpy()) for p in two] for frame, two in frames_with_next(opened, [0, 15, 31])
    }
    assert found == {0: [0, 1], 15: [15, 16], 31: [31, 32]}
    assert [frame for frame, _ in frames_with_next(opened, [38, 39])] == [38]  # the last has no next


def test_the_frame_that_serves_as_the_photo_is_the_one_asked_for(folder):
    clip = film(folder / "clip.mp4", count=20)
    for wanted in (0, 17):
        assert number(compare.read_clip_frame(clip, wanted, SIZE).permute(1, 2, 0).numpy()) == wanted
    with pytest.raises(UsageError, match="goes to 19"):
        compare.read_clip_frame(clip, 20, SIZE)


def sighting(shift=0.0):
    """Somebody in the middle, moved to the right by so many image points."""
    grid = torch.linspace(-0.5, 0.5, 33)
    return Sighting(
        points=torch.stack([grid * 0.4 + shift, grid], -1)[None],
        world=torch.zeros(1, 33, 3),
        visible=torch.ones(1, 33),
        score=torch.ones(1),
        crop=torch.tensor([[[0.5, 0, shift], [0, 0.5, 0]]]),
        mask=torch.full((1, 16, 16), 255, dtype=torch.uint8),
        seconds=torch.zeros(1),
    )


def sees(*people):
    def look(frames):
        return [one[torch.zeros(len(frames), dtype=torch.int64)] for one in people]

    return look


@pytest.fixture
def truth():
    random = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (2, 3, *SIZE), generator=random, dtype=torch.uint8)
    person = torch.zeros(1, 1, *SIZE, dtype=torch.bool)
    person[..., 24:72, 32:96] = True
    return GroundTruthFrame(7, pictures, sighting(), person)


def test_the_truth_judged_by_itself_has_no_fault(truth):
    marks = score_clip_frame(truth.pictures, truth, MetricNetworks(sees(sighting())))
    assert marks["person_psnr"] == marks["psnr"] == math.inf
    assert marks["person_ssim"] == marks["aligned_ssim"] == pytest.approx(1)
    assert marks["flicker"] == marks["pose_error"] == 0
    assert marks["outline"] == marks["found"] == 1


def test_faults_are_told_apart(truth):
    elsewhere = truth.pictures.where(truth.person[0], 0)
    marks = score_clip_frame(
        elsewhere, truth, MetricNetworks(sees(sighting(0.9), sighting(0.1)))
    )  # the nearer of two people
    assert marks["person_psnr"] == math.inf
    assert marks["psnr"] < 10
    assert marks["pose_error"] == pytest.approx(0.1 * SIZE[1] / SIZE[0], rel=1e-4)
    assert marks["outline"] == pytest.approx(0.9 / 1.1, abs=0.03)
    second = truth.pictures.clone()
    second[1] = (second[1].int() - 10).clamp(min=0).to(torch.uint8)
    assert 8 < score_clip_frame(second, truth, MetricNetworks(sees(sighting())))["flicker"] <= 10
    lost = sighting()
    lost.score.zero_()
    marks = score_clip_frame(truth.pictures, truth, MetricNetworks(sees(lost)))
    assert marks["found"] == 0
    assert math.isnan(marks["pose_error"])


def test_networks_judge_where_they_are_and_their_marks_tell_faults(truth):
    def features(pictures):
        return [pictures] * 5

    judges = MetricNetworks(sees(sighting()), OneFace(), features)
    same = score_clip_frame(truth.pictures, truth, judges)
    assert same["face"] == 0
    assert same["perceptual"] == same["aligned"] == pytest.approx(0, abs=1e-6)
    assert score_clip_frame(truth.pictures // 2, truth, judges)["face"] > 0.1
    inverse = score_clip_frame(255 - truth.pictures, truth, judges)
    assert min(inverse["perceptual"], inverse["aligned"]) > 0.1
    assert math.isnan(
        score_clip_frame(truth.pictures, truth, MetricNetworks(sees(sighting()), NoFace(), features))["face"]
    )
    blind = score_clip_frame(truth.pictures, truth, MetricNetworks(sees(sighting())))
    assert math.isnan(blind["face"])
    assert math.isnan(blind["perceptual"])
    assert math.isnan(blind["aligned"])


def test_what_is_a_pixel_off_is_near_once_it_is_slid_to_fit(truth):
    coarse = truth.pictures[:, :, ::8, ::8].float()
    smooth = torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear").to(torch.uint8)
    truth = replace(truth, pictures=smooth)
    marks = score_clip_frame(
        smooth.roll(1, 3), truth, MetricNetworks(sees(sighting()), features=lambda pictures: [pictures] * 5)
    )
    assert marks["aligned"] < 0.3 * marks["perceptual"]
    assert marks["person_ssim"] < 0.98 < marks["aligned_ssim"]


class NoFace:
    def find(self, image, person):
        return None


class OneFace:
    """Sees a face in the middle; who it is, is its mean colour."""

    def find(self, image, person):
        points = torch.zeros(468, 2)
        points[list(MEAN_FACE)] = torch.tensor(list(MEAN_FACE.values())) - 0.5
        return FaceLandmarks(points, 1.0, 100.0)

    def identity(self, faces):
        return faces.mean((2, 3))


def test_a_package_that_is_missing_is_told_once_and_the_rest_is_measured(capsys, monkeypatch):
    monkeypatch.setattr(backbones, "LITE0_PACKAGE", "no_such_package_at_all")
    judges = compare.load_metric_networks(EstimationOptions(), Reporter())
    assert judges.features is None
    assert judges.faces is not None
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("is not installed; run `pip install 'motion-imitate[train]'`")
    assert "perceptual distance is left out" in said


def test_systems_are_means_over_the_clips_that_have_the_mark():
    none = dict.fromkeys(SCORE_COLUMNS)
    rows = [
        {"clip": "a", "row": "copy", "frames": 10} | none | {"face": 0.9, "psnr": 10.0, "person_psnr": math.inf},
        {"clip": "a", "row": "avatar", "frames": 10} | none | {"face": 0.3},
        {"clip": "b", "row": "copy", "frames": 30} | none | {"psnr": 20.0},
        {"clip": "b", "row": "avatar", "frames": 30} | none | {"face": 0.5},
    ]
    found = system_means(rows)
    assert list(found) == ["copy-source", "avatar"]
    assert found["copy-source"] == none | {"clips": 2, "frames": 40, "face": 0.9, "psnr": 15.0}
    assert found["avatar"] == none | {"clips": 2, "frames": 40, "face": pytest.approx(0.4)}


def test_means_leave_out_what_was_not_measured():
    each = [{"found": 1.0, "pose_error": 0.02, "psnr": 20.0}, {"found": 0.0, "pose_error": math.nan, "psnr": 30.0}]
    row = mean_scores(each, whole=True)
    assert (row["frames"], row["found"], row["pose_error"], row["psnr"], row["face"]) == (2, 0.5, 0.02, 25, None)
    assert mean_scores(each, whole=False)["psnr"] is None
    assert set(row) == {"frames", *SCORE_COLUMNS}
    written = markdown_score_table([{"clip": "a", "row": "copy"} | row]).splitlines()
    assert written[0] == "| clip | row | frames | pose error, % | found, % | PSNR, dB |"
    assert written[2] == "| a | copy | 2 | 2.0 | 50 | 25.0 |"
    assert without_infinities({"psnr": math.inf, "ssim": 1.0}) == {"psnr": None, "ssim": 1.0}
    json.dumps(without_infinities(row), allow_nan=False)
