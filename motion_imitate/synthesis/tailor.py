"""New clothes out of old: suits taken apart, cloth dyed."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.bodies.skinning import Skinned, rest_shape
from motion_imitate.synthesis.wardrobe import Garment, hang, whole

WAIST = 0.6  # of the body's height: the middle of what is worn above the waist is higher
KNEE = 0.3  # and nothing of it hangs lower


def pieces(garment: Garment) -> Int[Tensor, " N"]:
    """Which connected piece of cloth each vertex is in: the number of the piece's first vertex."""
    label = torch.arange(len(garment.holds))
    while True:
        least = label[garment.faces].amin(1, keepdim=True).expand(-1, 3)
        lower = label.scatter_reduce(0, garment.faces.flatten(), least.flatten(), "amin")
        lower = lower[lower]
        if bool((lower == label).all()):
            return label
        label = lower


def halves(garment: Garment, body: Skinned, shape: Float[Tensor, " S"]) -> tuple[Garment, Garment]:
    """A suit's shirt or jacket, and its trousers or skirt, told by where a body wears them."""
    mesh = whole(body)
    base = rest_shape(mesh.skin, shape[None])[0][0]
    at = hang(garment, base)
    floor, top = base[mesh.places, 1].aminmax()
    height = (at[:, 1] - floor) / (top - floor)
    label, index = pieces(garment).unique(return_inverse=True)
    zero = torch.zeros(len(label))
    middle = zero.scatter_reduce(0, index, height, "mean", include_self=False)
    lowest = zero.scatter_reduce(0, index, height, "amin", include_self=False)
    upper = ((middle > WAIST) & (lowest > KNEE))[index]
    near = torch.cdist(base[garment.hides][None], at[None])[0].argmin(1)
    return taken(garment, upper, upper[near]), taken(garment, ~upper, ~upper[near])


def taken(garment: Garment, kept: Bool[Tensor, " N"], hides: Bool[Tensor, " D"]) -> Garment:
    """Some whole pieces of a garment, with what they hide."""
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


def dyed(
    texture: Float[Tensor, "4 H W"],
    dark: tuple[float, float, float],
    light: tuple[float, float, float],
    keep: float = 0.0,
) -> Float[Tensor, "4 H W"]:
    """What was black becomes dark, what was white light. keep: how much of the old hue stays."""
    colour = texture[:3]
    grey = (colour * colour.new_tensor([0.3, 0.6, 0.1])[:, None, None]).sum(0, keepdim=True)
    low, high = (colour.new_tensor(c)[:, None, None] for c in (dark, light))
    new = low + (high - low) * grey + keep * (colour - grey)
    return torch.cat([new.clamp(0, 1), texture[3:]])
