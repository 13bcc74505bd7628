"""Triangulate the layers of a photo on one lattice; layers that are one surface share their vertices.

Vertices near the outline of what is solid are moved onto it. Inside it a layer has thickness; outside lies a flat strip
that carries the soft alpha.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.avatar.body_surface import SIDES, PhotoBody
from motion_imitate.avatar.masks import (
    Labels,
    Mask,
    Plane,
    blur_plane,
    close_mask,
    distance_to_edge,
    grow_mask,
    open_mask,
    pixels_of_points,
    sample_plane,
    spread_labels,
)
from motion_imitate.avatar.photo_layers import (
    ARM_LAYERS,
    HAIR,
    LAYERS,
    LEAST_ALPHA,
    LEG_LAYERS,
    NO_LAYER,
    SKIRT,
    TRUNK,
    PhotoLayers,
)
from motion_imitate.geometry.mesh import mesh_edges

CELL = 0.0065  # of the person's height: how far apart vertices are
LEAST_CELL = 3.0  # pixels
SOLID_ALPHA = 0.93  # of a layer, from which on it has thickness
SNAP_REACH = 0.55  # of a cell: vertices nearer to the outline are moved onto it
HIP_REACH = 0.16  # of the height around a hip joint, where leg and trunk are one surface
JOINED_MARGIN = 0.02  # of the height by which a layer stays opaque beyond its border with one that it is joined to


@dataclass(frozen=True)
class LayerMesh:
    """Triangles of all layers in the photo's plane."""

    points: NDArray[np.float64]  # [V, 2] pixels
    owner: Labels  # [V] the layer of the vertex; of joined ones, the first
    inside: Mask  # [V] in what is solid, not on its outline
    faces: Labels  # [F, 3]
    layer: Labels  # [F]
    cell: float  # pixels

    @property
    def pairs(self) -> Int[Tensor, "E 2"]:
        """Neighbouring vertices."""
        return mesh_edges(torch.from_numpy(self.faces))

    @property
    def solid(self) -> Mask:
        """[F] Faces with a front and a back; the others are flat."""
        return np.asarray(self.inside[self.faces].any(1))


def find_joints(layers: PhotoLayers, body: PhotoBody) -> Mask:
    """Per layer, where it and the trunk are one surface, [L, H, W]."""
    y, x = np.mgrid[: layers.alpha.shape[0], : layers.alpha.shape[1]] + 0.5
    joined = np.zeros((len(LAYERS), *layers.alpha.shape), bool)
    for layer, zone in zip(ARM_LAYERS, layers.shoulders, strict=True):
        joined[layer] = zone
    for layer, side in zip(LEG_LAYERS, SIDES, strict=True):
        hip = body.joint_pixel(f"hip_{side}")
        joined[layer] = (x - hip[0]) ** 2 + (y - hip[1]) ** 2 < (HIP_REACH * layers.unit) ** 2
    joined[SKIRT] = True
    return joined


def layer_alphas(layers: PhotoLayers, joined: Mask) -> Plane:
    """Alpha of each layer's texture, [L, H, W]: the person's own at the outline, soft along cuts."""
    territory = spread_labels(layers.owner, layers.owner != NO_LAYER)
    margin, hair = JOINED_MARGIN * layers.unit, layers.kind == HAIR
    alphas = np.zeros(layers.region.shape, np.float32)
    for layer in LAYERS:
        if not layers.region[layer].any():
            continue
        own = (territory == layer) | layers.region[layer]
        for other in LAYERS[1:] if layer == TRUNK else (TRUNK,):
            zone = joined[max(layer, other)]
            own |= (territory == other) & zone & grow_mask(layers.region[layer] & zone, margin) & ~hair
        soft = blur_plane(own, 0.6)
        alphas[layer] = layers.alpha * np.where(own, np.maximum(soft, 0.5), soft)
    return alphas


def build_layer_mesh(layers: PhotoLayers, alphas: Plane, joined: Mask) -> LayerMesh:
    """Triangulate all layers."""
    height, width = layers.alpha.shape
    cell = max(LEAST_CELL, CELL * layers.unit)
    shape = (int(height / cell) + 2, int(width / cell) + 2)
    x, y = np.meshgrid(np.arange(shape[1] + 1) * cell, np.arange(shape[0] + 1) * cell)
    lattice = np.stack([x, y], -1).reshape(-1, 2)
    number = np.full((len(LAYERS), len(lattice)), -1)
    row, column = pixels_of_points(lattice, (height, width))
    points, owner, inside, faces, face_layer = [], [], [], [], []
    count = 0
    for layer in LAYERS:
        cells = find_cells(layers.region[layer], alphas[layer], cell, shape)
        if not cells.any():
            continue
        used = mark_cell_corners(cells).ravel()
        shared = used & joined[layer][row, column] & (number[TRUNK] >= 0) & (layer != TRUNK)
        number[layer, shared] = number[TRUNK, shared]
        own = used & ~shared
        number[layer, own] = np.arange(own.sum()) + count
        count += int(own.sum())
        place, deep = snap_to_outline(lattice[own], alphas[layer], cell)
        points.append(place)
        inside.append(deep)
        owner.append(np.full(len(place), layer))
        some = triangulate_cells(cells, number[layer].reshape(shape[0] + 1, -1))
        faces.append(some)
        face_layer.append(np.full(len(some), layer))
    return LayerMesh(
        np.concatenate(points),
        np.concatenate(owner),
        np.concatenate(inside),
        np.concatenate(faces),
        np.concatenate(face_layer),
        cell,
    )


def find_cells(region: Mask, alpha: Plane, cell: float, shape: tuple[int, int]) -> Mask:
    """The cells of the lattice that show some of a layer."""
    seen = grow_mask((alpha > LEAST_ALPHA) & grow_mask(region, 2.0), 2.0)
    row, column = np.nonzero(seen)
    cells = np.zeros(shape, bool)
    cells[((row + 0.5) / cell).astype(int), ((column + 0.5) / cell).astype(int)] = True
    return cells


def mark_cell_corners(cells: Mask) -> Mask:
    """The lattice points of cells, one more in both directions."""
    used = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1), bool)
    for down in (slice(None, -1), slice(1, None)):
        for over in (slice(None, -1), slice(1, None)):
            used[down, over] |= cells
    return used


def solid_of_layer(alpha: Plane) -> Mask:
    """Where a layer has thickness."""
    return open_mask(close_mask(blur_plane(alpha, 0.8) > SOLID_ALPHA, 2.0), 1.0)


def snap_to_outline(
    points: NDArray[np.float64], alpha: Plane, cell: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Move points near the outline of what is solid onto it; and whether each point lies inside."""
    edge = distance_to_edge(solid_of_layer(alpha))
    smooth = blur_plane(edge, 1.0)
    slopes = [np.asarray(cv2.Sobel(smooth, cv2.CV_32F, *axis) / 8, np.float32) for axis in ((1, 0), (0, 1))]
    snapped = np.abs(sample_plane(edge, points)[:, 0]) < SNAP_REACH * cell
    points = points.copy()
    for _ in range(3):
        way = np.concatenate([sample_plane(slope, points) for slope in slopes], 1)
        way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-3)
        move = np.where(snapped[:, None], -sample_plane(smooth, points) * way, 0)
        points += move.clip(-0.5 * cell, 0.5 * cell)
    depth = sample_plane(edge, points)[:, 0]
    return points, (depth > 0.6) & ~(snapped & (np.abs(depth) < 1.2))


def triangulate_cells(cells: Mask, number: Labels) -> Labels:
    """Two triangles a cell, with diagonals that alternate."""
    row, column = np.nonzero(cells)
    a, b = number[row, column], number[row, column + 1]
    c, d = number[row + 1, column], number[row + 1, column + 1]
    even = ((row + column) % 2 == 0)[:, None]
    first = np.where(even, np.stack([a, b, d], 1), np.stack([a, b, c], 1))
    second = np.where(even, np.stack([a, d, c], 1), np.stack([b, d, c], 1))
    return np.concatenate([first, second])
