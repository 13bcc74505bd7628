"""What a view shows at each pixel."""

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.types import Raster


def interpolate(values: Float[Tensor, "#B F 3 C"], raster: Raster, empty: float = 0) -> Float[Tensor, "B H W C"]:
    """Values at face corners, read at each pixel; `empty` where no face is seen."""
    values = values.expand(len(raster), -1, -1, -1)
    batch = torch.arange(len(raster), device=values.device)[:, None, None]
    at_corners = values[batch, raster.face.clamp(min=0)]  # [B, H, W, 3, C]
    blended = (at_corners * raster.weights[..., None]).sum(-2)
    return blended.masked_fill(raster.face[..., None] < 0, empty)
