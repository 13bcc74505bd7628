"""Whoever is asked for is followed through the runs: across crossings, gaps and runs without anybody."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.estimators.follow import follow_person
from motion_imitate.estimators.landmarks import empty_sighting
from motion_imitate.types import Sighting, cat_batched

T = 16
FIGURE = torch.from_numpy(np.random.default_rng(0).uniform(-0.25, 0.25, (33, 2))).float()
FIGURE[[23, 24]] = torch.tensor([[0.02, 0.0], [-0.02, 0.0]])


def clock(run: int) -> torch.Tensor:
    return (torch.arange(T) + run * T) / 30


def person(run: int, x: list[float] | torch.Tensor, size: float = 0.5, score: float = 1.0) -> Sighting:
    """Somebody whose hips are at (x, 0) at each of the run's frames."""
    at = torch.stack([torch.as_tensor(x).expand(T).float(), torch.zeros(T)], 1)
    crop = torch.cat([torch.eye(2).expand(T, 2, 2) * size, at[..., None]], 2)
    return Sighting(
        points=at[:, None] + FIGURE * size,
        world=torch.zeros(T, 33, 3),
        visible=torch.ones(T, 33),
        score=torch.full((T,), score),
        crop=crop,
        mask=torch.zeros(T, 8, 8, dtype=torch.uint8),
        seconds=clock(run),
    )


def walk(run: int, start: float, speed: float, size: float = 0.5) -> Sighting:
    return person(run, start + speed * clock(run), size)


def x_of(seen: Sighting) -> torch.Tensor:
    return seen.points[:, [23, 24], 0].mean(1)


@pytest.mark.parametrize(
    ("who", "x"), [("left", -0.6), ("right", 0.5), ("largest", 0.1), (1, -0.6), (2, 0.1), (3, 0.5)]
)
def test_the_one_who_is_asked_for_is_followed(who, x):
    runs = [[person(r, 0.1, 0.9), person(r, 0.5), person(r, -0.6)] for r in range(3)]
    runs = [runs[0], runs[1][::-1], [runs[2][2], runs[2][0], runs[2][1]]]
    for seen in follow_person(iter(runs), who):
        assert_close(x_of(seen), torch.full((T,), x))


def test_two_who_pass_each_other_are_not_swapped():
    """At the border between two runs they are on top of each other; their speeds tell them apart."""
    runs = [[walk(r, -0.8, 0.75), walk(r, 0.8, -0.75)][:: -1 if r % 2 else 1] for r in range(4)]
    seen = cat_batched(list(follow_person(runs, "left")))
    assert_close(x_of(seen), -0.8 + 0.75 * seen.seconds)


def test_a_run_without_the_person_holds_them_with_score_zero():
    runs = [[walk(0, 0.0, 0.3)], [empty_sighting(clock(1))], [walk(2, 0.0, 0.3)]]
    first, away, back = follow_person(runs)
    assert (away.score == 0).all()
    assert_close(away.seconds, clock(1))
    assert_close(away.points, first.points[-1:].expand(T, 33, 2))
    assert_close(back.score, torch.ones(T))


def test_somebody_else_is_not_taken_for_who_left():
    other = [person(r, 0.7) for r in range(5)]
    runs = [[walk(0, -0.6, 0.0), other[0]], *([o] for o in other[1:])]
    first, *away = follow_person(runs, "left")
    assert (first.score == 1).all()
    assert all((seen.score == 0).all() for seen in away)


def test_who_comes_back_elsewhere_after_long_is_taken_again():
    other = [person(r, 0.7) for r in range(6)]
    runs = [[walk(0, -0.6, 0.0), other[0]], *([o] for o in other[1:5]), [other[5], person(5, 0.1)]]
    *_, last = follow_person(runs, "left")
    assert_close(x_of(last), torch.full((T,), 0.1))


def test_somebody_of_another_size_is_not():
    """Such as the picture of a person on an end card."""
    runs = [[person(0, 0.0, 0.9)], *([empty_sighting(clock(r))] for r in (1, 2, 3)), [person(4, 0.0, 0.2)]]
    *_, last = follow_person(runs)
    assert (last.score == 0).all()


@pytest.mark.parametrize(("who", "x"), [("left", -0.5), ("largest", 0.4), (2, 0.4), (3, 0.4)])
def test_after_a_cut_the_person_is_chosen_anew(who, x):
    """The largest if there are fewer people than the number asked for."""
    before = [person(0, 0.0, 0.9), person(0, -0.6), person(0, 0.6)]
    after = [replace(person(1, at, size), shot=torch.ones(T).long()) for at, size in ((-0.5, 0.3), (0.4, 0.5))]
    _, seen = follow_person([before, after], who)
    assert_close(x_of(seen), torch.full((T,), x))
    assert (seen.shot == 1).all()


def test_nothing_is_seen_before_anybody_comes():
    before, after = follow_person([[empty_sighting(clock(0))], [person(1, 0.2)]])
    assert (before.score == 0).all()
    assert (after.score == 1).all()


@pytest.mark.parametrize(
    ("who", "words"), [("tallest", "largest, left, right"), (3, "people is 2"), (0, "people is 2")]
)
def test_whom_nobody_can_follow_is_said(who, words):
    with pytest.raises(ValueError, match=words):
        list(follow_person([[person(0, 0.1), person(0, 0.5)]], who))


@pytest.mark.parametrize(("part", "found"), [((23, 24), True), ((11, 12, 23, 24), False)])
def test_hips_out_of_sight_may_jump_where_the_shoulders_stay(part, found):
    """A close-up: hips below the picture are guessed anew in each run."""
    before, after = person(0, 0.0), person(1, 0.0)
    points = after.points.clone()
    points[:, list(part), 1] += 0.45
    _, second = follow_person([[before], [replace(after, points=points)]])
    assert bool((second.score > 0).all()) == found
