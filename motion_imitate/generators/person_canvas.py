"""Pictures of networks that draw at one fixed size: a person fitted into them, and what is drawn fitted back."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from motion_imitate.types import Drawn, Source

PHOTO_MARGIN = 0.06  # around the person in a photo, as a fraction of their longer side
LEAST_COVER = 0.1  # that colours over grey are divided by
FAINT_COVER = 0.05  # which networks never quite leave out: the picture's border would be seen
LEAST_MATTE = 0.1  # alpha from which a pixel counts as the person's


@dataclass(frozen=True)
class CanvasFit:
    """How a picture lies on a canvas: as large as fits, in the middle."""

    inner: tuple[int, int]  # height and width of the picture on the canvas
    canvas: tuple[int, int]

    @classmethod
    def of(cls, size: tuple[int, int], canvas: tuple[int, int]) -> "CanvasFit":
        """The fit of a picture of (height, width)."""
        scale = min(canvas[0] / size[0], canvas[1] / size[1])
        height, width = (max(1, min(most, round(side * scale))) for side, most in zip(size, canvas, strict=True))
        return cls((height, width), canvas)

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the picture's first pixel on the canvas."""
        return (self.canvas[0] - self.inner[0]) // 2, (self.canvas[1] - self.inner[1]) // 2

    def place_points(self, points: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Image points of the canvas, from those of the picture."""
        inner, canvas, corner = (points.new_tensor(x[::-1]) for x in (self.inner, self.canvas, self.corner))
        return ((points + 1) / 2 * inner + corner) / canvas * 2 - 1

    def put(self, picture: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """The picture on the canvas, with zeros around it."""
        small = interpolate(picture, self.inner, mode="bilinear", align_corners=False, antialias=True)
        top, left = self.corner
        rest = (self.canvas[0] - self.inner[0] - top, self.canvas[1] - self.inner[1] - left)
        return pad(small, (left, rest[1], top, rest[0]))

    def take(self, drawn: Float[Tensor, "B C h w"], size: tuple[int, int]) -> Float[Tensor, "B C H W"]:
        """The picture at a size again."""
        top, left = self.corner
        inner = drawn[..., top : top + self.inner[0], left : left + self.inner[1]]
        return interpolate(inner, size, mode="bilinear", align_corners=False)


def window_around(there: Tensor) -> tuple[slice, slice]:
    """Rows and columns around the pixels that are true, with a margin; all of them if none is."""
    if not there.any():
        return slice(None), slice(None)
    rows, columns = (there.any(axis).nonzero()[:, 0] for axis in (1, 0))
    margin = int(PHOTO_MARGIN * max(int(rows[-1] - rows[0]), int(columns[-1] - columns[0]))) + 1
    low, high = (x[0] - margin for x in (rows, columns)), (x[-1] + 1 + margin for x in (rows, columns))
    windows = [slice(max(0, int(a)), int(b)) for a, b in zip(low, high, strict=True)]
    return windows[0], windows[1]


def points_in_window(
    points: Float[Tensor, "*n 2"], window: tuple[slice, slice], size: tuple[int, int]
) -> Float[Tensor, "*n 2"]:
    """Image points of a window, given as rows and columns of a picture of (height, width), from the picture's."""
    (top, bottom, _), (left, right, _) = (part.indices(side) for part, side in zip(window, size, strict=True))
    whole, low, high = (points.new_tensor(x) for x in (size[::-1], (left, top), (right, bottom)))
    return ((points + 1) / 2 * whole - low) / (high - low) * 2 - 1


def person_over_grey(photo: Source) -> Float[Tensor, "1 3 H W"]:
    """A photo in [-1, 1], the person over grey (0)."""
    return (2 * photo.image - 1) * photo.matte


def drawn_over_grey(
    drawn: Float[Tensor, "B O h w"], body: Float[Tensor, "B 1 h w"]
) -> tuple[Float[Tensor, "B 3 h w"], Float[Tensor, "B 1 h w"]]:
    """Straight colours in [0, 1] and alpha of networks that draw a person over grey.

    A fourth channel is the logit of alpha; without one, alpha is `body`, where the body is.
    """
    cover = drawn[:, 3:].sigmoid() if drawn.shape[1] > 3 else body
    shown = ((cover - FAINT_COVER) / (1 - FAINT_COVER)).clamp(min=0)
    return ((drawn[:, :3] / cover.clamp(min=LEAST_COVER) + 1) / 2).clamp(0, 1), shown


def take_drawn(
    fit: CanvasFit, drawn: Float[Tensor, "B O h w"], body: Float[Tensor, "B 1 h w"], size: tuple[int, int]
) -> Drawn:
    """What networks drew on a canvas, at the size of the view."""
    both = fit.take(torch.cat(drawn_over_grey(drawn, body), 1), size)
    return Drawn(both[:, :3], both[:, 3:])
