"""A person is the same whether or not the photos are inpainted while avatars are made."""

from importlib import import_module
from threading import Event

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.photos.people import Photos, find_people, load_photos
from motion_imitate.portray import make_person_of_photos, prepare_person
from tests.support import DATA

portray = import_module("motion_imitate.portray")  # the package has a function of that name


@pytest.fixture(scope="module")
def photos():
    return load_photos([DATA / "one_person.jpg"], 240)


@pytest.fixture(scope="module")
def seen(photos):
    return find_people(photos.image[0], "the photo")[:1]


def test_a_photo_is_inpainted_while_its_avatar_is_made(photos, seen, monkeypatch):
    source, _ = prepare_person(photos, seen)
    made, make, inpaint = Event(), portray.make_person, portray.inpaint_person

    def make_first(*given):
        person = make(*given)
        made.set()
        return person

    def inpaint_last(*given):
        assert made.wait(60)
        return inpaint(*given)

    monkeypatch.setattr(portray, "make_person", make_first)
    monkeypatch.setattr(portray, "inpaint_person", inpaint_last)
    person = make_person_of_photos(photos, seen)
    assert person.choice.renderer == "avatar"
    assert_close(person.source.background, source.background, atol=0, rtol=0)
    assert (person.source.background - photos.image).abs().amax() > 0.1


@pytest.mark.slow
def test_several_photos_are_inpainted_first(photos, seen):
    both = Photos(photos.image.repeat(2, 1, 1, 1), photos.alpha.repeat(2, 1, 1, 1))
    person = make_person_of_photos(both, [*seen, *seen])
    single = make_person_of_photos(photos, seen)
    assert torch.equal(person.source.background[0], single.source.background[0])
    assert torch.equal(person.source.background[1], single.source.background[0])
