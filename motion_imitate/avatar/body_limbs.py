"""Give an avatar the body model's own arm or leg where the photo shows too little of the person's: hidden behind
something, or pointing at the camera. Its colours are the photo's where the photo shows them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.body_hands import SHADE_SPAN, paint_skin_shades, shade_hand
from motion_imitate.avatar.body_surface import ARM_LIMBS, LEG_LIMBS, SIDES, PhotoBody
from motion_imitate.avatar.layer_order import LAYER_BIAS
from motion_imitate.avatar.layer_weights import JOINTS_PER_VERTEX
from motion_imitate.avatar.masks import Mask, Plane, blur_plane, spread_colours
from motion_imitate.avatar.photo_layers import ARM_LAYERS, LEG_LAYERS, SKIRT, TRUNK, PhotoLayers
from motion_imitate.bodies.parts import ATLAS_GRID, MIRRORED_PARTS, PART_LIMBS, PART_NUMBERS, part_atlas_uv
from motion_imitate.types import Body

LEAST_SEEN = 0.5  # of the body's limb, that the photo must show
LEAST_PIXELS = 200  # of the body's limb; smaller ones are outside the photo
LEAST_INSIDE = 0.8  # of the body's limb, that must be inside the photo
MOST_TOWARDS = 0.88  # cosine between a bone and the line of sight, above which a limb points at the camera
LIMB_BIAS = -0.02  # metres less that a body's limb counts as nearer than the person's own
BONES = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
LEAST_HAND = 0.1  # of a hand's square, below which the photo does not show it
LARGEST_SQUARE = 128  # texels of a part's side
# the front half of a limb for the back one, and the reverse
HALVES = {a: b for far, near in PART_NUMBERS.values() for a, b in zip(far + near, near + far, strict=True)}


def find_body_limbs(layers: PhotoLayers, body: PhotoBody) -> tuple[int, ...]:
    """The layers of arms and legs that the photo shows too little of."""
    found = []
    for pair, limbs, bones in ((ARM_LAYERS, ARM_LIMBS, BONES[0]), (LEG_LAYERS, LEG_LIMBS, BONES[1])):
        for layer, side in zip(pair, SIDES, strict=True):
            covered = body.find_surface(limbs[side]).covered
            if layer in LEG_LAYERS:
                covered &= ~np.isin(layers.owner, (SKIRT, TRUNK))
            if covered.sum() < LEAST_PIXELS or share_inside(body, limbs[side]) < LEAST_INSIDE:
                continue  # what the photo cuts off stays cut off
            hidden = (layers.seen(layer) & covered).sum() < LEAST_SEEN * covered.sum()
            if hidden or points_at_camera(body, [f"{bone}_{side}" for bone in bones]):
                found.append(layer)
    return tuple(found)


def share_inside(body: PhotoBody, limbs: Sequence[int]) -> float:
    """The share of a limb that is inside the photo."""
    corners = body.corners[0, torch.isin(body.limbs, torch.tensor(list(limbs))), :, :2]
    return float((corners.abs() < 1).all(-1).float().mean())


def points_at_camera(body: PhotoBody, controls: Sequence[str]) -> bool:
    """Whether a bone between joints that follow each other points at the camera, or away from it."""
    places = torch.stack([body.places_in_camera[body.model.controls[control][0]] for control in controls])
    bones, sight = places.diff(dim=0), (places[1:] + places[:-1]) / 2
    cosine = torch.nn.functional.cosine_similarity(bones, sight, dim=1)
    return bool(cosine.abs().max() > MOST_TOWARDS)


def drop_layers(layers: PhotoLayers, dropped: Sequence[int]) -> PhotoLayers:
    """The layers without the meshes of some, whose pixels still belong to no other."""
    region, shoulders = layers.region.copy(), layers.shoulders.copy()
    region[list(dropped)] = False
    shoulders[[layer in dropped for layer in ARM_LAYERS]] = False
    lost = tuple(layer for layer in layers.lost_hands if layer not in dropped)
    return replace(layers, region=region, shoulders=shoulders, lost_hands=lost)


def add_body_limbs(
    avatar: Avatar,
    wanted: Sequence[int],
    layers: PhotoLayers,
    body: PhotoBody,
    shape: Float[Tensor, "1 S"],
    image: Plane,
    skin: Float[Tensor, "3"] | None,
) -> Avatar:
    """Add the body's limbs instead of the layers `wanted`. `skin` colours hands that the photo does not show."""
    if not wanted:
        return avatar
    atlas, known = read_part_colours(layers, body, image)
    pages = [paint_atlas_page(complete_parts(atlas, known), image.shape[:2])[None]]
    seen = known[[part - 1 for part in PART_NUMBERS["hand"][0]]].mean((1, 2)) > LEAST_HAND
    if skin is not None:
        pages.append(paint_skin_shades([skin], avatar.photos))
    page = len(avatar.photos)
    avatar = replace(avatar, photos=torch.cat([avatar.photos, *pages]))
    rest = body.model(Body(body.model.relaxed[None], shape))[0][0]
    square = atlas.shape[1]
    for layer in wanted:
        pair, table = (ARM_LAYERS, ARM_LIMBS) if layer in ARM_LAYERS else (LEG_LAYERS, LEG_LIMBS)
        end, *limbs = table[SIDES[pair.index(layer)]]
        bare_hand = layer in ARM_LAYERS and skin is not None and not seen.any()
        avatar = append_limb(avatar, layer, body, rest, limbs if bare_hand else [end, *limbs], page, square)
        if bare_hand:
            avatar = append_limb(avatar, layer, body, rest, [end], page + 1, None)
    return avatar


def append_limb(
    avatar: Avatar,
    layer: int,
    body: PhotoBody,
    rest: Float[Tensor, "V 3"],
    limbs: Sequence[int],
    page: int,
    square: int | None,
) -> Avatar:
    """Add limbs of the body that are coloured by a page of parts' squares, or of shades of skin."""
    chosen = torch.isin(body.limbs, torch.tensor(list(limbs))).nonzero()[:, 0]
    corners = body.model.faces[chosen]
    if square is None:
        points = shade_points(rest, corners)
    else:
        inset = (body.model.iuv[chosen] * (square - 2) + 1) / square  # half a texel of a neighbouring part would show
        rows, columns = ATLAS_GRID
        height, width = avatar.photos.shape[1:3]
        scale = inset.new_tensor([columns * square / width, rows * square / height])
        points = part_atlas_uv(body.model.parts[chosen], inset) * scale * 2 - 1
    both = torch.cat([corners.flatten()[:, None].double(), points.flatten(0, 1).double()], 1)
    unique, faces = both.unique(dim=0, return_inverse=True)
    vertices = unique[:, 0].long()
    weights, joints = body.weights[vertices].topk(JOINTS_PER_VERTEX, dim=1)
    some = torch.ones(len(chosen), dtype=torch.bool)
    return replace(
        avatar,
        rest=torch.cat([avatar.rest, rest[vertices]]),
        joints=torch.cat([avatar.joints, joints]),
        weights=torch.cat([avatar.weights, weights / weights.sum(1, keepdim=True)]),
        source=torch.cat([avatar.source, unique[:, 1:].float()]),
        faces=torch.cat([avatar.faces, faces.view(-1, 3) + len(avatar.rest)]),
        photo=torch.cat([avatar.photo, some * page]),
        layer=torch.cat([avatar.layer, some * len(avatar.bias)]),
        bias=torch.cat([avatar.bias, avatar.bias.new_tensor([min(LAYER_BIAS[layer], 0.0) + LIMB_BIAS])]),
        thick=torch.cat([avatar.thick, some]),
        solid=torch.cat([avatar.solid, some]),
    )


def shade_points(rest: Float[Tensor, "V 3"], corners: Int[Tensor, "F 3"]) -> Float[Tensor, "F 3 2"]:
    """Where the corners of a hand's faces read a page of shades of skin."""
    vertices, faces = corners.unique(return_inverse=True)
    shade = shade_hand(rest[vertices], faces, torch.arange(len(vertices)))
    return torch.stack([(shade * 2 - 1) * SHADE_SPAN, torch.zeros_like(shade)], 1)[faces]


def read_part_colours(layers: PhotoLayers, body: PhotoBody, image: Plane) -> tuple[Plane, Mask]:
    """The photo's colours in each part's square [24, S, S, 3], and where they are known."""
    square = min(LARGEST_SQUARE, image.shape[0] // ATLAS_GRID[0], image.shape[1] // ATLAS_GRID[1])
    sums = np.zeros((len(MIRRORED_PARTS) - 1, square, square, 4), np.float32)
    surface = body.whole_surface
    limbs = body.limbs_of(surface)
    parts, iuv = body.model.parts.numpy(), body.model.iuv.numpy()
    for pair, table in ((ARM_LAYERS, ARM_LIMBS), (LEG_LAYERS, LEG_LIMBS)):
        for layer, side in zip(pair, SIDES, strict=True):
            row, column = np.nonzero(layers.seen(layer) & (layers.alpha > 0.95) & np.isin(limbs, table[side]))
            face = surface.face[row, column]
            at = (iuv[face] * surface.corner_weights[row, column][..., None]).sum(1)
            x, y = (at.clip(0, 1) * (square - 2) + 0.5).astype(int).T
            seen = np.concatenate([image[row, column], np.ones((len(row), 1))], 1)
            np.add.at(sums, (parts[face] - 1, y, x), seen)
    for part in sums:
        part[:] = blur_plane(part, 1.0)
    count = sums[..., 3:]
    return np.asarray(sums[..., :3] / np.maximum(count, 1e-6), np.float32), count[..., 0] > 0.05


def complete_parts(atlas: Plane, known: Mask) -> Plane:
    """The parts' colours everywhere: where unknown, those of the limb's other half, or of the other side's limb."""
    full, sure = atlas.copy(), known.copy()
    for part in range(1, len(MIRRORED_PARTS)):
        other = MIRRORED_PARTS[part]
        for like in (part, HALVES[part], other, HALVES[other]):
            for flipped in (False, True):
                colours, there = (plane[like - 1] for plane in (atlas, known))
                if flipped:
                    colours, there = colours[:, ::-1], there[:, ::-1]
                fill = there & ~sure[part - 1]
                full[part - 1][fill], sure[part - 1][fill] = colours[fill], True
    for part in range(1, len(MIRRORED_PARTS)):
        if sure[part - 1].any():
            full[part - 1] = spread_colours(full[part - 1], sure[part - 1])
        else:
            full[part - 1] = nearest_part_colour(full, sure, part)
    return full


def nearest_part_colour(full: Plane, sure: Mask, part: int) -> NDArray[np.float32]:
    """The mean colour of the same arm's or leg's other parts; of all parts if none is known."""
    limb = PART_LIMBS[part]
    chains = [limbs for table in (ARM_LIMBS, LEG_LIMBS) for limbs in table.values() if limb in limbs]
    alike = np.array([any(PART_LIMBS[k] in chain for chain in chains) for k in range(1, len(PART_LIMBS))])
    chosen = sure & alike[:, None, None]
    chosen = chosen if chosen.any() else sure
    return np.asarray(full[chosen].mean(0) if chosen.any() else np.full(3, 0.5), np.float32)


def paint_atlas_page(atlas: Plane, size: tuple[int, int]) -> Tensor:
    """All parts' squares on an opaque page of the photo's size."""
    rows, columns = ATLAS_GRID
    square = atlas.shape[1]
    page = np.full((*size, 4), 255, np.uint8)
    both = atlas.reshape(rows, columns, square, square, 3).transpose(0, 2, 1, 3, 4)
    page[: rows * square, : columns * square, :3] = (both.reshape(rows * square, columns * square, 3) * 255 + 0.5).clip(
        0, 255
    )
    return torch.from_numpy(page)
