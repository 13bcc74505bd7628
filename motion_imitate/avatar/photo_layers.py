"""Cut the person in a photo into layers that move by themselves: trunk with head and hair, arms, legs, skirt."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from motion_imitate.avatar.body_surface import (
    ARM_LIMBS,
    HEAD_LIMB,
    LEG_LIMBS,
    LIMB_NUMBERS,
    SIDES,
    TORSO_LIMB,
    BodySurface,
    PhotoBody,
    joint_descendants,
)
from motion_imitate.avatar.masks import (
    Box,
    Labels,
    Mask,
    Plane,
    blur_plane,
    close_mask,
    distance_to_edge,
    grow_mask,
    open_mask,
    smoothstep,
    spread_labels,
)
from motion_imitate.avatar.parse_photo import ParsedPhoto
from motion_imitate.avatar.parsing_net import KIND_NAMES, LAYER_NAMES

TRUNK, ARM_LEFT, ARM_RIGHT, LEG_LEFT, LEG_RIGHT, SKIRT = LAYERS = tuple(range(6))
ARM_LAYERS, LEG_LAYERS = (ARM_LEFT, ARM_RIGHT), (LEG_LEFT, LEG_RIGHT)
NO_LAYER = -1
HAIR, FACE, SKIN, UPPER = (KIND_NAMES.index(name) for name in ("hair", "face", "skin", "upper"))
ONE_PIECE = KIND_NAMES.index("one_piece")
LEAST_ALPHA = 0.02  # a pixel with less shows none of the person
LABEL_ALPHA = 0.6  # of the matte, from which on a pixel's own label counts; the rim takes the nearest one
HARD_EDGE = (0.2, 0.8)  # of the alpha of what is not hair: from the background to the person
HAIR_BLUR = 3.0  # pixels around hair that may be strands
HOLE_ALPHA = (0.10, 0.55)  # of the parsed alpha: below the first the matte has a hole, above the second it counts
LEAST_SKIRT = 0.006  # of the squared height; smaller skirts are part of what is next to them
LEAST_PIECE = 0.12  # of its layer's largest piece, that another one must have to move with it
OVERLAP = 0.004  # of the height by which a layer goes on beneath those in front of it
HAND_REACH = 0.05  # of the height around the body's hand, within which the photo's hand may be
LEAST_HAND = 20  # pixels of the body's hand; a smaller one is outside the photo
ARM_BENEATH_HAIR = 0.03  # of the height by which an arm goes on beneath hair
GAP_TAPER = 0.25  # of the distance to a gap between the legs, by which one goes on beneath the other
SHOULDER_REACH = 0.02  # of the height around where an arm and the trunk are one surface
LOST_HAND_SKIN = 0.1  # pixels of the arm's skin for each of the body's hand, below which the photo does not show it


@dataclass(frozen=True)
class PhotoLayers:
    """The layers of a photo's person. L layers, in the order of `LAYERS`."""

    unit: float  # the person's height in pixels
    alpha: Plane  # of the person
    owner: Labels  # the layer that is seen, NO_LAYER outside the person
    region: Mask  # [L, H, W]: where the layer is, seen or hidden
    kind: Labels
    shoulders: Mask  # [2, H, W]: where the left and the right arm and the trunk are one surface
    lost_hands: tuple[int, ...]  # layers of arms whose hand is not seen
    front_leg: int = NO_LAYER  # the leg in front where both touch

    def seen(self, layer: int) -> Mask:
        """Where the layer itself is seen."""
        return np.asarray(self.owner == layer)

    def hidden(self, layer: int) -> Mask:
        """Where the layer goes on beneath others."""
        return np.asarray(self.region[layer] & (self.owner != layer))


def crop_layers(layers: PhotoLayers, box: Box) -> PhotoLayers:
    """The layers in a part of the photo."""
    return replace(
        layers,
        alpha=layers.alpha[box],
        owner=layers.owner[box],
        region=layers.region[:, *box],
        kind=layers.kind[box],
        shoulders=layers.shoulders[:, *box],
    )


def cut_photo_layers(parsed: ParsedPhoto, matte: Plane, body: PhotoBody, bare: PhotoBody) -> PhotoLayers:
    """Cut the person. `body` is the fitted body in its clothes, `bare` without."""
    alpha = cover_of_person(matte, parsed)
    unit = bare.stature
    person = alpha > LEAST_ALPHA
    owner = label_layers(parsed, alpha, unit)
    kind = np.where(person, spread_labels(parsed.kind[1:].numpy().argmax(0) + 1, alpha > LABEL_ALPHA), 0)
    lost = tuple(layer for layer in ARM_LAYERS if hand_is_lost(layer, kind, owner, body))
    layers = PhotoLayers(
        unit, alpha, owner, np.stack([owner == layer for layer in LAYERS]), kind, find_shoulders(body, unit), lost
    )
    return extend_hidden_regions(layers, bare)


def cover_of_person(matte: Plane, parsed: ParsedPhoto) -> Plane:
    """The person's alpha: a matte without the holes that the parsing knows. Only hair fades out over many pixels."""
    alpha = remove_matte_holes(matte, parsed.alpha[0].numpy())
    hair = blur_plane(parsed.kind[HAIR].numpy(), HAIR_BLUR)
    return np.asarray(alpha + (smoothstep(alpha, *HARD_EDGE) - alpha) * (1 - hair), np.float32)


def remove_matte_holes(matte: Plane, parsed: Plane) -> Plane:
    """The matte, which is sharp, without the background that it shows between limbs, which the parsing knows."""
    return np.asarray(matte * smoothstep(parsed, *HOLE_ALPHA), np.float32)


def label_layers(parsed: ParsedPhoto, alpha: Plane, unit: float) -> Labels:
    """The layer of each pixel of the person; a tiny skirt is none."""
    scores = parsed.layer.numpy()
    table = scores[1 : 1 + len(LAYERS)].copy()  # in the order of LAYERS, after the background
    table[TRUNK] += scores[LAYER_NAMES.index("hair")]
    table = np.stack([blur_plane(score, max(0.8, 0.0015 * unit)) for score in table])
    sure = alpha > LABEL_ALPHA
    owner = table.argmax(0)
    skirt = (owner == SKIRT) & sure
    if skirt.sum() < LEAST_SKIRT * unit**2:
        table[SKIRT] = -1
        owner = table.argmax(0)
    kept = np.zeros_like(sure)
    for layer in LAYERS:
        kept |= open_mask((owner == layer) & sure, 1.0)
    return reassign_fragments(np.where(alpha > LEAST_ALPHA, spread_labels(owner, kept), NO_LAYER))


def reassign_fragments(owner: Labels) -> Labels:
    """Pieces that are small beside their layer's largest become part of the layer around them, or of none."""
    assigned = owner.copy()
    for layer in LAYERS:
        count, pieces, stats, _ = cv2.connectedComponentsWithStats((owner == layer).astype(np.uint8), connectivity=8)
        area = stats[:, cv2.CC_STAT_AREA]
        for piece in range(1, count):
            if area[piece] >= LEAST_PIECE * area[1:].max():
                continue
            left, top, width, height = stats[piece, : cv2.CC_STAT_AREA]
            box = slice(max(0, top - 2), top + height + 2), slice(max(0, left - 2), left + width + 2)
            mine = pieces[box] == piece
            around = owner[box][grow_mask(mine, 2.0) & ~mine]
            around = around[around != NO_LAYER]
            assigned[box][mine] = np.bincount(around).argmax() if len(around) else NO_LAYER
    return assigned


@dataclass(frozen=True)
class PhotoHand:
    """Where the body's hand is in the photo, in pixels."""

    covered: Mask
    wrist: NDArray[np.float64]
    way: NDArray[np.float64]  # from the wrist to the middle of the hand, 0 if the photo has none

    @classmethod
    def of(cls, layer: int, body: PhotoBody) -> "PhotoHand":
        """The hand of an arm's layer."""
        side = SIDES[ARM_LAYERS.index(layer)]
        covered, wrist = body.find_surface([LIMB_NUMBERS[side]["hand"]]).covered, body.joint_pixel(f"wrist_{side}")
        pixels = np.argwhere(covered)
        return cls(covered, wrist, pixels.mean(0)[::-1] + 0.5 - wrist if len(pixels) else np.zeros(2))

    def along(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Where pixel positions [N, 2] are along the hand: 0 at the wrist, 1 at the middle of the hand."""
        return np.asarray((points - self.wrist) @ self.way / max(float(self.way @ self.way), 1.0))

    @property
    def inside(self) -> bool:
        """Whether the photo has it."""
        return bool(self.covered.sum() >= LEAST_HAND)

    def find_skin(self, layer: int, kind: Labels, owner: Labels, unit: float) -> Mask:
        """Where the photo shows its skin: on its layer, near it, beyond the wrist."""
        near = grow_mask(self.covered, HAND_REACH * unit) & (owner == layer) & (kind == SKIN)
        row, column = np.nonzero(near)
        beyond = (np.stack([column, row], 1) + 0.5 - self.wrist) @ self.way > 0  # not the skin of the forearm
        near[row[~beyond], column[~beyond]] = False
        return near


def hand_is_lost(layer: int, kind: Labels, owner: Labels, body: PhotoBody) -> bool:
    """Whether the photo does not show the arm's hand: it is in a pocket, or behind something."""
    hand = PhotoHand.of(layer, body)
    shown = hand.find_skin(layer, kind, owner, body.stature).sum()
    return hand.inside and bool(shown < LOST_HAND_SKIN * hand.covered.sum())


def find_shoulders(body: PhotoBody, unit: float) -> Mask:
    """Where each arm and the trunk are one surface: around the shoulder joint, where the body's skin moves with
    both."""
    surface = body.whole_surface
    limbs = body.limbs_of(surface)
    y, x = np.mgrid[: body.size[0], : body.size[1]] + 0.5
    rows, columns = np.nonzero(surface.covered)
    corners = body.model.faces.numpy()[surface.face[rows, columns]]
    at_corners = surface.corner_weights[rows, columns]
    zones = []
    for side in SIDES:
        share = np.zeros(body.size, np.float32)
        arm = joint_descendants(body.model, body.model.controls[f"shoulder_{side}"][0])
        share[rows, columns] = (body.weights[:, arm].sum(1).numpy()[corners] * at_corners).sum(1)
        joint, elbow = body.joint_pixel(f"shoulder_{side}"), body.joint_pixel(f"elbow_{side}")
        way = elbow - joint
        long = max(float(np.hypot(*way)), 0.08 * unit)
        near = (x - joint[0]) ** 2 + (y - joint[1]) ** 2 < (0.4 * long) ** 2
        along = ((x - joint[0]) * way[0] + (y - joint[1]) * way[1]) / long**2
        of_both = np.isin(limbs, (TORSO_LIMB, LIMB_NUMBERS[side]["upperarm"]))
        zone = of_both & near & (along < 0.1) & (share > 0.04) & (share < 0.8)
        zones.append(open_mask(close_mask(zone, 0.006 * unit), 0.006 * unit))
    return np.stack(zones)


def extend_hidden_regions(layers: PhotoLayers, bare: PhotoBody) -> PhotoLayers:
    """Add what others hide of each layer: the trunk beneath arms, legs beneath a skirt, a rim along every cut."""
    unit, owner = layers.unit, layers.owner
    arms = np.isin(owner, ARM_LAYERS)
    person = layers.alpha > 0.7
    region = layers.region.copy()
    behind_arms = spread_labels(owner, (owner != NO_LAYER) & ~arms)
    others = sorted({TORSO_LIMB, HEAD_LIMB, *LEG_LIMBS["left"], *LEG_LIMBS["right"]})
    inner = bare.find_surface(others).covered
    reach = OVERLAP * unit
    for layer in LAYERS:
        if layer in ARM_LAYERS or not region[layer].any():
            continue
        seen = region[layer] & person
        under = arms & (behind_arms == layer) & person & (inner | grow_mask(seen, reach))
        under &= open_mask(region[layer] | under, 0.009 * unit)
        region[layer] |= under
    hair = (layers.kind == HAIR) & (owner == TRUNK) & person
    for layer, side in zip(ARM_LAYERS, SIDES, strict=True):
        beneath = hair & grow_mask(region[layer] & person, ARM_BENEATH_HAIR * unit)
        if beneath.any():
            covered = bare.find_surface(ARM_LIMBS[side]).covered & person
            region[layer] |= beneath & covered
            region[layer] |= close_mask(region[layer], OVERLAP * unit) & covered  # what is seen between strands
    if region[SKIRT].any():
        for layer, side in zip(LEG_LAYERS, SIDES, strict=True):
            leg = bare.find_surface(LEG_LIMBS[side]).covered
            if region[layer].sum() > 0.002 * unit**2:
                region[layer] |= leg & (region[SKIRT] | region[TRUNK]) & person
    front = nearer_leg(layers, bare)
    if front != NO_LAYER:
        back = LEG_LAYERS[1 - LEG_LAYERS.index(front)]
        far = (distance_to_edge(person) - reach) * GAP_TAPER  # less beside a gap between the legs, where it would show
        region[back] |= region[front] & (-distance_to_edge(region[back] & person) < np.minimum(far, 2 * reach))
    shoulders = np.asarray(layers.shoulders.any(0))
    armpits = grow_mask(shoulders, SHOULDER_REACH * unit) & (distance_to_edge(layers.alpha > 0.5) > 0.01 * unit)
    region[TRUNK] |= arms & person & armpits
    return replace(layers, region=region, front_leg=front)


def nearer_leg(layers: PhotoLayers, bare: PhotoBody) -> int:
    """The leg in front where both touch, NO_LAYER where they do not."""
    left, right = (layers.region[layer] for layer in LEG_LAYERS)
    if not (grow_mask(left, 2 * OVERLAP * layers.unit) & right).any():
        return NO_LAYER
    depths = []
    for layer, side in zip(LEG_LAYERS, SIDES, strict=True):
        other = layers.region[LEG_LAYERS[1 - LEG_LAYERS.index(layer)]]
        surface = bare.find_surface(LEG_LIMBS[side])
        touching = grow_mask(other, 2 * OVERLAP * layers.unit) & surface.covered
        there = touching if touching.any() else surface.covered
        depths.append(float(np.median(surface.front[there])) if there.any() else np.inf)
    return LEG_LAYERS[int(np.argmin(depths))]


def surface_of_layer(layer: int, body: PhotoBody) -> BodySurface:
    """The body's surface from which a layer takes depth and weights."""
    if layer in ARM_LAYERS:
        return body.find_surface(ARM_LIMBS[SIDES[ARM_LAYERS.index(layer)]])
    if layer in LEG_LAYERS:
        return body.find_surface([TORSO_LIMB, *LEG_LIMBS[SIDES[LEG_LAYERS.index(layer)]]])  # a leg alone is open above
    return body.find_surface([TORSO_LIMB, HEAD_LIMB, *LEG_LIMBS["left"], *LEG_LIMBS["right"]])
