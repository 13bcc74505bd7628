"""Give an avatar's head a texture all round, to which it fades when it turns away from the photo's view."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.avatar.avatar import Avatar, HeadFaces
from motion_imitate.avatar.back_texture import find_head
from motion_imitate.avatar.body_surface import joint_descendants
from motion_imitate.avatar.head_panorama import (
    HeadMap,
    complete_panorama,
    find_symmetry,
    head_centre,
    unroll_head,
    view_head,
)
from motion_imitate.avatar.masks import Plane, distance_to_edge, sample_plane
from motion_imitate.avatar.photo_layers import TRUNK, PhotoLayers
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.geometry.camera import flip_camera_axes
from motion_imitate.types import Body, BodyModel, Camera

HEAD_WEIGHT = 0.5  # skinning weight from which on a vertex belongs to the head
RIM_REACH = 0.3  # of the head's radius: how far from the outline faces of the front fade, too
LEAST_FACES = 50
LEAST_HAIR_PIXELS = 30  # to have a colour
PAGE_MARGIN = 0.08  # of a panorama's width, that is repeated on each side

Values = NDArray[np.float64]


@torch.no_grad()
def paint_head(avatar: Avatar, model: BodyModel, body: Body, camera: Camera, layers: PhotoLayers) -> Avatar:
    """The avatar with a head all round; `body` and `camera` are the photo's."""
    outline = find_head(layers)
    if outline is None:
        return avatar
    joint = model.controls["head"][0]
    of_head = torch.isin(avatar.joints, torch.tensor(joint_descendants(model, joint)))
    share = (avatar.weights * of_head).sum(1)
    chosen = (share > HEAD_WEIGHT)[avatar.faces].all(1) & (avatar.layer == TRUNK)
    if chosen.sum() < LEAST_FACES:
        return avatar
    posed = pose_avatar(avatar, model, body, camera).vertices[0]
    height, width = avatar.photos.shape[1:3]
    pixels_per_metre = float(camera.focal[0, 1]) * height / 2 / float(posed[:, 2].mean())
    ids = chosen.nonzero()[:, 0]
    corners = avatar.rest[avatar.faces[ids]].double().numpy()
    mapped = unroll_head(corners, pixels_per_metre, (height, width))
    of_photo = ((avatar.photo[ids] == TRUNK) & avatar.thick[ids]).numpy()
    front = of_photo & mapped.whole
    if front.sum() < LEAST_FACES:
        return avatar
    cosine = vertex_cosines(posed.double().numpy(), avatar.faces[ids[torch.from_numpy(front)]].numpy())
    faces = avatar.faces[ids].numpy()
    places = ((avatar.source + 1) / 2 * torch.tensor([width, height])).double().numpy()
    photo = avatar.photos[TRUNK, ..., :3].numpy().astype(np.float32) / np.float32(255)
    radii = np.linalg.norm(corners - head_centre(corners), axis=-1)
    view = view_head(
        mapped.corners[front], places[faces[front]], cosine[faces[front]], radii[front], photo, layers, mapped.size
    )
    hair = outline.hair & (layers.alpha > 0.95)
    usual = np.median(photo[hair], 0) if hair.sum() > LEAST_HAIR_PIXELS else None
    colours = complete_panorama(view, find_symmetry(view), usual, outline.long_hair)
    rim = sample_plane(distance_to_edge(layers.alpha > 0.5), places)[:, 0] < RIM_REACH * mapped.radius
    keeps_photo = of_photo & ~rim[faces].any(1)
    page, source = lay_page(colours, mapped, ~keeps_photo, (height, width))
    ray = flip_camera_axes(posed[faces[:, 0]].mean(0))
    at_rest = avatar.photo_turns[joint].float().T @ ray
    head = HeadFaces(ids[torch.from_numpy(~keeps_photo)], source, len(avatar.photos), joint, at_rest, torch.zeros(()))
    return replace(avatar, head=head, photos=torch.cat([avatar.photos, page]))


def vertex_cosines(posed: Values, faces: NDArray[np.int64]) -> Values:
    """Cosines between the surface and the line of sight, means of the faces around each vertex; in camera space."""
    corners = posed[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middle = corners.mean(1)
    facing = np.abs((normals * middle).sum(1)) / np.linalg.norm(middle, axis=1)
    area = np.linalg.norm(normals, axis=1)
    sums = np.zeros((2, len(posed)))
    for k in range(3):
        np.add.at(sums[0], faces[:, k], facing)
        np.add.at(sums[1], faces[:, k], area)
    return np.asarray(sums[0] / np.maximum(sums[1], 1e-12))


def lay_page(
    colours: Plane, mapped: HeadMap, chosen: NDArray[np.bool_], size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The panorama on a page of a texture's size, and image points of the chosen faces' corners on it."""
    rows, columns = mapped.size
    margin = int(PAGE_MARGIN * columns)
    repeated = np.concatenate([colours[:, -margin:], colours, colours[:, :margin]], 1)
    page = torch.zeros(1, *size, 4, dtype=torch.uint8)
    page[0, :rows, : repeated.shape[1], :3] = torch.from_numpy((repeated * 255 + 0.5).astype(np.uint8))
    page[..., 3] = 255
    at = mapped.corners[chosen] + np.array([margin, 0])
    at = at.clip(0, np.array([repeated.shape[1], rows]) - 1)
    return page, (torch.from_numpy(at) / torch.tensor([size[1] / 2, size[0] / 2]) - 1).float()
