"""Values carried from the corners of faces to pixels."""

import torch
from torch.testing import assert_close

from motion_imitate.flow import interpolate
from motion_imitate.raster import rasterize

FACES = torch.tensor([[[-1.0, -1, 1], [1, -1, 1], [-1, 1, 1]], [[-2, 4, 1], [4, -2, 1], [4, 4, 5]]])


def test_values_are_blended_by_the_weights_and_empty_elsewhere():
    seen = rasterize(FACES[None, :1], (4, 4))
    values = torch.tensor([[[[0.0, 8.0], [4.0, 8.0], [40.0, 8.0]]]])
    right, down = torch.meshgrid(torch.arange(4), torch.arange(4), indexing="xy")
    first = 4 * (right + 0.5) / 4 + 40 * (down + 0.5) / 4
    expected = torch.stack([first, torch.full((4, 4), 8.0)], -1)
    expected[right + down > 3] = -2
    assert_close(interpolate(values, seen, -2.0), expected[None])


def test_one_set_of_values_serves_a_whole_batch():
    seen = rasterize(FACES[None].repeat(3, 1, 1, 1), (6, 5))
    values = torch.rand(1, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(interpolate(values, seen), interpolate(values.repeat(3, 1, 1, 1), seen))


def test_gradients_reach_the_values_that_are_seen():
    seen = rasterize(FACES[None], (6, 5))
    values = torch.zeros(1, 2, 3, 1, requires_grad=True)
    interpolate(values, seen).sum().backward()
    expected = torch.stack([seen.weights[seen.face == f].sum(0) for f in range(2)])
    assert_close(values.grad[0, ..., 0], expected)
