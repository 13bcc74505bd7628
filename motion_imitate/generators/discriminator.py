"""The patch discriminator that generators are trained against."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Layers of the discriminator."""

    inputs: int = 6  # an image and the surface map it should show
    width: int = 64
    halvings: int = 4
    widest: int = 8  # largest multiple of the width
    slope: float = 0.2


class Discriminator(nn.Module):
    """The conditional PatchGAN of the Liquid Warping GAN. Images are in [-1, 1]; the target score is 1 for a real
    patch, -1 for a generated one."""

    def __init__(self, how: DiscriminatorConfig = DiscriminatorConfig()) -> None:
        super().__init__()
        widths = [how.width * min(2**k, how.widest) for k in range(how.halvings + 1)]
        layers: list[nn.Module] = [nn.Conv2d(how.inputs, widths[0], 4, 2, 1), nn.LeakyReLU(how.slope, inplace=True)]
        for k in range(how.halvings):
            stride = 2 if k + 1 < how.halvings else 1
            layers += [
                nn.Conv2d(widths[k], widths[k + 1], 4, stride, 1),
                nn.InstanceNorm2d(widths[k + 1]),
                nn.LeakyReLU(how.slope, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        for part in self.layers:
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, std=0.02)

    def forward(self, picture: Float[Tensor, "B I H W"]) -> Float[Tensor, "B 1 h w"]:
        return self.layers(picture)
