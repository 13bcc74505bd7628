"""Align two images of a scene by matching features."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Homography = NDArray[np.float64]  # [3, 3], from pixels of one image to those of another


@dataclass(frozen=True)
class AlignSettings:
    """Settings of feature detection and matching."""

    side: int = 720  # longer side, in pixels, at which features are detected
    marks: int = 800  # maximum number of features in an image
    alike: float = 0.8  # ratio test: maximum distance of the best match to that of the second
    error: float = 1.0  # maximum reprojection error of an inlier, in pixels at that size
    least: int = 24  # minimum number of inliers


@dataclass(frozen=True)
class ImageFeatures:
    """SIFT features of an image."""

    places: Floats  # [N, 2], pixels of the full image
    looks: Floats  # [N, 128], RootSIFT descriptors
    scale: float  # pixels of the full image per pixel of the image they were detected in


def find_image_features(picture: Bytes, hidden: Bytes, how: AlignSettings = AlignSettings()) -> ImageFeatures:
    """Detect features of an image [H, W, 3] outside the hidden area; `hidden` may have another size."""
    scale = max(1.0, max(picture.shape[:2]) / how.side)
    size = (round(picture.shape[1] / scale), round(picture.shape[0] / scale))
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    free = np.where(cv2.resize(hidden, size, interpolation=cv2.INTER_LINEAR) > 0, 0, 255).astype(np.uint8)
    found, looks = cv2.SIFT.create(how.marks, contrastThreshold=0.02).detectAndCompute(grey, free)
    if not found:
        return ImageFeatures(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32), scale)
    stretch = np.array(picture.shape[1::-1]) / size
    places = (np.array([mark.pt for mark in found]) + 0.5) * stretch - 0.5
    return ImageFeatures(
        places.astype(np.float32), np.sqrt(looks / np.maximum(looks.sum(1, keepdims=True), 1e-6)), scale
    )


def estimate_homography(
    one: ImageFeatures, other: ImageFeatures, how: AlignSettings = AlignSettings()
) -> Homography | None:
    """Homography from pixels of one image to those of the other; None if too few features match."""
    if min(len(one.places), len(other.places)) < how.least:
        return None
    near = 2 - 2 * one.looks @ other.looks.T  # squared distances of unit vectors
    to, back, every = near.argmin(1), near.argmin(0), np.arange(len(near))
    best = near[every, to]
    near[every, to] = np.inf
    good = (best < how.alike**2 * near.min(1)) & (back[to] == every)
    if good.sum() < how.least:
        return None
    a, b = one.places[good], other.places[to[good]]
    plane, agree = cv2.findHomography(a, b, cv2.USAC_MAGSAC, how.error * max(one.scale, other.scale), maxIters=2000)
    if plane is None or agree.sum() < max(how.least, 0.25 * len(a)):
        return None
    kept = agree[:, 0] > 0
    better, _ = cv2.findHomography(a[kept], b[kept], 0)
    return np.asarray(plane if better is None else better, np.float64)


def homography_displacement(plane: Homography, seen: ImageFeatures) -> float:
    """The 90th percentile of how far the homography moves the features, in pixels."""
    moved = np.c_[seen.places, np.ones(len(seen.places))] @ plane.T
    return float(np.percentile(np.abs(moved[:, :2] / moved[:, 2:] - seen.places).max(1), 90))


def scale_homography(plane: Homography, one: tuple[float, float], other: tuple[float, float]) -> Homography:
    """The homography between resized copies of both images; (x, y) are the scale factors of each copy."""
    return resize_homography(*other) @ plane @ np.linalg.inv(resize_homography(*one))


def resize_homography(x: float, y: float) -> Homography:
    """From pixel centres of an image to those of a copy resized by (x, y)."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def shift_homography(x: int, y: int) -> Homography:
    """Translation by (x, y) pixels."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def warp_by_homography(picture: Bytes, plane: Homography, size: tuple[int, int]) -> Bytes:
    """Warp the picture to (height, width); `plane` maps output pixels to the picture's. 0 outside."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(picture, plane, size[::-1], flags=flags), np.uint8)
