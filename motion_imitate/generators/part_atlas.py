"""Textures of the 24 DensePose parts: a picture's pixels into them, and a picture out of them.

A surface map has the part (1 to 24, 0 for none), u and v of each pixel as its channels. Gradients reach the colours.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

ATLAS_PARTS = 24
LEAST_SHARE = 1e-4  # of a texel that a pixel must cover to colour it


def texels_around(surface: Float[Tensor, "B 3 H W"], side: int) -> tuple[Int[Tensor, "B 4 P"], Float[Tensor, "B 4 P"]]:
    """The four texels around each of the pixels, counted part after part, and their bilinear weights; 0 off the body.

    Textures have `side` texels each way; u runs along rows. Beyond the outermost centres the border is repeated.
    """
    part, place = surface[:, 0].flatten(1), surface[:, 1:].flatten(2) * side - 0.5
    low = place.floor()
    across, down = (place - low).unbind(1)
    column, row = low.long().unbind(1)
    columns = torch.stack([column, column + 1, column, column + 1], 1).clamp(0, side - 1)
    rows = torch.stack([row, row, row + 1, row + 1], 1).clamp(0, side - 1)
    weights = torch.stack([(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down], 1)
    first = (part.round().long() - 1).clamp(min=0)[:, None] * side**2
    return first + rows * side + columns, weights * (part > 0)[:, None]


def scatter_to_atlas(
    picture: Float[Tensor, "B C H W"],
    surface: Float[Tensor, "B 3 H W"],
    share: Float[Tensor, "B 1 H W"],
    side: int,
) -> tuple[Float[Tensor, "B 24 C a a"], Float[Tensor, "B 24 1 a a"]]:
    """Textures from a picture's pixels, each weighted by its share, and how far each texel is seen, up to 1."""
    index, weights = texels_around(surface, side)
    values = torch.cat([picture * share, share], 1).float().flatten(2)  # [B, C + 1, P]
    spread = (values[:, :, None] * weights[:, None]).flatten(2)
    total = spread.new_zeros(len(picture), values.shape[1], ATLAS_PARTS * side**2)
    total = total.scatter_add(2, index.flatten(1)[:, None].expand_as(spread), spread)
    colour, weight = total[:, :-1], total[:, -1:]
    colour = torch.where(weight > LEAST_SHARE, colour / weight.clamp(min=LEAST_SHARE), 0.0)
    seen = torch.where(weight > LEAST_SHARE, weight.clamp(max=1), 0.0)
    return split_parts(colour, side), split_parts(seen, side)


def split_parts(flat: Float[Tensor, "B C N"], side: int) -> Float[Tensor, "B 24 C a a"]:
    """Textures of each part, from texels counted part after part."""
    return flat.unflatten(2, (ATLAS_PARTS, side, side)).transpose(1, 2)


def read_atlas(atlas: Float[Tensor, "B 24 C a a"], surface: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C H W"]:
    """The textures seen at a surface map, interpolated within each part; 0 off the body."""
    index, weights = texels_around(surface, atlas.shape[-1])
    flat = atlas.transpose(1, 2).flatten(2)  # [B, C, N]
    read = flat.gather(2, index.flatten(1)[:, None].expand(-1, flat.shape[1], -1)).unflatten(2, weights.shape[1:])
    return (read * weights[:, None]).sum(2).unflatten(2, surface.shape[2:])
