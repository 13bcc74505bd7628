"""Depth, thickness and skinning weights of a photo's layers, from the body beneath and the shape of the outline."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.avatar.body_surface import PhotoBody
from motion_imitate.avatar.layer_mesh import LayerMesh, solid_of_layer
from motion_imitate.avatar.layer_weights import solve_weights
from motion_imitate.avatar.masks import (
    Mask,
    Plane,
    blur_plane,
    distance_to_edge,
    grow_mask,
    mask_box,
    sample_plane,
    smoothstep,
)
from motion_imitate.avatar.photo_layers import (
    ARM_LAYERS,
    LEG_LAYERS,
    SKIRT,
    TRUNK,
    PhotoLayers,
)
from motion_imitate.avatar.surface_samples import SurfaceSamples, sample_body_surface
from motion_imitate.geometry.mesh import solve_vertex_values
from motion_imitate.geometry.raster_numba import compile_kernel

Values = NDArray[np.float64]
ROUNDNESS = {TRUNK: 0.5, SKIRT: 0.75} | dict.fromkeys(ARM_LAYERS, 0.35) | dict.fromkeys(LEG_LAYERS, 0.7)
MOST_THICKNESS = 0.16  # metres, half of what a layer may be thick
MOST_ARM_THICKNESS = 0.06
MOST_LAYER_THICKNESS = {SKIRT: 0.35} | dict.fromkeys(ARM_LAYERS, MOST_ARM_THICKNESS)
HANG_EVEN, HANG_BEGIN = 0.015, 0.1  # of the height: how even a skirt's outline is taken to be; to where it bulges less
EDGE_WIDTH = 0.007  # of the height, over which thickness grows from the outline
DEPTH_SPIKE = 0.012  # metres that a vertex may stand out from its neighbours
SPIKE_ROUNDS = 12
INFLATION_SWEEPS = 300


@dataclass(frozen=True)
class LayerShape:
    """What lies behind each vertex of a layer mesh."""

    middle: Values  # [V] metres from the camera
    thickness: Values  # [V] metres from the middle to the front or the back
    weights: Values  # [V, J], at most JOINTS_PER_VERTEX above 0


def shape_layers(
    mesh: LayerMesh, layers: PhotoLayers, alphas: Plane, body: PhotoBody, pixels_per_metre: float
) -> LayerShape:
    """Depth, thickness and weights of every vertex. `pixels_per_metre`: at a metre's distance."""
    below = sample_body_surface(mesh, layers, body)
    middle, thickness = solve_depths(mesh, layers, alphas, below, pixels_per_metre)
    return LayerShape(middle, thickness, solve_weights(mesh, layers, below, body))


def solve_depths(
    mesh: LayerMesh, layers: PhotoLayers, alphas: Plane, below: SurfaceSamples, pixels_per_metre: float
) -> tuple[Values, Values]:
    """Middle and half thickness: the body's where it is, elsewhere rounded like the outline."""
    middle, half = (below.front + below.back) / 2, (below.back - below.front) / 2
    smooth_middle = smooth_values(mesh, middle, below.known * 3.0 + 1e-4, 0.3)
    smooth_half = smooth_values(mesh, half * below.known, below.known * 3.0 + 1e-3, 0.06)
    middle, half = np.where(below.deep, middle, smooth_middle), np.where(below.deep, half, smooth_half)
    height, edge, most = np.zeros((3, len(middle)))
    for layer in np.unique(mesh.owner):
        mine = mesh.owner == layer
        mask = thick_region(int(layer), layers, alphas)
        rise = hang_round(layers.region[SKIRT], layers.unit) if layer == SKIRT else inflate_region(mask, mesh.cell)
        height[mine] = sample_plane(rise, mesh.points[mine])[:, 0] * ROUNDNESS[int(layer)]
        edge[mine] = sample_plane(distance_to_edge(mask), mesh.points[mine])[:, 0] / (EDGE_WIDTH * layers.unit)
        most[mine] = MOST_LAYER_THICKNESS.get(int(layer), MOST_THICKNESS)
    most = np.where(below.joined, MOST_THICKNESS, most)
    edge = edge.clip(0, 1)
    thickness = np.maximum(half, height * middle / pixels_per_metre) * np.sqrt(edge * (2 - edge))
    thickness = np.where(mesh.inside, np.minimum(thickness, most), 0)
    return flatten_spikes(mesh, middle, thickness)


def thick_region(layer: int, layers: PhotoLayers, alphas: Plane) -> Mask:
    """Where a layer and what it is joined to have thickness."""
    solid = solid_of_layer(alphas[layer])
    whole = layers.alpha > 0.9
    if layer in ARM_LAYERS:
        return solid | (grow_mask(layers.shoulders[ARM_LAYERS.index(layer)], 0.02 * layers.unit) & whole)
    if layer == TRUNK:
        others = layers.region[SKIRT] | layers.region[LEG_LAYERS[0]] | layers.region[LEG_LAYERS[1]]
        return solid | ((others | grow_mask(np.asarray(layers.shoulders.any(0)), 0.02 * layers.unit)) & whole)
    return solid | (layers.region[TRUNK] & whole)


def hang_round(mask: Mask, unit: float) -> Plane:
    """How high a cloth rises that hangs in circles as wide as the mask's rows, in pixels; from its top on, more and
    more."""
    there = np.nonzero(mask.any(1))[0]
    rows, x = np.arange(len(mask)), np.arange(mask.shape[1]) + 0.5
    if not len(there):
        return np.zeros(mask.shape, np.float32)
    ends = (mask.argmax(1), mask.shape[1] - mask[:, ::-1].argmax(1))
    low, high = (blur_plane(np.interp(rows, there, end[there])[:, None], HANG_EVEN * unit)[:, :1] for end in ends)
    begun = smoothstep(rows.astype(np.float32), float(there[0]), float(there[0] + HANG_BEGIN * unit))[:, None]
    return np.asarray(np.sqrt(((x - low) * (high - x)).clip(0)) * begun, np.float32)


def inflate_region(mask: Mask, cell: float) -> Plane:
    """How high a membrane over the mask rises, in pixels: over a strip, half a disk."""
    scale = max(1, round(cell / 2))
    height, box = np.zeros(mask.shape, np.float32), mask_box(mask, 2.0 * scale)
    part = mask[box]
    if not part.any():
        return height
    size = (-(-part.shape[1] // scale), -(-part.shape[0] // scale))
    small = cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    squared = relax_membrane(np.pad(small, 1), INFLATION_SWEEPS)[1:-1, 1:-1] * np.float32(scale**2)
    large = cv2.resize(squared, part.shape[::-1], interpolation=cv2.INTER_LINEAR)
    height[box] = np.sqrt(np.maximum(large, 0), dtype=np.float32)
    return height


@compile_kernel
def relax_membrane(mask: Mask, sweeps: int) -> Plane:
    """Values with a Laplacian of -2 in the mask and 0 outside, by successive over-relaxation; the border is outside."""
    height, width = mask.shape
    values = np.zeros((height, width), np.float32)
    for _ in range(sweeps):
        for parity in range(2):
            for y in range(1, height - 1):
                for x in range(1 + (y + parity) % 2, width - 1, 2):
                    if mask[y, x]:
                        around = values[y - 1, x] + values[y + 1, x] + values[y, x - 1] + values[y, x + 1]
                        goal = (around + np.float32(2)) * np.float32(0.25)
                        values[y, x] += np.float32(1.9) * (goal - values[y, x])
    return values


def smooth_values(mesh: LayerMesh, known: Values, weight: NDArray[np.floating], stiffness: float) -> Values:
    """`solve_vertex_values` of one value per vertex."""
    stiff = torch.full((len(mesh.pairs),), stiffness, dtype=torch.float64)
    return solve_vertex_values(mesh.pairs, torch.from_numpy(known)[:, None], torch.from_numpy(weight), stiff)[
        :, 0
    ].numpy()


def flatten_spikes(mesh: LayerMesh, middle: Values, thickness: Values) -> tuple[Values, Values]:
    """Limit how far vertices inside stand out from their neighbours."""
    a, b = mesh.pairs.numpy().T
    inner = mesh.inside[a] & mesh.inside[b]
    a, b = a[inner], b[inner]
    count = np.bincount(a, minlength=len(middle)) + np.bincount(b, minlength=len(middle))
    lone = count == 0
    for _ in range(SPIKE_ROUNDS):
        means = [
            (np.bincount(a, x[b], len(x)) + np.bincount(b, x[a], len(x))) / np.maximum(count, 1)
            for x in (middle, thickness)
        ]
        middle = np.where(lone, middle, middle.clip(means[0] - DEPTH_SPIKE, means[0] + DEPTH_SPIKE))
        thickness = np.where(lone, thickness, np.minimum(thickness, 1.15 * means[1] + 0.006))
    return middle, thickness
