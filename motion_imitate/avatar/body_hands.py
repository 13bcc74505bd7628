"""Give an avatar the body model's own hands, in the face's skin colour, where the photo hides the person's."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.avatar.avatar import HAND_MOVES, Avatar, HiddenHand
from motion_imitate.avatar.body_surface import LIMB_NUMBERS, SIDES, PhotoBody, rigid_hand_weights
from motion_imitate.avatar.masks import Plane
from motion_imitate.avatar.photo_layers import ARM_LAYERS, FACE, SKIN, PhotoLayers
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
MOST_VERTICES = 800
LEAST_SKIN = 30  # pixels of which a colour is taken
LIT_SKIN = (0.4, 0.9)  # quantiles of the skin's brightness, between which its colour is taken
DARKEST, BRIGHTEST = 0.55, 1.1  # of the shades of skin
SHADE_POWERS = (0.8, 1.1, 1.15)  # of red, green and blue: shaded skin is redder
SHADE_SPAN = 0.9  # of the page's width, that the shades read
LIGHT = (0.0, 0.8, 0.6)  # direction in body space at rest, where the palms face down
PALM_SHADE = 0.34  # of the shades, between the back of a hand and its palm
CREASE_REACH = 0.025  # metres within which other parts of a hand shade it
CREASE_SHADE = 1.6


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
    colour: Float[Tensor, "3"] | None,
) -> Avatar:
    """Add the hands that the photo hides, in a colour. `skin` is the bare body of that shape in the photo."""
    lost = [SIDES[ARM_LAYERS.index(layer)] for layer in layers.lost_hands]
    ends = {side: sleeve_end(avatar, skin.model, shape, side) for side in lost}
    ends = {side: end for side, end in ends.items() if end > LEAST_SLEEVE}  # else the hand would float
    if not ends or colour is None:
        return avatar
    avatar = replace(avatar, photos=torch.cat([avatar.photos, paint_skin_shades(colour, avatar.photos)]))
    for side, end in ends.items():
        avatar = append_hand(avatar, skin.model, side, end, hand_mesh(skin.model, shape, side, end))
    return avatar


def sleeve_end(avatar: Avatar, model: BodyModel, shape: Float[Tensor, "1 S"], side: str) -> float:
    """How far the photo shows the arm: 0 at the elbow or above, 1 at the wrist or beyond."""
    elbow, wrist = (rest_shape(model.skin, shape)[1][0, joint] for joint in forearm_joints(model, side))
    way = wrist - elbow
    of_arm = avatar.rest[avatar.faces[avatar.layer == ARM_LAYERS[SIDES.index(side)]].unique()]
    along = (of_arm - elbow) @ way / way.square().sum()
    aside = (of_arm - elbow - along[:, None] * way).norm(dim=1)
    along = along[(aside < FOREARM_WIDTH) & (along > 0)]
    return float(along.quantile(SLEEVE_QUANTILE).clamp(max=1)) if len(along) else 0.0


def forearm_joints(model: BodyModel, side: str) -> tuple[int, int]:
    """The joints of elbow and wrist."""
    elbow, wrist = (model.controls[f"{name}_{side}"][0] for name in ("elbow", "wrist"))
    return elbow, wrist


def skin_colour(image: Plane, layers: PhotoLayers) -> Float[Tensor, "3"] | None:
    """The colour of the face's lit half, or of other skin if no face is seen; None if there is no skin."""
    for kind in (FACE, SKIN):
        pixels = image[(layers.kind == kind) & (layers.alpha > 0.95)]
        if len(pixels) >= LEAST_SKIN:
            light = pixels.mean(1)
            low, high = np.quantile(light, LIT_SKIN)
            return torch.from_numpy(np.median(pixels[(light >= low) & (light <= high)], 0)).float()
    return None


def paint_skin_shades(colour: Float[Tensor, "3"], photos: Tensor) -> Tensor:
    """A page [1, H, W, 4] whose columns are shades of skin, from dark to light."""
    _, height, width, _ = photos.shape
    light = torch.linspace(DARKEST, BRIGHTEST, width)[:, None] ** torch.tensor(SHADE_POWERS)
    shades = torch.cat([(colour * light).clamp(0, 1), torch.ones(width, 1)], 1)
    return (shades * 255 + 0.5).to(torch.uint8).expand(1, height, width, 4).contiguous()


def hand_mesh(model: BodyModel, shape: Float[Tensor, "1 S"], side: str, end: float) -> HandMesh:
    """The body model's hand, and its forearm up to where the sleeve ends, see `sleeve_end`. The right one is the left
    one's mirror image."""
    posed, joints = model(Body(model.relaxed[None], shape))
    at, left = posed[0], SIDES[0]
    elbow, wrist = (joints[0, joint] for joint in forearm_joints(model, left))
    way = wrist - elbow
    beyond = (at - elbow) @ way / way.norm() > end * way.norm() - SLEEVE_REACH
    limbs = torch.tensor(PART_LIMBS)[model.parts]
    lower = torch.isin(limbs, torch.tensor([LIMB_NUMBERS[left][group] for group in ("hand", "forearm")]))
    vertices, faces = model.faces[lower & beyond[model.faces].all(1)].unique(return_inverse=True)
    kept, triangles = coarsen_mesh(at[vertices], faces, model.skin.weights[vertices].argmax(1), MOST_VERTICES)
    chosen = vertices[kept]
    if side != left:
        chosen, triangles = model.mirror_vertices[chosen], triangles.flip(1)
    share = rigid_hand_weights(model)[chosen, model.controls[f"wrist_{side}"][0]]
    elbow, wrist = (joints[0, joint] for joint in forearm_joints(model, side))
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


def append_hand(avatar: Avatar, model: BodyModel, side: str, end: float, hand: HandMesh) -> Avatar:
    """Add a hand that is coloured by the last page, and let the end of its sleeve shrink when it appears."""
    arm, (elbow, wrist) = ARM_LAYERS[SIDES.index(side)], forearm_joints(model, side)
    first = len(model.skin.parents) + HAND_MOVES * len(avatar.hidden_hands)
    of_arm = torch.zeros(len(avatar.rest), dtype=torch.bool)
    of_arm[avatar.faces[avatar.layer == arm]] = True
    sleeve = torch.where(of_arm[:, None] & (avatar.joints == wrist), first + HAND_MOVES - 1, avatar.joints)
    count, width = len(hand.at), avatar.joints.shape[1]
    joints = torch.full((count, width), first)
    joints[:, 1] = first + 1
    weights = torch.zeros(count, width)
    weights[:, 0], weights[:, 1] = hand.share, 1 - hand.share
    shades = torch.stack([(hand.shade * 2 - 1) * SHADE_SPAN, torch.zeros(count)], 1)
    some = torch.ones(len(hand.faces), dtype=torch.bool)
    return replace(
        avatar,
        rest=torch.cat([avatar.rest, hand.at]),
        joints=torch.cat([sleeve, joints]),
        weights=torch.cat([avatar.weights, weights]),
        source=torch.cat([avatar.source, shades]),
        faces=torch.cat([avatar.faces, hand.faces + len(avatar.rest)]),
        photo=torch.cat([avatar.photo, some * (len(avatar.photos) - 1)]),
        layer=torch.cat([avatar.layer, some * len(avatar.bias)]),
        bias=torch.cat([avatar.bias, avatar.bias[arm, None] - SLEEVE_BIAS]),
        thick=torch.cat([avatar.thick, some]),
        solid=torch.cat([avatar.solid, some]),
        hidden_hands=(*avatar.hidden_hands, HiddenHand(elbow, wrist, end)),
    )
