"""The published forms of the Liquid Warping GAN at work: the whole person is painted by the networks."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.generators.liquid_warping import SID, TSF, read_once, unit
from motion_imitate.geometry.flow import correspond
from motion_imitate.types import Drawn, Source, View


@dataclass(frozen=True)
class Painting:
    size: int = 256  # pixels of the longer side at which photos are looked at


@dataclass(frozen=True)
class Known:
    """What is kept of N photos."""

    features: Sequence[Float[Tensor, "N _ _ _"]]
    person: Float[Tensor, "1 N 3 h w"]  # the photos without what is behind the person, in [-1, 1]
    view: View


class Painter:
    """A Generator. `middles` says where in the texture each face is."""

    def __init__(self, source: SID, target: TSF, middles: Float[Tensor, "F 2"], how: Painting = Painting()) -> None:
        self.source, self.target, self.middles, self.how = source.eval(), target.eval(), middles, how

    @torch.no_grad()
    def encode(self, source: Source) -> Known:
        size = self.size(source.image)
        alone = (2 * source.image - 1) * source.matte  # before it is drawn smaller: so what is behind does not seep in
        person = resized(alone, size, mode="bilinear", align_corners=False, antialias=True)
        shown = resized(surface(source.view, self.middles), size, mode="nearest-exact")
        return Known(self.source.features(torch.cat([person, shown], 1)), person[None], source.view)

    def size(self, image: Float[Tensor, "N 3 H W"]) -> tuple[int, int]:
        """At which photos are looked at; the networks halve it several times."""
        step, longer = self.source.glass.net.step, max(image.shape[2:])
        height, width = (max(1, round(side * self.how.size / longer / step)) * step for side in image.shape[2:])
        return height, width

    @torch.no_grad()
    def draw(self, code: Known, target: View) -> Drawn:
        flows, valid = ways(code.view, target)
        picture = torch.cat([read_once(code.person, flows, valid), surface(target, self.middles)], 1)
        heads = self.target(picture, code.features, flows, valid)
        return Drawn(
            unit(heads.colour.tanh()),
            heads.cover.sigmoid(),
            flows,
            torch.zeros_like(flows[..., 0]),
            torch.zeros_like(heads.cover),
        )


def ways(source: View, target: View) -> tuple[Float[Tensor, "B N H W 2"], Bool[Tensor, "B N H W"]]:
    """Where each photo shows what a view shows, and where the view shows the body at all. As in the papers, what a
    photo hides is read there all the same."""
    flows = torch.stack([correspond(source[n : n + 1], target)[..., :2] for n in range(len(source))], 1)
    return flows, (target.raster.face >= 0)[:, None].expand(flows.shape[:-1])


def middles(uv: Float[Tensor, "F 3 2"]) -> Float[Tensor, "F 2"]:
    """A place for each face in the texture, from its top: the middle of the face's first edge, as in the paper's
    code."""
    across, up = uv[:, :2].mean(1).unbind(-1)
    return torch.stack([across, 1 - up], -1)


def surface(view: View, middles: Float[Tensor, "F 2"]) -> Float[Tensor, "B 3 H W"]:
    """What a view shows: the place in the texture of the face that each pixel sees, and 1 where it sees none."""
    face = view.raster.face[:, None]
    place = middles.T[:, face[:, 0].clamp(min=0)].transpose(0, 1)
    return torch.cat([place.masked_fill(face < 0, 0), (face < 0).to(place)], 1)
