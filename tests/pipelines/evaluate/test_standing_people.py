"""`motion-imitate evaluate --turned` and `--dressed`: synthetic people from behind, and in the clothes of others."""

import json
from dataclasses import replace
from math import isnan, nan
from types import SimpleNamespace

import cv2
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.metrics.motion import mean_mask_iou
from motion_imitate.motion.turntable import turn_person
from pipelines.cli.commands import main
from pipelines.evaluate import dressed_people, standing_people, turned_people
from pipelines.evaluate.dressed_people import DRESSED, UNDRESSED, dress_synthetic_person
from pipelines.evaluate.options import EvaluationPeopleOptions
from pipelines.evaluate.scores import MetricNetworks
from pipelines.evaluate.standing_people import StandingPeople
from pipelines.evaluate.turned_heads import (
    DRN_ROW,
    SIGNED_TURNS,
    compare_turned_faces,
    mean_turn_scores,
    turn_synthetic_head,
)
from pipelines.evaluate.turned_people import (
    COMPARED_AZIMUTHS,
    COMPLETIONS,
    front_and_back,
    front_for_back,
    parse_views,
    score_turned_views,
    shows_face,
    smear_outline,
    turn_synthetic_person,
)

BLIND = MetricNetworks(eyes=None)
FACE_POINTS = torch.rand(468, 2, generator=torch.Generator().manual_seed(0)) - 0.5
BACK = COMPARED_AZIMUTHS.index(180)


@pytest.fixture(scope="module", autouse=True)
def small():
    """Photos that are fast to portray."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standing_people, "PHOTO_HEIGHT", 144)
        patch.setattr(standing_people, "STANDING", replace(standing_people.STANDING, tried=4000))
        yield


@pytest.fixture(scope="module")
def crowd(small):
    return StandingPeople(EvaluationPeopleOptions(part="all", seed=3))


@pytest.fixture(scope="module")
def turned(crowd):
    return turn_synthetic_person(crowd, 0, BLIND)


@pytest.fixture(scope="module")
def avatar(crowd):
    actor = crowd.make_actor(0, 0)
    return crowd.portray(actor, crowd.sample_scene(actor, 0), 0).appearance.avatars[0]


def test_all_methods_show_the_photos_view_alike(turned):
    first, *others = (marks[0] for marks in turned.marks.values())
    assert first["person_psnr"] > 20
    assert first["outline"] > 0.9
    assert all(other["person_psnr"] == pytest.approx(first["person_psnr"], abs=0.1) for other in others)


def test_the_truth_has_no_fault(crowd):
    actor = crowd.make_actor(0, 0)
    scene = crowd.sample_scene(actor, 0)
    truth, person = crowd.render(actor, scene), crowd.portray(actor, scene, 0)
    motion = next(turn_person(scene.body, scene.camera, [0.0]))
    [marks] = score_turned_views(truth, truth, parse_views(truth, person, motion), person, motion, BLIND)
    assert marks["kinds"] == 1
    assert marks["person_ssim"] == pytest.approx(1)


def test_the_back_is_less_like_the_truth_in_kind_than_what_the_photo_shows(turned):
    for marks in turned.marks.values():
        assert 0.2 < marks[BACK]["kinds"] < marks[0]["kinds"] - 0.05


def test_the_front_for_the_back_reads_what_the_front_reads(avatar):
    front, back = front_and_back(avatar)
    made = front_for_back(avatar)
    assert torch.equal(made.photo[back], made.photo[front])
    assert_close(made.source[made.faces[back]][:, [0, 2, 1]], made.source[made.faces[front]])


def test_what_is_smeared_has_less_detail_than_the_front(avatar):
    _, back = front_and_back(avatar)
    made = smear_outline(avatar)
    for page in avatar.photo[front_and_back(avatar)[0]].unique():
        smeared = made.photo[back & (front_for_back(avatar).photo == page)].unique()
        assert len(smeared) == 1
        assert smeared >= len(avatar.photos)
        pair = made.photos[[int(page), int(smeared)], ..., :3].float()
        inside = avatar.photos[page, :, 1:, 3] > 250
        own, spread = (picture.diff(dim=1).abs().mean(-1)[inside].mean() for picture in pair)
        assert spread < own


def test_the_clothes_change_and_the_person_stays(crowd):
    own, dressed, other = (crowd.make_actor(*each) for each in ((4, 4), (4, 5), (5, 5)))
    assert torch.equal(own.shape, dressed.shape)
    assert not torch.equal(other.shape, dressed.shape)
    scene = crowd.sample_scene(own, 4)
    first, second = (crowd.render(actor, scene) for actor in (own, dressed))
    head = slice(0, int(torch.nonzero(first.cover[0, 0].amax(1))[0]) + 12)
    assert mean_mask_iou(first.cover[0, :, head] > 0.5, second.cover[0, :, head] > 0.5) > 0.95
    assert (first.image - second.image)[:, :, head].abs().mean() < (first.image - second.image).abs().mean() / 3


@pytest.fixture(scope="module")
def dressed(crowd):
    return dress_synthetic_person(crowd, 0, BLIND)


def test_whoever_is_dressed_is_nearer_than_who_is_not(dressed):
    [[after], [before]] = dressed.marks[DRESSED], dressed.marks[UNDRESSED]
    assert after["person_psnr"] > before["person_psnr"]


def test_a_table_and_sheets(turned, dressed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(turned_people, "turn_synthetic_person", lambda *_: turned)
    monkeypatch.setattr(dressed_people, "dress_synthetic_person", lambda *_: dressed)
    out, folder = tmp_path / "out.json", tmp_path / "sheets"
    arguments = ["evaluate", "--turned", "3", "--dressed", "2", "--part", "all", "--quiet", "--sheet", str(folder)]
    assert main([*arguments, "-o", str(out)]) == 0
    assert f"| seen from 180 degrees | {AVATAR_RENDERER} | 3 |" in capsys.readouterr().out
    rows = json.loads(out.read_text())["rows"]
    assert {row["row"] for row in rows} == {*COMPLETIONS, UNDRESSED, DRESSED}
    assert len(rows) == len(COMPARED_AZIMUTHS) * len(COMPLETIONS) + 2
    assert rows[0]["person_psnr"] == pytest.approx(turned.marks["smeared"][0]["person_psnr"])
    high = [cv2.imread(str(folder / f"{name}_people.png")).shape[0] for name in ("turned", "dressed")]
    assert min(high) >= 4 * 144
    assert main(arguments) == 2
    assert "already exists" in capsys.readouterr().err


def test_whether_a_face_is_seen(turned, crowd):
    """With nets that always, or never, find a face."""
    actor = crowd.make_actor(0, 0)
    scene = crowd.sample_scene(actor, 0)
    motion = next(turn_person(scene.body, scene.camera, [180.0]))
    person = SimpleNamespace(model=crowd.body)
    for found in (None, object()):
        faces = SimpleNamespace(find=lambda image, points, found=found: found)
        assert shows_face(turned.pictures["truth"][BACK], person, motion, faces) == (found is not None)


def test_faces_of_turned_heads_are_drawn_in_two_ways(crowd):
    seen = turn_synthetic_head(crowd, 0, BLIND)
    plain, faced, truth = (seen.pictures[row] for row in (AVATAR_RENDERER, DRN_ROW, "truth"))
    assert plain.shape == truth.shape == (len(SIGNED_TURNS), 3, *truth.shape[2:])
    changed = [k for k in range(len(SIGNED_TURNS)) if not torch.equal(plain[k], faced[k])]
    assert changed
    assert (plain - truth).abs().mean() < 0.05
    assert all(isnan(score["face"]) for row in (AVATAR_RENDERER, DRN_ROW) for score in seen.marks[row])


def test_a_face_of_the_truth_is_no_distance_from_itself(turned):
    picture = turned.pictures["truth"][:1]
    identity = SimpleNamespace(
        find=lambda image, points: SimpleNamespace(points=FACE_POINTS), identity=lambda x: x.flatten(1)
    )
    same, other = (
        compare_turned_faces(made, picture, torch.zeros(1, 33, 2), identity)[0] for made in (picture, 1 - picture)
    )
    assert (same["face"], same["shows_face"]) == (0, 1)
    assert other["face"] > 0


def test_rows_are_means_over_both_sides_of_shown_faces():
    marks = [{"face": nan if k == 1 else float(k), "shows_face": 1.0} for k in range(len(SIGNED_TURNS))]
    rows = mean_turn_scores([{"avatar": marks}])
    assert [(row["frames"], row["face"]) for row in rows] == [(1, 0), (2, 2.5), (2, 4.5)]
