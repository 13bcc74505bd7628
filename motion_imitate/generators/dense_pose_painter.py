"""Draw with Dense Pose Transfer: networks paint the person from textures of the body's parts."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from motion_imitate.generators.dense_pose_transfer import DensePoseNetworks
from motion_imitate.generators.part_atlas import LEAST_SHARE, read_atlas, scatter_to_atlas
from motion_imitate.generators.person_canvas import drawn_over_grey, window_around
from motion_imitate.types import Drawn, Raster, Source, View


@dataclass(frozen=True)
class DensePoseCode:
    """What `DensePosePainter.encode` keeps of the photos."""

    photo: Float[Tensor, "1 3 h w"]  # the first one, cropped to the person, over grey
    surface: Float[Tensor, "1 3 h w"]
    texture: Float[Tensor, "1 24 3 a a"]  # from all photos, completed


class DensePosePainter:
    """A Generator whose networks paint every pixel of the person, at a small size.

    `parts` and `iuv` are those of the body model. `size` is the longer side of the networks' pictures in pixels.
    """

    def __init__(
        self, networks: DensePoseNetworks, parts: Int[Tensor, " F"], iuv: Float[Tensor, "F 3 2"], size: int = 128
    ) -> None:
        self.networks, self.parts, self.iuv, self.size = networks.eval(), parts, iuv, size

    @torch.no_grad()
    def encode(self, source: Source) -> DensePoseCode:
        """Collect the textures that the photos show, and complete them, once."""
        surfaces = part_surface_map(source.view.raster, self.parts, self.iuv)
        crops = [self.crop_person(source[n : n + 1], surfaces[n : n + 1]) for n in range(len(source.image))]
        side = self.networks.config.atlas
        found = [scatter_to_atlas(photo, surface, matte, side) for photo, surface, matte in crops]
        weight = torch.stack([seen for _, seen in found]).sum(0)
        colour = torch.stack([colour * seen for colour, seen in found]).sum(0) / weight.clamp(min=LEAST_SHARE)
        texture = self.networks.complete_texture(colour, weight.clamp(max=1))
        return DensePoseCode(crops[0][0], crops[0][1], texture)

    def crop_person(
        self, photo: Source, surface: Float[Tensor, "1 3 a b"]
    ) -> tuple[Float[Tensor, "1 3 h w"], Float[Tensor, "1 3 h w"], Float[Tensor, "1 1 h w"]]:
        """The photo over grey, its surface map and its matte, around the body and at the networks' size."""
        size = (photo.image.shape[2], photo.image.shape[3])
        surface = interpolate(surface, size, mode="nearest-exact")
        rows, columns = window_around(surface[0, 0] > 0)
        image, matte, surface = (x[..., rows, columns] for x in (photo.image, photo.matte, surface))
        size = self.network_size((image.shape[2], image.shape[3]))
        person = torch.cat([(2 * image - 1) * matte, matte], 1)
        person = interpolate(person, size, mode="bilinear", align_corners=False, antialias=True)
        return person[:, :3], interpolate(surface, size, mode="nearest-exact"), person[:, 3:]

    def network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width for the networks: multiples of their step, about as long as trained."""
        config = self.networks.config
        step = max(config.predictive.step, config.blending.step)
        height, width = (max(1, round(side * self.size / max(size) / step)) * step for side in size)
        return height, width

    @torch.no_grad()
    def draw(self, code: DensePoseCode, target: View) -> Drawn:
        """Paint each view."""
        whole = part_surface_map(target.raster, self.parts, self.iuv)
        size = (whole.shape[2], whole.shape[3])
        surface = interpolate(whole, self.network_size(size), mode="nearest-exact")
        photo, source = self.resized_photo(code, surface)
        warped = read_atlas(code.texture.expand(len(surface), -1, -1, -1, -1), surface)
        drawn = self.networks.blend(self.networks.predict(photo, source, surface), warped, surface)
        both = torch.cat(drawn_over_grey(drawn, (surface[:, :1] > 0).to(drawn)), 1)
        both = interpolate(both, size, mode="bilinear", align_corners=False)
        return Drawn(both[:, :3], both[:, 3:])

    def resized_photo(
        self, code: DensePoseCode, surface: Float[Tensor, "B 3 h w"]
    ) -> tuple[Float[Tensor, "B 3 h w"], Float[Tensor, "B 3 h w"]]:
        """The photo and its surface map at the size of views, once for each."""
        size, views = (surface.shape[2], surface.shape[3]), len(surface)
        photo = interpolate(code.photo, size, mode="bilinear", align_corners=False)
        source = interpolate(code.surface, size, mode="nearest-exact")
        return photo.expand(views, -1, -1, -1), source.expand(views, -1, -1, -1)


def part_surface_map(raster: Raster, parts: Int[Tensor, " F"], iuv: Float[Tensor, "F 3 2"]) -> Float[Tensor, "B 3 H W"]:
    """Part, u and v at each pixel; 0 where there is no body."""
    face, there = raster.face.clamp(min=0), raster.face >= 0
    place = (iuv[face] * raster.weights[..., None]).sum(3)
    surface = torch.cat([parts[face][..., None].to(place), place], 3) * there[..., None]
    return surface.permute(0, 3, 1, 2)
