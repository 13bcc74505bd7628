"""Compose the generated person over a background, reading the photos at the output's resolution."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.background.fill import diffuse_colours
from motion_imitate.compositing.compose_numba import compose_kernel
from motion_imitate.geometry.flow import resize_flow, warp_image
from motion_imitate.types import Drawn, Source


def build_palette(source: Source) -> Float[Tensor, "N 4 H W"]:
    """The person's colours, extended beyond the matte's edge, and the matte: what composing samples."""
    sure = ((source.matte - 0.5) / 0.45).clamp(0, 1)
    both = torch.cat([diffuse_colours(source.image, sure), source.matte], 1)
    return both.contiguous(memory_format=torch.channels_last)  # a pixel's channels are read together


def compose_into(picture: UInt8[Tensor, "h w C"], drawn: Drawn, palette: Float[Tensor, "N 4 H W"]) -> None:
    """Compose the person over the picture, in place, at the picture's size.

    A picture with 4 channels has no background: it receives the person's colours and alpha.
    """
    parts = (drawn.colour[0], drawn.cover[0, 0], drawn.trim[0, 0], drawn.flow[0], drawn.trust[0])
    colours, covers, trim, flow, trust = (part.contiguous().numpy() for part in parts)
    compose_kernel(
        picture.numpy(), colours, covers, trim, flow, trust, palette.permute(0, 2, 3, 1).contiguous().numpy()
    )


def compose_into_torch(picture: UInt8[Tensor, "h w C"], drawn: Drawn, palette: Float[Tensor, "N 4 H W"]) -> None:
    """`compose_into` in plain PyTorch; the reference for the numba kernel."""
    colour, cover = compose_person(drawn, palette, (picture.shape[0], picture.shape[1]))
    clear = picture.shape[2] == 4
    under = picture.permute(2, 0, 1)[None, :3].float() / 255
    mixed = torch.cat([colour, cover], 1) if clear else colour * cover + under * (1 - cover)
    there = (cover > 0)[0, 0, ..., None]
    picture.copy_(torch.where(there, (mixed[0].permute(1, 2, 0) * 255 + 0.5).clamp(0, 255).to(picture), picture))


def compose_person(
    drawn: Drawn, palette: Float[Tensor, "N 4 H W"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B 3 h w"], Float[Tensor, "B 1 h w"]]:
    """Colour and alpha of the person at any size, sampling the photos at that size."""

    def sized(x: Tensor) -> Tensor:
        return x if x.shape[2:] == size else resized(x, size, mode="bilinear", align_corners=False)

    trusts, colour = sized(drawn.trust), sized(drawn.colour)
    person, matte, total = torch.zeros_like(colour), colour.new_zeros(()), colour.new_zeros(())
    for way in drawn.trust.amax((0, 2, 3)).nonzero()[:, 0].tolist():
        flow, part = resize_flow(drawn.flow[:, way], drawn.trust[:, way] > 0, size)
        trust = (trusts[:, way] * (part > 0))[:, None]
        read = warp_image(palette[way % len(palette)].expand(len(flow), -1, -1, -1), flow)
        person, matte, total = person + trust * read[:, :3], matte + trust * read[:, 3:], total + trust
    cover = sized(drawn.cover) * (1 - sized(drawn.trim) * (1 - matte / total.clamp(min=1e-6)))
    return person + (1 - total).clamp(min=0) * colour, cover
