"""Photos of one person in different light get the first one's colours."""

from dataclasses import replace

import torch
from torch.testing import assert_close

from motion_imitate.avatar.match_colours import match_avatar_colours, scale_colours
from motion_imitate.avatar.parsing_net import KIND_NAMES
from tests.support.demo_person import demo_person

COLOUR_STEP = 3  # of 255; the photo in other light is rounded, and so is the result


def test_a_photo_in_yellower_light_gets_the_first_ones_colours():
    (avatar,) = demo_person().appearance.avatars
    light = torch.tensor([1.0, 0.9, 0.7])
    other = replace(scale_colours(avatar, light), kind_colours=avatar.kind_colours * light)
    first, second = match_avatar_colours([avatar, other])
    assert first is avatar
    assert_close(second.photos.int(), avatar.photos.int(), atol=COLOUR_STEP, rtol=0)


def test_photos_that_show_nothing_in_common_stay_as_they_are():
    (avatar,) = demo_person().appearance.avatars
    other = replace(avatar, kind_colours=torch.full((len(KIND_NAMES), 3), torch.nan))
    assert torch.equal(match_avatar_colours([avatar, other])[1].photos, avatar.photos)


def test_the_demo_photo_shows_skin_hair_and_clothes():
    (avatar,) = demo_person().appearance.avatars
    known = avatar.kind_colours.isfinite().all(1)
    assert {KIND_NAMES[k] for k in known.nonzero()[:, 0].tolist()} >= {"hair", "upper", "lower"}
