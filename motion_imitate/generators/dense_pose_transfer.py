"""Dense Pose Transfer: one network predicts the person in the target pose, textures of the body's parts carry the
photo's pixels there, and a third network blends both.

Pictures are in [-1, 1], the person over grey (0). Surface maps are those of `part_atlas`. Besides the published three
channels, the networks may return a fourth: the logit of the person's alpha.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate.generators.hourglass import Hourglass, HourglassConfig
from motion_imitate.generators.part_atlas import ATLAS_PARTS, read_atlas, scatter_to_atlas
from motion_imitate.types import Batched

SURFACE_CHANNELS = 3  # part, u, v
INPAINTING_INPUTS = ATLAS_PARTS * (3 + 1)  # colour, and how far it is seen


@dataclass(frozen=True)
class DensePoseConfig:
    """Layers of the networks; stored with their weights."""

    predictive: HourglassConfig
    inpainting: HourglassConfig  # one auto-encoder for each part, as groups of one network
    blending: HourglassConfig
    atlas: int  # texels of a part's texture each way
    keeps_seen: bool  # whether completed textures keep the texels that the photo shows


JOHNSON_NETWORK = HourglassConfig(  # the papers say no more than the type and the number of its residual blocks
    inputs=3 + 2 * SURFACE_CHANNELS,
    outputs=3,
    down=(2, 4),
    blocks=6,
    up=(2, 1),
    skips=False,
    norm="instance",
    biased=("stem", "down", "block", "up", "head"),
)
SMALL_NETWORK = HourglassConfig(
    inputs=3 + 2 * SURFACE_CHANNELS,
    outputs=4,
    width=16,
    fold=2,
    stem=2,
    down=(4, 6, 6),
    blocks=6,
    up=(6, 4, 2),
    norm="none",
    biased=("stem", "down", "block", "up", "merge", "head"),
    stem_kernel=3,
    up_kernel=1,
    head_kernel=3,
    deviation=0.0,
)


def inpaint_part_textures(network: HourglassConfig, width: int) -> HourglassConfig:
    """The layers of a network, for each part of the body."""
    return replace(
        network, inputs=INPAINTING_INPUTS, outputs=3 * ATLAS_PARTS, width=width * ATLAS_PARTS, groups=ATLAS_PARTS
    )


DENSE_POSE_FORMS = {
    "published": DensePoseConfig(
        predictive=JOHNSON_NETWORK,
        inpainting=inpaint_part_textures(JOHNSON_NETWORK, 16),
        blending=JOHNSON_NETWORK,
        atlas=64,
        keeps_seen=False,
    ),
    "small": DensePoseConfig(
        predictive=SMALL_NETWORK,
        inpainting=inpaint_part_textures(
            replace(
                SMALL_NETWORK, stem=1, down=(2, 4), blocks=2, up=(2, 1), skips=False, biased=JOHNSON_NETWORK.biased
            ),
            8,
        ),
        blending=replace(SMALL_NETWORK, inputs=4 + 3 + SURFACE_CHANNELS, down=(3, 4), blocks=3, up=(3, 2)),
        atlas=32,
        keeps_seen=True,
    ),
}


@dataclass(frozen=True)
class DensePoseOutput(Batched):
    """What the networks make of pairs."""

    predicted: Float[Tensor, "B O H W"]
    texture: Float[Tensor, "B 24 3 a a"]  # completed
    warped: Float[Tensor, "B 3 H W"]  # the texture at the target's surface
    drawn: Float[Tensor, "B O H W"]


class DensePoseNetworks(nn.Module):
    """The predictive, inpainting and blending networks."""

    def __init__(self, config: DensePoseConfig) -> None:
        super().__init__()
        self.config = config
        self.predictive, self.inpainting = Hourglass(config.predictive), Hourglass(config.inpainting)
        self.blending = Hourglass(config.blending)

    def complete_texture(
        self, colour: Float[Tensor, "B 24 3 a a"], seen: Float[Tensor, "B 24 1 a a"]
    ) -> Float[Tensor, "B 24 3 a a"]:
        """Textures completed, from what photos show and how far they show each texel."""
        made = self.inpainting(torch.cat([colour, seen], 2).flatten(1, 2)).unflatten(1, (ATLAS_PARTS, 3)).tanh()
        return torch.lerp(made, colour.to(made), seen.to(made)) if self.config.keeps_seen else made

    def predict(
        self, photo: Float[Tensor, "B 3 H W"], source: Float[Tensor, "B 3 H W"], target: Float[Tensor, "B 3 H W"]
    ) -> Float[Tensor, "B O H W"]:
        """The person in the target pose, from the photo and both surface maps."""
        return activate_colours(self.predictive(torch.cat([photo, scale_parts(source), scale_parts(target)], 1)))

    def blend(
        self, predicted: Float[Tensor, "B O H W"], warped: Float[Tensor, "B 3 H W"], target: Float[Tensor, "B 3 H W"]
    ) -> Float[Tensor, "B O H W"]:
        """The final picture."""
        return activate_colours(self.blending(torch.cat([predicted, warped.to(predicted), scale_parts(target)], 1)))

    def forward(
        self,
        photo: Float[Tensor, "B 3 H W"],
        source: Float[Tensor, "B 3 H W"],
        target: Float[Tensor, "B 3 H W"],
        share: Float[Tensor, "B 1 H W"],
    ) -> DensePoseOutput:
        """All results, for photos, the surface maps of photos and targets, and the photos' mattes."""
        texture = self.complete_texture(*scatter_to_atlas(photo, source, share, self.config.atlas))
        predicted, warped = self.predict(photo, source, target), read_atlas(texture, target)
        return DensePoseOutput(predicted, texture, warped, self.blend(predicted, warped, target))


def scale_parts(surface: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """A surface map with all channels in [0, 1]."""
    return surface / surface.new_tensor([ATLAS_PARTS, 1, 1])[:, None, None]


def activate_colours(drawn: Float[Tensor, "B O H W"]) -> Float[Tensor, "B O H W"]:
    """The colours in [-1, 1]; an alpha stays a logit."""
    return torch.cat([drawn[:, :3].tanh(), drawn[:, 3:]], 1)
