"""Fast lighting of synthetic people: one key light with a shadow map, a sky and a floor."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from motion_imitate.geometry.raster import rasterize
from motion_imitate.synthesis.actor import Actor


@dataclass(frozen=True)
class SceneLight:
    """Lighting in camera space, shared by all views of a sample."""

    towards: Float[Tensor, "3"]
    key: Float[Tensor, "3"]
    sky: Float[Tensor, "3"]
    floor: Float[Tensor, "3"]
    shade: float = 0.8  # darkness of the key light's shadows; 0 casts none
    size: int = 160  # side of the shadow map in pixels


def half_vector(light: SceneLight) -> Float[Tensor, "3"]:
    """Unit vector halfway between the key light and the camera."""
    return normalize(light.towards + light.towards.new_tensor([0, 0, -1.0]), dim=0)


@dataclass(frozen=True)
class ShadowMap:
    """Depth of each view's person as seen from the distant key light."""

    axes: Float[Tensor, "3 3"]  # across, down, away from the lamp
    middle: Float[Tensor, "B 3"]
    reach: Float[Tensor, " B"]
    depth: Float[Tensor, "B S S"]

    def blocked_share(self, spots: Float[Tensor, "P 3"], view: Int[Tensor, " P"]) -> Float[Tensor, " P"]:
        """Share of the key light that is blocked at each point, interpolated over four shadow-map texels."""
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


def render_shadow_map(actor: Actor, at: Float[Tensor, "B N 3"], light: SceneLight) -> ShadowMap | None:
    """The shadow map of each view, or None where the light casts no shadows."""
    if light.shade <= 0:
        return None
    across = normalize(torch.linalg.cross(light.towards, light.towards.new_tensor([0.1, 1.0, 0.2])), dim=0)
    axes = torch.stack([across, torch.linalg.cross(across, light.towards), -light.towards])
    low, high = at.amin(1), at.amax(1)
    middle, reach = (low + high) / 2, (high - low).norm(dim=1) / 2 * 1.02
    seen = (at - middle[:, None]) @ axes.mT
    flat = torch.cat([seen[..., :2] / reach[:, None, None], seen[..., 2:] + 50], -1)
    depth = rasterize(flat[:, actor.faces[: actor.sheer]], (light.size, light.size)).depth - 50
    return ShadowMap(axes, middle, reach, depth)
