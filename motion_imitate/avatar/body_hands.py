"""Give an avatar the body model's own hands: where the photo hides the person's, and for when a hand turns, since the
photo shows one side of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.avatar.avatar import HAND_MOVES, Avatar, BodyHand
from motion_imitate.avatar.body_surface import LIMB_NUMBERS, SIDES, PhotoBody, rigid_hand_weights
from motion_imitate.avatar.contact_shadow import texels_of_vertices
from motion_imitate.avatar.cuffs import beyond_cuff, cut_arm, cut_cuff, find_cuff
from motion_imitate.avatar.masks import Plane
from motion_imitate.avatar.photo_layers import ARM_LAYERS, FACE, SKIN, PhotoHand, PhotoLayers
from motion_imitate.bodies.coarse import coarsen_mesh
from motion_imitate.bodies.parts import PART_LIMBS
from motion_imitate.bodies.skinning import rest_shape
from motion_imitate.geometry.mesh import vertex_normals
from motion_imitate.types import Body, BodyModel

FOREARM_WIDTH = 0.1  # metres from the forearm's axis, within which a sleeve is its
SLEEVE_QUANTILE = 0.9  # of a sleeve's vertices along the forearm, where it ends
LEAST_SLEEVE = 0.15  # of the forearm that the photo must show
SLEEVE_REACH = 0.07  # metres of forearm that come with a hand, under the sleeve
SLEEVE_TAPER = 0.7  # of its thickness, that it loses there
SLEEVE_BIAS = 0.04  # metres that the sleeve counts as nearer than the hand
HAND_WEIGHT = 0.5  # skinning weight from which on a vertex belongs to a hidden hand
MOST_VERTICES = 800
LEAST_SKIN = 30  # pixels of which a colour is taken
LIT_SKIN = (0.4, 0.9)  # quantiles of the skin's brightness, between which its colour is taken
OWN_COLOUR = 0.35  # share of what the photo shows of a hand, in its colour; the rest is the face's
DARKEST, BRIGHTEST = 0.55, 1.1  # of the shades of skin
SHADE_POWERS = (0.88, 1.06, 1.1)  # of red, green and blue: shaded skin is redder
SHADE_SPAN = 0.9  # of the page's width, that the shades read
LIGHT = (0.0, 0.8, 0.6)  # direction in body space at rest, where the palms face down
PALM_SHADE = 0.55  # of the shades, between the back of a hand and its palm
CREASE_REACH = 0.018  # metres within which other parts of a hand shade it
CREASE_SHADE = 4.0


@dataclass(frozen=True)
class HandMesh:
    """A hand with relaxed fingers and a piece of its forearm, at rest."""

    at: Float[Tensor, "V 3"]
    share: Float[Tensor, " V"]  # by which a vertex moves with the wrist; by the rest, with the joint above it
    shade: Float[Tensor, " V"]  # brightness, 0 to 1
    faces: Int[Tensor, "F 3"]


def add_body_hands(
    avatar: Avatar,
    layers: PhotoLayers,
    skin: PhotoBody,
    shape: Float[Tensor, "1 S"],
    image: Plane,
    cleared: dict[int, int],
) -> Avatar:
    """Add the body's hands to the arms that the photo shows. `skin` is the bare body of that shape in the photo,
    and `cleared` names the second textures of layers."""
    hands = {layer: PhotoHand.of(layer, skin) for layer in ARM_LAYERS if layers.region[layer].any()}
    ends = {  # where the photo ends, an arm ends, too
        layer: sleeve_end(avatar, skin.model, shape, layer) for layer, hand in hands.items() if hand.inside
    }
    ends = {layer: end for layer, end in ends.items() if end > LEAST_SLEEVE}  # else the hand would float
    colours = {layer: hand_colour(image, layers, layer, hands[layer]) for layer in ends}
    known = [colour for colour in colours.values() if colour is not None]
    if not known:
        return avatar
    page = paint_skin_shades([known[0] if colour is None else colour for colour in colours.values()], avatar.photos)
    skins = len(avatar.photos)
    avatar = replace(avatar, photos=torch.cat([avatar.photos, page]))
    for row, (layer, end) in enumerate(ends.items()):
        hand, seen = hands[layer], layer not in layers.lost_hands
        if seen:
            cuff = find_cuff(image, layers, layer, hand)
            page = cut_cuff(avatar.photos[cleared.get(layer, layer)], hand, cuff)
            at = texels_of_vertices(avatar, layers.kind.shape).numpy() + 0.5
            avatar, gone = cut_arm(avatar, layer, torch.from_numpy(beyond_cuff(at, hand, cuff)), page)
        else:
            gone = find_hidden_hand(avatar, skin.model, layer)
        mesh = hand_mesh(skin.model, shape, SIDES[ARM_LAYERS.index(layer)], end)
        body_hand = BodyHand(*forearm_joints(skin.model, layer), end, seen)
        avatar = append_hand(avatar, skin.model, gone, layer, body_hand, mesh, shade_row(row, len(ends)), skins)
    return avatar


def find_hidden_hand(avatar: Avatar, model: BodyModel, layer: int) -> Bool[Tensor, " V"]:
    """The vertices of an arm that move with its hand."""
    chosen = torch.zeros(len(avatar.rest), dtype=torch.bool)
    chosen[avatar.faces[avatar.layer == layer]] = True
    wrist = forearm_joints(model, layer)[1]
    return chosen & ((avatar.weights * (avatar.joints == wrist)).sum(1) > HAND_WEIGHT)


def hand_colour(image: Plane, layers: PhotoLayers, layer: int, hand: PhotoHand) -> Float[Tensor, "3"] | None:
    """The colour of an arm's hand, between the photo's of it and of the face; where it is hidden, of the face."""
    of_face = skin_colour(image, layers)
    pixels = image[hand.find_skin(layer, layers.kind, layers.owner, layers.unit) & (layers.alpha > 0.95)]
    if layer in layers.lost_hands or of_face is None or len(pixels) < LEAST_SKIN:
        return of_face
    return of_face.lerp(lit_colour(pixels), OWN_COLOUR)


def sleeve_end(avatar: Avatar, model: BodyModel, shape: Float[Tensor, "1 S"], layer: int) -> float:
    """How far the photo shows the arm: 0 at the elbow or above, 1 at the wrist or beyond."""
    elbow, wrist = (rest_shape(model.skin, shape)[1][0, joint] for joint in forearm_joints(model, layer))
    way = wrist - elbow
    of_arm = avatar.rest[avatar.faces[avatar.layer == layer].unique()]
    along = (of_arm - elbow) @ way / way.square().sum()
    aside = (of_arm - elbow - along[:, None] * way).norm(dim=1)
    along = along[(aside < FOREARM_WIDTH) & (along > 0)]
    return float(along.quantile(SLEEVE_QUANTILE).clamp(max=1)) if len(along) else 0.0


def forearm_joints(model: BodyModel, layer: int) -> tuple[int, int]:
    """The joints of an arm's elbow and wrist."""
    side = SIDES[ARM_LAYERS.index(layer)]
    elbow, wrist = (model.controls[f"{name}_{side}"][0] for name in ("elbow", "wrist"))
    return elbow, wrist


def skin_colour(image: Plane, layers: PhotoLayers) -> Float[Tensor, "3"] | None:
    """The colour of the face's lit half, or of other skin if no face is seen; None if there is no skin."""
    for kind in (FACE, SKIN):
        pixels = image[(layers.kind == kind) & (layers.alpha > 0.95)]
        if len(pixels) >= LEAST_SKIN:
            return lit_colour(pixels)
    return None


def lit_colour(pixels: Plane) -> Float[Tensor, "3"]:
    """The median of the lit half of some pixels of skin [N, 3]."""
    light = pixels.mean(1)
    low, high = np.quantile(light, LIT_SKIN)
    return torch.from_numpy(np.median(pixels[(light >= low) & (light <= high)], 0)).float()


def paint_skin_shades(colours: Sequence[Float[Tensor, "3"]], photos: Tensor) -> Tensor:
    """A page [1, H, W, 4] with a band of rows for each colour of skin, whose columns are its shades, from dark to
    light."""
    _, height, width, _ = photos.shape
    light = torch.linspace(DARKEST, BRIGHTEST, width)[:, None] ** torch.tensor(SHADE_POWERS)
    page = torch.full((1, height, width, 4), 255, dtype=torch.uint8)
    for row, colour in enumerate(colours):
        band = slice(height * row // len(colours), height * (row + 1) // len(colours))
        page[:, band, :, :3] = ((colour * light).clamp(0, 1) * 255 + 0.5).to(torch.uint8)
    return page


def shade_row(row: int, count: int) -> float:
    """The image y of the middle of a band of `paint_skin_shades`."""
    return (2 * row + 1) / count - 1


def hand_mesh(model: BodyModel, shape: Float[Tensor, "1 S"], side: str, end: float) -> HandMesh:
    """The body model's hand, and its forearm up to where the sleeve ends, see `sleeve_end`. The right one is the left
    one's mirror image."""
    posed, joints = model(Body(model.relaxed[None], shape))
    at, left = posed[0], SIDES[0]
    elbow, wrist = (joints[0, joint] for joint in forearm_joints(model, ARM_LAYERS[0]))
    way = wrist - elbow
    beyond = (at - elbow) @ way / way.norm() > end * way.norm() - SLEEVE_REACH
    limbs = torch.tensor(PART_LIMBS)[model.parts]
    lower = torch.isin(limbs, torch.tensor([LIMB_NUMBERS[left][group] for group in ("hand", "forearm")]))
    vertices, faces = model.faces[lower & beyond[model.faces].all(1)].unique(return_inverse=True)
    kept, triangles = coarsen_mesh(at[vertices], faces, model.skin.weights[vertices].argmax(1), MOST_VERTICES)
    chosen = vertices[kept]
    if side != left:
        chosen, triangles = model.mirror_vertices[chosen], triangles.flip(1)
    share = rigid_hand_weights(model)[chosen, model.controls[f"wrist_{side}"][0]].clamp(max=1)
    elbow, wrist = (joints[0, joint] for joint in forearm_joints(model, ARM_LAYERS[SIDES.index(side)]))
    narrow = narrow_under_sleeve(at[chosen], elbow, wrist, end)
    return HandMesh(narrow, share, shade_hand(at[vertices], faces, kept), triangles)


def narrow_under_sleeve(
    at: Float[Tensor, "V 3"], elbow: Float[Tensor, "3"], wrist: Float[Tensor, "3"], end: float
) -> Float[Tensor, "V 3"]:
    """A forearm that becomes thinner under its sleeve, so as not to come through it."""
    way = wrist - elbow
    along = (at - elbow) @ way / way.square().sum()
    axis = elbow + along[:, None] * way
    under = ((end - along) * way.norm() / SLEEVE_REACH).clamp(0, 1)[:, None]
    return axis.lerp(at, 1 - SLEEVE_TAPER * under)


def shade_hand(at: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], chosen: Int[Tensor, " K"]) -> Float[Tensor, " K"]:
    """Brightness of chosen vertices, from 0 to 1: darker below, as at the palm, and between fingers."""
    normals = vertex_normals(at[None], faces)[0, chosen]
    length = torch.cdist(at[chosen], at)
    facing = (normals @ at.mT - (normals * at[chosen]).sum(1, keepdim=True)) / length.clamp(min=1e-6)
    near = (length < CREASE_REACH) & (length > 0)
    crease = ((facing - 0.2).clamp(min=0) * near).sum(1) / near.sum(1).clamp(min=1)
    lit = 0.5 + 0.5 * normals @ torch.tensor(LIGHT)
    return (1 - PALM_SHADE * (1 - lit) - CREASE_SHADE * crease).clamp(0, 1)


def append_hand(
    avatar: Avatar,
    model: BodyModel,
    gone: Bool[Tensor, " V"],
    layer: int,
    body_hand: BodyHand,
    hand: HandMesh,
    row: float,
    page: int,
) -> Avatar:
    """Add a hand that is coloured by a row of a page, and let its arm's end shrink when it appears."""
    first = len(model.skin.parents) + HAND_MOVES * len(avatar.body_hands)
    moved = avatar.joints.clone()
    for number, joint in list(enumerate(body_hand.carriers(model.skin.parents)))[2:]:
        moved[gone[:, None] & (avatar.joints == joint)] = first + number
    count, width = len(hand.at), avatar.joints.shape[1]
    joints = torch.full((count, width), first)
    joints[:, 1] = first + 1
    weights = torch.zeros(count, width)
    weights[:, 0], weights[:, 1] = hand.share, 1 - hand.share
    shades = torch.stack([(hand.shade * 2 - 1) * SHADE_SPAN, torch.full((count,), row)], 1)
    some = torch.ones(len(hand.faces), dtype=torch.bool)
    return replace(
        avatar,
        rest=torch.cat([avatar.rest, hand.at]),
        joints=torch.cat([moved, joints]),
        weights=torch.cat([avatar.weights, weights]),
        source=torch.cat([avatar.source, shades]),
        faces=torch.cat([avatar.faces, hand.faces + len(avatar.rest)]),
        photo=torch.cat([avatar.photo, some * page]),
        layer=torch.cat([avatar.layer, some * len(avatar.bias)]),
        bias=torch.cat([avatar.bias, avatar.bias[layer, None] - SLEEVE_BIAS]),
        thick=torch.cat([avatar.thick, some]),
        solid=torch.cat([avatar.solid, some]),
        body_hands=(*avatar.body_hands, body_hand),
    )
