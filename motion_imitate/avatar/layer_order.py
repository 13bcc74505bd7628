"""Which layer is in front of which: depths alone do not tell what cloth and limbs a hand's width apart hide."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.avatar.layer_mesh import LayerMesh
from motion_imitate.avatar.layer_shape import LayerShape
from motion_imitate.avatar.masks import Mask, Plane, pixels_of_points
from motion_imitate.avatar.photo_layers import ARM_LAYERS, LAYERS, LEG_LAYERS, SKIRT, PhotoLayers

# metres that layers count as nearer, in the order of LAYERS; last, of legs where a skirt covers them
LAYER_BIAS = (0.0, 0.14, 0.14, 0.0, 0.0, 0.08, -0.2)
COVERED_LEG = len(LAYERS)
FRONT_LEG_BIAS = 0.04  # more for the leg in front
ORDER_MARGIN = 0.01  # by which what the photo shows in front must be in front
MOST_ORDER_BIAS = 0.2
ORDER_SHARE = 95  # percent of the places where a layer lies over another, that must be right
LEAST_PLACES = 8


def find_layer_bias(mesh: LayerMesh, shape: LayerShape, layers: PhotoLayers) -> Float[Tensor, " L"]:
    """Metres that each layer counts as nearer: so much that what the photo shows in front is drawn in front."""
    bias = np.array(LAYER_BIAS)
    if layers.front_leg in LEG_LAYERS:
        bias[layers.front_leg] += FRONT_LEG_BIAS
    size = (int(layers.alpha.shape[0] / mesh.cell) + 3, int(layers.alpha.shape[1] / mesh.cell) + 3)
    fronts = [lattice_depths(mesh, shape, layer, size) - bias[layer] for layer in LAYERS]
    down, over = np.meshgrid(*(np.arange(count) * mesh.cell for count in size), indexing="ij")
    seen = pixels_of_points(np.stack([over.ravel(), down.ravel()], 1), layers.alpha.shape)
    owner = layers.owner[seen].reshape(size)
    for layer in ARM_LAYERS:
        behind = [0.0]
        for other in set(LAYERS) - {layer}:
            there = (owner == layer) & layers.region[other][seen].reshape(size)
            away = (fronts[layer] - fronts[other])[there]
            away = away[np.isfinite(away)]
            if len(away) >= LEAST_PLACES:
                behind.append(float(np.percentile(away, ORDER_SHARE)) + ORDER_MARGIN)
        bias[layer] += min(max(behind), MOST_ORDER_BIAS)
    return torch.from_numpy(bias).float()


def lattice_depths(mesh: LayerMesh, shape: LayerShape, layer: int, size: tuple[int, int]) -> Plane:
    """The depth of a layer's front at the points of the lattice; NaN elsewhere."""
    vertices = np.unique(mesh.faces[mesh.layer == layer])
    column, row = np.round(mesh.points[vertices] / mesh.cell).astype(int).T
    depths = np.full(size, np.nan, np.float32)
    depths[row, column] = (shape.middle - shape.thickness)[vertices]
    return depths


def find_covered_legs(mesh: LayerMesh, layers: PhotoLayers) -> Mask:
    """[F] Faces of legs that a skirt covers: they never come through it."""
    row, column = pixels_of_points(mesh.points[mesh.faces].mean(1), layers.alpha.shape)
    return (
        np.isin(mesh.layer, LEG_LAYERS) & layers.region[SKIRT][row, column] & (layers.owner[row, column] != mesh.layer)
    )
