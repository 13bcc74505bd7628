"""Cut the head, the upper clothes with the arms, the lower clothes with the legs, or the shoes out of an avatar."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, ContactFaces, CuffFaces
from motion_imitate.avatar.body_surface import SIDES, joint_descendants
from motion_imitate.avatar.join_avatars import AvatarPiece
from motion_imitate.avatar.layer_order import COVERED_LEG
from motion_imitate.avatar.page_painter import CLOTHES_ABOVE, PagePainter
from motion_imitate.avatar.parsing_net import KIND_NAMES
from motion_imitate.avatar.photo_layers import (
    ARM_LAYERS,
    FACE,
    HAIR,
    LEG_LAYERS,
    ONE_PIECE,
    SKIN,
    SKIRT,
    TRUNK,
    UPPER,
)
from motion_imitate.avatar.reshape import BodyAtRest
from motion_imitate.bodies.skinning import rest_shape
from motion_imitate.types import BodyModel

LOWER, SHOES = (KIND_NAMES.index(name) for name in ("lower", "shoes"))
REGIONS = ("head", "upper", "lower", "shoes")  # from above
GARMENT_KINDS = {"upper": CLOTHES_ABOVE, "lower": (LOWER, ONE_PIECE), "shoes": (SHOES,)}
LEAST_GARMENT = {"upper": 200, "lower": 200, "shoes": 30}  # faces, with fewer of which the photo does not show it
HEAD_SHARE, NECK_SHARE = 0.5, 0.3  # skinning weights of the head, and of it and the neck, from which on it is theirs
HEM_BINS, HEM_REACH = 24, 0.3  # strips in which a hem is looked for, up to so many metres from the middle
LEAST_HEM, HEM_SPAN = 30, 0.15  # faces of a strip; metres by which a hem may rise
HEM_MARGIN = 0.03  # metres by which what lies below a hem goes on beneath it
HEM_QUANTILE = 0.04  # of the vertices above a hem, that lie below it
COLLAR_SHARE = 0.6  # of head and neck, from which on a collar is in the place of the neck
NECK_RADIUS = 0.06  # metres
HAIR_REACH = 0.02  # metres from the trunk's outline, within which hair hides clothes rather than the background
HEAD_NEARER, NECK_NEARER, UPPER_NEARER, SHOE_NEARER = 0.13, 0.08, 0.1, -0.02  # metres, see `AvatarPiece`


@dataclass(frozen=True)
class FaceFacts:
    """What the faces of an avatar are."""

    kinds: Int[Tensor, "F 3"]  # at their corners
    layer: Int[Tensor, " F"]  # of `LAYERS`
    head: Float[Tensor, " F"]  # mean skinning weight of the head
    neck: Float[Tensor, " F"]  # of head and neck
    low: Float[Tensor, " F"]  # the lowest height at rest
    high: Float[Tensor, " F"]
    across: Float[Tensor, " F"]  # metres to the left of the middle at rest

    @classmethod
    def of(cls, avatar: Avatar, model: BodyModel) -> "FaceFacts":
        """The facts of an avatar; what is not of its photo, such as hidden hands, counts as skin or as its limb's."""
        layer = torch.where(avatar.layer == COVERED_LEG, avatar.photo, avatar.layer)
        for layers, root in ((ARM_LAYERS, "shoulder"), (LEG_LAYERS, "hip")):
            for limb, side in zip(layers, SIDES, strict=True):
                own = face_share(avatar, model, f"{root}_{side}") > 0.5
                layer = torch.where((layer > COVERED_LEG) & own, limb, layer)
        layer = torch.where(layer > COVERED_LEG, torch.tensor(ARM_LAYERS[0]), layer)
        size = avatar.kinds.shape[1:]
        limit = torch.tensor([size[1], size[0]])
        texel = ((avatar.source + 1) / 2 * limit).long().clamp(min=0).minimum(limit - 1)[avatar.faces]
        kinds = avatar.kinds[layer[:, None], texel[..., 1], texel[..., 0]].long()
        made = avatar.layer > COVERED_LEG
        legs = torch.isin(layer, torch.tensor(LEG_LAYERS))
        kinds[made] = torch.where(legs, LOWER, SKIN)[made, None]
        heights = avatar.rest[avatar.faces, 1]
        head, neck = (face_share(avatar, model, control) for control in ("head", "neck"))
        return cls(kinds, layer, head, neck, heights.amin(1), heights.amax(1), avatar.rest[avatar.faces, 0].mean(1))

    def any_of(self, kinds: Sequence[int]) -> Bool[Tensor, " F"]:
        """Faces with a corner of some kinds."""
        return torch.isin(self.kinds, torch.tensor(kinds)).any(1)

    def all_of(self, kinds: Sequence[int]) -> Bool[Tensor, " F"]:
        """Faces with all corners of some kinds."""
        return torch.isin(self.kinds, torch.tensor(kinds)).all(1)

    def of_layers(self, *layers: int) -> Bool[Tensor, " F"]:
        """Faces of some layers."""
        return torch.isin(self.layer, torch.tensor(layers))


def face_share(avatar: Avatar, model: BodyModel, control: str) -> Float[Tensor, " F"]:
    """How much faces move with the joints from a control on."""
    joints = joint_descendants(model, model.controls[control][0])
    share = (avatar.weights * torch.isin(avatar.joints, torch.tensor(joints))).sum(1)
    return share[avatar.faces].mean(1)


def shows_garment(avatar: Avatar, facts: FaceFacts, region: str) -> bool:
    """Whether the photo shows the upper clothes, the lower clothes or the shoes."""
    own = facts.all_of(GARMENT_KINDS[region]) & (avatar.layer <= COVERED_LEG)
    if region == "lower" and not facts.of_layers(SKIRT, *LEG_LAYERS).any():
        return False
    return int(own.sum()) >= LEAST_GARMENT[region]


def most_kind(kinds: Int[Tensor, "F 3"]) -> int:
    """The kind that most corners of faces are; 0 without faces."""
    return int(kinds.flatten().mode().values) if len(kinds) else 0


@dataclass(frozen=True)
class Hems:
    """Heights at rest beneath which lower clothes, and shoes, begin to be seen."""

    waist: Float[Tensor, " N"] = field(default_factory=lambda: torch.full((HEM_BINS,), torch.inf))
    ankle: float = -np.inf

    @classmethod
    def of(cls, upper: AvatarPiece | None, shoes: AvatarPiece | None, model: BodyModel) -> "Hems":
        """Where the upper clothes end and the shoes begin, if they are others than the lower clothes' own."""
        hems = cls()
        if upper is not None:
            facts = FaceFacts.of(upper.avatar, model)
            own = upper.chosen & facts.of_layers(TRUNK) & (facts.neck < NECK_SHARE) & ~facts.all_of((LOWER,))
            place = hem_bin(facts.across)
            lows = [facts.low[own & (place == each)] for each in range(HEM_BINS)]
            found = [float(low.quantile(HEM_QUANTILE)) if len(low) > LEAST_HEM else torch.inf for low in lows]
            waist = torch.tensor(found)
            waist[waist > waist.min() + HEM_SPAN] = torch.inf  # at an armpit
            hems = replace(hems, waist=waist)
        if shoes is not None:
            facts = FaceFacts.of(shoes.avatar, model)
            high = facts.high[shoes.chosen & facts.all_of((SHOES,))]
            hems = replace(hems, ankle=float(high.quantile(1 - HEM_QUANTILE)) if len(high) else hems.ankle)
        return hems

    def waist_at(self, across: Float[Tensor, " F"]) -> Float[Tensor, " F"]:
        """The height of the waist's hem above places; beside the hem, that of its nearest end."""
        known = self.waist.isfinite().nonzero()[:, 0]
        if not len(known):
            return torch.full_like(across, torch.inf)
        middles = ((known + 0.5) / HEM_BINS * 2 - 1) * HEM_REACH
        return torch.from_numpy(np.interp(across, middles, self.waist[known])).to(across)


def hem_bin(across: Float[Tensor, " F"]) -> Int[Tensor, " F"]:
    """Which of the `HEM_BINS` strips places are in."""
    return ((across / HEM_REACH + 1) / 2 * HEM_BINS).long().clamp(0, HEM_BINS - 1)


def cut_regions(
    avatar: Avatar, body: BodyAtRest, regions: Sequence[str], gain: Float[Tensor, "3"], hems: Hems = Hems()
) -> AvatarPiece:
    """Regions that follow each other, as the avatar's faces in them with pages that end where they do.

    They stand on `body`. Skin is multiplied by `gain`. Lower clothes go on up to the waist's hem, legs down to the
    shoes.
    """
    model = body[0]
    facts = FaceFacts.of(avatar, model)
    everything = torch.ones(len(avatar.faces), dtype=torch.bool)
    nearer, pages = torch.zeros(len(everything)), PagePainter(avatar, facts.layer)
    if set(regions) == set(REGIONS):
        return AvatarPiece(avatar, everything, nearer)
    trunk, legs, skirt = facts.of_layers(TRUNK), facts.of_layers(*LEG_LAYERS), facts.of_layers(SKIRT)
    of_head, of_neck = facts.head > HEAD_SHARE, facts.neck > NECK_SHARE
    hair = facts.any_of((HAIR,)) & ~of_head
    bare_neck = trunk & of_neck & facts.any_of((SKIN, FACE))
    chosen, upper_skirt = ~everything, most_kind(facts.kinds[skirt]) == UPPER
    if regions == ("head",):
        front_hair = hair & trunk & (avatar.photo == TRUNK)
        collar = trunk & (facts.neck > COLLAR_SHARE) & (facts.across.abs() < NECK_RADIUS)
        collar &= ~of_head | (facts.high < chin_height(facts))
        chosen = (trunk & of_head) | bare_neck | front_hair | collar
        nearer = torch.where(of_head | front_hair, HEAD_NEARER, NECK_NEARER)
        neck = pages.texels_of(collar)
        pages.repaint((TRUNK,), (UPPER, ONE_PIECE), (SKIN, FACE), plain=True, only=neck)
        pages.cut((TRUNK,), (UPPER, ONE_PIECE, LOWER), beside=neck)
    if "upper" in regions:
        nearer += UPPER_NEARER
        chosen |= (trunk & ~facts.all_of((LOWER,))) | facts.of_layers(*ARM_LAYERS)
        if "lower" in regions:
            chosen |= trunk | skirt
        else:
            chosen |= skirt & upper_skirt
            pages.cut((TRUNK,), (LOWER,))
        if "head" not in regions:
            beside = hair & (of_neck | ~over_trunk(avatar, facts, body))
            chosen &= ~((trunk & of_head) | (facts.all_of((FACE,)) & of_neck) | beside)
            nearer -= torch.where(bare_neck, UPPER_NEARER, 0.0)
            pages.repaint((TRUNK, *ARM_LAYERS), (HAIR,), GARMENT_KINDS["upper"])
    if "lower" in regions:
        chosen |= legs
        if "upper" not in regions:
            chosen |= skirt & (not upper_skirt)
            chosen |= trunk & (facts.any_of((LOWER,)) | (facts.low < hems.waist_at(facts.across) + HEM_MARGIN))
            pages.repaint(
                (TRUNK,),
                [kind for kind in range(len(KIND_NAMES)) if kind not in GARMENT_KINDS["lower"]],
                GARMENT_KINDS["lower"],
                plain=True,
            )
            pages.repaint((*LEG_LAYERS, SKIRT), (UPPER,), GARMENT_KINDS["lower"], plain=True)
        if "shoes" not in regions:
            chosen &= ~(legs & facts.all_of((SHOES,)) & (facts.high < hems.ankle))
            pages.repaint(LEG_LAYERS, (SHOES,), (ONE_PIECE, LOWER, SKIN), plain=True)
    if regions == ("shoes",):
        chosen = legs & facts.any_of((SHOES,))
        nearer += SHOE_NEARER
        pages.keep(LEG_LAYERS, (SHOES,))
    painted = pages.finish(gain)
    if "upper" not in regions:
        painted = release_arms(painted, model.skin.parents)
    return AvatarPiece(painted, chosen, nearer)


def chin_height(facts: FaceFacts) -> Float[Tensor, ""]:
    """The height at rest below which there is no face."""
    face = facts.low[facts.all_of((FACE,))]
    return face.quantile(HEM_QUANTILE) if len(face) else torch.tensor(-torch.inf)


def over_trunk(avatar: Avatar, facts: FaceFacts, body: BodyAtRest) -> Bool[Tensor, " F"]:
    """Faces that lie, as seen from the front, beneath the body's shoulders and within the outline of what is clothes
    or skin of trunk and arms."""
    middle = avatar.rest[avatar.faces].mean(1)[:, :2]
    known = ~facts.any_of((HAIR,)) & facts.of_layers(TRUNK, *ARM_LAYERS) & (facts.neck < NECK_SHARE)
    rows = (middle[:, 1] / HAIR_REACH).round().long()
    inside = torch.zeros(len(middle), dtype=torch.bool)
    for row in rows.unique():
        own = rows == row
        x = middle[own & known, 0]
        if len(x):
            inside |= own & (middle[:, 0] > x.min() - HAIR_REACH) & (middle[:, 0] < x.max() + HAIR_REACH)
    return inside & (middle[:, 1] < shoulder_heights(body)[hem_bin(middle[:, 0])] + HAIR_REACH)


def shoulder_heights(body: BodyAtRest) -> Float[Tensor, " N"]:
    """The height at rest of the body without head and neck in each of the `HEM_BINS` strips."""
    model, shape = body
    share = model.skin.weights[:, joint_descendants(model, model.controls["neck"][0])].sum(1)
    points = rest_shape(model.skin, shape)[0][0][share < NECK_SHARE]
    heights = torch.full((HEM_BINS,), -torch.inf)
    return heights.scatter_reduce(0, hem_bin(points[:, 0]), points[:, 1], "amax")


def release_arms(avatar: Avatar, parents: tuple[int, ...]) -> Avatar:
    """The avatar without what its own arms do to it: no shadows of them, no sleeves that shrink."""
    photo = avatar.photo.clone()
    photo[avatar.contacts.faces] = avatar.contacts.photo
    table = [*range(len(parents)), *(joint for hand in avatar.body_hands for joint in hand.carriers(parents))]
    return replace(
        avatar,
        photo=photo,
        joints=torch.tensor(table)[avatar.joints],
        contacts=ContactFaces.none(),
        cuffs=CuffFaces.none(),
        body_hands=(),
    )
