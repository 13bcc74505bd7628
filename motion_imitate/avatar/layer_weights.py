"""Skinning weights of a layer mesh, smoothed from those of the body beneath."""

import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.avatar.body_surface import (
    SIDES,
    PhotoBody,
    joint_descendants,
)
from motion_imitate.avatar.layer_mesh import LayerMesh
from motion_imitate.avatar.masks import (
    smoothstep,
)
from motion_imitate.avatar.photo_layers import (
    SKIRT,
    PhotoLayers,
)
from motion_imitate.avatar.surface_samples import SurfaceSamples
from motion_imitate.geometry.mesh import solve_vertex_values

Values = NDArray[np.float64]
WEIGHT_STIFFNESS = 0.6
LEAST_VOLUME, SHARPENING_ROUNDS = 0.2, 5  # of a blend of rotations, from which on its weights are sharpened
JOINT_TRUST = 8.0  # weight of the body's own weights where layers are joined
SKIRT_LEG = 0.18  # share of the way between the legs' axes, from each, over which a skirt follows one leg alone
JOINTS_PER_VERTEX = 8


def solve_weights(mesh: LayerMesh, layers: PhotoLayers, below: SurfaceSamples, body: PhotoBody) -> Values:
    """The body's skinning weights, smoothed over the mesh; a skirt's spread over both legs."""
    weights = spread_skirt_weights(mesh, layers, below.weights, body)
    trust = below.known * np.where(below.joined, JOINT_TRUST, 1.0) + 1e-4
    used = np.nonzero(weights.sum(0) > 1e-3)[0]
    stiff = torch.full((len(mesh.pairs),), WEIGHT_STIFFNESS, dtype=torch.float64)
    solved = solve_vertex_values(mesh.pairs, torch.from_numpy(weights[:, used]), torch.from_numpy(trust), stiff, 600)
    full = np.zeros_like(weights)
    full[:, used] = np.maximum(solved.numpy(), 0)
    np.put_along_axis(full, full.argpartition(-JOINTS_PER_VERTEX, 1)[:, :-JOINTS_PER_VERTEX], 0, 1)
    return sharpen_weights(full / full.sum(1, keepdims=True), body.moves[:, :, :3].double().numpy())


def sharpen_weights(weights: Values, turns: Values) -> Values:
    """Weights whose blend of the joints' rotations shrinks nothing by much, so that it can be undone: across a fold,
    as of an elbow, they change faster."""
    for _ in range(SHARPENING_ROUNDS):
        shrunk = np.linalg.det(np.tensordot(weights, turns, 1)) < LEAST_VOLUME
        weights[shrunk] **= 2
        weights[shrunk] /= weights[shrunk].sum(1, keepdims=True)
    return weights


def spread_skirt_weights(mesh: LayerMesh, layers: PhotoLayers, weights: Values, body: PhotoBody) -> Values:
    """In a skirt, the left leg's weight turns evenly into the right leg's between their axes."""
    skirt = mesh.owner == SKIRT
    if not skirt.any():
        return weights
    x, y = mesh.points[skirt].T
    axes, joints = [], []
    for side in SIDES:
        chain = [body.joint_pixel(f"{control}_{side}") for control in ("hip", "knee", "ankle")]
        axes.append(np.interp(y, [p[1] for p in chain], [p[0] for p in chain]))
        joints.append(joint_descendants(body.model, body.model.controls[f"hip_{side}"][0]))
    span = axes[0] - axes[1]
    span = np.where(np.abs(span) < 4, np.where(span < 0, -4.0, 4.0), span)
    share = (((x - axes[1]) / span).clip(0, 1) - SKIRT_LEG) / (1 - 2 * SKIRT_LEG)  # 1: all left
    share = share.clip(0, 1)[:, None]
    hip = min(body.joint_pixel(f"hip_{side}")[1] for side in SIDES)
    hangs = smoothstep(y, hip - 0.02 * layers.unit, hip + 0.03 * layers.unit)[:, None]
    own = weights[skirt]
    both = own[:, joints[0]] + own[:, joints[1]]
    own[:, joints[0]] += hangs * (both * share - own[:, joints[0]])
    own[:, joints[1]] += hangs * (both * (1 - share) - own[:, joints[1]])
    spread = weights.copy()
    spread[skirt] = own
    return spread
