"""Rotated square crops of images. Points are in pixels: (0, 0) is the outer corner of the top-left pixel."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

RoiFloats = NDArray[np.float32]
RgbImage = NDArray[np.uint8]  # [H, W, 3], RGB


def frame_to_rgb(frame: Tensor) -> RgbImage:
    """A frame [3, H, W] as an OpenCV image; no copy if the frame's memory is already laid out that way."""
    array = frame.permute(1, 2, 0).numpy()
    if array.flags.c_contiguous:
        return array
    return np.asarray(cv2.merge(list(frame.contiguous().numpy())), np.uint8)


@dataclass(frozen=True)
class Roi:
    """A square crop: centre, side and rotation (radians, clockwise on screen)."""

    x: float
    y: float
    side: float
    turn: float

    def axes(self) -> RoiFloats:
        """Columns: the square's right and down directions in the image."""
        c, s = math.cos(self.turn), math.sin(self.turn)
        return np.array([[c, -s], [s, c]], np.float32)

    def matrix(self, size: int) -> RoiFloats:
        """The matrix [2, 3] from pixels of the crop, `size` pixels wide, to pixels of the image."""
        linear = self.axes() * (self.side / size)
        shift = np.array([self.x, self.y], np.float32) - linear.sum(1) * size / 2
        return np.concatenate([linear, shift[:, None]], 1).astype(np.float32)

    def out(self, points: RoiFloats, size: int) -> RoiFloats:
        """Points in the crop's pixels, converted to the image's pixels."""
        matrix = self.matrix(size)
        return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)

    def moved(self, by: RoiFloats) -> "Roi":
        """The same square, shifted by `by` pixels."""
        return Roi(self.x + float(by[0]), self.y + float(by[1]), self.side, self.turn)


def roi_around_circle(centre: RoiFloats, rim: RoiFloats, scale: float) -> Roi:
    """The square around a circle through `rim`, scaled by `scale` and rotated so that `rim` points up."""
    x, y = (rim - centre).tolist()
    turn = math.atan2(x, -y)
    return Roi(float(centre[0]), float(centre[1]), 2 * scale * math.hypot(x, y), turn)


def crop_roi(image: RgbImage, roi: Roi, size: int) -> RgbImage:
    """The content of the square at `size` pixels, black outside the image."""
    matrix = roi.matrix(size)
    step = int(roi.side / size)
    if step >= 2:  # downsample by area first: bilinear sampling alone would skip pixels
        reach = int(roi.side * 0.75) + 2
        left, top = max(0, int(roi.x) - reach), max(0, int(roi.y) - reach)
        part = image[top : int(roi.y) + reach, left : int(roi.x) + reach]
        high, wide = part.shape[0] // step, part.shape[1] // step
        if high < 1 or wide < 1:
            return np.zeros((size, size, image.shape[2]), np.uint8)
        image = np.asarray(cv2.resize(part[: high * step, : wide * step], (wide, high), interpolation=cv2.INTER_AREA))
        matrix[:, 2] -= [left, top]
        matrix /= step
    half = np.array([0.5, 0.5], np.float32)  # OpenCV puts (0, 0) at the centre of a pixel
    matrix[:, 2] += matrix[:, :2] @ half - half
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, matrix, (size, size), flags=flags), np.uint8)
