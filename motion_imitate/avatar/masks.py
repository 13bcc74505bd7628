"""Distances, growing and labelling of masks, on the CPU."""

from typing import TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.background.fill import diffuse_colours

Mask: TypeAlias = NDArray[np.bool_]
Plane: TypeAlias = NDArray[np.float32]  # one value per pixel, or a colour image
Labels: TypeAlias = NDArray[np.int64]
Box: TypeAlias = tuple[slice, slice]  # rows and columns
KNOWN_SHARE = 1e-3  # of a blurred mask, below which nothing is known of what is in it


def smoothstep(values: NDArray[np.floating], low: float, high: float) -> Plane:
    """0 below `low`, 1 above `high`, a smooth ramp between them."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def ellipse_kernel(radius: float) -> NDArray[np.uint8]:
    """A disk of at least one pixel's radius."""
    whole = max(1, round(radius))
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * whole + 1, 2 * whole + 1)), np.uint8)


def grow_mask(mask: Mask, radius: float) -> Mask:
    """Dilate by a disk."""
    kernel, grown = ellipse_kernel(radius), np.zeros(mask.shape, np.uint8)
    box = mask_box(mask, len(kernel) / 2)
    if mask.any():
        grown[box] = cv2.dilate(mask[box].astype(np.uint8), kernel)
    return grown > 0


def mask_box(mask: Mask, margin: float = 0.0) -> Box:
    """Rows and columns of a mask's bounding box, with a margin in pixels; empty if the mask is."""
    lines = (np.nonzero(mask.any(axis))[0] for axis in (1, 0))
    rows, columns = (
        slice(max(0, int(line[0] - margin)), int(line[-1] + margin) + 1) if len(line) else slice(0, 0) for line in lines
    )
    return rows, columns


def paste_plane(image: Plane, part: Plane, box: Box) -> Plane:
    """The image with another part at a box."""
    pasted = image.copy()
    pasted[box] = part
    return pasted


def open_mask(mask: Mask, radius: float) -> Mask:
    """Remove what is narrower than a disk."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, ellipse_kernel(radius)) > 0


def close_mask(mask: Mask, radius: float) -> Mask:
    """Fill what is narrower than a disk."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, ellipse_kernel(radius)) > 0


def blur_plane(plane: NDArray[np.generic], sigma: float) -> Plane:
    """Gaussian blur."""
    return np.asarray(cv2.GaussianBlur(plane.astype(np.float32), (0, 0), sigma), np.float32)


def blur_within(plane: Plane, mask: Mask, sigma: float) -> Plane:
    """Gaussian blur of what is in the mask alone; 0 far from it."""
    each = (..., None)[: plane.ndim - 1]  # a mask for each channel, if there are any
    share = np.maximum(blur_plane(mask, sigma), KNOWN_SHARE)
    return np.asarray(blur_plane(plane * mask[each], sigma) / share[each], np.float32)


def colour_distance(one: Plane, other: NDArray[np.floating]) -> Plane:
    """The largest difference of any channel."""
    apart = np.abs(one - other)
    return np.maximum(np.maximum(apart[..., 0], apart[..., 1]), apart[..., 2])  # many times as fast as max(-1)


def distance_to_edge(mask: Mask) -> Plane:
    """Pixels to the mask's edge, positive inside. What lies outside the image is outside the mask."""
    if not mask.any():
        return np.full(mask.shape, -1e4, np.float32)
    distance, box = 0.5 - cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 5), mask_box(mask)
    part = mask[box]
    inner = cv2.distanceTransform(np.pad(part.view(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    distance[box] = np.where(part, inner - 0.5, distance[box])
    return np.asarray(distance, np.float32)


def nearest_known_pixels(known: Mask) -> tuple[Labels, Labels]:
    """Row and column of the nearest known pixel; there must be one."""
    _, index = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(index.max() + 1, np.int64)
    table[index[known]] = np.flatnonzero(known)
    row, column = np.divmod(table[index], known.shape[1])
    return row, column


def spread_labels(labels: NDArray[np.generic], known: Mask) -> NDArray[np.generic]:
    """Each pixel's label, or that of the nearest known pixel."""
    return labels[nearest_known_pixels(known)] if known.any() else labels


def spread_colours(image: Plane, known: NDArray[np.generic]) -> Plane:
    """The image where it is known (0 to 1), elsewhere the colours around, more and more blurred."""
    colours = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    sure = torch.from_numpy(known.astype(np.float32))[None, None]
    return np.ascontiguousarray(diffuse_colours(colours, sure)[0].permute(1, 2, 0).numpy())


def sample_plane(plane: Plane, points: NDArray[np.floating]) -> Plane:
    """Bilinear reads [N, C] at pixel positions [N, 2]; the centre of the first pixel is (0.5, 0.5)."""
    if not len(points):
        return np.zeros((0, plane[0, 0].size), np.float32)
    x, y = (points[:, k : k + 1].astype(np.float32) - np.float32(0.5) for k in (0, 1))
    read = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.float32).reshape(len(points), -1)


def pixels_of_points(points: NDArray[np.floating], size: tuple[int, ...]) -> tuple[Labels, Labels]:
    """Row and column of the pixel under each point."""
    column = np.clip(points[:, 0].astype(np.int64), 0, size[1] - 1)
    return np.clip(points[:, 1].astype(np.int64), 0, size[0] - 1), column
