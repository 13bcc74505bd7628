"""Compose the generated person over a background."""

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from motion_imitate.types import Drawn


def compose_into(picture: UInt8[Tensor, "h w C"], drawn: Drawn) -> None:
    """Compose the person of one view over the picture, in place, at the picture's size.

    A picture with 4 channels has no background: it receives the person's colours and alpha.
    """
    size = (picture.shape[0], picture.shape[1])
    both = torch.cat([drawn.colour, drawn.cover], 1)
    both = interpolate(both, size, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
    colour, cover = both.split([3, 1], 2)
    mixed = both if picture.shape[2] == 4 else colour * cover + picture.float() / 255 * (1 - cover)
    picture.copy_(torch.where(cover > 0, (mixed * 255 + 0.5).clamp(0, 255).to(picture), picture))
