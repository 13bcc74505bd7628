"""Variations of garments: suits split in two, textures dyed."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.bodies.skinning import SkinnedBody, rest_shape
from motion_imitate.synthesis.wardrobe import Garment, hang_garment, load_makehuman_mesh

WAIST_HEIGHT = 0.6  # share of body height; the middle of an upper garment is above it
KNEE_HEIGHT = 0.3  # share of body height; an upper garment ends above it


def connected_pieces(garment: Garment) -> Int[Tensor, " N"]:
    """Label of each vertex's connected piece: the number of the piece's first vertex."""
    label = torch.arange(len(garment.holds))
    while True:
        least = label[garment.faces].amin(1, keepdim=True).expand(-1, 3)
        lower = label.scatter_reduce(0, garment.faces.flatten(), least.flatten(), "amin")
        lower = lower[lower]
        if bool((lower == label).all()):
            return label
        label = lower


def split_suit(garment: Garment, body: SkinnedBody, shape: Float[Tensor, " S"]) -> tuple[Garment, Garment]:
    """A suit's upper and lower garment, separated by where the body wears them."""
    mesh = load_makehuman_mesh(body)
    base = rest_shape(mesh.skin, shape[None])[0][0]
    at = hang_garment(garment, base)
    floor, top = base[mesh.places, 1].aminmax()
    height = (at[:, 1] - floor) / (top - floor)
    label, index = connected_pieces(garment).unique(return_inverse=True)
    zero = torch.zeros(len(label))
    middle = zero.scatter_reduce(0, index, height, "mean", include_self=False)
    lowest = zero.scatter_reduce(0, index, height, "amin", include_self=False)
    upper = ((middle > WAIST_HEIGHT) & (lowest > KNEE_HEIGHT))[index]
    near = torch.cdist(base[garment.hides][None], at[None])[0].argmin(1)
    return take_pieces(garment, upper, upper[near]), take_pieces(garment, ~upper, ~upper[near])


def take_pieces(garment: Garment, kept: Bool[Tensor, " N"], hides: Bool[Tensor, " D"]) -> Garment:
    """The selected whole pieces of a garment, with the vertices they hide."""
    faces = kept[garment.faces].all(1)
    number = kept.cumsum(0) - 1
    return replace(
        garment,
        holds=garment.holds[kept],
        shares=garment.shares[kept],
        offsets=garment.offsets[kept],
        faces=number[garment.faces[faces]],
        uv=garment.uv[faces],
        hides=garment.hides[hides],
    )


def dye_texture(
    texture: Float[Tensor, "4 H W"],
    dark: tuple[float, float, float],
    light: tuple[float, float, float],
    keep: float = 0.0,
) -> Float[Tensor, "4 H W"]:
    """The texture with black mapped to `dark` and white to `light`; `keep` is the share of the old hue."""
    colour = texture[:3]
    grey = (colour * colour.new_tensor([0.3, 0.6, 0.1])[:, None, None]).sum(0, keepdim=True)
    low, high = (colour.new_tensor(c)[:, None, None] for c in (dark, light))
    new = low + (high - low) * grey + keep * (colour - grey)
    return torch.cat([new.clamp(0, 1), texture[3:]])
