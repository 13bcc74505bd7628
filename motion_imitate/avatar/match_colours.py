"""Bring several photos of one person to the light and white balance of the first."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.masks import Plane
from motion_imitate.avatar.parsing_net import KIND_NAMES
from motion_imitate.avatar.photo_layers import FACE, SKIN, PhotoLayers

LEAST_KIND = 0.01  # of the person's pixels, below which a kind of thing tells nothing of the light
MOST_GAIN = 1.6


def find_kind_colours(image: Plane, layers: PhotoLayers) -> Float[Tensor, "C 3"]:
    """The median colour of each kind of thing (hair, skin, upper clothes), NaN where there is too little of it."""
    sure = layers.alpha > 0.95
    colours = np.full((len(KIND_NAMES), 3), np.nan, np.float32)
    for kind in range(1, len(KIND_NAMES)):
        chosen = sure & (layers.kind == kind)
        if chosen.sum() > LEAST_KIND * sure.sum():
            colours[kind] = np.median(image[chosen], axis=0)
    return torch.from_numpy(colours)


def match_avatar_colours(avatars: Sequence[Avatar]) -> list[Avatar]:
    """The avatars with the colours of all but the first multiplied, so that the same things have the same colours."""
    first, *others = avatars
    return [first, *(scale_colours(other, colour_gain(first, other)) for other in others)]


def colour_gain(first: Avatar, other: Avatar) -> Float[Tensor, "3"]:
    """What the other's red, green and blue are to be multiplied by; 1 if the photos show nothing in common.

    Skin tells it best: clothes may have another front than back.
    """
    ratios = (first.kind_colours.clamp(min=0.02) / other.kind_colours.clamp(min=0.02)).log()
    common = ratios.isfinite().all(1)
    if not common.any():
        return torch.ones(3)
    bare = torch.isin(torch.arange(len(common)), torch.tensor([FACE, SKIN])) & common
    return ratios[bare if bare.any() else common].median(0).values.exp().clamp(1 / MOST_GAIN, MOST_GAIN)


def scale_colours(avatar: Avatar, gain: Float[Tensor, "3"]) -> Avatar:
    """The avatar with its photos' colours multiplied."""
    photos = avatar.photos.clone()
    photos[..., :3] = (photos[..., :3] * gain + 0.5).clamp(max=255).to(torch.uint8)
    return replace(avatar, photos=photos)
