"""Cut the head, the upper clothes with the arms, the lower clothes with the legs, or the shoes out of an avatar."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.avatar.avatar import OPAQUE_ALPHA, Avatar, ContactFaces
from motion_imitate.avatar.body_surface import SIDES, joint_descendants
from motion_imitate.avatar.join_avatars import AvatarPiece
from motion_imitate.avatar.layer_order import COVERED_LEG
from motion_imitate.avatar.layer_texture import DEEPEST_FOLD, fold_coordinates, read_pixels
from motion_imitate.avatar.masks import Mask, blur_plane, grow_mask, open_mask, spread_colours
from motion_imitate.avatar.parsing_net import KIND_NAMES
from motion_imitate.avatar.photo_layers import (
    ARM_LAYERS,
    FACE,
    HAIR,
    LAYERS,
    LEG_LAYERS,
    ONE_PIECE,
    SKIN,
    SKIRT,
    TRUNK,
    UPPER,
)
from motion_imitate.types import BodyModel

LOWER, SHOES = (KIND_NAMES.index(name) for name in ("lower", "shoes"))
REGIONS = ("head", "upper", "lower", "shoes")  # from above
GARMENT_KINDS = {"upper": (UPPER, ONE_PIECE), "lower": (LOWER, ONE_PIECE), "shoes": (SHOES,)}
TRUNK_BACK = len(LAYERS)  # the page of the trunk's back
LEAST_GARMENT = {"upper": 200, "lower": 200, "shoes": 30}  # faces, with fewer of which the photo does not show it
HEAD_SHARE, NECK_SHARE = 0.5, 0.3  # skinning weights of the head, and of it and the neck, from which on it is theirs
HEM_MARGIN = 0.05  # metres by which what lies below a hem goes on beneath it
HEM_QUANTILE = 0.04  # of the vertices above a hem, that lie below it
BORDER_BLUR = 0.8  # pixels
CUT_MARGIN = 1.0  # pixels beside what is cut off, which have some of its colour
KIND_MARGIN = 0.005  # of a page's height, within which colours of two kinds are mixed
LEAST_KNOWN = 200  # texels of a kind, to take colours from
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
        return cls(kinds, layer, head, neck, heights.amin(1), heights.amax(1))

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


def skirt_kinds(facts: FaceFacts) -> set[int]:
    """The kind that most of the skirt is; none without a skirt."""
    kinds = facts.kinds[facts.of_layers(SKIRT)]
    return {int(kinds.flatten().mode().values)} if len(kinds) else set()


@dataclass(frozen=True)
class Hems:
    """Heights at rest beneath which lower clothes, and shoes, begin to be seen."""

    waist: float = np.inf
    ankle: float = -np.inf

    @classmethod
    def of(cls, upper: AvatarPiece | None, shoes: AvatarPiece | None, model: BodyModel) -> "Hems":
        """Where the upper clothes end and the shoes begin, if they are others than the lower clothes' own."""
        waist, ankle = np.inf, -np.inf
        if upper is not None:
            facts = FaceFacts.of(upper.avatar, model)
            low = facts.low[upper.chosen & facts.of_layers(TRUNK) & (facts.head < HEAD_SHARE)]
            waist = float(low.quantile(HEM_QUANTILE)) if len(low) else waist
        if shoes is not None:
            facts = FaceFacts.of(shoes.avatar, model)
            high = facts.high[shoes.chosen & facts.all_of((SHOES,))]
            ankle = float(high.quantile(1 - HEM_QUANTILE)) if len(high) else ankle
        return cls(waist, ankle)


def cut_regions(
    avatar: Avatar, model: BodyModel, regions: Sequence[str], gain: Float[Tensor, "3"], hems: Hems = Hems()
) -> AvatarPiece:
    """Regions that follow each other, as the avatar's faces in them with pages that end where they do.

    Skin is multiplied by `gain`. Lower clothes go on up to the waist's hem, legs down to the shoes.
    """
    facts = FaceFacts.of(avatar, model)
    everything = torch.ones(len(avatar.faces), dtype=torch.bool)
    nearer, pages = torch.zeros(len(everything)), PagePainter(avatar, facts)
    if set(regions) == set(REGIONS):
        return AvatarPiece(avatar, everything, nearer)
    trunk, legs, skirt = facts.of_layers(TRUNK), facts.of_layers(*LEG_LAYERS), facts.of_layers(SKIRT)
    of_head, of_neck = facts.head > HEAD_SHARE, facts.neck > NECK_SHARE
    hair = facts.any_of((HAIR,)) & ~of_head
    bare_neck = trunk & of_neck & facts.any_of((SKIN, FACE))
    of_skirt, chosen = skirt_kinds(facts), ~everything
    if regions == ("head",):
        front_hair = hair & trunk & (avatar.photo == TRUNK)
        chosen = (trunk & of_head) | bare_neck | front_hair
        nearer = torch.where(of_head | front_hair, HEAD_NEARER, NECK_NEARER)
        pages.cut((TRUNK,), (UPPER, ONE_PIECE, LOWER))
    if "upper" in regions:
        nearer += UPPER_NEARER
        chosen |= (trunk & ~facts.all_of((LOWER,))) | facts.of_layers(*ARM_LAYERS)
        if "lower" in regions:
            chosen |= trunk | skirt
        else:
            chosen |= skirt & bool(of_skirt & set(GARMENT_KINDS["upper"]))
            pages.cut((TRUNK,), (LOWER,))
        if "head" not in regions:
            beside = hair & (of_neck | ~over_trunk(avatar, facts))
            chosen &= ~((trunk & of_head) | (facts.all_of((FACE,)) & of_neck) | beside)
            nearer -= torch.where(bare_neck, UPPER_NEARER, 0.0)
            pages.repaint((TRUNK, *ARM_LAYERS), (HAIR,), GARMENT_KINDS["upper"])
    if "lower" in regions:
        chosen |= legs
        if "upper" not in regions:
            chosen |= skirt & bool(of_skirt & set(GARMENT_KINDS["lower"]))
            chosen |= trunk & (facts.any_of((LOWER,)) | (facts.low < hems.waist + HEM_MARGIN))
            pages.repaint(
                (TRUNK,),
                [kind for kind in range(len(KIND_NAMES)) if kind not in GARMENT_KINDS["lower"]],
                GARMENT_KINDS["lower"],
                plain=True,
            )
            pages.repaint((*LEG_LAYERS, SKIRT), (UPPER,), GARMENT_KINDS["lower"], plain=True)
        if "shoes" not in regions:
            chosen &= ~(legs & facts.all_of((SHOES,)) & (facts.high < hems.ankle))
            pages.repaint(LEG_LAYERS, (SHOES,), (UPPER, ONE_PIECE, LOWER, SKIN), plain=True)
    if regions == ("shoes",):
        chosen = legs & facts.any_of((SHOES,))
        nearer += SHOE_NEARER
        pages.keep(LEG_LAYERS, (SHOES,))
    painted = pages.finish(gain)
    if "upper" not in regions:
        painted = release_arms(painted, len(model.skin.parents))
    return AvatarPiece(painted, chosen, nearer)


def over_trunk(avatar: Avatar, facts: FaceFacts) -> Bool[Tensor, " F"]:
    """Faces that lie, as seen from the front, within the outline of what is clothes or skin of trunk and arms."""
    middle = avatar.rest[avatar.faces].mean(1)[:, :2]
    known = ~facts.any_of((HAIR,)) & facts.of_layers(TRUNK, *ARM_LAYERS) & (facts.neck < NECK_SHARE)
    if not known.any():
        return known
    rows = (middle[:, 1] / HAIR_REACH).round().long()
    inside = torch.zeros(len(middle), dtype=torch.bool)
    for row in rows.unique():
        own = rows == row
        x = middle[own & known, 0]
        if len(x):
            inside |= own & (middle[:, 0] > x.min() - HAIR_REACH) & (middle[:, 0] < x.max() + HAIR_REACH)
    return inside


def release_arms(avatar: Avatar, joints: int) -> Avatar:
    """The avatar without what its own arms do to it: no shadows of them, no sleeves that shrink."""
    photo = avatar.photo.clone()
    photo[avatar.contacts.faces] = avatar.contacts.photo
    table = [*range(joints), *(joint for hand in avatar.hidden_hands for joint in [hand.wrist] * 3)]
    return replace(
        avatar,
        photo=photo,
        joints=torch.tensor(table)[avatar.joints],
        contacts=ContactFaces.none(),
        hidden_hands=(),
    )


class PagePainter:
    """Changes the pages of an avatar by the kinds of things that they show."""

    def __init__(self, avatar: Avatar, facts: FaceFacts) -> None:
        self.avatar = avatar
        self.photos = avatar.photos.clone()
        self.layers = dict(enumerate(LAYERS)) | {TRUNK_BACK: TRUNK}  # of pages
        of_contacts = zip(avatar.contacts.photo.tolist(), facts.layer[avatar.contacts.faces].tolist(), strict=True)
        self.layers |= dict(of_contacts)

    def pages_of(self, layers: Sequence[int], kinds: Sequence[int]) -> list[tuple[int, Mask]]:
        """The pages of layers that show some of the kinds, and where."""
        found = []
        for page, layer in self.layers.items():
            if layer in layers and page < len(self.photos):
                where = np.isin(self.avatar.kinds[layer].numpy(), kinds)
                if where.any():
                    found.append((page, where))
        return found

    def cut(self, layers: Sequence[int], kinds: Sequence[int]) -> None:
        """Let some kinds be transparent."""
        for page, where in self.pages_of(layers, kinds):
            alpha = self.photos[page, ..., 3].float() * (
                1 - torch.from_numpy(blur_plane(grow_mask(where, CUT_MARGIN), BORDER_BLUR))
            )
            self.photos[page, ..., 3] = (alpha + 0.5).to(torch.uint8)

    def keep(self, layers: Sequence[int], kinds: Sequence[int]) -> None:
        """Let all kinds but some be transparent."""
        self.cut(layers, [kind for kind in range(len(KIND_NAMES)) if kind not in kinds])

    def repaint(self, layers: Sequence[int], kinds: Sequence[int], like: Sequence[int], plain: bool = False) -> None:
        """Let some kinds have the colours of others: reflected about the border, or plain ones."""
        unit = self.photos.shape[1]
        for page, where in self.pages_of(layers, kinds):
            shown = np.isin(self.avatar.kinds[self.layers[page]].numpy(), like)
            opaque = (self.photos[page, ..., 3] > OPAQUE_ALPHA).numpy()
            where = np.asarray(grow_mask(where, KIND_MARGIN * unit))
            known = open_mask(np.asarray(shown & opaque & ~where), KIND_MARGIN * unit)
            if known.sum() > LEAST_KNOWN:
                old = self.photos[page, ..., :3].numpy().astype(np.float32)
                if plain:
                    new = spread_colours(old, known)
                else:
                    new = read_pixels(old, fold_coordinates(known, where, DEEPEST_FOLD * unit))
                share = blur_plane(where, BORDER_BLUR)[..., None]
                self.photos[page, ..., :3] = torch.from_numpy(old + (new - old) * share + 0.5).to(torch.uint8)

    def finish(self, gain: Float[Tensor, "3"]) -> Avatar:
        """The avatar with the pages, skin on them multiplied; pages of no layer are skin."""
        if bool((gain != 1).any()):
            for page in range(len(self.photos)):
                layer = self.layers.get(page)
                where = (
                    np.ones(self.photos.shape[1:3], bool)
                    if layer is None
                    else np.isin(self.avatar.kinds[layer].numpy(), (SKIN, FACE))
                )
                share = torch.from_numpy(blur_plane(where, BORDER_BLUR))[..., None]
                colours = self.photos[page, ..., :3]
                scaled = colours * (1 + (gain - 1) * share)
                self.photos[page, ..., :3] = (scaled + 0.5).clamp(max=255).to(torch.uint8)
        return replace(self.avatar, photos=self.photos)
