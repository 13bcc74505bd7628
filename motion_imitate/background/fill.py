"""Inpaint hidden pixels: smoothly, or with patches of the same image."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torch.nn.functional import interpolate as resized

from motion_imitate.background.fill_numba import (
    PATCH_REACH,
    Flags,
    PatchField,
    copy_patches,
    fill_from_border,
    improve_matches,
    merge_patches,
    solve_brightness,
    target_gradients,
    vote_colours,
)
from motion_imitate.background.row_guide import interpolate_rows
from motion_imitate.geometry.raster_numba import Floats

FEET = 0.06  # of the height, that feet take up
SHADOW_REACH = (0.07, 0.028)  # of the height: how far from the feet, across and down, their shadow is dark
PATCH_SQUARE = np.ones((2 * PATCH_REACH + 1, 2 * PATCH_REACH + 1), np.uint8)


def diffuse_colours(image: Float[Tensor, "B C H W"], known: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B C H W"]:
    """Fill unknown pixels from the known ones around them, more smoothly the farther away they are."""
    if max(image.shape[2:]) <= 1:
        return image
    height, width = image.shape[2:]
    odd = (0, width % 2, 0, height % 2)
    both = torch.nn.functional.pad(torch.cat([image * known, known], 1), odd)
    total = avg_pool2d(both, 2)
    weight = total[:, -1:]
    coarse = diffuse_colours(total[:, :-1] / weight.clamp(min=1e-6), (4 * weight).clamp(max=1))
    fine = resized(coarse, (height + odd[3], width + odd[1]), mode="bilinear", align_corners=False)
    return image * known + fine[..., :height, :width] * (1 - known)


def dilate_mattes(mattes: Float[Tensor, "N 1 H W"], reach: int) -> Float[Tensor, "N 1 H W"]:
    """Maximum over a square of `reach` pixels to each side."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return torch.from_numpy(np.stack([cv2.dilate(each, square)[None] for each in mattes[:, 0].numpy()]))


def cover_contact_shadows(mattes: Float[Tensor, "N 1 H W"]) -> Float[Tensor, "N 1 H W"]:
    """The mattes, with the floor around the feet, where shadows are darkest. Feet that a photo cuts off have none."""
    return torch.stack([torch.from_numpy(cover_shadow_of_feet(each[0].numpy()))[None] for each in mattes])


def cover_shadow_of_feet(matte: Floats) -> Floats:
    """One of the mattes of `cover_contact_shadows`."""
    rows = np.flatnonzero((matte > 0.5).any(1))
    if not len(rows) or rows[-1] >= len(matte) - 2:
        return matte
    tall = float(rows[-1] - rows[0])
    wide, high = (2 * round(reach * tall) + 1 for reach in SHADOW_REACH)
    ankle = max(0, int(rows[-1] - FEET * tall) + 1)
    near = slice(max(0, ankle - high), rows[-1] + high + 1)
    feet = matte[near].copy()
    feet[: ankle - near.start] = 0
    covered = matte.copy()
    spread = cv2.dilate(feet, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, high)))
    covered[near] = np.maximum(covered[near], spread)
    return covered


@dataclass(frozen=True)
class InpaintSettings:
    """Settings of patch-based inpainting."""

    side: int = 720  # maximum longer side, in pixels, at which patches are compared
    least: int = 28  # minimum shorter side, in pixels, of the coarsest level
    choice: int = 60  # minimum number of usable patches at the coarsest level
    sweeps: int = 2  # extra match-and-vote iterations per coarser level; the finest has one
    guide: float = 4.0  # weight of the colours between the known ends of a row, relative to differences of patches
    hold: float = 0.01  # how strongly copied pixels keep their own brightness


def inpaint_hidden(
    image: Float[Tensor, "B 3 H W"],
    hidden: Float[Tensor, "B 1 H W"],
    how: InpaintSettings = InpaintSettings(),
    foreign: Float[Tensor, "B 1 H W"] | None = None,
) -> Float[Tensor, "B 3 H W"]:
    """Fill hidden pixels (1) with patches from the rest of the image; the others are returned unchanged.

    Nothing is taken from what is `foreign` (1), such as other people. Falls back to a smooth fill if there are no
    patches to copy, and to grey if the whole image is hidden.
    """
    unknown = hidden if foreign is None else hidden.maximum(foreign)
    known = (unknown <= 0).to(image)
    smooth = diffuse_colours(torch.where(known.amax((1, 2, 3), True) > 0, image, 0.5), known)
    made = torch.stack(
        [inpaint_photo(*one, how) for one in zip(smooth.cpu().float(), unknown[:, 0].cpu() > 0, strict=True)]
    )
    return torch.where(hidden > 0, torch.lerp(image, made.to(image), hidden.clamp(0, 1)), image)


def inpaint_photo(
    smooth: Float[Tensor, "3 H W"], hidden: Bool[Tensor, "H W"], how: InpaintSettings
) -> Float[Tensor, "3 H W"]:
    """Copy patches of the photo into its hidden pixels, which hold a smooth fill."""
    photo, away = np.ascontiguousarray(smooth.permute(1, 2, 0).numpy()), hidden.numpy()
    times = -(-max(away.shape) // how.side)
    sizes = [shrink_level(PyramidLevel(photo, ~away), times, 1.0)]
    if not away.any() or not sizes[0].usable.any():
        return smooth
    while max(sizes[-1].known.shape) >= 2 * how.least:
        small = shrink_level(sizes[-1], 2, 0.5)
        if small.usable.sum() < how.choice or small.known.all():
            break
        sizes.append(small)
    field = match_patches(sizes, how)
    out = photo.copy()
    copy_patches(out, away, field, shading_correction(sizes[0], field, how), times)
    return torch.from_numpy(out).permute(2, 0, 1)


@dataclass(frozen=True)
class PyramidLevel:
    """One level of an image pyramid, and which of its pixels are known."""

    image: Floats
    known: Flags

    @cached_property
    def usable(self) -> Flags:
        """Centres of patches that lie within the image and are known completely."""
        return cv2.erode(self.known.astype(np.uint8), PATCH_SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0

    @cached_property
    def guide(self) -> Floats:
        """The colour that each hidden pixel should have, and how surely, 0 to 1, by what is known to its left and
        right."""
        return interpolate_rows(self.image, self.known)

    @cached_property
    def hidden(self) -> PatchField:
        """Rows and columns of unknown pixels."""
        return np.argwhere(~self.known).astype(np.int32)

    @cached_property
    def wanted(self) -> PatchField:
        """Centres of all patches that cover an unknown pixel."""
        return np.argwhere(cv2.dilate((~self.known).astype(np.uint8), PATCH_SQUARE)).astype(np.int32)

    @cached_property
    def sure(self) -> Floats:
        """Confidence, which falls with the distance from known pixels."""
        far = cv2.distanceTransform((~self.known).astype(np.uint8), cv2.DIST_L2, 3)
        return np.power(np.float32(1.2), -far)


def shrink_level(sight: PyramidLevel, times: int, share: float) -> PyramidLevel:
    """Shrink by an integer factor; a pixel is known if at least that share of the pixels under it is."""
    height, width = sight.known.shape
    more = ((0, -height % times), (0, -width % times))
    weight = np.pad(sight.known, more, mode="edge").astype(np.float32)
    colour = np.pad(sight.image, (*more, (0, 0)), mode="edge")
    size = (weight.shape[1] // times, weight.shape[0] // times)
    part = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    seen = cv2.resize(colour * weight[..., None], size, interpolation=cv2.INTER_AREA)
    known = part >= share - 1e-4
    return PyramidLevel((seen / np.maximum(part, 1e-6)[..., None]).astype(np.float32), known)


def match_patches(sizes: list[PyramidLevel], how: InpaintSettings) -> PatchField:
    """For each pixel near a hidden one, the best matching patch at the finest level. `sizes` runs from fine to
    coarse."""
    sight = sizes[-1]
    weight = np.array([1, 1, 1, how.guide], np.float32)
    guide = sight.guide * weight
    field = np.full((*sight.known.shape, 2), -1, np.int32)
    image = np.where(sight.known[..., None], sight.image, np.float32(np.nan))
    fill_from_border(image, guide, np.argwhere(sight.usable), field)
    for depth in reversed(range(len(sizes))):
        if sight is not sizes[depth]:
            field, sight = upsample_field(field, sizes[depth]), sizes[depth]
            image, guide = sight.image.copy(), sight.guide * weight
        field = fill_field_gaps(field, sight)
        cost = np.zeros(sight.known.shape, np.float32)
        if depth < len(sizes) - 1:
            vote_colours(image, sight.hidden, field, cost, sight.sure, 1.0)
        for sweep in range(1 + how.sweeps * depth):
            improve_matches(image, guide, sight.usable, sight.wanted, field, cost, 2, sweep)
            usual = float(np.percentile(cost[tuple(sight.wanted.T)], 75))
            vote_colours(image, sight.hidden, field, cost, sight.sure, max(usual / 4, 1e-5))
    merge_patches(image, guide, sight.usable, sight.wanted, field, 6)
    return field


def upsample_field(field: PatchField, sight: PyramidLevel) -> PatchField:
    """Upsample a field to a level twice as large."""
    y, x = sight.wanted.T
    larger = np.full((*sight.known.shape, 2), -1, np.int32)
    larger[y, x] = 2 * field[y // 2, x // 2] + sight.wanted % 2
    return larger


def fill_field_gaps(field: PatchField, sight: PyramidLevel) -> PatchField:
    """Replace missing and unusable entries of the field with random usable patches."""
    y, x = sight.wanted.T
    last = np.array(sight.known.shape) - 1
    row, column = np.clip(field[y, x], 0, last).T
    lost = (field[y, x, 0] < 0) | ~sight.usable[row, column]
    sources = np.argwhere(sight.usable).astype(np.int32)
    field = field.copy()
    field[y, x] = np.stack([row, column], 1)
    field[y[lost], x[lost]] = sources[np.random.default_rng(0).integers(0, len(sources), lost.sum())]
    return field


def shading_correction(sight: PyramidLevel, field: PatchField, how: InpaintSettings) -> Floats:
    """Colour to add to copied pixels so that brightness is continuous across patches and into known pixels."""
    y, x = sight.hidden.T
    image, light = sight.image.copy(), np.zeros_like(sight.image)
    if len(sight.hidden) > 0:
        copied = image[tuple(field[y, x].T)]
        image[y, x] = copied
        solve_brightness(
            image, sight.hidden, target_gradients(sight.image, sight.known, sight.hidden, field), how.hold, 200
        )
        light[y, x] = image[y, x] - copied
    return light
