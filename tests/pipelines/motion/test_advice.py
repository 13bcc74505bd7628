"""Each advice appears exactly when there is a reason for it."""

import gc
import math
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from motion_imitate.estimators.landmarks import empty_sighting
from motion_imitate.types import Sighting, cat_batched
from motion_imitate.video import VideoInfo
from pipelines.motion.advice import (
    AdviceThresholds,
    chest_turn,
    continuity_advice,
    count_people,
    follow_with_advice,
    photo_advice,
    visibility_advice,
)

SIZE = (1000, 800)
RATE = 10


def figure() -> torch.Tensor:
    """[33, 3] metres, facing the camera: x right, y down, z away; the person's left is on the right."""
    points = torch.zeros(33, 3)
    points[:11, 1] = -0.6
    rows = {11: -0.45, 13: -0.2, 15: 0.02, 17: 0.08, 19: 0.1, 21: 0.06, 23: 0.0, 25: 0.4, 27: 0.75, 29: 0.78, 31: 0.8}
    for left, y in rows.items():
        points[left] = torch.tensor([0.2 if left < 23 else 0.1, y, 0.0])
        points[left + 1] = torch.tensor([-0.2 if left < 23 else -0.1, y, 0.0])
    return points


def person(count: int = 1, at=(0.0, 0.0), scale: float = 1.0, turn: float = 0.0, since: float = 0.0) -> Sighting:
    """Somebody `turn` degrees from facing the camera, whose hips are at an image point; visible throughout."""
    angle = math.radians(turn)
    rotation = torch.tensor([[math.cos(angle), 0, -math.sin(angle)], [0, 1, 0], [math.sin(angle), 0, math.cos(angle)]])
    world = figure() @ rotation.T
    points = world[:, :2] * scale * torch.tensor([SIZE[0] / SIZE[1], 1.0]) + torch.tensor(at)
    crop = torch.cat([torch.diag(torch.tensor([SIZE[0] / SIZE[1], 1.0])) * scale, torch.tensor(at)[:, None]], 1)
    return Sighting(
        points=points.expand(count, 33, 2).clone(),
        world=world.expand(count, 33, 3),
        visible=torch.ones(count, 33),
        score=torch.ones(count),
        crop=crop.expand(count, 2, 3),
        mask=torch.zeros(count, 8, 8, dtype=torch.uint8),
        seconds=since + torch.arange(count) / RATE,
    )


def away(count: int, since: float) -> Sighting:
    return replace(person(count, since=since), score=torch.zeros(count))


def sequence(*pieces) -> list[Sighting]:
    """Runs that follow each other in time, one of each piece: (count, who) where who is None or what person() takes."""
    runs, since = [], 0.0
    for count, who in pieces:
        runs.append(away(count, since) if who is None else person(count, since=since, **who))
        since += count / RATE
    return runs


INFO = VideoInfo(Path("clip.mp4"), SIZE[1], SIZE[0], Fraction(RATE), 10.0, 100, "h264", None, 0, False, False, ())
FINE = {"at": (0.0, 0.0)}


def advice_on_clip(runs, info, companies=()):
    """All that `follow_with_advice` says of a clip, without following anybody."""
    seen, doubts = cat_batched(runs), AdviceThresholds()
    return visibility_advice(seen, info, companies, doubts) + continuity_advice(seen, doubts)


def test_of_a_good_photo_and_a_good_clip_there_is_nothing_to_say():
    assert photo_advice([person()], SIZE) == []
    assert advice_on_clip(sequence((50, FINE)), INFO) == []


def test_nobody_is_the_only_thing_said():
    (photo,) = photo_advice([empty_sighting(torch.zeros(1))], SIZE)
    assert "nobody is seen in the photo" in photo
    assert photo_advice([], SIZE) == [photo]


def test_several_people_are_counted_but_not_those_far_behind():
    (said,) = photo_advice([person(), person(at=(0.5, 0.0), scale=0.8)], SIZE)
    assert said.startswith("2 people")
    assert "--photo-person N|left|right|largest" in said
    assert photo_advice([person(), person(at=(0.5, 0.0), scale=0.2), empty_sighting(torch.zeros(1))], SIZE) == []
    (said,) = advice_on_clip(sequence((50, FINE)), INFO, [1, 3, 3, 2])
    assert said.startswith("3 people")
    assert "--person N|left|right|largest" in said


def test_one_who_is_seen_twice_or_for_a_moment_is_no_company():
    one, twice, other = person(10), person(10, at=(0.1, -0.05)), person(10, at=(0.5, 0.0))
    brief = replace(other, score=torch.tensor([1.0] * 3 + [0.0] * 7))
    assert [count_people(run) for run in ([one], [one, twice], [one, brief], [one, other])] == [1, 1, 1, 2]
    assert count_people([empty_sighting(torch.zeros(10))]) == 0
    assert photo_advice([person(), person(at=(0.1, -0.05))], SIZE) == []
    assert advice_on_clip(sequence((50, FINE)), INFO, [1] * 20 + [2] * 3) == []


LOWERED = [
    (0.15, []),  # toes at 0.95
    (0.25, ["feet are not in the photo: the lower legs will end with it"]),
    (0.75, ["knees and feet are not in the photo"]),
    (1.05, ["knees and feet are not in the photo", "hands are not in the photo"]),
    (1.55, ["knees and feet are not in the photo", "hands are not in the photo"]),
]


@pytest.mark.parametrize(("low", "expected"), LOWERED)
def test_what_the_photos_edge_cuts_off_is_named(low, expected):
    said = photo_advice([person(at=(0.0, low))], SIZE)
    assert len(said) == len(expected)
    for one, begin in zip(said, expected, strict=True):
        assert one.startswith(begin)
        assert "; add a photo" in one


def test_a_head_outside_and_a_hand_to_one_side_are_named():
    (said,) = photo_advice([person(at=(0.0, -0.55))], SIZE)
    assert said.startswith("the head is not in the photo")
    seen = person()
    seen.points[:, 15, 0] = 1.2
    (said,) = photo_advice([seen], SIZE)
    assert said.startswith("the left hand is not in the photo")


@pytest.mark.parametrize(
    ("points", "begin"),
    [
        ([15], "the left hand is probably hidden"),
        ([16], "the right hand is probably hidden"),
        ([15, 16], "hands are probably hidden"),
        ([28], "the right foot is probably hidden"),
        ([27, 32], "feet are probably hidden"),
        ([0, 7, 8], "the head is not in the photo"),
    ],
)
def test_what_is_hidden_is_named(points, begin):
    seen = person()
    seen.visible[:, points] = 0.1
    (said,) = photo_advice([seen], SIZE)
    assert said.startswith(begin)


def test_one_hidden_ear_is_no_reason_to_complain():
    seen = person()
    seen.visible[:, 8] = 0
    assert photo_advice([seen], SIZE) == []


def test_a_tiny_person_is_measured_in_pixels():
    """The points span 1.4 image points from top to toe: 0.7 of the picture's height, and a tenth for the rest."""
    assert photo_advice([person()], (330, 264)) == []
    (said,) = photo_advice([person()], (300, 240))
    assert "231 pixels tall" in said
    (said,) = advice_on_clip(sequence((50, FINE)), replace(INFO, width=240, height=300))
    assert "231 pixels tall" in said


def test_somebody_cut_off_is_as_tall_as_they_are_in_truth():
    said = photo_advice([person(at=(0.0, 0.75))], (330, 264))
    assert not any("pixels tall" in one for one in said)


@pytest.mark.parametrize(
    ("turn", "word"),
    [(0, None), (45, None), (-45, None), (80, "side"), (-80, "side"), (150, "behind"), (180, "behind")],
)
def test_a_turned_person_lacks_a_side(turn, word):
    seen = person(turn=turn)
    assert abs(chest_turn(seen)) == pytest.approx(abs(turn), abs=0.01)
    said = photo_advice([seen], SIZE)
    assert len(said) == (word is not None)
    assert all(f"from {'the side' if word == 'side' else word}" in one for one in said)


def test_a_photo_looked_at_several_times_is_judged_by_the_last():
    seen = cat_batched([person(turn=180), person()])
    assert photo_advice([seen], SIZE) == []
    assert len(photo_advice([cat_batched([person(), person(turn=180)])], SIZE)) == 1


def test_an_end_card_and_a_title_are_to_be_cut_off():
    (said,) = advice_on_clip(sequence((50, FINE), (30, None)), INFO)
    assert said.startswith("nobody is seen from 4.9 s to the end")
    (said,) = advice_on_clip(sequence((20, None), (50, FINE)), INFO)
    assert said.startswith("nobody is seen until 2.0 s")
    assert advice_on_clip(sequence((3, None), (50, FINE), (4, None)), INFO) == []


def test_a_long_absence_is_told_with_its_share_and_place():
    (said,) = advice_on_clip(sequence((30, FINE), (10, None), (20, FINE), (20, None), (20, FINE)), INFO)
    assert "30 % of the clip" in said
    assert "from 5.9 to 8.0 s" in said
    assert advice_on_clip(sequence((50, FINE), (5, None), (45, FINE)), INFO) == []


def test_the_parts_without_anybody_before_and_after_are_no_absence():
    said = advice_on_clip(sequence((30, None), (30, FINE), (30, None)), INFO)
    assert [one.split(" s to")[0].split(" s:")[0] for one in said] == [
        "nobody is seen until 3.0",
        "nobody is seen from 5.9",
    ]


THERE, HERE = {"at": (0.7, 0.0), "scale": 0.8}, {"at": (-0.7, 0.0), "scale": 0.8}


@pytest.mark.parametrize("between", [[], [(8, None)]])
def test_a_cut_is_where_the_person_leaps(between):
    (said,) = advice_on_clip(sequence((40, HERE), *between, (40, THERE)), INFO)
    assert f"leaps at {4.0 + 0.8 * len(between):.1f} s, " in said


@pytest.mark.parametrize("between", [[], [(8, None)]])
def test_a_cut_is_where_the_person_is_suddenly_larger(between):
    (said,) = advice_on_clip(sequence((40, {"scale": 0.5}), *between, (40, {"scale": 0.9})), INFO)
    assert "leaps at" in said


def test_a_cut_is_where_another_pose_is_taken_at_once():
    """Arms up from one picture to the next, the hips where they were; the same in a second is a movement."""
    up = torch.zeros(33, 2)
    up[13:23, 1] = -0.6
    share = (torch.arange(60) >= 30).float()
    still = person(60)
    (said,) = advice_on_clip([replace(still, points=still.points + share[:, None, None] * up)], INFO)
    assert "leaps at 3.0 s, " in said
    share = ((torch.arange(60) - 25) / 10).clamp(0, 1)
    assert advice_on_clip([replace(still, points=still.points + share[:, None, None] * up)], INFO) == []


def test_a_cut_that_was_found_is_no_leap():
    run = cat_batched(sequence((40, HERE), (40, THERE)))
    (said,) = advice_on_clip([replace(run, shot=(torch.arange(80) >= 40).long())], INFO)
    assert said.startswith("the clip is cut at 4.0 s: ")


def test_many_cuts_are_told_in_one_sentence():
    (said,) = advice_on_clip(sequence(*[(10, HERE), (10, THERE)] * 4), INFO)
    assert "1.0 s, 2.0 s, 3.0 s and later" in said


def test_who_runs_walks_closer_or_leaves_and_returns_is_not_cut():
    run = cat_batched(
        [person(1, at=(-0.6 + 0.04 * i, 0.0), scale=0.7, since=i / RATE) for i in range(30)]
    )  # 2.4 m/s or so
    assert advice_on_clip([run], INFO) == []
    closer = cat_batched([person(1, scale=0.5 * 1.02**i, since=i / RATE) for i in range(30)])
    assert advice_on_clip([closer], INFO) == []
    left, right = {"at": (-0.95, 0.0), "scale": 0.8}, {"at": (0.95, 0.0), "scale": 0.8}
    said = advice_on_clip(sequence((60, left), (8, None), (60, right)), INFO)
    assert not any("leaps at" in one for one in said)


@pytest.mark.parametrize(
    ("low", "begin"), [(0.25, "feet are outside"), (0.75, "knees and feet are outside"), (-0.3, None)]
)
def test_limbs_outside_a_clip_are_told_once_with_their_share(low, begin):
    said = advice_on_clip(sequence((30, FINE), (30, {"at": (0.0, low)})), INFO)
    limbs = [one for one in said if "outside the image" in one]
    assert len(limbs) == (begin is not None)
    assert all(one.startswith(begin) and "in 50 % of" in one for one in limbs)
    assert not any("outside" in one for one in advice_on_clip(sequence((90, FINE), (10, {"at": (0.0, low)})), INFO))


def test_every_advice_says_what_suffers_and_what_helps():
    bad = person(at=(0.0, 1.05), scale=1.0, turn=180)
    said = photo_advice([bad, person(at=(0.4, 0.0))], (200, 160))
    said += advice_on_clip(sequence((20, None), (10, HERE), (20, None), (10, THERE), (20, None)), INFO, [2])
    assert len(said) >= 9
    for one in said:
        assert "\n" not in one
        assert "; " in one
        assert not one.endswith(".")


def test_masks_of_what_went_by_are_not_held():
    runs = ([replace(person(64, since=6.4 * k), mask=torch.zeros(64, 128, 128, dtype=torch.uint8))] for k in range(20))
    coming = follow_with_advice(runs, "largest", INFO, lambda line: None)
    for _ in islice(coming, 15):
        pass
    kept = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in gc.get_objects() if type(t) is Tensor}
    masks = [size for size in kept.values() if size == 64 * 128 * 128]
    assert len(masks) <= 2
