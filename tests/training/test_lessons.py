"""Lessons: what is to be drawn and how it really looks belong together, and a number always means the same lesson."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.compositing.compose import compose
from motion_imitate.generators.load import places as places_of
from motion_imitate.generators.retouch import Retouching
from motion_imitate.metrics.motion import overlap
from motion_imitate.synthesis.pairs import Casting, Pairs, Sampling
from motion_imitate.training.lessons import Lesson, Teaching, guessed, lesson, named

HOW = Teaching(retouch=Retouching(size=64))


@pytest.fixture(scope="module")
def pairs():
    return Pairs(bodies.load("anny"), Sampling((128, 128), 3, casting=Casting(1, 100)), 5)


@pytest.fixture(scope="module")
def first(pairs):
    return lesson(pairs, 0, HOW)


def test_a_number_means_one_lesson(pairs, first):
    again = lesson(pairs, 0, HOW)
    for name, tensor in named(first, "").items():
        assert_close(named(again, "")[name], tensor, rtol=0, atol=0, equal_nan=True)
    other = lesson(pairs, 1, HOW)
    assert not torch.equal(other.truth.image, first.truth.image)


def test_there_are_views_for_all_that_are_no_photos(pairs, first):
    two = lesson(pairs, 0, Teaching(2, retouch=HOW.retouch))
    assert (len(first.looked), len(first.truth), len(two.looked), len(two.truth)) == (1, 2, 2, 1)
    assert two.drafts.drawn.flow.shape[1] == 6


def test_a_photo_that_is_a_view_is_drawn_as_it_is(pairs, first):
    still = lesson(pairs, 0, Teaching(still=1.0, retouch=HOW.retouch))
    colour, cover = compose(still.drafts.drawn, still.palette, (128, 128))
    made = colour * cover + still.truth.behind * (1 - cover)
    inside = (still.truth.matte > 0.98).expand(-1, 3, -1, -1)
    off = [(made - still.truth.image).abs()[k][inside[k]].mean() for k in range(2)]
    assert off[0] < 0.02 < off[1]
    assert torch.equal(still.truth.image[1], first.truth.image[1])


def test_the_draft_lies_where_the_person_really_is(first):
    for k in range(len(first.truth)):
        assert overlap(first.drafts.drawn.cover[k] > 0.5, first.truth.matte[k] > 0.5) > 0.6


def test_the_draft_is_nearer_to_the_truth_than_the_background(first):
    colour, cover = compose(first.drafts.drawn, first.palette, (128, 128))
    on = (first.truth.matte > 0.9).expand(-1, 3, -1, -1)
    made = colour * cover + first.truth.behind * (1 - cover)
    off, none = ((x - first.truth.image).abs()[on].mean() for x in (made, first.truth.behind))
    assert off < 0.7 * none


def test_bytes_are_the_same_lesson(first):
    again = Lesson.unpacked(first.packed())
    for name, tensor in named(first, "").items():
        assert_close(named(again, "")[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_a_guessed_matte_is_softer_and_about_as_large():
    matte = torch.zeros(1, 64, 64)
    matte[:, 16:48, 16:48] = 1
    sizes = [float(guessed(matte, np.random.default_rng(k), HOW).sum()) for k in range(20)]
    assert min(sizes) < 1024 < max(sizes)
    assert all(0.85 * 1024 < size < 1.15 * 1024 for size in sizes)


def test_places_tell_head_from_feet_and_left_from_right(pairs):
    model = pairs.body
    places = places_of(model)
    assert places.abs().max() <= 1.01
    head, feet = (places[model.regions[name], 1].mean() for name in ("head", "feet"))
    assert (head > 0.7, feet < -0.8) == (True, True)
    assert_close(places[model.mirror_faces, 0], -places[:, 0], rtol=0, atol=0.02)
