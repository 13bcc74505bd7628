"""What every generator holds to: photos in any number are looked at once, and each view is drawn by itself."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.device_copy import copy_to_device
from motion_imitate.generators.dense_pose_painter import DensePosePainter
from motion_imitate.generators.dense_pose_transfer import DensePoseNetworks
from motion_imitate.generators.detail_painter import DetailPainter
from motion_imitate.generators.detail_replenishing import DETAIL_FORMS, DetailReplenishingNetworks
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES, SID, TSF
from motion_imitate.generators.painter import Painter, PainterSettings, face_uv_points
from motion_imitate.generators.pose_guided import PoseGuidedNetworks, pose_guided_form
from motion_imitate.generators.pose_guided_painter import PoseGuidedPainter
from motion_imitate.generators.view_keypoints import ViewKeypoints
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.types import Generator, cat_batched
from tests.support.narrow_networks import narrow_dense_pose
from tests.support.on_gpu import needs_gpu
from tests.support.one_device import OneDevice
from tests.support.painted import MODEL, source, standing

SIZE = (72, 48)
YAWS = (0.0, 0.3, -0.4, 0.8, 1.6, -2.0, 2.4, 3.1)


def networks(name, width):
    torch.manual_seed(0)
    shape = NETWORK_SHAPES[name]
    shape = replace(shape, source=replace(shape.source, width=width), target=replace(shape.target, width=width))
    return SID(shape), TSF(shape)


def painter(name):
    return Painter(*networks(name, 4), face_uv_points(MODEL.uv), PainterSettings(size=64))


def dense_pose(form):
    torch.manual_seed(0)
    return DensePosePainter(DensePoseNetworks(narrow_dense_pose(form)), MODEL.parts, MODEL.iuv, 64)


def pose_guided(form):
    torch.manual_seed(0)
    config = replace(pose_guided_form(form, (64, 64)), width=4, bottleneck=8)
    return PoseGuidedPainter(PoseGuidedNetworks(config), ViewKeypoints.of(MODEL))


def detail(form):
    torch.manual_seed(0)
    config = DETAIL_FORMS[form]
    config = replace(config, pose=replace(config.pose, width=8, blocks=2), face_side=16)
    return DetailPainter(DetailReplenishingNetworks(config), ViewKeypoints.of(MODEL), (64, 48))


MAKERS = {
    "published": lambda: painter("paper"),
    "published, attention": lambda: painter("attention"),
    "dense pose, published": lambda: dense_pose("published"),
    "dense pose, small": lambda: dense_pose("small"),
    "pg2, published": lambda: pose_guided("published"),
    "pg2, small": lambda: pose_guided("small"),
    "drn, published": lambda: detail("published"),
    "drn, small": lambda: detail("small"),
}


@pytest.fixture(scope="module", params=MAKERS)
def generator(request):
    return MAKERS[request.param]()


@pytest.fixture(scope="module")
def photos():
    return source(standing(), standing(0.9), standing(-2.5), size=(144, 96))


@pytest.fixture(scope="module")
def views():
    return cat_batched([view_of_body(MODEL, rasterize, *standing(yaw), SIZE) for yaw in YAWS])


def alike(one, other, atol=1e-4):
    for part in vars(one):
        assert_close(getattr(one, part), getattr(other, part), rtol=1e-3, atol=atol)


def test_it_is_a_generator(generator):
    assert isinstance(generator, Generator)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_photos_in_any_number_make_pictures_in_range(generator, photos, views, count):
    drawn = generator.draw(generator.encode(photos[:count]), views[:2])
    assert drawn.colour.shape == (2, 3, *SIZE)
    for part in (drawn.colour, drawn.cover):
        assert 0 <= part.min() <= part.max() <= 1 + 1e-5


def test_what_was_made_of_the_photos_serves_eight_views_one_by_one_or_at_once_and_again(generator, photos, views):
    code = generator.encode(photos[:2])
    at_once = generator.draw(code, views)
    alike(at_once, cat_batched([generator.draw(code, views[t : t + 1]) for t in range(len(views))]))
    alike(at_once, generator.draw(code, views), atol=0)
    assert (at_once.colour[0] - at_once.colour[1]).abs().max() > 1e-3


def test_who_else_is_in_the_run_changes_nothing(generator, photos, views):
    code = generator.encode(photos[:1])
    order = torch.tensor([3, 0, 6])
    alike(generator.draw(code, views[order])[1:2], generator.draw(code, views[:1]))


@pytest.mark.cuda
@needs_gpu
def test_a_gpu_draws_what_the_cpu_draws(generator, photos, views):
    code = generator.encode(photos[:2])
    there, known, seen = copy_to_device((generator, code, views), "cuda")
    alike(copy_to_device(there.draw(known, seen), "cpu"), generator.draw(code, views), atol=0.02)


def test_views_are_drawn_on_the_device_without_waiting_for_it(generator, photos, views, unchecked_shapes):
    there, known, seen = copy_to_device((generator, generator.encode(photos[:2]), views), "meta")
    with OneDevice():
        drawn = there.draw(known, seen)
    assert drawn.colour.shape == (len(YAWS), 3, *SIZE)
    assert drawn.colour.device.type == drawn.cover.device.type == "meta"


@pytest.mark.parametrize("name", NETWORK_SHAPES)
def test_networks_draw_nearly_the_same_in_half_precision(name):
    looking, drawing = networks(name, 8)
    torch.nn.init.normal_(drawing.glass.head.weight, std=0.02)
    random = torch.Generator().manual_seed(0)
    photos, picture = (torch.rand(2, net.glass.net.inputs, 64, 64, generator=random) for net in (looking, drawing))
    flows = torch.rand(2, 6, 64, 64, 2, generator=random) * 2 - 1
    share = torch.rand(2, 6, 64, 64, generator=random) / 6

    @torch.no_grad()
    def heads():
        return torch.cat(drawing(picture, looking.features(photos), flows, share), 1)

    exact = heads()
    with torch.autocast("cpu", torch.bfloat16):
        rough = heads()
    assert rough.dtype == torch.bfloat16
    assert exact.std() > 0.01
    assert (rough - exact).std() < 0.03 * exact.std()
