"""Colours for pixels whose own are not known."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torch.nn.functional import interpolate as resized

from motion_imitate.background.fill_numba import REACH, Field, Flags, copy, level, match, peel, settle, steps, vote
from motion_imitate.geometry.raster_numba import Floats

PATCH = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)


def spread(image: Float[Tensor, "B C H W"], known: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B C H W"]:
    """The image where it is known, and elsewhere the colours of what is known round about, the smoother the farther."""
    if min(image.shape[2:]) <= 1:
        return image
    height, width = image.shape[2:]
    odd = (0, width % 2, 0, height % 2)
    both = torch.nn.functional.pad(torch.cat([image * known, known], 1), odd)
    total = avg_pool2d(both, 2)
    weight = total[:, -1:]
    coarse = spread(total[:, :-1] / weight.clamp(min=1e-6), (4 * weight).clamp(max=1))
    fine = resized(coarse, (height + odd[3], width + odd[1]), mode="bilinear", align_corners=False)
    return image * known + fine[..., :height, :width] * (1 - known)


def grown(mattes: Float[Tensor, "N 1 H W"], reach: int) -> Float[Tensor, "N 1 H W"]:
    """The most of all within a square of so many pixels on each side."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return torch.from_numpy(np.stack([cv2.dilate(each, square)[None] for each in mattes[:, 0].numpy()]))


@dataclass(frozen=True)
class Filling:
    side: int = 720  # pixels of the longer side at which patches are compared, at most
    least: int = 28  # and at the coarsest
    choice: int = 60  # patches to choose from at the coarsest
    sweeps: int = 2  # how much more often patches are found and asked at each coarser size; once at the finest
    hold: float = 0.01  # how much what is copied keeps its own light


def behind(
    image: Float[Tensor, "B 3 H W"], hidden: Float[Tensor, "B 1 H W"], how: Filling = Filling()
) -> Float[Tensor, "B 3 H W"]:
    """The image with what is hidden (1) made up from pieces of what is not; elsewhere as it is, to the bit.

    Smooth where there are no pieces to take; grey if all is hidden.
    """
    known = (hidden <= 0).to(image)
    smooth = spread(torch.where(known.amax((1, 2, 3), True) > 0, image, 0.5), known)
    made = torch.stack([fill(*one, how) for one in zip(smooth.cpu().float(), hidden[:, 0].cpu() > 0, strict=True)])
    return torch.where(hidden > 0, torch.lerp(image, made.to(image), hidden.clamp(0, 1)), image)


def fill(smooth: Float[Tensor, "3 H W"], hidden: Bool[Tensor, "H W"], how: Filling) -> Float[Tensor, "3 H W"]:
    """A photo that is smooth where it is hidden, with pieces of its own laid there."""
    photo, away = np.ascontiguousarray(smooth.permute(1, 2, 0).numpy()), hidden.numpy()
    times = -(-max(away.shape) // how.side)
    sizes = [shrunk(Sight(photo, ~away), times, 1.0)]
    if not away.any() or not sizes[0].usable.any():
        return smooth
    while max(sizes[-1].known.shape) >= 2 * how.least:
        small = shrunk(sizes[-1], 2, 0.5)
        if small.usable.sum() < how.choice or small.known.all():
            break
        sizes.append(small)
    field = pieces(sizes, how)
    out = photo.copy()
    copy(out, away, field, shade(sizes[0], field, how), times)
    return torch.from_numpy(out).permute(2, 0, 1)


@dataclass(frozen=True)
class Sight:
    """A picture at one size, and which of its pixels are known."""

    image: Floats
    known: Flags

    @cached_property
    def usable(self) -> Flags:
        """Where a patch is known all over, and lies in the image."""
        return cv2.erode(self.known.astype(np.uint8), PATCH, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0

    @cached_property
    def hidden(self) -> Field:
        return np.argwhere(~self.known).astype(np.int32)

    @cached_property
    def wanted(self) -> Field:
        """The middles of all patches that cover something hidden."""
        return np.argwhere(cv2.dilate((~self.known).astype(np.uint8), PATCH)).astype(np.int32)

    @cached_property
    def sure(self) -> Floats:
        """Less and less away from what is known."""
        far = cv2.distanceTransform((~self.known).astype(np.uint8), cv2.DIST_L2, 3)
        return np.power(np.float32(1.2), -far)


def shrunk(sight: Sight, times: int, share: float) -> Sight:
    """A whole number of times smaller; a pixel is known if that share of those under it is."""
    height, width = sight.known.shape
    more = ((0, -height % times), (0, -width % times))
    weight = np.pad(sight.known, more, mode="edge").astype(np.float32)
    colour = np.pad(sight.image, (*more, (0, 0)), mode="edge")
    size = (weight.shape[1] // times, weight.shape[0] // times)
    part = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    seen = cv2.resize(colour * weight[..., None], size, interpolation=cv2.INTER_AREA)
    known = part >= share - 1e-4
    return Sight((seen / np.maximum(part, 1e-6)[..., None]).astype(np.float32), known)


def pieces(sizes: list[Sight], how: Filling) -> Field:
    """For each pixel that a hidden one's patch reaches, where in the largest of a picture's sizes it is best taken."""
    sight = sizes[-1]
    field = np.full((*sight.known.shape, 2), -1, np.int32)
    image = np.where(sight.known[..., None], sight.image, np.float32(np.nan))
    peel(image, sight.usable, field)
    for depth in reversed(range(len(sizes))):
        if sight is not sizes[depth]:
            field, sight = doubled(field, sizes[depth]), sizes[depth]
            image = sight.image.copy()
        field = anywhere(field, sight)
        cost = np.zeros(sight.known.shape, np.float32)
        if depth < len(sizes) - 1:
            vote(image, sight.hidden, field, cost, sight.sure, 1.0)
        for sweep in range(1 + how.sweeps * depth):
            match(image, sight.usable, sight.wanted, field, cost, 2, sweep)
            usual = np.percentile(cost[tuple(sight.wanted.T)], 75)
            vote(image, sight.hidden, field, cost, sight.sure, max(usual / 4, 1e-5))
    settle(image, sight.usable, sight.wanted, field, 6)
    return field


def doubled(field: Field, sight: Sight) -> Field:
    """A field for a picture twice as large."""
    y, x = sight.wanted.T
    larger = np.full((*sight.known.shape, 2), -1, np.int32)
    larger[y, x] = 2 * field[y // 2, x // 2] + sight.wanted % 2
    return larger


def anywhere(field: Field, sight: Sight) -> Field:
    """The field with some usable patch or other for each wanted one that has none."""
    y, x = sight.wanted.T
    last = np.array(sight.known.shape) - 1
    row, column = np.clip(field[y, x], 0, last).T
    lost = (field[y, x, 0] < 0) | ~sight.usable[row, column]
    sources = np.argwhere(sight.usable).astype(np.int32)
    field = field.copy()
    field[y, x] = np.stack([row, column], 1)
    field[y[lost], x[lost]] = sources[np.random.default_rng(0).integers(0, len(sources), lost.sum())]
    return field


def shade(sight: Sight, field: Field, how: Filling) -> Floats:
    """What to add to what is copied, for its light to run evenly from piece to piece and into what is known."""
    y, x = sight.hidden.T
    image, light = sight.image.copy(), np.zeros_like(sight.image)
    if len(sight.hidden) > 0:
        copied = image[tuple(field[y, x].T)]
        image[y, x] = copied
        level(image, sight.hidden, steps(sight.image, sight.known, sight.hidden, field), how.hold, 200)
        light[y, x] = image[y, x] - copied
    return light
