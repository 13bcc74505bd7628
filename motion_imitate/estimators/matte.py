"""Alpha matte of the person in a still image: the pose network's mask, refined by colour."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from kornia.filters import guided_blur
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.types import Sighting

COLOUR_NOISE = 0.03  # standard deviation of a plain colour
LIKENESS = 1.0  # log likelihood by which a colour must be more like the person's nearby, to stay
LEAST_SHARE = 0.02  # of a square, that shows what colours a mask has

MatteBytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Matting:
    """Settings of the matte's refinement."""

    cut_at: int = 700  # pixels of the person's longer side at which GrabCut runs
    band: float = 0.025  # width of the band around the mask's edge that GrabCut decides, as a fraction of that side
    rounds: int = 4  # GrabCut iterations
    sure: float = 0.75  # of the mask, above which what looks like the person around it is not cut off
    least: float = 0.8  # least IoU of GrabCut's result with the mask; below it the mask is used
    crumb: float = 0.02  # pieces smaller than this fraction of the largest are removed
    soft: float = 0.3  # radius of the guided filter, as a fraction of the band
    contrast: float = 1e-4  # squared colour difference that counts as an edge


def estimate_matte(image: Float[Tensor, "3 H W"], seen: Sighting, how: Matting = Matting()) -> Float[Tensor, "1 H W"]:
    """The person's alpha per pixel; `seen` is the sighting of this one image."""
    mask = warp_mask_to_image(seen, (image.shape[1], image.shape[2]))
    rows, columns = padded_mask_slices(mask > 0.5)
    if rows.stop <= rows.start:
        return image.new_zeros(1, *mask.shape)
    part, inside = image[:, rows, columns], mask[rows, columns]
    scale = min(1.0, how.cut_at / max(inside.shape))
    size = (max(8, round(inside.shape[1] * scale)), max(8, round(inside.shape[0] * scale)))
    small = cv2.resize(part.permute(1, 2, 0).cpu().numpy(), size, interpolation=cv2.INTER_AREA)
    cut = remove_small_pieces(
        refine_with_grabcut((small * 255).astype(np.uint8), np.asarray(cv2.resize(inside, size), np.float32), how),
        how.crumb,
    )
    soft = upsample_matte(torch.from_numpy(cut).to(part)[None, None], part[None], 1 / scale, how)
    out = image.new_zeros(1, *mask.shape)
    out[:, rows, columns] = soft[0]
    return out


def warp_mask_to_image(seen: Sighting, size: tuple[int, int]) -> NDArray[np.float32]:
    """The mask of a sighting's first frame, warped to an image of `size` (height, width)."""
    height, width = size
    side = seen.mask.shape[-1]
    crop = seen.crop[0].double().numpy()
    half = np.array([width / 2, height / 2])
    linear = crop[:, :2] * half[:, None] * (2 / side)
    shift = (crop[:, 2] + 1) * half - crop[:, :2].sum(1) * half
    centred = shift + linear @ [0.5, 0.5] - 0.5  # maps pixel centres to pixel centres
    matrix = np.concatenate([linear, centred[:, None]], 1)
    mask = seen.mask[0].numpy().astype(np.float32) / 255
    return np.asarray(cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_CUBIC).clip(0, 1), np.float32)


def padded_mask_slices(where: NDArray[np.bool_], margin: float = 0.12) -> tuple[slice, slice]:
    """Rows and columns of the mask's bounding box, padded by `margin` of its longer side; empty if the mask is."""
    if not where.any():
        return slice(0, 0), slice(0, 0)
    ends = [(int(line[0]), int(line[-1]) + 1) for line in (np.nonzero(where.any(axis))[0] for axis in (1, 0))]
    pad = round(margin * max(end - start for start, end in ends))
    rows, columns = (slice(max(0, a - pad), min(n, b + pad)) for (a, b), n in zip(ends, where.shape, strict=True))
    return rows, columns


def refine_with_grabcut(picture: MatteBytes, mask: NDArray[np.float32], how: Matting) -> NDArray[np.float32]:
    """A binary mask from GrabCut in a band around the mask's edge; the mask itself if GrabCut departs too far from it.

    GrabCut compares with all colours of the person and of the rest. What is much more like the person nearby than like
    the rest nearby, as a hat against a wall, stays.
    """
    band = max(3, round(how.band * max(mask.shape)))
    square = np.ones((band, band), np.uint8)
    person = (mask > 0.5).astype(np.uint8)
    label = np.where(person > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    label[(cv2.erode(person, square) > 0) & (mask > 0.8)] = cv2.GC_FGD
    label[cv2.dilate(person, square) == 0] = cv2.GC_BGD
    if not ((label == cv2.GC_FGD).any() and (label == cv2.GC_BGD).any()):
        return person.astype(np.float32)
    person_cost, rest_cost = (
        local_colour_cost(picture, label == sure, 2 * band + 1) for sure in (cv2.GC_FGD, cv2.GC_BGD)
    )
    near_like_person = person_cost + LIKENESS < rest_cost
    cv2.setRNGSeed(0)
    blue_first, back, front = np.ascontiguousarray(picture[..., ::-1]), np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(blue_first, label, (0, 0, 0, 0), back, front, how.rounds, cv2.GC_INIT_WITH_MASK)
    cut = np.isin(label, (cv2.GC_FGD, cv2.GC_PR_FGD)) | (near_like_person & (mask > how.sure))
    kept = (cut & (person > 0)).sum() / max(1, (cut | (person > 0)).sum())
    return (cut if kept >= how.least else person).astype(np.float32)


def local_colour_cost(picture: MatteBytes, where: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """Negative log likelihood, up to a constant, of each pixel's colour among those of a mask in a square around it;
    infinite where the square has too few."""
    colour, chosen = picture.astype(np.float32) / 255, where.astype(np.float32)
    share = cv2.boxFilter(chosen, -1, (side, side))
    total = np.maximum(share, 1e-6)[..., None]
    mean = cv2.boxFilter(colour * chosen[..., None], -1, (side, side)) / total
    square = cv2.boxFilter(colour * colour * chosen[..., None], -1, (side, side)) / total
    spread = np.maximum(square - mean * mean, 0) + COLOUR_NOISE**2
    cost = ((colour - mean) ** 2 / spread + np.log(spread)).sum(2)
    return np.where(share > LEAST_SHARE, cost, np.inf).astype(np.float32)


def remove_small_pieces(cut: NDArray[np.float32], least: float) -> NDArray[np.float32]:
    """The mask without small loose pieces and small holes."""
    for value in (1, 0):
        count, label, stats, _ = cv2.connectedComponentsWithStats((cut == value).astype(np.uint8), connectivity=4)
        area = stats[:, cv2.CC_STAT_AREA]
        limit = least * area[1:].max() if count > 1 else 0
        small = [n for n in range(1, count) if area[n] < (limit if value else 0.1 * limit)]
        cut = np.where(np.isin(label, small), 1 - value, cut).astype(np.float32)
    return cut


def upsample_matte(cut: Tensor, picture: Tensor, larger: float, how: Matting) -> Tensor:
    """Upsample the mask to the image, `larger` times its size, by a guided filter that follows the image's edges."""
    large = torch.nn.functional.interpolate(cut, picture.shape[-2:], mode="bilinear")
    side = 2 * max(2, round(larger * max(cut.shape) * how.band * how.soft)) + 1
    return guided_blur(picture, large, side, how.contrast, subsample=max(1, round(larger))).clamp(0, 1)
