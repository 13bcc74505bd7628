"""Lessons: what is to be drawn and how it really looks belong together, and a number always means the same lesson."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.compositing.compose import compose_person
from motion_imitate.generators.load import template_face_positions as places_of
from motion_imitate.generators.retouch import RetouchSettings
from motion_imitate.metrics.motion import mean_mask_iou
from motion_imitate.synthesis.pairs import PeoplePool, SampleSettings, SyntheticDataset
from motion_imitate.training.samples import (
    RetouchSample,
    TrainingSampleSettings,
    flatten_tensors,
    make_retouch_sample,
    perturb_matte,
)

HOW = TrainingSampleSettings(retouch=RetouchSettings(size=64))


@pytest.fixture(scope="module")
def pairs():
    return SyntheticDataset(bodies.load_body("anny"), SampleSettings((128, 128), 3, casting=PeoplePool(1, 100)), 5)


@pytest.fixture(scope="module")
def first(pairs):
    return make_retouch_sample(pairs, 0, HOW)


def test_a_number_means_one_lesson(pairs, first):
    again = make_retouch_sample(pairs, 0, HOW)
    for name, tensor in flatten_tensors(first, "").items():
        assert_close(flatten_tensors(again, "")[name], tensor, rtol=0, atol=0, equal_nan=True)
    other = make_retouch_sample(pairs, 1, HOW)
    assert not torch.equal(other.truth.image, first.truth.image)


def test_there_are_views_for_all_that_are_no_photos(pairs, first):
    two = make_retouch_sample(pairs, 0, TrainingSampleSettings(2, retouch=HOW.retouch))
    assert (len(first.looked), len(first.truth), len(two.looked), len(two.truth)) == (1, 2, 2, 1)
    assert two.drafts.drawn.flow.shape[1] == 6


def test_a_photo_that_is_a_view_is_drawn_as_it_is(pairs, first):
    still = make_retouch_sample(pairs, 0, TrainingSampleSettings(still=1.0, retouch=HOW.retouch))
    colour, cover = compose_person(still.drafts.drawn, still.palette, (128, 128))
    made = colour * cover + still.truth.behind * (1 - cover)
    inside = (still.truth.matte > 0.98).expand(-1, 3, -1, -1)
    off = [(made - still.truth.image).abs()[k][inside[k]].mean() for k in range(2)]
    assert off[0] < 0.02 < off[1]
    assert torch.equal(still.truth.image[1], first.truth.image[1])


def test_the_draft_lies_where_the_person_really_is(first):
    for k in range(len(first.truth)):
        assert mean_mask_iou(first.drafts.drawn.cover[k] > 0.5, first.truth.matte[k] > 0.5) > 0.6


def test_the_draft_is_nearer_to_the_truth_than_the_background(first):
    colour, cover = compose_person(first.drafts.drawn, first.palette, (128, 128))
    on = (first.truth.matte > 0.9).expand(-1, 3, -1, -1)
    made = colour * cover + first.truth.behind * (1 - cover)
    off, none = ((x - first.truth.image).abs()[on].mean() for x in (made, first.truth.behind))
    assert off < 0.7 * none


def test_bytes_are_the_same_lesson(first):
    again = RetouchSample.unpacked(first.packed())
    for name, tensor in flatten_tensors(first, "").items():
        assert_close(flatten_tensors(again, "")[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_a_guessed_matte_is_softer_and_about_as_large():
    matte = torch.zeros(1, 64, 64)
    matte[:, 16:48, 16:48] = 1
    sizes = [float(perturb_matte(matte, np.random.default_rng(k), HOW).sum()) for k in range(20)]
    assert min(sizes) < 1024 < max(sizes)
    assert all(0.85 * 1024 < size < 1.15 * 1024 for size in sizes)


def test_places_tell_head_from_feet_and_left_from_right(pairs):
    model = pairs.body
    places = places_of(model)
    assert places.abs().max() <= 1.01
    head, feet = (places[model.regions[name], 1].mean() for name in ("head", "feet"))
    assert (head > 0.7, feet < -0.8) == (True, True)
    assert_close(places[model.mirror_faces, 0], -places[:, 0], rtol=0, atol=0.02)
