"""A person who can be rendered: what photos told of them, their body model and what draws them."""

from dataclasses import dataclass, replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.build import build_avatars
from motion_imitate.avatar.draft import DraftMaker
from motion_imitate.avatar.parsing_net import load_parsing_net
from motion_imitate.bodies.dress import undress_body
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.generators.corrections import CorrectionNetworks, crop_person
from motion_imitate.generators.face_module import load_face_module
from motion_imitate.generators.load import find_weights
from motion_imitate.generators.turned_face import TurnedFaces
from motion_imitate.renderer_chain import BY_AVATAR, RendererChoice
from motion_imitate.types import BodyModel, Generator, Source


@dataclass(frozen=True)
class GeneratedAppearance:
    """A generator and what it needs from the photos."""

    generator: Generator  # type: ignore[type-arg]
    code: object  # the result of generator.encode


@dataclass(frozen=True)
class AvatarCorrections:
    """The networks that correct an avatar's picture, with what they need from its photo."""

    drafts: DraftMaker
    networks: CorrectionNetworks
    features: list[Float[Tensor, "1 1 _ _ _"]]  # of the photo
    frame: Float[Tensor, "1 4"]  # of the photo's crop, see `PersonCrop`

    @classmethod
    def of(cls, avatar: Avatar, photo: Source, model: BodyModel, networks: CorrectionNetworks) -> "AvatarCorrections":
        """Encode the photo of the avatar with the networks."""
        drafts = DraftMaker.of(avatar, model, photo)
        with torch.no_grad():
            crop = crop_person(photo, drafts.positions, networks.how)
            return cls(drafts, networks, networks.encode(crop), crop.frame)


@dataclass(frozen=True)
class AvatarAppearance:
    """The avatars of the photos, with the corrections of each, or of none."""

    avatars: tuple[Avatar, ...]
    corrections: tuple[AvatarCorrections, ...] = ()
    faces: TurnedFaces | None = None  # what draws the faces of turned heads instead

    @classmethod
    def corrected(cls, source: Source, model: BodyModel, networks: CorrectionNetworks) -> "AvatarAppearance":
        """Avatars whose pictures the networks correct."""
        avatars = make_avatars(source, model)
        each = (AvatarCorrections.of(one, source[k : k + 1], model, networks) for k, one in enumerate(avatars))
        return cls(avatars, tuple(each))


@dataclass(frozen=True)
class Person:
    """A person prepared from photos, who can be rendered for any number of clips."""

    source: Source
    model: BodyModel
    appearance: AvatarAppearance | GeneratedAppearance
    choice: RendererChoice = BY_AVATAR

    @classmethod
    def of(cls, source: Source, model: BodyModel, generator: Generator) -> "Person":  # type: ignore[type-arg]
        """Encode the photos with the generator."""
        return cls(source, model, GeneratedAppearance(generator, generator.encode(source)))


def make_avatars(source: Source, model: BodyModel) -> tuple[Avatar, ...]:
    """The avatars of a person, one per photo, with the shipped parsing network."""
    bare = undress_body(cast(SkinnedBody, model))
    return build_avatars(source, model, cast(BodyModel, bare), load_parsing_net())


def turn_faces_by_drn(person: Person) -> Person:
    """The person whose face DRN's face module draws where the head turns farther than the photo shows it.

    Only avatars have such faces: a person whom networks draw stays as they are.
    """
    if not isinstance(person.appearance, AvatarAppearance):
        return person
    faces = TurnedFaces.of(person.source, person.model, load_face_module(find_weights("drn")))
    looks = replace(person.appearance, faces=faces)
    return replace(person, appearance=looks, choice=replace(person.choice, face="drn"))
