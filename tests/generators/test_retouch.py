"""The retouching generator: what it is not told to change is left as it was, what it changes is what was asked for."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.compositing.compose import build_palette, compose_person
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES, SID, TSF, OutputHeads
from motion_imitate.generators.retouch import (
    RetouchGenerator,
    RetouchSettings,
    apply_corrections,
    crop_person,
    downscale_draft,
    facing_map,
    fade_corrections,
    flows_into_crops,
    make_retouch_draft,
    relative_motion_map,
    square_around_matte,
)
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import template_face_positions as places_of
from motion_imitate.geometry.view import view_of_body
from motion_imitate.types import cat_batched
from tests.support.painted import GROUND, MODEL, geometric, source, standing

SIZE = (96, 64)
HOW = RetouchSettings(size=64)


def retouch(seed=0, learnt=0.0):
    torch.manual_seed(seed)
    shape = NETWORK_SHAPES["small"]
    shape = replace(shape, source=replace(shape.source, width=2), target=replace(shape.target, width=2))
    target = TSF(shape)
    torch.nn.init.normal_(target.glass.head.weight, std=max(learnt, 1e-30))
    return RetouchGenerator(geometric(), SID(shape), target, places_of(MODEL), HOW)


@pytest.fixture(scope="module")
def photos():
    return source(standing(), standing(0.9), size=(192, 128))


@pytest.fixture(scope="module")
def views():
    return cat_batched([view_of_body(MODEL, rasterize, *standing(yaw), SIZE) for yaw in (0, 0.5, 2)])


@pytest.fixture(scope="module")
def drafts(photos, views):
    generator = geometric()
    return make_retouch_draft(
        generator.draw(generator.encode(photos), views), build_palette(photos), views, places_of(MODEL)
    )


def heads(like, colour=0.0, cover=0.0, trust=0.0, offset=0.0):
    count, height, width = len(like), *like.picture.shape[2:]
    parts = ((3, colour), (1, cover), (3, trust), (2, offset))
    return OutputHeads(*(torch.full((count, channels, height, width), float(value)) for channels, value in parts))


def test_networks_that_have_learnt_nothing_change_nothing(photos, views):
    generator = retouch()
    before = generator.base.draw(generator.base.encode(photos), views)
    after = generator.draw(generator.encode(photos), views)
    for part in ("colour", "cover", "flow", "trust", "trim"):
        there = before.cover[:, 0] > 0 if part == "colour" else slice(None)
        one, other = (getattr(x, part) for x in (before, after))
        if part == "colour":
            one, other = (x.permute(0, 2, 3, 1)[there] for x in (one, other))
        assert_close(other, one, rtol=0, atol=2e-5)


def test_what_has_been_learnt_shows_and_stays_in_range(photos, views):
    plain, generator = retouch(), retouch(learnt=0.05)
    before, after = (g.draw(g.encode(photos), views) for g in (plain, generator))
    assert (before.colour - after.colour).abs().max() > 0.05
    assert 0 <= after.colour.min() <= after.colour.max() <= 1
    assert 0 <= after.cover.min() <= after.cover.max() <= 1
    assert after.trust.min() >= 0
    assert after.trust.sum(1).max() <= 1 + 1e-5


def picture(drawn, photos):
    colour, cover = compose_person(drawn, build_palette(photos), SIZE)
    return colour, cover


def test_less_trust_alone_leaves_the_picture_as_it_was(drafts, photos):
    (before, cover), (after, _) = (
        picture(apply_corrections(drafts, heads(drafts, trust=trust), HOW), photos) for trust in (0.0, -6.0)
    )
    doubted = apply_corrections(drafts, heads(drafts, trust=-6.0), HOW).trust.sum(1).max()
    assert doubted < 0.06
    on = (cover > 0.99).expand_as(before)
    assert (before - after).abs()[on].mean() < 2e-3


def test_a_colour_that_is_asked_for_is_added_where_photos_are_not_trusted(drafts, photos):
    before, cover = picture(apply_corrections(drafts, heads(drafts, trust=-6.0), HOW), photos)
    after, _ = picture(apply_corrections(drafts, heads(drafts, trust=-6.0, colour=0.1), HOW), photos)
    on = ((cover > 0.99) & (before < 0.85)).expand_as(before)
    assert_close((after - before)[on].mean(), torch.tensor(0.1), rtol=0, atol=5e-3)


def test_cover_and_flow_move_by_what_is_asked_for(drafts):
    asked = apply_corrections(drafts, heads(drafts, cover=0.25, offset=1.0), HOW)
    assert_close(asked.cover, (drafts.drawn.cover + 0.25).clamp(max=1))
    assert_close(asked.flow, drafts.drawn.flow + HOW.slide)


def moved_as_a_whole(drawn, size, start):
    """The photo, larger and moved, as the view shows it; of the ways to read it, that which reads the spot itself."""
    rows, columns = (torch.linspace(-1, 1, 2 * side + 1)[1::2] for side in drawn.cover.shape[2:])
    at = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)
    flow = ((at - torch.tensor(start)) / torch.tensor(size)).expand_as(drawn.flow).clone()
    own = torch.zeros_like(drawn.trust)
    own[:, :2] = drawn.trust[:, :2]
    return replace(drawn, flow=flow, trust=own)


def test_who_only_moved_as_a_whole_is_the_photo_whatever_the_network_says(drafts):
    drafts = drafts[:1]  # all of which the photo shows
    still = moved_as_a_whole(drafts.drawn, (0.8, 1.1), (0.1, -0.2))
    kept = apply_corrections(
        replace(drafts, drawn=still), fade_corrections(heads(drafts, 0.2, 0.2, -3.0, 1.0), still, HOW), HOW
    )
    for part in ("cover", "flow", "trust"):
        assert_close(getattr(kept, part), getattr(still, part), rtol=0, atol=2e-3)


def test_the_network_has_its_say_where_something_moved_and_nowhere_else(drafts):
    still = moved_as_a_whole(drafts.drawn, (0.8, 1.1), (0.1, -0.2))
    lifted = torch.zeros_like(still.flow)
    lifted[:, :, :30, :, 1] = 0.2
    stir = relative_motion_map(replace(still, flow=still.flow + lifted), HOW)
    body = drafts.drawn.trust[:, :2].sum(1, keepdim=True) > 0.99
    top = torch.zeros_like(body)
    top[:, :, :30] = True
    assert (body & top).sum() > 100
    assert stir[body & top].min() > 0.9
    assert stir[body & ~top].max() < 0.1
    assert stir.min() >= 0
    assert stir.max() <= 1


def test_who_turned_round_is_mended_as_the_network_says(drafts):
    there = drafts.drawn.cover[2:] > 0.5
    assert relative_motion_map(drafts.drawn[2:], HOW)[there].mean() > 0.7


def test_what_is_made_smaller_is_the_mean_of_what_it_was(drafts):
    small, size = downscale_draft(drafts, 40), (40, 27)
    assert small.picture.shape[2:] == size

    def mean(x):
        return torch.nn.functional.interpolate(x, size, mode="area")

    for part in ("colour", "cover", "trust", "trim"):
        assert_close(getattr(small.drawn, part), mean(getattr(drafts.drawn, part)), rtol=0, atol=1e-5)
    assert_close(small.picture, mean(drafts.picture), rtol=0, atol=1e-5)
    total = drafts.drawn.trust.clamp(min=1e-6)
    for axis in range(2):
        flow = mean(drafts.drawn.flow[..., axis] * total) / mean(total)
        assert_close(small.drawn.flow[..., axis], flow, rtol=0, atol=1e-5)
    assert downscale_draft(drafts, 96) is drafts


def test_the_square_that_is_looked_at_holds_the_person_and_flows_lead_into_it(photos):
    looked = crop_person(photos, places_of(MODEL), HOW)
    assert looked.picture.shape == (2, 7, 64, 64)
    rows = (looked.picture[:, 3] > 0.5).any(2)
    assert rows.float().mean() == pytest.approx(1 / (1 + 2 * HOW.margin), abs=0.05)
    corner = torch.stack([looked.frame[:, :2] - looked.frame[:, 2:], looked.frame[:, :2] + looked.frame[:, 2:]])
    generator = geometric()
    drawn = generator.draw(generator.encode(photos), photos.view[:1])
    at = torch.zeros_like(drawn.flow)
    at[:, 0::2], at[:, 1::2] = corner[0, 0], corner[1, 1]
    flow, trust = flows_into_crops(replace(drawn, flow=at), looked.frame)
    assert_close(flow[:, 0::2], torch.full_like(flow[:, 0::2], -1.0))
    assert_close(flow[:, 1::2], torch.full_like(flow[:, 1::2], 1.0))
    assert trust is drawn.trust


def test_the_square_of_nobody_is_the_picture():
    assert square_around_matte(torch.zeros(8, 6), 0.1).tolist() == [0, 0, 1, 1]


def test_a_belly_is_seen_more_squarely_than_a_side(views):
    seen = facing_map(views[:1])[0, 0]
    body = views.raster.face[0] >= 0
    row = body.nonzero()[:, 0].float().mean().long()
    columns = body[row].nonzero()[:, 0]
    assert 0 <= seen.min() <= seen.max() <= 1
    assert seen[row, columns[len(columns) // 2]] > seen[row, columns[0]]
    assert seen[~body].max() == 0


def test_gradients_reach_every_weight(photos, views):
    generator = retouch(learnt=0.02)
    code = generator.base.encode(photos)
    drafts = make_retouch_draft(generator.base.draw(code, views), build_palette(photos), views, places_of(MODEL))
    looked = crop_person(photos, places_of(MODEL), HOW)
    features = generator.source.features(looked.picture)
    drawn = apply_corrections(
        drafts, generator.target(drafts.picture, features, *flows_into_crops(drafts.drawn, looked.frame)), HOW
    )
    colour, cover = compose_person(drawn, build_palette(photos), SIZE)
    (colour * cover + GROUND * (1 - cover)).square().mean().backward()
    for net in (generator.source, generator.target):
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())
