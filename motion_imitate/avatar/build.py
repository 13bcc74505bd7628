"""Build an avatar from a photo: layers, meshes, depth, weights and textures. Once per person."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, find_solid_faces
from motion_imitate.avatar.back_texture import complete_back_colours
from motion_imitate.avatar.body_surface import PhotoBody, place_body
from motion_imitate.avatar.layer_mesh import LayerMesh, build_layer_mesh, find_joints, layer_alphas
from motion_imitate.avatar.layer_shape import JOINTS_PER_VERTEX, LayerShape, shape_layers
from motion_imitate.avatar.layer_texture import layer_colours
from motion_imitate.avatar.masks import Plane
from motion_imitate.avatar.parse_photo import ParsedPhoto, find_person_box, parse_photo
from motion_imitate.avatar.parsing_net import ParsingNet, encode_body_depth
from motion_imitate.avatar.photo_layers import LAYERS, TRUNK, cut_photo_layers
from motion_imitate.geometry.camera import flip_camera_axes
from motion_imitate.types import BodyModel, Source

LAYER_BIAS = (0.0, 0.08, 0.08, 0.0, 0.0, 0.04)  # metres that layers count as nearer, in the order of LAYERS


@torch.no_grad()
def build_avatar(source: Source, dressed: BodyModel, bare: BodyModel, net: ParsingNet) -> Avatar:
    """The avatar of the first photo's person. `dressed` is the body in its clothes; `net` parses the photo."""
    size = (source.image.shape[2], source.image.shape[3])
    image = np.ascontiguousarray(source.image[0].permute(1, 2, 0).numpy())
    body = place_body(dressed, source.body[:1], source.camera[:1], size)
    skin = place_body(bare, source.body[:1], source.camera[:1], size)
    parsed = parse_source(net, source, skin)
    layers = cut_photo_layers(parsed, source.matte[0, 0].numpy(), body, skin)
    joined = find_joints(layers, np.stack([body.joint_pixel(f"hip_{side}") for side in ("left", "right")]))
    alphas = layer_alphas(layers, joined)
    mesh = build_layer_mesh(layers, alphas, joined)
    focal = source.camera.focal[0] * torch.tensor([size[1] / 2, size[0] / 2])
    shape = shape_layers(mesh, layers, alphas, body, float(focal.mean()))
    colours = [layer_colours(image, layers, alphas, layer) for layer in LAYERS]
    back = complete_back_colours(colours[TRUNK], alphas[TRUNK], layers, body)
    pages = [pack_texture(*page) for page in (*zip(colours, alphas, strict=True), (back, alphas[TRUNK]))]
    return assemble_avatar(mesh, shape, body, torch.stack(pages), size)


def parse_source(net: ParsingNet, source: Source, skin: PhotoBody) -> ParsedPhoto:
    """Parse the first photo, with the bare body in it."""
    surface = skin.find_surface()
    face = torch.from_numpy(surface.face)
    parts = torch.where(face >= 0, skin.model.parts[face.clamp(min=0)], 0).to(torch.uint8)
    depth = encode_body_depth(torch.from_numpy(surface.front), source.camera.place[0, 2]) * (face >= 0)
    matte = source.matte[0]
    return parse_photo(net, source.image[0], parts, depth, find_person_box(parts, matte), matte)


def pack_texture(colours: Plane, alpha: Plane) -> Tensor:
    """RGB and alpha as bytes."""
    both = np.concatenate([colours, alpha[..., None]], -1)
    return torch.from_numpy((both * 255 + 0.5).clip(0, 255).astype(np.uint8))


def assemble_avatar(
    mesh: LayerMesh, shape: LayerShape, body: PhotoBody, photos: Tensor, size: tuple[int, int]
) -> Avatar:
    """Fronts, backs and flat strips of all layers as one mesh at rest."""
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
        of_layer,
        torch.tensor(LAYER_BIAS),
        thick,
        find_solid_faces(source, triangles, pages, thick, photos),
        body.moves[:, :, :3].contiguous(),
        body.places,
        photos,
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
