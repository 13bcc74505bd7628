"""Colours of the flanks: where the layers, seen from the side, are deeper than the photo shows.

The wall between the outline and the front is a few pixels wide in the photo. Seen from the side it takes the colours
that lie inwards of it, reflected about its upper edge, as far as it is deep.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.avatar.body_surface import PhotoBody, joint_descendants
from motion_imitate.avatar.layer_mesh import LayerMesh
from motion_imitate.avatar.layer_shape import LayerShape, thick_region
from motion_imitate.avatar.masks import (
    Mask,
    Plane,
    blur_plane,
    distance_to_edge,
    pixels_of_points,
    sample_plane,
)
from motion_imitate.avatar.photo_layers import FACE, HAIR, LEG_LAYERS, SKIN, PhotoLayers
from motion_imitate.geometry.mesh import solve_vertex_values

FLANK_WIDTH = 0.009  # of the height, in the photo
SKIN_REACH = 0.006  # of the height: how far from a flank's edge skin and hair are repeated
MOST_REACH = 0.25  # of the height
UNTURNED = ("head", "wrist_left", "wrist_right")  # what has no flanks
UNTURNED_WEIGHT = 0.3  # skinning weight from which on a vertex belongs to these
REACH_SHARE = 0.95  # of the way to where another kind of thing begins

Values = NDArray[np.float64]


@dataclass(frozen=True)
class FlankPoints:
    """Vertices of flanks, and what they show when they are seen from the side."""

    vertices: NDArray[np.int64]  # [K]
    points: Values  # [K, 2] pixels
    steepness: Values  # [K] how many times wider the flank is from the side than in the photo


def find_flanks(
    mesh: LayerMesh,
    shape: LayerShape,
    layers: PhotoLayers,
    alphas: Plane,
    body: PhotoBody,
    pixels_per_metre: float,
) -> FlankPoints:
    """The flanks of trunk, skirt, arms and bare legs. Ears, fingers and trousers look better stretched: their front,
    repeated on their sides, has the light of the front."""
    wide = FLANK_WIDTH * layers.unit
    solid = np.zeros(len(mesh.points), bool)
    solid[mesh.faces[mesh.solid]] = True
    regions = {int(layer): thick_region(int(layer), layers, alphas) for layer in np.unique(mesh.owner)}
    edge, slope = np.zeros(len(solid)), np.zeros((len(solid), 2))
    for layer, region in regions.items():
        mine = mesh.owner == layer
        distance = distance_to_edge(region)
        edge[mine] = sample_plane(distance, mesh.points[mine])[:, 0].clip(min=0)
        slope[mine] = slope_of_plane(blur_plane(distance, max(2.0, 0.006 * layers.unit)), mesh.points[mine])
    ends = [body.model.controls[name][0] for name in UNTURNED]
    joints = [joint for end in ends for joint in joint_descendants(body.model, end)]
    flank = solid & (edge < wide) & (shape.weights[:, joints].sum(1) < UNTURNED_WEIGHT)
    kind = layers.kind[pixels_of_points(mesh.points, layers.kind.shape)]
    flank &= ~np.isin(mesh.owner, LEG_LAYERS) | (kind == SKIN)
    inward = smooth_over_mesh(mesh, slope, np.where(flank, 0.3, 1e-5))
    inward /= np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-6)
    start = mesh.points + inward * (wide - edge)[:, None]
    tall = shape.thickness * pixels_per_metre / shape.middle
    ring = solid & (edge >= 0.8 * wide) & (edge < wide + 1.6 * mesh.cell)
    whole = smooth_over_mesh(mesh, np.where(ring, tall, 0)[:, None], np.where(ring, 1.0, 1e-5))[:, 0]
    reach = np.zeros(len(solid))
    for layer, region in regions.items():
        mine = flank & (mesh.owner == layer)
        reach[mine] = free_reach(start[mine], inward[mine], layers, region)
    reach = least_of_neighbours(mesh, np.minimum(reach, whole), flank)
    reach = smooth_over_mesh(mesh, reach[:, None], np.where(flank, 0.08, 1e-6))[:, 0]
    drop = ((whole - tall) / np.maximum(whole, 1e-3)).clip(0, 1)
    points = start + inward * (reach * drop)[:, None]
    chosen = np.nonzero(flank)[0]
    return FlankPoints(chosen, points[chosen], whole[chosen] / wide)


def slope_of_plane(plane: Plane, points: Values) -> Values:
    """The gradient at pixel positions, [N, 2]."""
    slopes = [np.asarray(cv2.Sobel(plane, cv2.CV_32F, *axis) / 8, np.float32) for axis in ((1, 0), (0, 1))]
    return np.concatenate([sample_plane(slope, points) for slope in slopes], 1).astype(np.float64)


def free_reach(start: Values, inward: Values, layers: PhotoLayers, region: Mask) -> Values:
    """Pixels from each start inwards over which the same kind of thing goes on."""
    step = max(1.0, 0.002 * layers.unit)
    shown = np.where(region, layers.kind, -1)

    def kind_at(points: Values) -> NDArray[np.generic]:
        return np.asarray(shown[pixels_of_points(points, region.shape)])

    first = kind_at(start + inward)
    reach, going = np.zeros(len(start)), np.ones(len(start), bool)
    for k in range(1, int(MOST_REACH * layers.unit / step)):
        going &= kind_at(start + inward * (k * step)) == first
        if not going.any():
            break
        reach[going] = k * step
    bare = np.isin(first, (FACE, SKIN, HAIR))
    return np.where(bare, np.minimum(reach, SKIN_REACH * layers.unit), reach) * REACH_SHARE


def least_of_neighbours(mesh: LayerMesh, values: Values, chosen: Mask) -> Values:
    """The least value within three edges of each chosen vertex."""
    a, b = mesh.pairs.numpy().T
    both = chosen[a] & chosen[b]
    a, b = a[both], b[both]
    for _ in range(3):
        least = values.copy()
        np.minimum.at(least, a, values[b])
        np.minimum.at(least, b, values[a])
        values = least
    return values


def smooth_over_mesh(mesh: LayerMesh, values: Values, weight: Values) -> Values:
    """`solve_vertex_values` of [V, C]."""
    pairs = mesh.pairs
    stiff = torch.full((len(pairs),), 0.5, dtype=torch.float64)
    return solve_vertex_values(pairs, torch.from_numpy(values), torch.from_numpy(weight), stiff, 60).numpy()
