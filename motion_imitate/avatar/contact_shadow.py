"""The shadow that an arm throws on what it touches in the photo goes when the arm leaves or the person turns.

A layer that an arm touches has a second texture, without the shadow. Each of its faces there fades from the first to
the second as the arm's nearest point moves away from it, and all do as the trunk turns. Backs show the second alone.
"""

import numpy as np
import torch
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, ContactFaces
from motion_imitate.avatar.layer_texture import CLEAR_RADIUS, LEAST_CLEAR, continue_layer
from motion_imitate.avatar.masks import Plane, distance_to_edge, open_mask, smoothstep
from motion_imitate.avatar.photo_layers import ARM_LAYERS, LEG_LAYERS, SKIRT, TRUNK, PhotoLayers
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.types import Body, BodyModel, Camera

CLEARED_LAYERS = (TRUNK, *LEG_LAYERS, SKIRT)
SHADOW_REACH = (0.008, 0.018)  # of the height from an arm: up to the first, the shadow is removed; beyond, less of it


def distance_to_arms(layers: PhotoLayers) -> Plane | None:
    """Pixels to the nearest arm, negative in it; None if the photo shows none."""
    arms = np.isin(layers.owner, ARM_LAYERS)
    return -distance_to_edge(arms) if arms.any() else None


def clear_contact_shadow(image: Plane, colours: Plane, layers: PhotoLayers, layer: int) -> Plane | None:
    """A layer's colours without the arms' shadows; None if it has none."""
    away = distance_to_arms(layers)
    if away is None:
        return None
    near, far = (reach * layers.unit for reach in SHADOW_REACH)
    zone = np.asarray((away < far) & layers.region[layer])
    seen = np.asarray(layers.seen(layer) & (layers.alpha > 0.95) & (away >= far))
    clear = open_mask(seen, CLEAR_RADIUS * layers.unit)
    if not (zone & layers.seen(layer)).any() or clear.sum() < LEAST_CLEAR:
        return None
    laid = continue_layer(image, layers, layer, zone, clear)
    share = ((1 - smoothstep(away, near, far)) * zone)[..., None]
    return np.asarray(colours + (laid - colours) * share, np.float32)


def find_contact_faces(
    avatar: Avatar, model: BodyModel, body: Body, camera: Camera, layers: PhotoLayers, pages: dict[int, int]
) -> ContactFaces:
    """The faces of an avatar in its photo that arms touch; `pages` names the second texture of each layer."""
    away = distance_to_arms(layers)
    arm = avatar.faces[torch.isin(avatar.layer, torch.tensor(ARM_LAYERS))].unique()
    if away is None or not pages or not len(arm):
        return ContactFaces.none()
    at = texels_of_vertices(avatar, away.shape)
    beside = torch.from_numpy(away < SHADOW_REACH[1] * layers.unit)[at[:, 1], at[:, 0]]
    cleared = torch.tensor([pages.get(int(page), -1) for page in range(int(avatar.photo.max()) + 1)])
    faces = (beside[avatar.faces].any(1) & (cleared[avatar.photo] >= 0)).nonzero()[:, 0]
    vertices = avatar.faces[faces, 0]
    nearest = arm[torch.cdist(at[vertices].float(), at[arm].float()).argmin(1)]
    posed = pose_avatar(avatar, model, body, camera).vertices[0]
    distance = (posed[vertices] - posed[nearest]).norm(dim=1)
    return ContactFaces(faces, vertices, nearest, distance, cleared[avatar.photo[faces]], torch.zeros(len(faces)))


def texels_of_vertices(avatar: Avatar, size: tuple[int, ...]) -> Tensor:
    """Column and row of the pixel of the photo that each vertex shows."""
    limit = torch.tensor([size[1], size[0]])
    return ((avatar.source + 1) / 2 * limit).long().clamp(min=0).minimum(limit - 1)
