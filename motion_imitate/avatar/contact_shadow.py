"""What arms leave on the layers that they touch in the photo goes when they leave, or when the person turns.

A layer may have a second texture: without the shadows of arms, without hair that hangs before it, without what only
its rim shows. Each face where the two differ fades from the first to the second as the arm's nearest point moves away
from it, and all do as the trunk turns. Backs show the second alone.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, ContactFaces
from motion_imitate.avatar.layer_texture import CLEAR_RADIUS, LEAST_CLEAR, continue_layer, find_sleeve_tops
from motion_imitate.avatar.masks import Mask, Plane, distance_to_edge, grow_mask, open_mask, smoothstep
from motion_imitate.avatar.photo_layers import ARM_LAYERS, HAIR, LEG_LAYERS, SKIRT, TRUNK, PhotoLayers
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.types import Body, BodyModel, Camera

CLEARED_LAYERS = (TRUNK, *LEG_LAYERS, SKIRT)
LEAST_CHANGE = 5  # of 255
CELL_REACH = 0.006  # of the height, that a mesh's corners lie apart
NEVER = 1e3  # metres by which no arm leaves a face
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
    zone = np.asarray((away < far) & layers.region[layer] & ~find_sleeve_tops(image, layers))
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
    """The faces of an avatar in its photo that look otherwise once arms leave them or the person turns; `pages` names
    the second texture of each layer."""
    if not pages:
        return ContactFaces.none()
    away = distance_to_arms(layers)
    at = texels_of_vertices(avatar, layers.owner.shape)
    cleared = torch.tensor([pages.get(int(page), -1) for page in range(int(avatar.photo.max()) + 1)])
    changed = torch.zeros(len(avatar.faces), dtype=torch.bool)
    for layer, page in pages.items():
        mine = (avatar.photo == layer).nonzero()[:, 0]
        other = find_changes(avatar.photos[layer].numpy(), avatar.photos[page].numpy(), CELL_REACH * layers.unit)
        changed[mine] = torch.from_numpy(other)[at[:, 1], at[:, 0]][avatar.faces[mine]].any(1)
    faces = changed.nonzero()[:, 0]
    vertices = avatar.faces[faces, 0]
    nearest = vertices.clone()
    distance = torch.full((len(faces),), NEVER)
    found = ContactFaces(faces, vertices, nearest, distance, cleared[avatar.photo[faces]], torch.zeros(len(faces)))
    if away is None or not len(faces):
        return found
    beside = torch.from_numpy(away < SHADOW_REACH[1] * layers.unit)[at[vertices, 1], at[vertices, 0]]
    hair = torch.from_numpy(layers.kind == HAIR)[at[:, 1], at[:, 0]][avatar.faces[faces]].any(1)
    beside &= ~hair  # which stays where it hangs, until the person turns
    of_arm = torch.isin(avatar.layer, torch.tensor(ARM_LAYERS))
    posed = pose_avatar(avatar, model, body, camera).vertices[0]
    for mine, others in ((of_arm[faces], ~of_arm), (~of_arm[faces] & beside, of_arm)):
        other = avatar.faces[others].unique()
        if mine.any() and len(other):
            nearest[mine] = other[torch.cdist(at[vertices[mine]].float(), at[other].float()).argmin(1)]
            distance[mine] = (posed[vertices[mine]] - posed[nearest[mine]]).norm(dim=1)
    return found


def find_changes(first: NDArray[np.uint8], second: NDArray[np.uint8], reach: float) -> Mask:
    """Where two textures differ, or do so within a reach."""
    red, green, blue, _ = cv2.split(cv2.absdiff(first, second))
    return grow_mask(cv2.max(cv2.max(red, green), blue) > LEAST_CHANGE, reach)


def texels_of_vertices(avatar: Avatar, size: tuple[int, ...]) -> Tensor:
    """Column and row of the pixel of the photo that each vertex shows."""
    limit = torch.tensor([size[1], size[0]])
    return ((avatar.source + 1) / 2 * limit).long().clamp(min=0).minimum(limit - 1)
