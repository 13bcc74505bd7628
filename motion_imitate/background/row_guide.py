"""What colours hidden pixels should have by what is known to their left and right: walls go on behind people."""

import cv2
import numpy as np

from motion_imitate.background.fill_numba import Flags
from motion_imitate.geometry.raster_numba import Floats

GUIDE_BLUR = (3, 3)  # pixels at the ends of a hidden row over which colours are averaged
GUIDE_BUSY = 7  # pixels around each end in which a pattern counts as a difference
GUIDE_SIGMA = 0.2  # colours at the two ends of a hidden row that differ by more say little
LONE_SHARE = 0.1  # of the guide's weight, with which a single end counts


def interpolate_rows(image: Floats, known: Flags) -> Floats:
    """Colours of hidden pixels between the nearest known ones in their row, and a weight: 1 where those agree.

    Where a row is known on one side only, or nowhere, the nearest known pixel counts, with less weight.
    """
    height, width = known.shape
    guide, between = np.zeros((height, width, 4), np.float32), np.zeros((height, width), bool)
    mean = mean_of_known(image, known, GUIDE_BLUR)
    wide = GUIDE_BUSY, GUIDE_BUSY
    busy = (mean_of_known(image * image, known, wide) - mean_of_known(image, known, wide) ** 2).sum(2)
    for y in range(height):
        there, missing = np.flatnonzero(known[y]), np.flatnonzero(~known[y])
        if len(there) and len(missing):
            after = np.searchsorted(there, missing)
            left, right = there[np.maximum(after - 1, 0)], there[np.minimum(after, len(there) - 1)]
            part = ((missing - left) / np.maximum(right - left, 1))[:, None]
            guide[y, missing, :3] = mean[y, left] * (1 - part) + mean[y, right] * part
            apart = np.square(mean[y, left] - mean[y, right]).sum(1) + busy[y, left] + busy[y, right]
            guide[y, missing, 3] = np.exp(-apart / GUIDE_SIGMA**2) * (right > left)
            between[y, missing] = right > left
    alone = ~known & (guide[..., 3] == 0) & ~between
    if alone.any() and known.any():
        _, label = cv2.distanceTransformWithLabels(
            (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        places = np.zeros((label.max() + 1, 2), np.int64)
        places[label[known]] = np.argwhere(known)
        row, column = places[label[alone]].T
        guide[alone, :3] = mean[row, column]
        guide[alone, 3] = LONE_SHARE * np.exp(-busy[row, column] / GUIDE_SIGMA**2)
    return guide


def mean_of_known(image: Floats, known: Flags, size: tuple[int, int]) -> Floats:
    """The mean of the known pixels in a box around each."""
    share = cv2.boxFilter(known.astype(np.float32), -1, size)[..., None]
    return np.asarray(cv2.boxFilter(image * known[..., None].astype(np.float32), -1, size) / np.maximum(share, 1e-6))
