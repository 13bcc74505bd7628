"""A picture on a canvas keeps its proportions, its points and itself."""

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.generators.person_canvas import (
    FAINT_COVER,
    CanvasFit,
    drawn_over_grey,
    points_in_window,
    window_around,
)


@pytest.mark.parametrize("size", [(256, 96), (64, 192), (300, 225), (31, 47)])
def test_points_lie_where_pixels_do(size):
    fit = CanvasFit.of(size, (128, 96))
    row, column = size[0] // 3, size[1] // 4
    spot = torch.zeros(1, 1, *size)
    spot[..., row - 3 : row + 4, column - 3 : column + 4] = 1
    drawn = fit.put(spot)[0, 0]
    weight = drawn / drawn.sum()
    rows, columns = torch.arange(128) + 0.5, torch.arange(96) + 0.5
    middle = torch.stack([(weight.sum(0) * columns).sum() / 48 - 1, (weight.sum(1) * rows).sum() / 64 - 1])
    point = torch.tensor([[2 * (column + 0.5) / size[1] - 1, 2 * (row + 0.5) / size[0] - 1]])
    assert_close(fit.place_points(point)[0], middle, atol=0.01, rtol=0)


def test_what_was_put_is_taken_again():
    smooth = torch.nn.functional.interpolate(torch.rand(2, 3, 6, 5), (200, 90), mode="bicubic")
    fit = CanvasFit.of((200, 90), (128, 96))
    assert (fit.take(fit.put(smooth), (200, 90)) - smooth).abs().mean() < 0.01
    assert fit.inner == (128, 58)


def test_points_of_a_window():
    window = (slice(10, 30), slice(0, 200))
    assert_close(
        points_in_window(torch.tensor([[0.0, 0.0], [-1.0, -0.6]]), window, (50, 100)),
        torch.tensor([[0.0, 0.5], [-1.0, -1.0]]),
    )
    assert window_around(torch.zeros(4, 4)) == (slice(None), slice(None))


def test_colours_over_grey_come_back_straight():
    colour, alpha = torch.rand(1, 3, 4, 4), torch.full((1, 1, 4, 4), 0.6)
    logit = torch.cat([(2 * colour - 1) * alpha, alpha.logit()], 1)
    found, cover = drawn_over_grey(logit, torch.zeros(1, 1, 4, 4))
    assert_close(found, colour)
    assert_close(cover, (alpha - FAINT_COVER) / (1 - FAINT_COVER))
    assert not drawn_over_grey(torch.full((1, 4, 4, 4), -3.0), torch.zeros(1, 1, 4, 4))[1].any()
    assert drawn_over_grey(logit[:, :3], torch.ones(1, 1, 4, 4))[1].min() == 1
