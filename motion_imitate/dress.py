"""Appearance transfer: a prepared person in the clothes of another."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.garments import REGIONS, FaceFacts, Hems, cut_regions, shows_garment
from motion_imitate.avatar.join_avatars import AvatarPiece, join_avatars
from motion_imitate.avatar.photo_layers import FACE, SKIN
from motion_imitate.avatar.reshape import BodyAtRest, reshape_avatar
from motion_imitate.bodies.dress import undress_body
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.person import AvatarAppearance, Person
from motion_imitate.types import BodyModel

MOST_SKIN_GAIN = 2.2

Garment = Literal["upper", "lower", "shoes"]
GARMENT_NAMES: dict[Garment, str] = {"upper": "upper clothes", "lower": "lower clothes", "shoes": "shoes"}
GARMENTS: tuple[Garment, ...] = ("upper", "lower", "shoes")


class NoGarment(ValueError):
    """The photo of the clothes does not show what is asked for."""


@torch.no_grad()
def dress(person: Person, other: Person | Mapping[Garment, Person], parts: Sequence[Garment] = GARMENTS) -> Person:
    """The person in clothes of another: the upper ones with the arms, the lower ones with the legs, the shoes.

    Head, hair, body shape and pose stay the person's, and bare skin has their colour. Parts that no photo of the other
    shows, see `missing_garments`, stay the person's too; raises NoGarment if that is all of them. Clothes of several
    people are given as a table of who gives which.
    """
    wanted = dict(other) if isinstance(other, Mapping) else dict.fromkeys(parts, other)
    givers = {part: giver for part, giver in wanted.items() if not missing_garments(giver, [part])}
    if not givers:
        raise NoGarment(lacking_sentence(list(wanted)))
    looks, own = cast(AvatarAppearance, person.appearance), body_at_rest(person)
    moved = {
        id(giver): [reshape_avatar(avatar, body_at_rest(giver), own) for avatar in avatars_of(giver)]
        for giver in givers.values()
    }
    dressed = []
    for avatar in avatars_of(person):
        best = {
            key: max(some, key=lambda one: float(one.photo_view @ avatar.photo_view)) for key, some in moved.items()
        }
        clothes = {part: best[id(giver)] for part, giver in givers.items()}
        dressed.append(dress_avatar(avatar, clothes, own))
    return replace(person, appearance=replace(looks, avatars=tuple(dressed)))


def avatars_of(person: Person) -> tuple[Avatar, ...]:
    """The avatars of a person; raises NoGarment if something else draws them, or they have been dressed before."""
    looks = person.appearance
    if not isinstance(looks, AvatarAppearance) or looks.corrections:
        raise NoGarment(f"clothes are changed with the renderer avatar, not with {person.choice.renderer}")
    if not all(len(avatar.kinds) for avatar in looks.avatars):
        raise NoGarment("this person wears clothes of another already; give all clothes at once")
    return looks.avatars


def missing_garments(other: Person, parts: Sequence[Garment] = GARMENTS) -> list[Garment]:
    """The parts that no photo of a person shows."""
    facts = [(avatar, FaceFacts.of(avatar, other.model)) for avatar in avatars_of(other)]
    return [part for part in parts if not any(shows_garment(*each, part) for each in facts)]


def lacking_sentence(parts: Sequence[Garment]) -> str:
    """What a photo of clothes does not show."""
    return f"the photo of the clothes shows no {' and no '.join(GARMENT_NAMES[part] for part in parts)}"


def body_at_rest(person: Person) -> BodyAtRest:
    """The person's body without clothes."""
    return cast(BodyModel, undress_body(cast(SkinnedBody, person.model))), person.source.body.shape[:1]


def dress_avatar(wearer: Avatar, clothes: Mapping[Garment, Avatar], body: BodyAtRest) -> Avatar:
    """The wearer's avatar with garments of others, which stand on the wearer's body."""
    givers = [clothes.get(cast(Garment, region), wearer) for region in REGIONS]
    borders = [0, *(n for n in range(1, len(REGIONS)) if givers[n] is not givers[n - 1]), len(REGIONS)]
    runs = [REGIONS[first:last] for first, last in pairwise(borders)]  # regions of one giver that touch
    pieces: dict[str, AvatarPiece] = {}
    hems = Hems()
    for run in sorted(runs, key=lambda regions: "lower" in regions):  # last, what ends at the others' hems
        giver = givers[REGIONS.index(run[0])]
        if "lower" in run:
            hems = Hems.of(pieces.get("upper"), pieces.get("shoes"), body[0])
        pieces |= dict.fromkeys(run, cut_regions(giver, body, run, skin_gain(wearer, giver), hems))
    return join_avatars(wearer, [pieces[run[0]] for run in runs], givers[REGIONS.index("upper")])


def skin_gain(wearer: Avatar, other: Avatar) -> Float[Tensor, "3"]:
    """What the other's skin is to be multiplied by to have the wearer's colour; 1 if either shows none.

    The wearer's colour is the mean of face and hands, one of which alone may be made up or in the shade.
    """
    own, given = (avatar.kind_colours[[SKIN, FACE]].clamp(min=0.02) for avatar in (wearer, other))
    given = given[0] if given[0].isfinite().all() else given[1]
    known = own.isfinite().all(1)
    if other is wearer or not known.any() or not given.isfinite().all():
        return torch.ones(3)
    return (own[known].log().mean(0).exp() / given).clamp(1 / MOST_SKIN_GAIN, MOST_SKIN_GAIN)
