"""Build an avatar from a photo: layers, meshes, depth, weights and textures. Once per person."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, find_solid_faces
from motion_imitate.avatar.back_texture import complete_back_colours
from motion_imitate.avatar.body_hands import add_body_hands
from motion_imitate.avatar.body_surface import PhotoBody, place_body
from motion_imitate.avatar.layer_mesh import LayerMesh, build_layer_mesh, find_joints, layer_alphas
from motion_imitate.avatar.layer_shape import JOINTS_PER_VERTEX, LayerShape, shape_layers
from motion_imitate.avatar.layer_texture import layer_colours
from motion_imitate.avatar.masks import Mask, Plane, pixels_of_points
from motion_imitate.avatar.parse_photo import ParsedPhoto, find_person_box, fit_crop_window, parse_photo
from motion_imitate.avatar.parsing_net import ParsingNet, encode_body_depth
from motion_imitate.avatar.photo_faults import find_photo_faults
from motion_imitate.avatar.photo_layers import (
    LAYERS,
    LEAST_ALPHA,
    LEG_LAYERS,
    SKIRT,
    TRUNK,
    PhotoLayers,
    cut_photo_layers,
)
from motion_imitate.geometry.camera import crop_camera, flip_camera_axes
from motion_imitate.types import BodyModel, Source

FRONT_LEG_BIAS = 0.04  # metres more for the leg in front
# metres that layers count as nearer, in the order of LAYERS; last, of legs where a skirt covers them
LAYER_BIAS = (0.0, 0.14, 0.14, 0.0, 0.0, 0.08, -0.2)
COVERED_LEG = len(LAYERS)


@torch.no_grad()
def build_avatar(source: Source, dressed: BodyModel, bare: BodyModel, net: ParsingNet) -> Avatar:
    """The avatar of the first photo's person. `dressed` is the body in its clothes; `net` parses the photo."""
    photo_size = (source.image.shape[2], source.image.shape[3])
    window = find_person_window(source)
    picture, matte = source.image[0][:, *window], source.matte[0][:, *window]
    camera = crop_camera(source.camera[:1], window, photo_size)
    size = (picture.shape[1], picture.shape[2])
    image = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    body = place_body(dressed, source.body[:1], camera, size)
    skin = place_body(bare, source.body[:1], camera, size)
    parsed = parse_person(net, picture, matte, skin)
    layers = cut_photo_layers(parsed, matte[0].numpy(), body, skin)
    joined = find_joints(layers, body)
    alphas = layer_alphas(layers, joined)
    mesh = build_layer_mesh(layers, alphas, joined)
    focal = camera.focal[0] * torch.tensor([size[1] / 2, size[0] / 2])
    shape = shape_layers(mesh, layers, alphas, body, float(focal.mean()))
    colours = [layer_colours(image, layers, alphas, layer) for layer in LAYERS]
    back = complete_back_colours(colours[TRUNK], alphas[TRUNK], layers, body)
    pages = [pack_texture(*page) for page in (*zip(colours, alphas, strict=True), (back, alphas[TRUNK]))]
    avatar = assemble_avatar(mesh, shape, layers, body, torch.stack(pages))
    avatar = add_body_hands(avatar, layers, skin, source.body.shape[:1], image)
    avatar = replace(avatar, faults=find_photo_faults(layers, body, avatar.hidden_hands))
    return place_in_photo(avatar, window, photo_size)


def find_person_window(source: Source) -> tuple[slice, slice]:
    """Rows and columns of the first photo that the parsing looks at: around the person."""
    height, width = source.image.shape[2:]
    points = (source.view.corners[0, :, :, :2].flatten(0, 1) + 1) * torch.tensor([width / 2, height / 2])
    rows, columns = ((source.matte[0, 0] > LEAST_ALPHA).any(axis).nonzero()[:, 0] for axis in (1, 0))
    low, high = points.amin(0), points.amax(0)
    box = (
        min(float(low[0]), float(columns[0])),
        min(float(low[1]), float(rows[0])),
        max(float(high[0]), float(columns[-1] + 1)),
        max(float(high[1]), float(rows[-1] + 1)),
    )
    around = fit_crop_window(box)
    top, left = max(0, int(around.top)), max(0, int(around.left))
    bottom, right = min(height, int(around.top + around.height) + 1), min(width, int(around.left + around.width) + 1)
    return slice(top, bottom), slice(left, right)


def place_in_photo(avatar: Avatar, window: tuple[slice, slice], size: tuple[int, int]) -> Avatar:
    """An avatar whose textures are a window of a photo as one whose textures have the photo's size."""
    rows, columns = window
    photos = avatar.photos.new_zeros(len(avatar.photos), *size, 4)
    photos[:, rows, columns] = avatar.photos
    inner = avatar.source.new_tensor([avatar.photos.shape[2], avatar.photos.shape[1]])
    corner = avatar.source.new_tensor([columns.start, rows.start])
    pixels = (avatar.source + 1) / 2 * inner + corner
    return replace(avatar, source=pixels * 2 / pixels.new_tensor([size[1], size[0]]) - 1, photos=photos)


def parse_person(
    net: ParsingNet, picture: Float[Tensor, "3 H W"], matte: Float[Tensor, "1 H W"], skin: PhotoBody
) -> ParsedPhoto:
    """Parse a picture, with the bare body in it."""
    surface = skin.whole_surface
    face = torch.from_numpy(surface.face)
    parts = torch.where(face >= 0, skin.model.parts[face.clamp(min=0)], 0).to(torch.uint8)
    depth = encode_body_depth(torch.from_numpy(surface.front), skin.camera.place[0, 2]) * (face >= 0)
    return parse_photo(net, picture, parts, depth, find_person_box(parts, matte), matte)


def pack_texture(colours: Plane, alpha: Plane) -> Tensor:
    """RGB and alpha as bytes."""
    both = np.concatenate([colours, alpha[..., None]], -1)
    return torch.from_numpy((both * 255 + 0.5).clip(0, 255).astype(np.uint8))


def assemble_avatar(mesh: LayerMesh, shape: LayerShape, layers: PhotoLayers, body: PhotoBody, photos: Tensor) -> Avatar:
    """Fronts, backs and flat strips of all layers as one mesh at rest."""
    size = body.size
    count = len(mesh.points)
    solid = mesh.solid
    front, back, flat = mesh.faces[solid], mesh.faces[solid][:, [0, 2, 1]] + count, mesh.faces[~solid]
    faces = np.concatenate([front, back, flat])
    layer = np.concatenate([mesh.layer[solid], mesh.layer[solid], mesh.layer[~solid]])
    thick = torch.arange(len(faces)) < 2 * int(solid.sum())
    rest = [
        unpose_points(mesh, depth, shape, body)
        for depth in (shape.middle - shape.thickness, shape.middle + shape.thickness)
    ]
    weights, joints = torch.from_numpy(np.tile(shape.weights, (2, 1))).topk(JOINTS_PER_VERTEX, dim=1)
    points = torch.from_numpy(np.tile(mesh.points, (2, 1)))
    source = (points / torch.tensor([size[1] / 2, size[0] / 2]) - 1).float()
    used, faces = np.unique(faces, return_inverse=True)
    kept = torch.from_numpy(used)
    triangles, of_layer = torch.from_numpy(faces.reshape(-1, 3)), torch.from_numpy(layer)
    covered = find_covered_legs(mesh, layers)
    biased = np.where(np.concatenate([covered[solid], covered[solid], covered[~solid]]), COVERED_LEG, layer)
    backs = (torch.arange(len(layer)) >= len(front)) & thick
    pages = torch.where(backs & (of_layer == TRUNK), len(LAYERS), of_layer)
    source = source[kept].contiguous()
    return Avatar(
        torch.cat(rest)[kept],
        joints[kept],
        (weights / weights.sum(1, keepdim=True))[kept].float(),
        source,
        triangles,
        pages,
        torch.from_numpy(biased),
        torch.tensor(LAYER_BIAS) + FRONT_LEG_BIAS * (torch.arange(len(LAYER_BIAS)) == layers.front_leg),
        thick,
        find_solid_faces(source, triangles, pages, thick, photos),
        body.moves[:, :, :3].contiguous(),
        body.places,
        photos,
    )


def find_covered_legs(mesh: LayerMesh, layers: PhotoLayers) -> Mask:
    """[F] Faces of legs that a skirt covers: they never come through it."""
    row, column = pixels_of_points(mesh.points[mesh.faces].mean(1), layers.alpha.shape)
    return (
        np.isin(mesh.layer, LEG_LAYERS) & layers.region[SKIRT][row, column] & (layers.owner[row, column] != mesh.layer)
    )


def unpose_points(
    mesh: LayerMesh, depth: NDArray[np.float64], shape: LayerShape, body: PhotoBody
) -> Float[Tensor, "V 3"]:
    """Where the vertices are when the body is at rest, given their depths in the photo."""
    height, width = body.size
    focal, centre = body.camera.focal[0].double(), body.camera.centre[0].double()
    at = torch.from_numpy(mesh.points) / torch.tensor([width / 2, height / 2]) - 1
    away = torch.from_numpy(depth)[:, None]
    seen = torch.cat([(at - centre) / focal * away, away], 1)
    posed = flip_camera_axes(seen - body.camera.place[0].double())
    mixed = torch.einsum("vj,jab->vab", torch.from_numpy(shape.weights), body.moves.double())
    return torch.linalg.solve(mixed[:, :, :3], (posed - mixed[:, :, 3])[..., None])[..., 0].float()
