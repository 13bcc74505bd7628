"""How one picture of a scene lies over another, by what can be recognised in both."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Plane = NDArray[np.float64]  # [3, 3], from pixels of one picture to those of another


@dataclass(frozen=True)
class Aligning:
    side: int = 720  # pixels of the longer side at which marks are looked for
    marks: int = 800  # in a picture, at most
    alike: float = 0.8  # how much nearer the best match must be than the second
    error: float = 1.0  # of a mark's place, in those pixels
    least: int = 24  # matches that must agree


@dataclass(frozen=True)
class Marks:
    places: Floats  # [N, 2], pixels of the whole picture
    looks: Floats  # [N, 128]
    scale: float  # pixels of the whole picture in one of those they were found in


def marks(picture: Bytes, hidden: Bytes, how: Aligning = Aligning()) -> Marks:
    """What can be recognised in [H, W, 3] where it is not hidden; `hidden` may be of another size."""
    scale = max(1.0, max(picture.shape[:2]) / how.side)
    size = (round(picture.shape[1] / scale), round(picture.shape[0] / scale))
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    free = np.where(cv2.resize(hidden, size, interpolation=cv2.INTER_LINEAR) > 0, 0, 255).astype(np.uint8)
    found, looks = cv2.SIFT.create(how.marks, contrastThreshold=0.02).detectAndCompute(grey, free)
    if not found:
        return Marks(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32), scale)
    stretch = np.array(picture.shape[1::-1]) / size
    places = (np.array([mark.pt for mark in found]) + 0.5) * stretch - 0.5
    return Marks(places.astype(np.float32), np.sqrt(looks / np.maximum(looks.sum(1, keepdims=True), 1e-6)), scale)


def aligned(one: Marks, other: Marks, how: Aligning = Aligning()) -> Plane | None:
    """From pixels of one picture to those of the other; None if they do not lie over one another."""
    if min(len(one.places), len(other.places)) < how.least:
        return None
    near = 2 - 2 * one.looks @ other.looks.T  # squared distances of vectors of unit length
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


def strays(plane: Plane, seen: Marks) -> float:
    """By how many pixels it moves nearly all of the marks, at most."""
    moved = np.c_[seen.places, np.ones(len(seen.places))] @ plane.T
    return float(np.percentile(np.abs(moved[:, :2] / moved[:, 2:] - seen.places).max(1), 90))


def scaled(plane: Plane, one: tuple[float, float], other: tuple[float, float]) -> Plane:
    """The plane between smaller copies of two pictures; the copies' sides are these parts (x, y) of theirs."""
    return resizing(*other) @ plane @ np.linalg.inv(resizing(*one))


def resizing(x: float, y: float) -> Plane:
    """From pixel centres of a picture to those of a copy of another size."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def shifted(x: int, y: int) -> Plane:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def laid(picture: Bytes, plane: Plane, size: tuple[int, int]) -> Bytes:
    """The picture as it lies in another of (height, width); `plane` leads back from there. 0 outside."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(picture, plane, size[::-1], flags=flags), np.uint8)
