"""Lessons: what is to be drawn and how it really looks belong together, and a number always means the same lesson."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.avatar.parsing_net import load_parsing_net
from motion_imitate.geometry.view import template_face_positions as places_of
from motion_imitate.metrics.motion import mean_mask_iou
from motion_imitate.synthesis.damage import Damage
from motion_imitate.synthesis.pairs import PeoplePool, SampleSettings, SyntheticDataset
from motion_imitate.training.samples import (
    CorrectionSample,
    TrainingSampleSettings,
    flatten_tensors,
    make_correction_sample,
    make_training_scene,
    perturb_matte,
)

HOW = TrainingSampleSettings()


@pytest.fixture(scope="module")
def pairs():
    return SyntheticDataset(bodies.load_body("anny"), SampleSettings((128, 128), 3, casting=PeoplePool(1, 100)), 5)


@pytest.fixture(scope="module")
def net():
    return load_parsing_net()


@pytest.fixture(scope="module")
def first(pairs, net):
    return make_correction_sample(pairs, net, 0, 96)


def test_a_number_means_one_lesson(pairs, net, first):
    again = make_correction_sample(pairs, net, 0, 96)
    for name, tensor in flatten_tensors(first, "").items():
        assert_close(flatten_tensors(again, "")[name], tensor, rtol=1e-3, atol=5e-4, equal_nan=True)
    other = make_correction_sample(pairs, net, 1, 96)
    assert not torch.equal(other.truth.image, first.truth.image)
    both = CorrectionSample.joined([first, other])
    assert (len(both.crop), len(both.draft), len(both.truth)) == (2, 4, 4)


def test_there_are_views_for_all_that_are_no_photos(pairs):
    one, two = (make_training_scene(pairs, 0, TrainingSampleSettings(photos)) for photos in (1, 2))
    assert (len(one.source), len(one.truth), len(one.camera), len(two.source), len(two.body)) == (1, 2, 2, 2, 1)


def test_only_photos_are_degraded(pairs):
    clean = SyntheticDataset(pairs.body, replace(pairs.how, damage=Damage(0, (1.0, 0.05), (1.0, 1.1), (1.0, 45))), 5)
    scene, sample = make_training_scene(clean, 0, replace(HOW, facing=0.0)), clean[0]
    assert torch.equal(scene.truth.image, sample.image[1:])
    assert (scene.source.image - sample.image[:1]).abs().mean() > 0.005


def test_drafts_and_truth_are_of_one_size(first):
    assert first.draft.colour.shape == first.truth.image.shape == (2, 3, 96, 96)
    assert first.crop.picture.shape == (1, 7, 96, 96)


def test_the_draft_lies_where_the_person_really_is(first):
    for k in range(len(first.truth)):
        assert mean_mask_iou(first.draft.cover[k] > 0.5, first.truth.matte[k] > 0.5) > 0.5


def test_the_draft_is_nearer_to_the_truth_than_the_background(first):
    on = (first.truth.matte > 0.9).expand(-1, 3, -1, -1)
    made = first.draft.colour + first.truth.behind * (1 - first.draft.cover)
    off, none = ((x - first.truth.image).abs()[on].mean() for x in (made, first.truth.behind))
    assert off < 0.7 * none


def test_bytes_are_the_same_lesson_in_half_precision(first):
    again = CorrectionSample.unpacked(first.packed())
    for name, tensor in flatten_tensors(first, "").items():
        assert_close(flatten_tensors(again, "")[name], tensor, rtol=1e-3, atol=5e-4, equal_nan=True)


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
