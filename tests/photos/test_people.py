"""Who is hard to find in a photo is searched for again, with a lower bar each time."""

from dataclasses import replace

import pytest
import torch

from motion_imitate.estimators.landmarks import empty_sighting
from motion_imitate.photos import people
from motion_imitate.photos.headers import NotAPicture
from motion_imitate.photos.people import PHOTO_SEARCHES, Photos, find_people

PHOTO = torch.rand(3, 96, 64)


@pytest.fixture
def searches(monkeypatch):
    """The searches that were made; only those in `successful` find somebody."""
    made, successful = [], []

    class Estimator:
        def __init__(self, how):
            self.how = how

        def __call__(self, frames):
            made.append((self.how, len(frames)))
            seen = empty_sighting(frames.seconds)
            return [replace(seen, score=torch.ones(len(frames)))] if self.how in successful else [seen]

    monkeypatch.setattr(people, "LandmarkEstimator", Estimator)
    return made, successful


def test_the_search_ends_with_the_first_that_finds_somebody(searches):
    made, successful = searches
    successful.append(PHOTO_SEARCHES[1][0])
    (found,) = find_people(PHOTO, "photo.jpg")
    assert float(found.score) == 1
    assert made == list(PHOTO_SEARCHES[:2])


def test_without_anybody_the_photo_is_refused_after_all_searches(searches):
    made, _ = searches
    with pytest.raises(NotAPicture, match=r"nobody is seen in photo\.jpg; give a photo"):
        find_people(PHOTO, "photo.jpg")
    assert made == list(PHOTO_SEARCHES)


def test_others_are_masked_and_the_chosen_person_is_not():
    chosen = empty_sighting(torch.zeros(1))
    half = torch.zeros_like(chosen.mask)
    half[..., : half.shape[-1] // 2] = 255
    photos = Photos(PHOTO[None], torch.ones(1, 1, 96, 64))
    crop = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    people = [replace(chosen, mask=255 - half, crop=crop), replace(chosen, mask=half, crop=crop)]
    assert photos.mask_others([people[:1]]).others is None
    others = photos.mask_others([people]).others[0, 0]
    assert others[:, :30].all()
    assert not others[:, 34:].any()
