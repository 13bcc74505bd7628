"""Values carried from the corners of faces to pixels."""

import torch
from torch.testing import assert_close

from motion_imitate.geometry.flow import (
    correspond_views,
    interpolate_on_raster,
    resize_flow,
    warp_image,
)
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from tests.support import painted
from tests.support.visible_points import visible_at_points

FACES = torch.tensor([[[-1.0, -1, 1], [1, -1, 1], [-1, 1, 1]], [[-2, 4, 1], [4, -2, 1], [4, 4, 5]]])


def test_values_are_blended_by_the_weights_and_empty_elsewhere():
    seen = rasterize(FACES[None, :1], (4, 4))
    values = torch.tensor([[[[0.0, 8.0], [4.0, 8.0], [40.0, 8.0]]]])
    right, down = torch.meshgrid(torch.arange(4), torch.arange(4), indexing="xy")
    first = 4 * (right + 0.5) / 4 + 40 * (down + 0.5) / 4
    expected = torch.stack([first, torch.full((4, 4), 8.0)], -1)
    expected[right + down > 3] = -2
    assert_close(interpolate_on_raster(values, seen, -2.0), expected[None])


def test_one_set_of_values_serves_a_whole_batch():
    seen = rasterize(FACES[None].repeat(3, 1, 1, 1), (6, 5))
    values = torch.rand(1, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(interpolate_on_raster(values, seen), interpolate_on_raster(values.repeat(3, 1, 1, 1), seen))


def test_gradients_reach_the_values_that_are_seen():
    seen = rasterize(FACES[None], (6, 5))
    values = torch.zeros(1, 2, 3, 1, requires_grad=True)
    interpolate_on_raster(values, seen).sum().backward()
    expected = torch.stack([seen.weights[seen.face == f].sum(0) for f in range(2)])
    assert_close(values.grad[0, ..., 0], expected)


def standing(across=0.0):
    body, camera = painted.standing(across=across)
    return view_of_body(painted.MODEL, rasterize, body, camera, painted.SIZE)


def test_a_body_corresponds_to_itself_pixel_by_pixel():
    view = standing()
    flow = correspond_views(view, view)
    height, width = painted.SIZE
    y, x = ((torch.arange(n) + 0.5) / n * 2 - 1 for n in (height, width))
    there = view.raster.face[0] >= 0
    assert_close(flow[0, ..., 0][there], x.expand(height, -1)[there], atol=1e-3, rtol=0)
    assert_close(flow[0, ..., 1][there], y[:, None].expand(-1, width)[there], atol=1e-3, rtol=0)
    assert (flow[0][~there] == -2).all()
    assert visible_at_points(flow, view)[0][there].float().mean() > 0.995
    assert not visible_at_points(flow, view)[0][~there].any()


def test_what_turns_away_is_not_visible():
    behind = view_of_body(painted.MODEL, rasterize, *painted.standing(torch.pi), painted.SIZE)
    shown = behind.raster.face >= 0
    assert visible_at_points(correspond_views(standing(), behind), standing())[shown].float().mean() < 0.1


def test_there_and_back_again_is_where_it_was():
    near, far = standing(), standing(0.3)
    there, back = correspond_views(near, far), correspond_views(far, near)
    again = warp_image(back[..., :2].permute(0, 3, 1, 2), there[..., :2]).permute(0, 2, 3, 1)
    height, width = painted.SIZE
    y, x = ((torch.arange(n) + 0.5) / n * 2 - 1 for n in (height, width))
    here = torch.stack(torch.broadcast_tensors(x, y[:, None]), -1)
    inner = visible_at_points(there, near) & (
        torch.nn.functional.avg_pool2d((far.raster.face >= 0).float(), 5, 1, 2) > 0.999
    )
    off = (again - here)[inner].abs()
    assert inner.sum() > 1000
    assert off.median() < 2e-3


def test_warping_by_the_identity_changes_nothing():
    image = torch.rand(2, 3, 7, 9, generator=torch.Generator().manual_seed(0))
    y, x = ((torch.arange(n) + 0.5) / n * 2 - 1 for n in (7, 9))
    flow = torch.stack(torch.broadcast_tensors(x, y[:, None]), -1).expand(2, -1, -1, -1)
    assert_close(warp_image(image, flow), image, atol=1e-6, rtol=0)


def test_resizing_lets_nowhere_have_no_say():
    flow = torch.full((1, 4, 4, 2), -2.0)
    valid = torch.zeros(1, 4, 4, dtype=torch.bool)
    valid[:, :, :2] = True
    flow[valid] = 0.5
    larger, part = resize_flow(flow, valid, (8, 8))
    assert (larger[part > 0] == 0.5).all()
    assert (larger[part == 0] == -2).all()
    assert 0 < part[0, 0, 4] < 1


def test_a_flow_of_that_size_already_is_what_resizing_makes_of_it():
    random = torch.Generator().manual_seed(0)
    flow = torch.rand(2, 6, 5, 2, generator=random) * 2 - 1
    share = (torch.rand(2, 6, 5, generator=random) * 1.4 - 0.4).clamp(min=0)
    for valid in (share > 0, share):
        same, part = resize_flow(flow, valid, (6, 5))
        larger, parts = resize_flow(flow, valid, (18, 15))  # every third pixel's middle is one of before
        assert_close(same[part > 0], larger[:, 1::3, 1::3][part > 0], atol=1e-5, rtol=0)
        assert (same[part == 0] == -2).all()
        assert_close(part, parts[:, 1::3, 1::3], atol=1e-6, rtol=0)
        assert 0 < (part == 0).sum() < part.numel()
