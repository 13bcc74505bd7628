"""What is hidden is made up from what is not: patterns go on, plain stays plain, nothing else is touched."""

import torch
from torch.testing import assert_close

from motion_imitate.background.fill import cover_contact_shadows, diffuse_colours, inpaint_hidden

SIZE = (120, 160)
HOLE = (slice(40, 90), slice(60, 100))


def hole():
    hidden = torch.zeros(1, 1, *SIZE)
    hidden[..., *HOLE] = 1
    return hidden


def grid():
    """Tiles with dark joints, of two colours in turn."""
    y, x = torch.meshgrid(*(torch.arange(n) for n in SIZE), indexing="ij")
    tile = ((y // 10 + x // 10) % 2).float()
    joint = ((y % 10 < 2) | (x % 10 < 2)).float()
    image = torch.stack([0.3 + 0.4 * tile, 0.6 - 0.2 * tile, torch.full(SIZE, 0.4)])
    return (image * (1 - 0.7 * joint))[None]


def decibels(one, other):
    return float(-10 * torch.log10((one - other)[..., *HOLE].square().mean()))


def test_a_pattern_goes_on_where_it_is_hidden():
    truth, hidden = grid(), hole()
    covered = torch.where(hidden > 0, torch.ones_like(truth), truth)
    made, smooth = inpaint_hidden(covered, hidden), diffuse_colours(covered, 1 - hidden)
    assert decibels(made, truth) > 20
    assert decibels(made, truth) > decibels(smooth, truth) + 8


def test_what_is_known_stays_to_the_bit():
    image, hidden = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0)), hole().expand(2, -1, -1, -1)
    known = (hidden == 0).expand(-1, 3, -1, -1)
    assert torch.equal(inpaint_hidden(image, hidden)[known], image[known])


def test_the_person_leaves_no_trace():
    truth, hidden = grid(), hole()
    one, other = (torch.where(hidden > 0, torch.full_like(truth, grey), truth) for grey in (0.0, 1.0))
    assert torch.equal(inpaint_hidden(one, hidden), inpaint_hidden(other, hidden))


def test_what_is_plain_stays_plain():
    plain = torch.tensor([0.2, 0.5, 0.9])[None, :, None, None].expand(1, 3, *SIZE)
    assert_close(inpaint_hidden(plain * (1 - hole()), hole()), plain, atol=2e-3, rtol=0)


def test_it_is_the_same_every_time():
    image = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(inpaint_hidden(image, hole()), inpaint_hidden(image, hole()))


def test_hiding_all_or_nothing_is_survived():
    image = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(inpaint_hidden(image, torch.zeros(1, 1, 20, 30)), image)
    assert inpaint_hidden(image, torch.ones(1, 1, 20, 30)).isfinite().all()


def test_colours_spread_from_what_is_known_and_stay_within_it():
    image = torch.rand(1, 3, 33, 47, generator=torch.Generator().manual_seed(0))
    known = (torch.rand(1, 1, 33, 47, generator=torch.Generator().manual_seed(1)) > 0.9).float()
    found = diffuse_colours(image, known)
    assert torch.equal(found * known, image * known)
    there = image.masked_select(known.bool().expand(-1, 3, -1, -1))
    assert there.min() - 1e-5 <= found.min()
    assert found.max() <= there.max() + 1e-5


def test_colours_spread_to_the_far_end_of_a_long_image():
    image, known = torch.full((1, 3, 8, 100), 0.75), torch.zeros(1, 1, 8, 100)
    known[..., :10] = 1
    assert_close(diffuse_colours(image * known, known), image)


def test_what_is_seen_on_both_sides_goes_on_between():
    """A counter in a dark room, of which only strips as narrow as a patch are seen to the left and right."""
    truth, hidden = torch.full((1, 3, *SIZE), 0.1), torch.zeros(1, 1, *SIZE)
    truth[..., 60:100, 50:110], hidden[..., 20:115, 58:102] = 0.9, 1
    made = inpaint_hidden(torch.where(hidden > 0, torch.full_like(truth, 0.5), truth), hidden)
    assert (made - truth)[..., 20:115, 58:102].abs().mean() < 0.1


def test_the_floor_around_feet_is_covered_where_a_photo_shows_them():
    matte = torch.zeros(1, 1, *SIZE)
    matte[..., 10:110, 70:90] = 1
    more = cover_contact_shadows(matte) > matte
    assert more[..., 106:110, 64:70].all()
    assert not more[..., :100, :].any()
    matte[..., 110:, 70:90] = 1
    assert torch.equal(cover_contact_shadows(matte), matte)


def test_nothing_is_copied_from_what_is_foreign():
    """Red people on both sides of the hole, whose colour it would take from its rows."""
    image, hidden, foreign = torch.full((1, 3, *SIZE), 0.4), torch.zeros(1, 1, *SIZE), torch.zeros(1, 1, *SIZE)
    image += 0.1 * torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
    red = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    for side in (slice(40, 72), slice(100, 130)):
        image[..., 30:110, side], foreign[..., 28:112, side] = red, 1
    hidden[..., 30:110, 72:100] = 1
    image = torch.where(hidden > 0, torch.ones_like(image), image)
    reds = [
        (inpaint_hidden(image, hidden, foreign=mask) - red).abs().amax(1)[hidden[:, 0] > 0].lt(0.2).float().mean()
        for mask in (None, foreign)
    ]
    assert reds[0] > 0.9
    assert reds[1] == 0


def test_a_floor_goes_on_below_a_photo_without_what_stands_on_it():
    image = 0.8 + 0.05 * torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    image[..., 40:46, :], image[..., :40, :] = 0.1, 0.5
    hidden = torch.zeros(1, 1, *SIZE)
    hidden[..., 60:, :] = 1
    made = inpaint_hidden(torch.where(hidden > 0, torch.zeros_like(image), image), hidden)
    assert made[..., 60:, :].min() > 0.4
