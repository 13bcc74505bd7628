"""Which renderer draws a photo: the avatar where the body fits, else the next that can."""

import re
import sys
from dataclasses import replace

import pytest
import torch

from motion_imitate import renderer_chain
from motion_imitate.generators.dense_pose_painter import DensePosePainter
from motion_imitate.generators.dense_pose_transfer import DENSE_POSE_FORMS, DensePoseNetworks
from motion_imitate.generators.detail_painter import DetailPainter
from motion_imitate.generators.load import shipped_weights
from motion_imitate.person import GeneratedAppearance
from motion_imitate.portray import make_person
from motion_imitate.renderer_chain import LEAST_OVERLAP, body_fault, body_overlap
from motion_imitate.weights import write_weights
from tests.support.demo_person import demo_person
from tests.support.painted import MODEL, source, standing

SIZE = (144, 96)
PORTRAY = sys.modules[make_person.__module__]  # the package's `portray` is a function


@pytest.fixture
def photo():
    return source(standing(size=SIZE), size=SIZE)


@pytest.fixture
def misfit(photo):
    return replace(photo, matte=photo.matte.roll(SIZE[1] // 3, 3))


@pytest.fixture
def without_avatar(monkeypatch):
    def refuse(*_):
        raise ValueError("its arms are lost")

    monkeypatch.setattr(PORTRAY, "make_avatars", refuse)


def test_overlap_tells_a_body_that_fits_from_one_elsewhere(photo, misfit):
    assert body_overlap(photo) > 0.99
    assert body_fault(photo) == ""
    assert body_overlap(misfit) < LEAST_OVERLAP
    assert re.search(r"overlaps the person by \d+% only, 65% are needed", body_fault(misfit))
    assert body_overlap(demo_person().source) > 0.8


def test_a_body_that_does_not_fit_is_drawn_from_keypoints(misfit):
    person = make_person(misfit, MODEL, "auto")
    assert person.choice.renderer == "drn"
    assert person.choice.sentence.startswith("drawn by drn, small and blurred, because the body that was fitted")
    assert "dense-pose" not in person.choice.sentence
    assert type(person.appearance.generator) is DetailPainter


def test_links_without_weights_are_stepped_over_and_named(photo, without_avatar, monkeypatch):
    monkeypatch.setattr(
        renderer_chain, "shipped_weights", lambda name: None if name == "dense-pose" else shipped_weights(name)
    )
    choice = make_person(photo, MODEL, "auto").choice
    assert choice.renderer == "drn"
    assert "no avatar can be made of it (its arms are lost) and dense-pose has no weights;" in choice.sentence
    monkeypatch.setattr(renderer_chain, "shipped_weights", lambda _: None)
    with pytest.raises(ValueError, match=r"dense-pose and drn would draw this photo.*train drn`, and give --weights"):
        make_person(photo, MODEL, "auto")


def test_weights_arm_their_own_link(photo, without_avatar, tmp_path):
    file, config = tmp_path / "weights.safetensors", DENSE_POSE_FORMS["small"]
    about = {"system": "dense-pose", "form": "small", "size": [64, 48]}
    write_weights(file, about, DensePoseNetworks(config).state_dict())
    person = make_person(photo, MODEL, "auto", file)
    assert person.choice.renderer == "dense-pose"
    assert "has no weights" not in person.choice.sentence
    assert isinstance(person.appearance, GeneratedAppearance)
    assert type(person.appearance.generator) is DensePosePainter


def test_the_first_photo_decides_and_misfits_among_the_others_are_left_out(photo, misfit, monkeypatch):
    looks = demo_person().appearance.avatars[:1]
    monkeypatch.setattr(PORTRAY, "make_avatars", lambda kept, _: looks * len(kept))
    both = source(standing(size=SIZE), standing(0.5, size=SIZE), size=SIZE)
    assert make_person(both, MODEL, "auto").choice.reasons == ("", "")
    both = replace(both, matte=torch.cat([photo.matte, misfit.matte]))
    person = make_person(both, MODEL, "auto")
    assert (person.choice.renderer, person.choice.reasons[0], len(person.source)) == ("avatar", "", 1)
    assert person.choice.reasons[1].startswith("not used, because the body")
    person = make_person(both[torch.tensor([1, 0])], MODEL, "auto")
    assert (person.choice.renderer, len(person.source)) == ("drn", 1)


def test_a_renderer_that_is_asked_for_draws_whatever_fits(misfit):
    choice = make_person(misfit, MODEL, "pg2").choice
    assert (choice.renderer, choice.sentence) == ("pg2", "")
