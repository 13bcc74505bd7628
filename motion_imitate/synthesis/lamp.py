"""One lamp, a sky and a floor: the light that made-up people are drawn in quickly, and what the lamp does not reach."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from motion_imitate.geometry.raster import rasterize
from motion_imitate.synthesis.actor import Actor


@dataclass(frozen=True)
class Glare:
    """Light in camera space: the same for all views of a sample."""

    towards: Float[Tensor, "3"]
    key: Float[Tensor, "3"]
    sky: Float[Tensor, "3"]
    floor: Float[Tensor, "3"]
    shade: float = 0.8  # how dark the key's shadows are; 0 casts none
    size: int = 160  # pixels of the picture that the lamp sees


def halfway(light: Glare) -> Float[Tensor, "3"]:
    """Between the lamp and the camera."""
    return normalize(light.towards + light.towards.new_tensor([0, 0, -1.0]), dim=0)


@dataclass(frozen=True)
class Shadow:
    """What a far lamp sees of each view's person."""

    axes: Float[Tensor, "3 3"]  # across, down, away from the lamp
    middle: Float[Tensor, "B 3"]
    reach: Float[Tensor, " B"]
    depth: Float[Tensor, "B S S"]

    def dark(self, spots: Float[Tensor, "P 3"], view: Int[Tensor, " P"]) -> Float[Tensor, " P"]:
        """How much of the lamp's light does not come to them: the mean of what four neighbouring rays say."""
        size = self.depth.shape[1]
        seen = (spots - self.middle[view]) @ self.axes.mT
        flat = (seen[:, :2] / self.reach[view, None] + 1) * (size / 2) - 0.5
        low = flat.floor()
        part, low = flat - low, low.long().clamp(0, size - 2)
        index = view * size * size + low[:, 1] * size + low[:, 0]
        depth, away = self.depth.flatten(), seen[:, 2]
        dark: Bool[Tensor, "4 P"] = torch.stack([depth[index + step] < away - 0.01 for step in (0, 1, size, size + 1)])
        a, b, c, d = dark.to(spots)
        x, y = part.unbind(1)
        return (a * (1 - x) + b * x) * (1 - y) + (c * (1 - x) + d * x) * y


def lamp(actor: Actor, at: Float[Tensor, "B N 3"], light: Glare) -> Shadow | None:
    if light.shade <= 0:
        return None
    across = normalize(torch.linalg.cross(light.towards, light.towards.new_tensor([0.1, 1.0, 0.2])), dim=0)
    axes = torch.stack([across, torch.linalg.cross(across, light.towards), -light.towards])
    low, high = at.amin(1), at.amax(1)
    middle, reach = (low + high) / 2, (high - low).norm(dim=1) / 2 * 1.02
    seen = (at - middle[:, None]) @ axes.mT
    flat = torch.cat([seen[..., :2] / reach[:, None, None], seen[..., 2:] + 50], -1)
    depth = rasterize(flat[:, actor.faces[: actor.sheer]], (light.size, light.size)).depth - 50
    return Shadow(axes, middle, reach, depth)
