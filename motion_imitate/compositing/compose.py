"""Where a drawn person meets what is behind him: read from the photos, at the size of the output."""

from importlib.util import find_spec

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.background.fill import spread
from motion_imitate.geometry.flow import resize, warp
from motion_imitate.types import Drawn, Source


def palette(source: Source) -> Float[Tensor, "N 4 H W"]:
    """What is read from: the person's colours, spread beyond the edge, and the matte."""
    sure = ((source.matte - 0.5) / 0.45).clamp(0, 1)
    both = torch.cat([spread(source.image, sure), source.matte], 1)
    return both.contiguous(memory_format=torch.channels_last)  # a pixel's numbers are read together


def compose_into(picture: UInt8[Tensor, "h w C"], drawn: Drawn, palette: Float[Tensor, "N 4 H W"]) -> None:
    """The person over the picture itself, read from the photos at the picture's size. One of 4 channels has no
    background: it gets the person's colours and, as the fourth, how much each pixel is him."""
    if find_spec("numba") is None:
        colour, cover = compose(drawn, palette, (picture.shape[0], picture.shape[1]))
        clear = picture.shape[2] == 4
        under = picture.permute(2, 0, 1)[None, :3].float() / 255
        mixed = torch.cat([colour, cover], 1) if clear else colour * cover + under * (1 - cover)
        there = (cover > 0)[0, 0, ..., None]
        picture.copy_(torch.where(there, (mixed[0].permute(1, 2, 0) * 255 + 0.5).clamp(0, 255).to(picture), picture))
        return
    from motion_imitate.compositing.compose_numba import (
        compose as compiled,  # numba takes long to import, and may be missing
    )

    parts = (drawn.colour[0], drawn.cover[0, 0], drawn.trim[0, 0], drawn.flow[0], drawn.trust[0])
    colours, covers, trim, flow, trust = (part.contiguous().numpy() for part in parts)
    compiled(picture.numpy(), colours, covers, trim, flow, trust, palette.permute(0, 2, 3, 1).contiguous().numpy())


def compose(
    drawn: Drawn, palette: Float[Tensor, "N 4 H W"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B 3 h w"], Float[Tensor, "B 1 h w"]]:
    """The person's colours at any size, read from the photos at that size; and how much each pixel is him."""

    def sized(x: Tensor) -> Tensor:
        return x if x.shape[2:] == size else resized(x, size, mode="bilinear", align_corners=False)

    trusts, colour = sized(drawn.trust), sized(drawn.colour)
    person, matte, total = torch.zeros_like(colour), colour.new_zeros(()), colour.new_zeros(())
    for way in drawn.trust.amax((0, 2, 3)).nonzero()[:, 0].tolist():
        flow, part = resize(drawn.flow[:, way], drawn.trust[:, way] > 0, size)
        trust = (trusts[:, way] * (part > 0))[:, None]
        read = warp(palette[way % len(palette)].expand(len(flow), -1, -1, -1), flow)
        person, matte, total = person + trust * read[:, :3], matte + trust * read[:, 3:], total + trust
    cover = sized(drawn.cover) * (1 - sized(drawn.trim) * (1 - matte / total.clamp(min=1e-6)))
    return person + (1 - total).clamp(min=0) * colour, cover
