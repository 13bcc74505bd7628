"""Turn labelled pictures into photo-like training samples: backgrounds, crops, light, lenses, codecs; on any device."""

from dataclasses import dataclass, fields
from functools import lru_cache
from math import pi

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from motion_imitate.avatar.parsing_net import ParsingInput, encode_body_parts, mirrored_body_codes
from motion_imitate.synthesis.labels import SWAPPED_LAYERS
from motion_imitate.synthesis.shard_coding import LabelledPictures

MIRRORED_CODES: tuple[int, ...] = tuple(mirrored_body_codes().tolist())
PICTURE_BOX = (-1.0, -1.0, 1.0, 1.0)  # left, top, right and bottom in image points
NIGHT_TINT = (1.1, 0.95, 0.78)  # of lamps at night


@dataclass(frozen=True)
class FigureBatch:
    """Pictures of people over black, as bytes, on one device."""

    colour: UInt8[Tensor, "N 3 H W"]
    alpha: UInt8[Tensor, "N H W"]
    layer: UInt8[Tensor, "N H W"]
    kind: UInt8[Tensor, "N H W"]
    code: UInt8[Tensor, "N H W"]
    depth: UInt8[Tensor, "N H W"]

    def select(self, index: Tensor) -> "FigureBatch":
        """The pictures of these indices."""
        return FigureBatch(*(getattr(self, f.name)[index] for f in fields(self)))


@dataclass(frozen=True)
class ParsingSamples:
    """A batch of network inputs with their ground truth."""

    inputs: ParsingInput
    layer: UInt8[Tensor, "B H W"]
    kind: UInt8[Tensor, "B H W"]
    alpha: Float[Tensor, "B 1 H W"]
    valid: Float[Tensor, "B 1 H W"]  # 0 outside the photo


@dataclass(frozen=True)
class PhotoDamage:
    """Probabilities and strengths of the degradations."""

    flip: float = 0.5
    turn: float = 7.0  # degrees, standard deviation
    edge: float = 0.38  # the photo cuts the person off
    zoom: float = 0.08
    shift: float = 0.03
    crowd: float = 0.2  # somebody else in the background
    mixed: float = 0.3  # two scenes in one background
    clash: float = 0.25  # background in the person's colours
    shadow: float = 0.4
    grey: float = 0.05
    night: float = 0.14  # dark, of low contrast, tinted and noisy
    backlit: float = 0.1  # the person much darker than the background
    lamp: float = 0.18  # a strong light or shade on a part of the photo
    blur: float = 0.5
    sharp: float = 0.15
    noise: float = 0.5
    jpeg: float = 0.5
    bar: float = 0.05  # something in front of the person, from an edge
    no_body: float = 0.08
    no_matte: float = 0.3
    body_shift: float = 0.01


def encode_figures(pictures: LabelledPictures) -> FigureBatch:
    """What training needs of pictures; body parts become body codes."""
    code = encode_body_parts(pictures.seen_part)
    return FigureBatch(pictures.colour, pictures.alpha, pictures.layer, pictures.kind, code, pictures.seen_depth)


class BatchRandom:
    """Random numbers for a batch, from one generator on its device."""

    def __init__(self, generator: torch.Generator, count: int) -> None:
        self.generator, self.count, self.device = generator, count, generator.device

    def uniform(self, low: float = 0.0, high: float = 1.0, *size: int) -> Tensor:
        """Uniform numbers, [B, *size]."""
        values = torch.rand(self.count, *size, generator=self.generator, device=self.device)
        return low + (high - low) * values

    def normal(self, *size: int) -> Tensor:
        """Standard normal numbers, [B, *size]."""
        return torch.randn(self.count, *size, generator=self.generator, device=self.device)

    def chance(self, probability: float) -> Bool[Tensor, " B"]:
        """True with a probability, for each item."""
        return self.uniform() < probability

    def smooth_field(self, size: tuple[int, int], cells: int, channels: int = 1) -> Float[Tensor, "B C H W"]:
        """Smooth random images, roughly standard normal."""
        rough = torch.randn(
            self.count, channels, cells + 2, max(2, cells * 3 // 4) + 2, generator=self.generator, device=self.device
        )
        return F.interpolate(rough, size, mode="bicubic", align_corners=False) * 1.3


@lru_cache(maxsize=64)
def constant_on_device(values: tuple[float, ...], device: torch.device) -> Float[Tensor, " N"]:
    """Numbers as a tensor on a device; cached, because a copy to a GPU waits for all its work."""
    return torch.tensor(values, dtype=torch.float32, device=device)


@lru_cache(maxsize=64)
def label_table_on_device(values: tuple[int, ...], device: torch.device) -> UInt8[Tensor, " N"]:
    """A table of labels on a device; cached, see `constant_on_device`."""
    return torch.tensor(values, dtype=torch.uint8, device=device)


def slide_maximum(images: Float[Tensor, "B C H W"], side: int) -> Float[Tensor, "B C H W"]:
    """Maximum over a square around each pixel, along one axis after the other."""
    reach = side // 2
    across = F.max_pool2d(images, (1, side), 1, (0, reach))
    return F.max_pool2d(across, (side, 1), 1, (reach, 0))


def expand_per_image(values: Tensor) -> Float[Tensor, "B 1 1 1"]:
    """One number per image, ready to be multiplied with images."""
    return values.float()[:, None, None, None]


@torch.no_grad()
def make_parsing_samples(
    figures: FigureBatch, scenes: UInt8[Tensor, "S 3 H W"], random: BatchRandom, how: PhotoDamage = PhotoDamage()
) -> ParsingSamples:
    """One batch: each figure once, in front of random scenes."""
    size = (figures.alpha.shape[1], figures.alpha.shape[2])
    ends = sample_photo_edges(figures, random, how)
    grid, level = sample_crop_grid(figures, ends, random, how)
    colour, alpha, layer, kind = warp_figures(figures, grid, random, how)
    code, depth = warp_body_maps(figures, grid, random, how)
    inside = photo_mask(level, ends)
    flipped = random.chance(how.flip)
    maps = [flip_chosen(x, flipped) for x in (colour, alpha, inside)]
    colour, alpha, inside = maps[0], maps[1], maps[2]
    layer, kind, code, depth = (flip_chosen(x, flipped) for x in (layer, kind, code, depth))
    layer = torch.where(flipped[:, None, None], map_labels(layer, SWAPPED_LAYERS), layer)
    code = torch.where(flipped[:, None, None], map_labels(code, MIRRORED_CODES), code)
    colour = tint_figures(colour, alpha, random, how)
    behind, other = compose_background(figures, scenes, colour, alpha, random, how)
    photo = colour + (1 - alpha) * behind
    bar = sample_foreground_bars(random, size, how)
    photo = torch.where(bar, behind.flip(2), photo)
    alpha, layer, kind = alpha * ~bar, layer * ~bar[:, 0], kind * ~bar[:, 0]
    photo = damage_photo(photo, random, how)
    matte, matted = damage_matte(alpha, other, random, how)
    body = (~random.chance(how.no_body)).float()
    inputs = ParsingInput(
        colour=photo * inside,
        inside=inside,
        body_code=code,
        depth=depth,
        has_body=body,
        matte=matte * inside,
        has_matte=matted,
    )
    return ParsingSamples(inputs, layer, kind, alpha, inside)


def map_labels(labels: UInt8[Tensor, "B H W"], table: tuple[int, ...]) -> UInt8[Tensor, "B H W"]:
    """Labels replaced by a table."""
    return label_table_on_device(table, labels.device)[labels.long()]


def flip_chosen(values: Tensor, flipped: Bool[Tensor, " B"]) -> Tensor:
    """Mirror the chosen images."""
    return torch.where(flipped.view(-1, *[1] * (values.dim() - 1)), values.flip(-1), values)


def find_figure_box(visible: Bool[Tensor, "B H W"]) -> Float[Tensor, "B 4"]:
    """Left, top, right and bottom of what is visible, in image points; the whole picture where nothing is."""
    ends = []
    for axis in (1, 2):
        line = visible.any(axis).float()
        count = line.shape[1]
        low = line.argmax(1)
        high = count - line.flip(1).argmax(1)
        ends += [low / count * 2 - 1, high / count * 2 - 1]
    box = torch.stack([ends[0], ends[2], ends[1], ends[3]], 1)
    whole = constant_on_device(PICTURE_BOX, box.device)
    return torch.where(visible.flatten(1).any(1)[:, None], box, whole)


def sample_photo_edges(figures: FigureBatch, random: BatchRandom, how: PhotoDamage) -> Float[Tensor, "B 4"]:
    """Where the photo ends, in the picture's image points: outside the picture unless it cuts the person."""
    visible = figures.alpha > 25
    box = find_figure_box(visible)
    left, top, right, bottom = box.unbind(1)
    whole = constant_on_device(PICTURE_BOX, box.device)
    touched = (box.abs() > 0.985) & (box.sign() == whole)
    away = random.uniform(0.05, 2.0, 4) * whole
    ends = torch.where(touched, whole, box + away * 0.5)
    cut = random.chance(how.edge)
    waist = top + (bottom - top) * random.uniform(0.35, 0.9)
    ends[:, 3] = torch.where(cut, waist, ends[:, 3])
    side = cut & random.chance(0.15)
    ends[:, 2] = torch.where(side, left + (right - left) * random.uniform(0.6, 0.95), ends[:, 2])
    head = cut & random.chance(0.1)
    ends[:, 1] = torch.where(head, top + (bottom - top) * random.uniform(0.02, 0.2), ends[:, 1])
    return ends


def sample_crop_grid(
    figures: FigureBatch, ends: Float[Tensor, "B 4"], random: BatchRandom, how: PhotoDamage
) -> tuple[Float[Tensor, "B H W 2"], Float[Tensor, "B H W 2"]]:
    """Sampling grids of crops around the person, shifted, scaled and rotated; and the same unrotated."""
    height, width = figures.alpha.shape[1:]
    box = find_figure_box(figures.alpha > 25)
    low = torch.maximum(box[:, :2], ends[:, :2])
    high = torch.minimum(box[:, 2:], ends[:, 2:])
    fill = random.uniform(0.78, 0.98)
    half = ((high - low) / 2).clamp(min=0.05).amax(1) / fill * (how.zoom * random.normal()).exp()
    middle = (low + high) / 2 + half[:, None] * how.shift * 2 * random.normal(2)
    angle = random.normal() * how.turn * pi / 180 * (1 + 2 * random.chance(0.1))
    y, x = torch.meshgrid(
        (torch.arange(height, device=random.device) + 0.5) / height * 2 - 1,
        (torch.arange(width, device=random.device) + 0.5) / width * 2 - 1,
        indexing="ij",
    )
    aspect = width / height
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    across = cos * x * aspect - sin * y
    down = sin * x * aspect + cos * y
    wobble = random.normal() * 0.05
    grid = torch.stack([across / aspect * wobble.exp()[:, None, None], down], -1)
    level = torch.stack([x, y], -1) * half[:, None, None, None]
    return middle[:, None, None] + grid * half[:, None, None, None], middle[:, None, None] + level


def sample_grid(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    """Sample images at a grid, zero outside them."""
    return F.grid_sample(values, grid, mode=mode, padding_mode="zeros", align_corners=False)


def warp_figures(
    figures: FigureBatch, grid: Float[Tensor, "B H W 2"], random: BatchRandom, how: PhotoDamage
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Colour, alpha, layer and kind of the figures at a grid."""
    both = torch.cat([figures.colour, figures.alpha[:, None]], 1).float() / 255
    seen = sample_grid(both, grid, "bilinear")
    labels = torch.stack([figures.layer, figures.kind], 1).float()
    found = sample_grid(labels, grid, "nearest").round().to(torch.uint8)
    return seen[:, :3], seen[:, 3:], found[:, 0], found[:, 1]


def warp_body_maps(
    figures: FigureBatch, grid: Float[Tensor, "B H W 2"], random: BatchRandom, how: PhotoDamage
) -> tuple[Tensor, Tensor]:
    """Body code and depth at a grid, with some more error in position and size."""
    off = random.normal(1, 1, 2) * how.body_shift
    size = (random.normal(1, 1, 1) * 0.015).exp()
    maps = torch.stack([figures.code, figures.depth], 1).float()
    found = sample_grid(maps, grid * size + off, "nearest").round().to(torch.uint8)
    return found[:, 0], found[:, 1]


def photo_mask(grid: Float[Tensor, "B H W 2"], ends: Float[Tensor, "B 4"]) -> Float[Tensor, "B 1 H W"]:
    """1 where a grid lies inside the photo."""
    low, high = ends[:, None, None, :2], ends[:, None, None, 2:]
    return ((grid >= low) & (grid <= high)).all(-1)[:, None].float()


def tint_figures(colour: Tensor, alpha: Tensor, random: BatchRandom, how: PhotoDamage) -> Tensor:
    """Light the person differently from the background."""
    backlit = expand_per_image(random.chance(how.backlit))
    straight = (colour / alpha.clamp(min=1e-3)).clamp(0, 1)
    gamma = (0.25 * random.normal(1, 1, 1)).exp()
    gain = (
        0.15 * random.normal(1, 1, 1)
        + 0.05 * random.normal(3, 1, 1)
        - 1.6 * backlit * random.uniform(0.3, 1.0, 1, 1, 1)
    ).exp()
    grey = straight.mean(1, keepdim=True)
    vivid = random.uniform(0.5, 1.4, 1, 1, 1)
    straight = (grey + vivid * (straight - grey)).clamp(1e-4, 1) ** gamma * gain
    soft = random.smooth_field((colour.shape[2], colour.shape[3]), 3) * 0.12 * expand_per_image(random.chance(0.5))
    return (straight * soft.exp()).clamp(0, 1) * alpha


def compose_background(
    figures: FigureBatch, scenes: Tensor, colour: Tensor, alpha: Tensor, random: BatchRandom, how: PhotoDamage
) -> tuple[Tensor, Tensor]:
    """Mixed and blurred scenes, sometimes with a bystander; and the bystander's alpha."""
    size = (alpha.shape[2], alpha.shape[3])
    first, second = sample_scenes(scenes, random, size), sample_scenes(scenes, random, size)
    share = (random.smooth_field(size, 4) * 8).sigmoid() * expand_per_image(random.chance(how.mixed))
    behind = first + share * (second - first)
    fine = random.smooth_field(size, 48) * 0.08 + random.smooth_field(size, 16, 3) * 0.05
    behind = behind + fine * expand_per_image(random.chance(0.3)) * random.uniform(0.0, 1.5, 1, 1, 1)
    whole = alpha.sum((2, 3), keepdim=True).clamp(min=1)
    person = colour.sum((2, 3), keepdim=True) / whole
    scene = behind.mean((2, 3), keepdim=True)
    near = expand_per_image(random.chance(how.clash)) * random.uniform(0.4, 1.0, 1, 1, 1)
    behind = behind + near * (person - scene)
    behind = blur_images(behind, random.uniform(0.0, 3.0) * random.chance(0.5))
    order = torch.randperm(random.count, generator=random.generator, device=random.device)
    where = random.normal(1, 1, 2) * 0.7
    scale = random.uniform(0.7, 1.8, 1, 1, 1)
    base = F.affine_grid(
        torch.eye(2, 3, device=random.device).expand(random.count, -1, -1),
        [random.count, 1, *size],
        align_corners=False,
    )
    both = torch.cat([figures.colour[order], figures.alpha[order, None]], 1).float() / 255
    bystander = sample_grid(both, base * scale + where, "bilinear") * expand_per_image(random.chance(how.crowd))
    behind = bystander[:, :3] + (1 - bystander[:, 3:]) * behind
    spread = F.avg_pool2d(F.avg_pool2d(alpha, (15, 1), 1, (7, 0)), (1, 15), 1, (0, 7))
    cast = (
        torch.roll(spread, (6, 4), (2, 3))
        * expand_per_image(random.chance(how.shadow))
        * random.uniform(0.1, 0.7, 1, 1, 1)
    )
    return (behind * (1 - cast)).clamp(0, 1), bystander[:, 3:]


def sample_scenes(scenes: Tensor, random: BatchRandom, size: tuple[int, int]) -> Tensor:
    """Random parts of scenes, some mirrored."""
    index = torch.randint(len(scenes), (random.count,), generator=random.generator, device=random.device)
    scale = random.uniform(0.25, 1.0)
    sign = 1 - 2 * random.chance(0.5).float()
    shift = (1 - scale[:, None]) * (random.uniform(0.0, 1.0, 2) * 2 - 1)
    zero = torch.zeros_like(scale)
    matrix = torch.stack(
        [torch.stack([scale * sign, zero, shift[:, 0]], 1), torch.stack([zero, scale, shift[:, 1]], 1)], 1
    )
    grid = F.affine_grid(matrix, [random.count, 3, *size], align_corners=False)
    found = F.grid_sample(scenes[index].float() / 255, grid, padding_mode="reflection", align_corners=False)
    gamma = (0.3 * random.normal(1, 1, 1)).exp()
    return found.clamp(1e-4, 1) ** gamma * (0.1 * random.normal(3, 1, 1)).exp()


def sample_foreground_bars(random: BatchRandom, size: tuple[int, int], how: PhotoDamage) -> Bool[Tensor, "B 1 H W"]:
    """Masks of something in front of the person, from below or from a side."""
    y = (torch.arange(size[0], device=random.device) / size[0])[None, None, :, None]
    x = (torch.arange(size[1], device=random.device) / size[1])[None, None, None, :]
    tilt = random.normal(1, 1, 1) * 0.15
    low = y + tilt * (x - 0.5) > random.uniform(0.6, 0.95, 1, 1, 1)
    side = x + tilt * (y - 0.5) > random.uniform(0.75, 0.98, 1, 1, 1)
    below = random.chance(0.6)[:, None, None, None]
    return torch.where(below, low, side) & random.chance(how.bar)[:, None, None, None]


def blur_images(images: Float[Tensor, "B C H W"], sigma: Float[Tensor, " B"], reach: int = 6) -> Tensor:
    """Gaussian blur with one sigma per image."""
    count, channels = images.shape[:2]
    step = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-0.5 * (step / sigma.clamp(min=0.05)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None]
    flat = images.reshape(1, count * channels, *images.shape[2:])
    flat = F.pad(flat, [reach] * 4, mode="replicate")
    flat = F.conv2d(flat, kernel[..., None], groups=count * channels)
    return F.conv2d(flat, kernel[:, :, None], groups=count * channels).view_as(images)


def damage_photo(photo: Float[Tensor, "B 3 H W"], random: BatchRandom, how: PhotoDamage) -> Float[Tensor, "B 3 H W"]:
    """Effects of light, lenses, sensors and codecs."""
    size = (photo.shape[2], photo.shape[3])
    light = random.smooth_field(size, 2) * random.uniform(0.0, 0.25, 1, 1, 1)
    photo = photo * light.exp() * (0.12 * random.normal(1, 1, 1) + 0.05 * random.normal(3, 1, 1)).exp()
    photo = light_part_of_photo(photo, random, how)
    photo, night = darken_photo(photo.clamp(1e-4, 1) ** (0.2 * random.normal(1, 1, 1)).exp(), random, how)
    grey = photo.mean(1, keepdim=True)
    vivid = random.uniform(0.6, 1.4) * ~random.chance(how.grey)
    photo = grey + expand_per_image(vivid) * (photo - grey)
    contrast, middle = random.uniform(0.7, 1.25, 1, 1, 1), photo.mean((1, 2, 3), keepdim=True)
    photo = middle + contrast * (photo - middle)
    return degrade_pixels(photo, night, random, how)


def degrade_pixels(
    photo: Float[Tensor, "B 3 H W"], noisy: Bool[Tensor, " B"], random: BatchRandom, how: PhotoDamage
) -> Float[Tensor, "B 3 H W"]:
    """Effects that leave the light as it is: blur or sharpening, noise (always where `noisy`) and JPEG."""
    size = (photo.shape[2], photo.shape[3])
    blurred = blur_images(photo, random.uniform(0.3, 1.8))
    soft, sharp = (
        expand_per_image(random.chance(how.blur)),
        expand_per_image(random.chance(how.sharp)) * random.uniform(0.3, 1.2, 1, 1, 1),
    )
    photo = photo + (soft - sharp * (1 - soft)) * (blurred - photo)
    strong = expand_per_image(random.uniform(0.0, 0.06) * (random.chance(how.noise) | noisy))
    grain = torch.randn(photo.shape, generator=random.generator, device=random.device)
    coarse = F.interpolate(grain[:, :, ::2, ::2], size, mode="bilinear", align_corners=False)
    photo = (photo + strong * (0.7 * grain + 0.7 * coarse)).clamp(0, 1)
    quality = random.uniform(0.0, 1.0)
    return torch.where(random.chance(how.jpeg)[:, None, None, None], simulate_jpeg(photo, quality), photo).clamp(0, 1)


def light_part_of_photo(
    photo: Float[Tensor, "B 3 H W"], random: BatchRandom, how: PhotoDamage
) -> Float[Tensor, "B 3 H W"]:
    """A lamp's light or a shade that falls on an oval part of some photos."""
    y, x = (torch.linspace(-1, 1, n, device=random.device) for n in photo.shape[2:])
    middle, size = random.uniform(-1.1, 1.1, 2, 1, 1), random.uniform(0.2, 0.9, 2, 1, 1)
    away = ((x - middle[:, 0]) / size[:, 0]).square() + ((y[:, None] - middle[:, 1]) / size[:, 1]).square()
    lit = (1 - away).mul(random.uniform(1.0, 8.0, 1, 1)).sigmoid()[:, None]
    strength = random.uniform(-1.3, 1.0, 1, 1, 1) * expand_per_image(random.chance(how.lamp))
    return photo * (strength * lit + 0.1 * strength * random.normal(3, 1, 1)).exp()


def darken_photo(
    photo: Float[Tensor, "B 3 H W"], random: BatchRandom, how: PhotoDamage
) -> tuple[Float[Tensor, "B 3 H W"], Bool[Tensor, " B"]]:
    """Some photos as if taken at night; and which."""
    night = random.chance(how.night)
    gamma, gain = random.uniform(1.0, 1.8, 1, 1, 1), random.uniform(0.22, 0.75, 1, 1, 1)
    warm = constant_on_device(NIGHT_TINT, photo.device)[:, None, None] ** random.normal(1, 1, 1)
    dark = photo.clamp(0, 1) ** gamma * gain * warm + random.uniform(0.0, 0.06, 1, 1, 1)
    return torch.where(night[:, None, None, None], dark, photo), night


LUMA_MATRIX = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
RGB_MATRIX: tuple[float, ...] = tuple(torch.linalg.inv(torch.tensor(LUMA_MATRIX)).flatten().tolist())  # its inverse


def simulate_jpeg(photo: Float[Tensor, "B 3 H W"], quality: Float[Tensor, " B"]) -> Float[Tensor, "B 3 H W"]:
    """JPEG-like compression: the cosine transform of 8 x 8 blocks, quantised. `quality`: 0 to 1."""
    count, _, height, width = photo.shape
    to_luma = constant_on_device(sum(LUMA_MATRIX, ()), photo.device).view(3, 3)
    from_luma = constant_on_device(RGB_MATRIX, photo.device).view(3, 3)
    ycc = torch.einsum("kc,bchw->bkhw", to_luma, photo - 0.5)
    step = torch.arange(8, device=photo.device).float()
    basis = torch.cos((2 * step + 1) * step[:, None] * pi / 16) * 0.5
    basis[0] /= 2**0.5
    blocks = ycc.view(count, 3, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)
    waves = basis @ blocks @ basis.T
    coarse = (0.02 + 0.018 * (step[:, None] + step)) * (
        1 + constant_on_device((0.0, 1.0, 1.0), photo.device)[:, None, None]
    )
    table = coarse * (3.0 ** (2 * (1 - quality) - 1.2))[:, None, None, None] * 0.8
    table = table[:, :, None, None]
    back = basis.T @ (torch.round(waves / table) * table) @ basis
    ycc = back.permute(0, 1, 2, 4, 3, 5).reshape(photo.shape)
    return torch.einsum("ck,bkhw->bchw", from_luma, ycc) + 0.5


def damage_matte(alpha: Tensor, other: Tensor, random: BatchRandom, how: PhotoDamage) -> tuple[Tensor, Tensor]:
    """Mattes as a coarse estimator gives them: smooth, gaps closed, lumps and holes; and which items have one."""
    size = (alpha.shape[2], alpha.shape[3])
    closed, wide = (-slide_maximum(-slide_maximum(alpha, side), side) for side in (9, 17))
    kind = random.uniform(0.0, 1.0, 1, 1, 1)
    matte = torch.where(kind < 0.35, alpha, torch.where(kind < 0.75, closed, wide))
    matte = torch.maximum(matte, other * expand_per_image(random.chance(0.25)))
    soft = blur_images(matte, random.uniform(0.3, 4.0))
    uneven = random.smooth_field(size, 12) * random.uniform(0.0, 0.3, 1, 1, 1) + random.normal(1, 1, 1) * 0.12
    steep = random.uniform(2.0, 14.0, 1, 1, 1)
    matte = ((soft + uneven * (4 * soft * (1 - soft)) - 0.5) * steep + 0.5).clamp(0, 1)
    lumps = random.smooth_field(size, 5)
    hole, lump = expand_per_image(random.chance(0.12)), expand_per_image(random.chance(0.12))
    matte = matte * (1 - hole * (lumps > 1.6)) + (1 - matte) * lump * (lumps < -1.7)
    clean = expand_per_image(random.chance(0.1))
    matte = clean * alpha + (1 - clean) * matte
    return matte.clamp(0, 1), (~random.chance(how.no_matte)).float()
