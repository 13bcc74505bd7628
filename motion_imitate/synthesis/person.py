"""The skin of a dressed person: moved inwards where cloth covers it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.geometry.mesh import vertex_normals

FIRST_EYEBALL_VERTEX = 13574  # Anny's own eyeballs come last; textured eyes replace them
SOLID_ALPHA = 0.98  # lowest alpha of a solid texture


@dataclass(frozen=True)
class SkinTuck:
    """How far skin is moved inwards so that it does not show through cloth."""

    near: float = 0.02  # metres from cloth within which skin counts as covered
    sink: float = 0.005  # largest inward movement in metres


def tuck_skin(
    skin: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], cloth: Float[Tensor, "N 3"], how: SkinTuck
) -> Float[Tensor, "V 3"]:
    """The skin moved inwards under cloth, further the nearer the cloth is."""
    away = torch.cat([torch.cdist(part[None], cloth[None])[0].amin(1) for part in skin.split(1024)])
    depth = how.sink * (2 - 2 * away / how.near).clamp(0, 1)
    return skin - depth[:, None] * vertex_normals(skin[None], faces)[0]
