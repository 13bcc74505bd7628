"""The geometric generator shows a painted body as it is, wherever a photo showed that paint."""

from math import pi

import pytest
import torch

from motion_imitate.compositing.compose import build_palette, compose_person
from motion_imitate.geometry.flow import correspond_views, visible_at_points
from motion_imitate.metrics.motion import mean_mask_iou
from motion_imitate.types import Generator, View
from tests.support.painted import GROUND, MODEL, SIZE, geometric, seen, source, standing


@pytest.fixture(scope="module")
def generator():
    return geometric()


def drawn(generator, photo, view, ground=GROUND):
    """The picture of a view [1, 3, H, W], and its cover."""
    result = generator.draw(generator.encode(photo), view)
    height, width = view.raster.face.shape[1:]
    colour, cover = compose_person(result, build_palette(photo), (height, width))
    return colour * cover + ground * (1 - cover), cover


def error(one, other, where):
    return (one - other).abs().mean(1)[where].mean()


def test_it_is_a_generator(generator):
    assert isinstance(generator, Generator)


def test_the_pose_of_the_photo_gives_the_photo_back(generator):
    photo = source(standing())
    picture, cover = drawn(generator, photo, photo.view)
    wrong = (picture - photo.image).square().mean(1)[photo.matte[:, 0] > 0.5].mean()
    assert -10 * torch.log10(wrong) > 35
    assert mean_mask_iou(cover[:, 0] > 0.5, photo.matte[:, 0] > 0.5) > 0.98


@pytest.mark.parametrize("yaw", [-0.7, 0.5])
def test_what_the_photo_shows_is_shown_from_elsewhere(generator, yaw):
    photo = source(standing())
    truth, matte, view = seen(*standing(yaw))
    picture, cover = drawn(generator, photo, view)
    known = visible_at_points(correspond_views(photo.view, view), photo.view)
    assert known.float().mean() > 0.5 * matte.mean()
    assert error(picture, truth, known) < 0.04
    assert mean_mask_iou(cover[:, 0] > 0.5, matte[:, 0] > 0.5) > 0.95


def test_moving_six_pixels_moves_the_picture_six_pixels(generator):
    photo = source(standing())
    _, camera = standing()
    move = 6 * 2 / SIZE[1] / float(camera.focal[0, 0]) * float(camera.place[0, 2])
    _, _, view = seen(*standing(across=move))
    picture, _ = drawn(generator, photo, view)
    inside = torch.nn.functional.avg_pool2d(photo.matte, 7, 1, 3)[0, 0, :, :-6] > 0.999
    assert (picture[0, :, :, 6:] - photo.image[0, :, :, :-6]).abs().mean(0)[inside].mean() < 0.03


def test_the_back_is_made_up_and_a_second_photo_shows_it(generator):
    front, both = source(standing()), source(standing(), standing(pi))
    truth, matte, view = seen(*standing(pi))
    inside = matte[:, 0] > 0.5
    made_up, _ = drawn(generator, front, view)
    known, _ = drawn(generator, both, view)
    assert error(known, truth, inside) < 0.03
    assert error(known, truth, inside) < 0.3 * error(made_up, truth, inside)
    assert (made_up.amin(1)[inside] > 0).all()  # no holes
    assert (made_up - GROUND).abs().amax(1)[inside].mean() > 0.1


def test_hidden_skin_takes_its_twins_colours(generator):
    """From the left, the right side is not seen: it is painted as the left one is."""
    photo = source(standing(0.9))
    truth, matte, view = seen(*standing(-0.9))
    picture, _ = drawn(generator, photo, view)
    flipped = seen(*standing(0.9))[0].flip(3)
    inside = torch.nn.functional.avg_pool2d(matte, 9, 1, 4)[:, 0] > 0.999
    assert error(picture, flipped, inside) < error(picture, truth, inside)


def test_each_view_is_drawn_by_itself(generator):
    photo = source(standing())
    views = [seen(*standing(yaw))[2] for yaw in (0.0, 0.4, 2.0)]
    corners = torch.cat([v.corners for v in views])
    together = View(
        corners,
        torch.cat([v.joints for v in views]),
        type(views[0].raster)(*(torch.cat(p) for p in zip(*(vars(v.raster).values() for v in views), strict=True))),
    )
    code = generator.encode(photo)
    all_at_once = generator.draw(code, together)
    for i, view in enumerate(views):
        alone = generator.draw(code, view)
        for name, value in vars(alone).items():
            assert torch.equal(value, getattr(all_at_once, name)[i : i + 1]), name


def test_what_is_returned_is_in_range(generator):
    photo = source(standing(), standing(1.0))
    result = generator.draw(generator.encode(photo), seen(*standing(0.5))[2])
    assert result.flow.shape == (1, 6, *SIZE, 2)
    for name in ("colour", "cover", "trust", "trim"):
        value = getattr(result, name)
        assert value.isfinite().all()
        assert value.min() >= 0
        assert value.max() <= 1 + 1e-5
    assert result.trust.sum(1).max() <= 1 + 1e-5
    inside = result.flow.permute(0, 1, 4, 2, 3)[(result.trust > 0.01)[:, :, None].expand(-1, -1, 2, -1, -1)]
    assert inside.isfinite().all()


def test_cloth_that_sticks_out_is_carried_along(generator):
    """A flag at the left of the head, off the mesh but in the matte, is there when the body moves to the right."""
    photo = source(standing())
    head = photo.view.joints[0, MODEL.joint_names.index("head")]
    row = int((head[1] + 1) / 2 * SIZE[0]) - 8
    edge = int(photo.matte[0, 0, row].nonzero()[0, 0])
    image, matte = photo.image.clone(), photo.matte.clone()
    image[:, :, row - 3 : row + 3, edge - 5 : edge] = torch.tensor([1.0, 0, 0])[:, None, None]
    matte[:, :, row - 3 : row + 3, edge - 5 : edge] = 1
    flagged = type(photo)(image, matte, photo.background, photo.body, photo.camera, photo.view)
    _, _, view = seen(*standing(across=0.1))
    shift = round(0.1 * float(photo.camera.focal[0, 0]) / 2.6 * SIZE[1] / 2)
    plain, _ = drawn(generator, photo, view)
    picture, _ = drawn(generator, flagged, view)
    spot = (slice(row - 1, row + 1), slice(edge - 4 + shift, edge - 1 + shift))
    assert picture[0, 0][spot].min() > 0.7
    assert plain[0, 0][spot].max() < 0.6
