"""The body beneath each vertex of a layer mesh: its depths, and how it moves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motion_imitate.avatar.body_surface import (
    HEAD_LIMB,
    LIMB_NUMBERS,
    SIDES,
    TORSO_LIMB,
    BodySurface,
    PhotoBody,
)
from motion_imitate.avatar.layer_mesh import LayerMesh
from motion_imitate.avatar.masks import (
    Mask,
    distance_to_edge,
    mask_box,
    nearest_known_pixels,
    pixels_of_points,
)
from motion_imitate.avatar.photo_layers import (
    ARM_LAYERS,
    LAYERS,
    TRUNK,
    PhotoLayers,
    surface_of_layer,
)

Values = NDArray[np.float64]


@dataclass(frozen=True)
class SurfaceSamples:
    """The body beneath each vertex."""

    front: Values  # of the nearest pixel of the body
    back: Values
    known: Mask  # [V] the body lies beneath, at least a pixel from its outline
    deep: Mask  # [V] two pixels
    joined: Mask  # [V] in a shoulder, which arm and trunk share
    weights: Values  # [V, J]


def sample_body_surface(mesh: LayerMesh, layers: PhotoLayers, body: PhotoBody) -> SurfaceSamples:
    """Read the body beneath each vertex: each layer's own limbs, in shoulders the upper arm and the trunk."""
    row, column = pixels_of_points(mesh.points, body.size)
    count = len(mesh.points)
    front, back, known, deep = np.zeros(count), np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
    weights, shoulder = np.zeros((count, len(body.joints))), np.zeros(count, bool)
    surfaces: list[tuple[Mask, BodySurface]] = []
    for layer, side, zone in zip(ARM_LAYERS, SIDES, layers.shoulders, strict=True):
        mine = zone[row, column] & np.isin(mesh.owner, (TRUNK, layer)) & ~shoulder
        surfaces.append((mine, surface_of_shoulder(zone, side, body)))
        shoulder |= mine
    for layer in LAYERS:
        if (mesh.owner == layer).any():
            surfaces.append((np.asarray((mesh.owner == layer) & ~shoulder), surface_of_layer(layer, body)))
    for chosen, surface in surfaces:
        below = surface if surface.covered.any() else body.whole_surface
        wanted = below.covered.copy()
        wanted[row[chosen], column[chosen]] = True
        box = mask_box(wanted)
        first = box[0].start, box[1].start
        at = row[chosen] - first[0], column[chosen] - first[1]
        edge = distance_to_edge(surface.covered[box])[at]
        known[chosen], deep[chosen] = edge > 1, edge > 2
        r, c = (
            start + nearest[at] for start, nearest in zip(first, nearest_known_pixels(below.covered[box]), strict=True)
        )
        front[chosen], back[chosen] = below.front[r, c], below.back[r, c]
        weights[chosen] = body.joint_weights(below, r, c)
    return SurfaceSamples(front, back, known, deep, shoulder & known, weights)


def surface_of_shoulder(zone: Mask, side: str, body: PhotoBody) -> BodySurface:
    """The body's surface where an arm meets the trunk, without a forearm or the other arm before it."""
    upper_arm = LIMB_NUMBERS[side]["upperarm"]
    whole = body.whole_surface
    if np.isin(body.limbs_of(whole)[zone], (0, upper_arm, HEAD_LIMB, TORSO_LIMB)).all():
        return whole
    return body.find_surface([upper_arm, HEAD_LIMB, TORSO_LIMB])
