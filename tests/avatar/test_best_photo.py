"""Several photos: each direction shows the photo taken from there."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.best_photo import draw_best_photo_into, mix_pictures, photo_shares
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Motion
from tests.support.demo_person import demo_person


@pytest.fixture(scope="module")
def person():
    return demo_person()


@pytest.fixture(scope="module")
def avatars(person):
    """The demo's avatar in red as if seen from the front, in green as if seen from the back."""
    (avatar,) = person.appearance.avatars
    one, two = (avatar.photos.clone() for _ in range(2))
    one[..., :3] = torch.tensor([255, 0, 0], dtype=torch.uint8)
    two[..., :3] = torch.tensor([0, 255, 0], dtype=torch.uint8)
    back = avatar.photo_view * torch.tensor([-1.0, 1, -1])
    return replace(avatar, photos=one), replace(avatar, photos=two, photo_view=back)


def turned(person, degrees):
    """A frame of the photo's pose turned about the vertical."""
    body = person.source.body[:1]
    turn = rotation_vector_to_matrix(torch.tensor([[0.0, math.radians(degrees), 0.0]]))
    pose = body.pose.clone()
    pose[:, 0] = turn @ pose[:, 0]
    return Motion(replace(body, pose=pose), person.source.camera[:1], torch.ones(1), torch.zeros(1))


def drawn(person, avatars, degrees, channels=3):
    height, width = person.source.image.shape[2:]
    picture = torch.zeros(height, width, channels, dtype=torch.uint8)
    draw_best_photo_into(picture, avatars, person.model, turned(person, degrees))
    return picture


def test_the_front_shows_the_front_photo_and_the_back_the_other(person, avatars):
    assert photo_shares(avatars, person.model, turned(person, 0)) == [1, 0]
    assert photo_shares(avatars, person.model, turned(person, 180)) == [0, 1]
    front, back = drawn(person, avatars, 0), drawn(person, avatars, 180)
    assert front[..., 0].max() == 255
    assert front[..., 1].max() == 0
    assert back[..., 1].max() == 255
    assert back[..., 0].max() == 0


def test_between_two_photos_the_picture_fades_without_a_step(person, avatars):
    red = [photo_shares(avatars, person.model, turned(person, degrees))[0] for degrees in range(70, 111)]
    assert (red[0], red[-1]) == (1, 0)
    steps = torch.tensor(red).diff()
    assert (steps <= 0).all()
    assert steps.abs().max() < 0.35
    between = min(range(70, 111), key=lambda degrees: abs(red[degrees - 70] - 0.5))
    both = drawn(person, avatars, between)
    assert both[..., 0].max() > 60
    assert both[..., 1].max() > 60
    assert both[..., :2].int().sum(-1).max() <= 256


def test_one_photo_alone_is_drawn_as_it_is(person):
    alone = person.appearance.avatars
    assert torch.equal(drawn(person, alone, 20), drawn(person, [*alone, *alone], 20))


def test_pictures_with_straight_alpha_are_mixed_by_what_they_cover():
    clear = torch.tensor([[[9, 9, 9, 0]]], dtype=torch.uint8)
    red = torch.tensor([[[200, 0, 0, 255]]], dtype=torch.uint8)
    assert_close(mix_pictures([clear, red], [0.5, 0.5]), torch.tensor([[[200, 0, 0, 128]]], dtype=torch.uint8))
