"""Draw with the published forms of the Liquid Warping GAN: the networks paint the whole person."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.generators.liquid_warping import SID, TSF, to_unit_range, warp_photos
from motion_imitate.geometry.flow import correspond_views
from motion_imitate.types import Drawn, Source, View


@dataclass(frozen=True)
class PainterSettings:
    """Input size of the painting networks."""

    size: int = 256  # longer side of the networks' input, in pixels


@dataclass(frozen=True)
class PainterCode:
    """What `Painter.encode` keeps of N photos."""

    features: Sequence[Float[Tensor, "N _ _ _"]]
    person: Float[Tensor, "1 N 3 h w"]  # the photos without their background, in [-1, 1]
    view: View


class Painter:
    """A Generator whose networks paint every pixel of the person.

    `middles` gives a texture coordinate for each face.
    """

    def __init__(
        self, source: SID, target: TSF, middles: Float[Tensor, "F 2"], how: PainterSettings = PainterSettings()
    ) -> None:
        self.source, self.target, self.middles, self.how = source.eval(), target.eval(), middles, how

    @torch.no_grad()
    def encode(self, source: Source) -> PainterCode:
        """Compute the networks' features of the photos once."""
        size = self.size(source.image)
        alone = (2 * source.image - 1) * source.matte  # masked at full size, so no background bleeds in
        person = resized(alone, size, mode="bilinear", align_corners=False, antialias=True)
        shown = resized(uv_surface_map(source.view, self.middles), size, mode="nearest-exact")
        return PainterCode(self.source.features(torch.cat([person, shown], 1)), person[None], source.view)

    def size(self, image: Float[Tensor, "N 3 H W"]) -> tuple[int, int]:
        """Height and width of the networks' input: multiples of the networks' step."""
        step, longer = self.source.glass.net.step, max(image.shape[2:])
        height, width = (max(1, round(side * self.how.size / longer / step)) * step for side in image.shape[2:])
        return height, width

    @torch.no_grad()
    def draw(self, code: PainterCode, target: View) -> Drawn:
        """Paint each view."""
        flows, valid = flows_to_photos(code.view, target)
        picture = torch.cat([warp_photos(code.person, flows, valid), uv_surface_map(target, self.middles)], 1)
        heads = self.target(picture, code.features, flows, valid)
        return Drawn(to_unit_range(heads.colour.tanh()), heads.cover.sigmoid())


def flows_to_photos(source: View, target: View) -> tuple[Float[Tensor, "B N H W 2"], Bool[Tensor, "B N H W"]]:
    """Flows from each view into each photo, and where the view shows the body.

    As in the papers, points hidden in a photo are not excluded.
    """
    flows = torch.stack([correspond_views(source[n : n + 1], target)[..., :2] for n in range(len(source))], 1)
    return flows, (target.raster.face >= 0)[:, None].expand(flows.shape[:-1])


def face_uv_points(uv: Float[Tensor, "F 3 2"]) -> Float[Tensor, "F 2"]:
    """A texture coordinate for each face, v counted from the top: the midpoint of the face's first edge, as in the
    paper's code."""
    across, up = uv[:, :2].mean(1).unbind(-1)
    return torch.stack([across, 1 - up], -1)


def uv_surface_map(view: View, middles: Float[Tensor, "F 2"]) -> Float[Tensor, "B 3 H W"]:
    """Texture coordinate of the face at each pixel, and a third channel that is 1 where there is no face."""
    face = view.raster.face[:, None]
    place = middles.T[:, face[:, 0].clamp(min=0)].transpose(0, 1)
    return torch.cat([place.masked_fill(face < 0, 0), (face < 0).to(place)], 1)
