"""The published networks as a generator: they are given what the papers give them, and each view is drawn alone."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.generators.liquid_warping import NETWORK_SHAPES, SID, TSF, warp_photos
from motion_imitate.generators.painter import Painter, PainterSettings, face_uv_points, flows_to_photos, uv_surface_map
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.types import cat_batched
from tests.support.painted import MODEL, SIZE, source, standing

SMALL = (72, 48)


def painter(name):
    shape = NETWORK_SHAPES[name]
    shape = replace(shape, source=replace(shape.source, width=4), target=replace(shape.target, width=4))
    return Painter(SID(shape), TSF(shape), face_uv_points(MODEL.uv), PainterSettings(size=96))


@pytest.fixture(scope="module")
def photos():
    return source(standing(), standing(0.9))


@pytest.fixture(scope="module")
def views():
    return cat_batched(
        [view_of_body(MODEL, rasterize, *standing(yaw, across), SMALL) for yaw, across in ((0, 0), (0.5, 0), (2, 0.4))]
    )


@pytest.fixture(params=["paper", "attention"])
def generator(request):
    torch.manual_seed(0)
    return painter(request.param)


def test_what_is_drawn_has_the_views_size_and_is_in_range(generator, photos, views):
    drawn = generator.draw(generator.encode(photos), views)
    assert drawn.colour.shape == (3, 3, *SMALL)
    assert drawn.cover.shape == (3, 1, *SMALL)
    for part in (drawn.colour, drawn.cover):
        assert 0 <= part.min() < part.max() <= 1


def test_photos_are_looked_at_once(generator, photos, views):
    code = generator.encode(photos)
    del generator.source
    generator.draw(code, views)


def test_what_is_behind_the_person_is_not_seen(generator, photos):
    other = replace(photos, image=torch.where(photos.matte > 0, photos.image, 1 - photos.image))
    assert (other.image - photos.image).abs().max() > 0.2
    made, same = (generator.encode(one) for one in (photos, other))
    assert_close(made.features, same.features, rtol=0, atol=0)
    assert torch.equal(made.person, same.person)


def test_the_photos_pose_reads_the_photo_as_it_is(photos):
    flows, valid = flows_to_photos(photos.view, photos.view[:1])
    down, across = ((torch.arange(n) * 2 + 1) / n - 1 for n in SIZE)
    body = photos.matte[0, 0] > 0
    assert torch.equal(valid, body.expand(1, 2, -1, -1))
    assert (flows[0, 0, ..., 0] - across)[body].abs().max() < 1e-4
    assert (flows[0, 0, ..., 1] - down[:, None])[body].abs().max() < 1e-4
    read = warp_photos(photos.image[None, :1], flows[:, :1], valid[:, :1])
    assert_close(read[0, :, body], photos.image[0, :, body], rtol=0, atol=1e-3)
    assert (read[0, :, ~body] == 0).all()


def test_the_surface_is_each_faces_place_in_the_texture(photos):
    places, view = face_uv_points(MODEL.uv), photos.view[:1]
    seen = uv_surface_map(view, places)[0]
    face = view.raster.face[0]
    assert torch.equal(seen[2] == 1, face < 0)
    assert torch.equal(seen[:2, face >= 0], places[face[face >= 0]].T)
    assert (seen[:, face < 0] == torch.tensor([[0.0], [0], [1]])).all()
    assert places.min() >= 0
    assert places.max() <= 1
    assert_close(face_uv_points(torch.tensor([[[0.2, 0.1], [0.4, 0.3], [0.9, 0.9]]])), torch.tensor([[0.3, 0.8]]))


@pytest.mark.parametrize("size", [(480, 320), (333, 777), (40, 1000)])
def test_photos_are_looked_at_in_their_shape(generator, size):
    height, width = generator.size(torch.empty(1, 3, *size))
    assert max(height, width) == 96
    assert (height % 8, width % 8) == (0, 0)
    assert abs(height / width * size[1] / size[0] - 1) < 0.15 or min(height, width) == 8


def test_nobody_in_sight_is_drawn_too(generator, photos, views):
    away = view_of_body(MODEL, rasterize, *standing(across=40.0), SMALL)
    assert (away.raster.face < 0).all()
    drawn = generator.draw(generator.encode(photos), away)
    assert drawn.colour.isfinite().all()
