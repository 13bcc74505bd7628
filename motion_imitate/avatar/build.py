"""Build an avatar from a photo: layers, meshes, depth, weights and textures. Once per person."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.avatar.align_body import align_body_to_layers
from motion_imitate.avatar.avatar import Avatar, RimVertices, TurningVertices, find_solid_faces
from motion_imitate.avatar.best_photo import trunk_view
from motion_imitate.avatar.body_hands import add_body_hands, skin_colour
from motion_imitate.avatar.body_limbs import add_body_limbs, drop_layers, find_body_limbs
from motion_imitate.avatar.body_surface import SIDES, PhotoBody, place_body
from motion_imitate.avatar.contact_shadow import find_contact_faces
from motion_imitate.avatar.flank_texture import FlankPoints, find_flanks
from motion_imitate.avatar.hair_labels import correct_hair
from motion_imitate.avatar.hanging_hair import (
    find_hair_before_trunk,
    uncover_sides,
)
from motion_imitate.avatar.head_texture import paint_head
from motion_imitate.avatar.layer_mesh import LayerMesh, build_layer_mesh, find_joints, layer_alphas
from motion_imitate.avatar.layer_order import COVERED_LEG, find_covered_legs, find_layer_bias
from motion_imitate.avatar.layer_shape import LayerShape, shape_layers
from motion_imitate.avatar.layer_weights import JOINTS_PER_VERTEX
from motion_imitate.avatar.leg_gap import find_leg_gap
from motion_imitate.avatar.masks import Plane, mask_box, spread_labels
from motion_imitate.avatar.match_colours import find_kind_colours, match_avatar_colours
from motion_imitate.avatar.parse_photo import ParsedPhoto, find_person_box, parse_photo
from motion_imitate.avatar.parsing_crop import fit_crop_window
from motion_imitate.avatar.parsing_net import ParsingNet, encode_body_depth
from motion_imitate.avatar.photo_faults import find_photo_faults
from motion_imitate.avatar.photo_layers import (
    LABEL_ALPHA,
    LAYERS,
    LEAST_ALPHA,
    TRUNK,
    PhotoLayers,
    cover_of_person,
    cut_photo_layers,
    label_layers,
)
from motion_imitate.avatar.texture_pages import paint_textures
from motion_imitate.geometry.camera import crop_camera, flip_camera_axes
from motion_imitate.types import BodyModel, Source

STRIP_WIDTH = 2.0  # cells of a mesh: what is farther from any solid is no strip, but too thin to have one
STRIP_ROUNDS = 2  # faces from there, within which nothing folds
PAGE_MARGIN = 0.01  # of the height around a layer, within which its page says what it shows


def build_avatars(source: Source, dressed: BodyModel, bare: BodyModel, net: ParsingNet) -> tuple[Avatar, ...]:
    """The avatars of a person, one per photo. `dressed` is the body in its clothes; `net` parses the photos."""
    alone = len(source) == 1
    avatars = [build_avatar(source[i : i + 1], dressed, bare, net, alone) for i in range(len(source))]
    return tuple(match_avatar_colours(avatars))


@torch.no_grad()
def build_avatar(source: Source, dressed: BodyModel, bare: BodyModel, net: ParsingNet, alone: bool = True) -> Avatar:
    """The avatar of a photo's person. `alone`: no other photo shows what this one does not."""
    photo_size = (source.image.shape[2], source.image.shape[3])
    window = find_person_window(source)
    picture, matte = source.image[0][:, *window], source.matte[0][:, *window]
    camera = crop_camera(source.camera[:1], window, photo_size)
    size = (picture.shape[1], picture.shape[2])
    image = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    skin = place_body(bare, source.body[:1], camera, size)
    parsed = parse_person(net, picture, matte, skin)
    alpha = cover_of_person(matte[0].numpy(), parsed)
    parsed = correct_hair(parsed, image, alpha, skin.stature)
    owner = label_layers(parsed, alpha, skin.stature)
    with ThreadPoolExecutor(1) as pool:
        gap = pool.submit(find_leg_gap, image, alpha, owner, skin.stature)  # meanwhile, the body
        aligned = align_body_to_layers(source.body[:1], skin, owner)
        body, skin = (place_body(each, aligned, camera, size) for each in (dressed, bare))
        whole = cut_photo_layers(parsed, matte[0].numpy() * (1 - gap.result()), body, skin)
        plain = find_body_limbs(whole, skin)
        layers = drop_layers(whole, plain)
        joined = find_joints(layers, body)
        alphas = layer_alphas(layers, joined)
        shoulder = np.mean([body.joint_pixel(f"shoulder_{side}")[1] for side in SIDES])
        hair = find_hair_before_trunk(image, layers, float(shoulder))
        pages = pool.submit(paint_textures, image, layers, alphas, body, hair)  # meanwhile, meshes
        mesh = build_layer_mesh(layers, alphas, joined)
        focal = camera.focal[0] * torch.tensor([size[1] / 2, size[0] / 2])
        shape = shape_layers(mesh, layers, alphas, body, float(focal.mean()))
        flanks = find_flanks(mesh, shape, uncover_sides(layers, hair.sides), alphas, body, float(focal.mean()))
        colours_of_kinds, kinds = find_kind_colours(image, layers), find_layer_kinds(layers, alphas)
        photos, cleared = pages.result()
    avatar = assemble_avatar(mesh, shape, flanks, layers, body, aligned.pose[0], colours_of_kinds, photos, cleared)
    contacts = find_contact_faces(avatar, dressed, aligned, camera, layers, cleared)
    avatar = paint_head(replace(avatar, contacts=contacts), dressed, aligned, camera, layers)
    avatar = add_body_hands(avatar, layers, skin, source.body.shape[:1], image, cleared)
    avatar = add_body_limbs(avatar, plain, layers, body, source.body.shape[:1], image, skin_colour(image, layers))
    faults = find_photo_faults(layers, body, plain, avatar.body_hands, alone)
    return place_in_photo(replace(avatar, kinds=kinds, faults=faults), window, photo_size)


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
    outer = avatar.source.new_tensor([size[1], size[0]])
    given = (avatar.source, avatar.flanks.source, avatar.head.source)
    source, aside, of_head = (((at + 1) / 2 * inner + corner) * 2 / outer - 1 for at in given)
    flanks, head = replace(avatar.flanks, source=aside), replace(avatar.head, source=of_head)
    kinds = avatar.kinds.new_zeros(len(avatar.kinds), *size)
    kinds[:, rows, columns] = avatar.kinds
    return replace(avatar, source=source, flanks=flanks, head=head, photos=photos, kinds=kinds)


def find_layer_kinds(layers: PhotoLayers, alphas: Plane) -> UInt8[Tensor, "L H W"]:
    """The kind of thing that each texel of the layers' pages shows; where a layer is hidden, the nearest one seen."""
    sure = layers.alpha > LABEL_ALPHA
    kinds = np.zeros(alphas.shape, np.uint8)
    for layer in LAYERS:
        box = mask_box(alphas[layer] > 0, PAGE_MARGIN * layers.unit)
        own = layers.seen(layer) | ((alphas[layer] > 0.5) & ~layers.hidden(layer))
        kinds[layer][box] = spread_labels(layers.kind[box], (own & sure)[box])
    return torch.from_numpy(kinds)


def parse_person(
    net: ParsingNet, picture: Float[Tensor, "3 H W"], matte: Float[Tensor, "1 H W"], skin: PhotoBody
) -> ParsedPhoto:
    """Parse a picture, with the bare body in it."""
    surface = skin.whole_surface
    face = torch.from_numpy(surface.face)
    parts = torch.where(face >= 0, skin.model.parts[face.clamp(min=0)], 0).to(torch.uint8)
    depth = encode_body_depth(torch.from_numpy(surface.front), skin.camera.place[0, 2]) * (face >= 0)
    return parse_photo(net, picture, parts, depth, find_person_box(parts, matte), matte)


def assemble_avatar(
    mesh: LayerMesh,
    shape: LayerShape,
    flanks: FlankPoints,
    layers: PhotoLayers,
    body: PhotoBody,
    pose: Float[Tensor, "J 3 3"],
    kind_colours: Tensor,
    photos: Tensor,
    cleared: dict[int, int],
) -> Avatar:
    """Fronts, backs and flat strips of all layers as one mesh at rest.

    Flat strips have vertices of their own, whose colours stay when those of the flanks change.
    """
    size = body.size
    count = len(mesh.points)
    solid = mesh.solid
    sheets = (mesh.faces[solid], mesh.faces[solid][:, [0, 2, 1]] + count, mesh.faces[~solid] + 2 * count)
    faces = np.concatenate(sheets)
    layer = np.concatenate([mesh.layer[solid], mesh.layer[solid], mesh.layer[~solid]])
    thick = torch.arange(len(faces)) < 2 * int(solid.sum())
    mixed = torch.einsum("vj,jab->vab", torch.from_numpy(shape.weights), body.moves.double())
    front, back = shape.middle - shape.thickness, shape.middle + shape.thickness
    rest = [unpose_points(mesh, depth, mixed, body) for depth in (front, back, front)]
    weights, joints = torch.from_numpy(np.tile(shape.weights, (3, 1))).topk(JOINTS_PER_VERTEX, dim=1)
    used, faces = np.unique(faces, return_inverse=True)
    kept = torch.from_numpy(used)
    source = pixels_to_points(mesh.points, size)
    at_side = source.clone()
    at_side[flanks.vertices] = pixels_to_points(flanks.points, size)
    source, at_side = source.tile(3, 1)[kept], torch.cat([at_side, at_side, source])[kept]
    steepness = torch.zeros(3, count)
    steepness[:2, flanks.vertices] = torch.from_numpy(flanks.steepness).float()
    steepness = steepness.flatten()[kept]
    turning = steepness.nonzero()[:, 0]
    rays = torch.linalg.solve(mixed[:, :, :3], flip_camera_axes(rays_of_points(mesh, body))[..., None])[..., 0]
    rays = rays.float().tile(3, 1)[kept]
    triangles, of_layer = torch.from_numpy(faces.reshape(-1, 3)), torch.from_numpy(layer)
    covered = find_covered_legs(mesh, layers)
    biased = np.where(np.concatenate([covered[solid], covered[solid], covered[~solid]]), COVERED_LEG, layer)
    backs = (torch.arange(len(layer)) >= len(sheets[0])) & thick
    behind = torch.tensor([{**cleared, TRUNK: len(LAYERS)}.get(page, page) for page in LAYERS])
    pages = torch.where(backs, behind[of_layer], of_layer)
    return Avatar(
        torch.cat(rest)[kept],
        joints[kept],
        (weights / weights.sum(1, keepdim=True))[kept].float(),
        source,
        triangles,
        pages,
        torch.from_numpy(biased),
        find_layer_bias(mesh, shape, layers),
        thick,
        find_solid_faces(torch.stack([source, at_side]), triangles, pages, thick, photos),
        body.moves[:, :, :3].contiguous(),
        body.places,
        pose,
        see_trunk(body),
        kind_colours,
        photos,
        TurningVertices(turning, at_side[turning], rays[turning], steepness[turning]),
        find_rim(mesh, kept, rays),
    )


def find_rim(mesh: LayerMesh, kept: Int[Tensor, " V"], rays: Float[Tensor, "V 3"]) -> RimVertices:
    """The outer edges of flat strips; what is flat and wide does not fold. `kept` numbers the avatar's vertices, which
    are those of fronts, backs and strips."""
    count = len(mesh.points)
    solid, flat = (np.isin(np.arange(count), mesh.faces[chosen]) for chosen in (mesh.solid, ~mesh.solid))
    nearest, folds = np.zeros(count, np.int64), np.zeros(count, bool)
    for layer in LAYERS:
        outer, outline = (np.nonzero(flat & also & (mesh.owner == layer))[0] for also in (~solid, solid))
        if len(outer) and len(outline):
            apart = torch.cdist(torch.from_numpy(mesh.points[outer]), torch.from_numpy(mesh.points[outline]))
            away, number = (each.numpy() for each in apart.min(1))
            nearest[outer], folds[outer] = outline[number], away < STRIP_WIDTH * mesh.cell
    faces = mesh.faces[~mesh.solid]
    for _ in range(STRIP_ROUNDS):
        folds[faces[(flat & ~solid & ~folds)[faces].any(1)]] = False
    edges = np.nonzero(folds)[0]
    place = torch.full((3 * count,), -1)
    place[kept] = torch.arange(len(kept))
    found, there = (place[torch.from_numpy(each) + 2 * count] for each in (edges, nearest[edges]))
    return RimVertices(found, there, rays[found])


def see_trunk(body: PhotoBody) -> Float[Tensor, "3"]:
    """The direction in which a photo sees the trunk, at rest."""
    trunk = body.model.controls["spine_high"][0]
    return trunk_view(body.moves[trunk, :, :3], body.places_in_camera[trunk])


def pixels_to_points(pixels: NDArray[np.float64], size: tuple[int, int]) -> Float[Tensor, "N 2"]:
    """Image points of pixel positions."""
    return (torch.from_numpy(pixels) / torch.tensor([size[1] / 2, size[0] / 2]) - 1).float()


def rays_of_points(mesh: LayerMesh, body: PhotoBody) -> Float[Tensor, "V 3"]:
    """Where the vertices are in camera space at a depth of 1."""
    height, width = body.size
    focal, centre = body.camera.focal[0].double(), body.camera.centre[0].double()
    at = torch.from_numpy(mesh.points) / torch.tensor([width / 2, height / 2]) - 1
    return torch.cat([(at - centre) / focal, torch.ones(len(at), 1)], 1)


def unpose_points(
    mesh: LayerMesh, depth: NDArray[np.float64], mixed: Float[Tensor, "V 3 4"], body: PhotoBody
) -> Float[Tensor, "V 3"]:
    """Where the vertices are when the body is at rest, given their depths in the photo and how they moved since."""
    seen = rays_of_points(mesh, body) * torch.from_numpy(depth)[:, None]
    posed = flip_camera_axes(seen - body.camera.place[0].double())
    return torch.linalg.solve(mixed[:, :, :3], (posed - mixed[:, :, 3])[..., None])[..., 0].float()
