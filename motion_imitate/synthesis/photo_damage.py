"""Labelled pictures as photos would show them: other backgrounds, crops, light, lenses, codecs; in batches, on any
device."""

from dataclasses import dataclass, fields
from math import pi

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from motion_imitate.avatar.parsing import ParsingInput, encode_body_parts, mirrored_body_codes
from motion_imitate.synthesis.labels import SWAPPED_LAYERS
from motion_imitate.synthesis.store import LabelledPictures


@dataclass(frozen=True)
class FigureBatch:
    """Pictures over black, as bytes, on one device."""

    colour: UInt8[Tensor, "N 3 H W"]
    alpha: UInt8[Tensor, "N H W"]
    layer: UInt8[Tensor, "N H W"]
    kind: UInt8[Tensor, "N H W"]
    code: UInt8[Tensor, "N H W"]
    depth: UInt8[Tensor, "N H W"]

    def pick(self, index: Tensor) -> "FigureBatch":
        return FigureBatch(*(getattr(self, f.name)[index] for f in fields(self)))


@dataclass(frozen=True)
class ParsingSamples:
    given: ParsingInput
    layer: UInt8[Tensor, "B H W"]
    kind: UInt8[Tensor, "B H W"]
    alpha: Float[Tensor, "B 1 H W"]
    worth: Float[Tensor, "B 1 H W"]  # 0 outside the photo


@dataclass(frozen=True)
class PhotoDamage:
    """How often each happens, and how much at most."""

    flip: float = 0.5
    turn: float = 7.0  # degrees, standard deviation
    edge: float = 0.3  # how often the photo ends through the person
    zoom: float = 0.08
    shift: float = 0.03
    crowd: float = 0.2  # somebody else behind
    mixed: float = 0.3  # two scenes in one background
    clash: float = 0.25  # the background takes the person's colours
    shadow: float = 0.4
    grey: float = 0.05
    blur: float = 0.5
    sharp: float = 0.15
    noise: float = 0.5
    jpeg: float = 0.5
    bar: float = 0.05  # something in front, from an edge of the picture
    no_body: float = 0.08
    no_matte: float = 0.3
    body_shift: float = 0.01


def encode_figures(pictures: LabelledPictures) -> FigureBatch:
    """What is learnt from; parts become codes."""
    code = encode_body_parts(pictures.seen_part)
    return FigureBatch(pictures.colour, pictures.alpha, pictures.layer, pictures.kind, code, pictures.seen_depth)


class BatchRandom:
    """Random numbers of one generator on its device."""

    def __init__(self, generator: torch.Generator, count: int) -> None:
        self.generator, self.count, self.device = generator, count, generator.device

    def uniform(self, low: float = 0.0, high: float = 1.0, *size: int) -> Tensor:
        values = torch.rand(self.count, *size, generator=self.generator, device=self.device)
        return low + (high - low) * values

    def normal(self, *size: int) -> Tensor:
        return torch.randn(self.count, *size, generator=self.generator, device=self.device)

    def often(self, chance: float) -> Bool[Tensor, " B"]:
        return self.uniform() < chance

    def field(self, size: tuple[int, int], cells: int, channels: int = 1) -> Float[Tensor, "B C H W"]:
        """A smooth random field, about standard normal."""
        rough = torch.randn(
            self.count, channels, cells + 2, max(2, cells * 3 // 4) + 2, generator=self.generator, device=self.device
        )
        return F.interpolate(rough, size, mode="bicubic", align_corners=False) * 1.3


def expand_per_image(values: Tensor) -> Float[Tensor, "B 1 1 1"]:
    return values.float()[:, None, None, None]


@torch.no_grad()
def make_parsing_samples(
    figures: FigureBatch, scenes: UInt8[Tensor, "S 3 H W"], dice: BatchRandom, how: PhotoDamage = PhotoDamage()
) -> ParsingSamples:
    """One batch: each figure once, before any of the scenes."""
    size = (figures.alpha.shape[1], figures.alpha.shape[2])
    ends = sample_photo_edges(figures, dice, how)
    grid, level = sample_crop_grid(figures, ends, dice, how)
    colour, alpha, layer, kind = warp_figures(figures, grid, dice, how)
    code, depth = warp_body_maps(figures, grid, dice, how)
    inside = photo_mask(level, ends)
    flipped = dice.often(how.flip)
    maps = [flip_chosen(x, flipped) for x in (colour, alpha, inside)]
    colour, alpha, inside = maps[0], maps[1], maps[2]
    layer, kind, code, depth = (flip_chosen(x, flipped) for x in (layer, kind, code, depth))
    layer = torch.where(flipped[:, None, None], map_labels(layer, torch.tensor(SWAPPED_LAYERS)), layer)
    code = torch.where(flipped[:, None, None], map_labels(code, mirrored_body_codes()), code)
    colour = tint_figures(colour, alpha, dice)
    behind, other = compose_background(figures, scenes, colour, alpha, dice, how)
    photo = colour + (1 - alpha) * behind
    bar = sample_foreground_bars(dice, size, how)
    photo = torch.where(bar, behind.flip(2), photo)
    alpha, layer, kind = alpha * ~bar, layer * ~bar[:, 0], kind * ~bar[:, 0]
    photo = damage_photo(photo, dice, how)
    matte, matted = damage_matte(alpha, other, dice, how)
    body = (~dice.often(how.no_body)).float()
    given = ParsingInput(
        colour=photo * inside,
        inside=inside,
        code=code,
        depth=depth,
        body=body,
        matte=matte * inside,
        matted=matted,
    )
    return ParsingSamples(given, layer, kind, alpha, inside)


def map_labels(labels: UInt8[Tensor, "B H W"], table: Tensor) -> UInt8[Tensor, "B H W"]:
    return table.to(labels.device, torch.uint8)[labels.long()]


def flip_chosen(values: Tensor, flipped: Bool[Tensor, " B"]) -> Tensor:
    return torch.where(flipped.view(-1, *[1] * (values.dim() - 1)), values.flip(-1), values)


def find_figure_box(shown: Bool[Tensor, "B H W"]) -> Float[Tensor, "B 4"]:
    """Left, top, right and bottom of what is set, in image points; the whole picture where nothing is."""
    ends = []
    for axis in (1, 2):
        line = shown.any(axis).float()
        count = line.shape[1]
        low = line.argmax(1)
        high = count - line.flip(1).argmax(1)
        ends += [low / count * 2 - 1, high / count * 2 - 1]
    box = torch.stack([ends[0], ends[2], ends[1], ends[3]], 1)
    whole = box.new_tensor([-1.0, -1.0, 1.0, 1.0])
    return torch.where(shown.flatten(1).any(1)[:, None], box, whole)


def sample_photo_edges(figures: FigureBatch, dice: BatchRandom, how: PhotoDamage) -> Float[Tensor, "B 4"]:
    """Where the photo ends, in the picture's image points: beyond the picture wherever it does not cut the person."""
    shown = figures.alpha > 25
    box = find_figure_box(shown)
    left, top, right, bottom = box.unbind(1)
    touched = (box.abs() > 0.985) & (box.sign() == box.new_tensor([-1.0, -1.0, 1.0, 1.0]))
    away = dice.uniform(0.05, 2.0, 4) * box.new_tensor([-1.0, -1.0, 1.0, 1.0])
    ends = torch.where(touched, box.new_tensor([-1.0, -1.0, 1.0, 1.0]), box + away * 0.5)
    cut = dice.often(how.edge)
    waist = top + (bottom - top) * dice.uniform(0.35, 0.9)
    ends[:, 3] = torch.where(cut, waist, ends[:, 3])
    side = cut & dice.often(0.15)
    ends[:, 2] = torch.where(side, left + (right - left) * dice.uniform(0.6, 0.95), ends[:, 2])
    head = cut & dice.often(0.1)
    ends[:, 1] = torch.where(head, top + (bottom - top) * dice.uniform(0.02, 0.2), ends[:, 1])
    return ends


def sample_crop_grid(
    figures: FigureBatch, ends: Float[Tensor, "B 4"], dice: BatchRandom, how: PhotoDamage
) -> tuple[Float[Tensor, "B H W 2"], Float[Tensor, "B H W 2"]]:
    """Where each pixel of the crop lies in the picture: about the person, a little off, turned; and before the turn."""
    height, width = figures.alpha.shape[1:]
    box = find_figure_box(figures.alpha > 25)
    low = torch.maximum(box[:, :2], ends[:, :2])
    high = torch.minimum(box[:, 2:], ends[:, 2:])
    fill = dice.uniform(0.78, 0.98)
    half = ((high - low) / 2).clamp(min=0.05).amax(1) / fill * (how.zoom * dice.normal()).exp()
    middle = (low + high) / 2 + half[:, None] * how.shift * 2 * dice.normal(2)
    angle = dice.normal() * how.turn * pi / 180 * (1 + 2 * dice.often(0.1))
    y, x = torch.meshgrid(
        (torch.arange(height, device=dice.device) + 0.5) / height * 2 - 1,
        (torch.arange(width, device=dice.device) + 0.5) / width * 2 - 1,
        indexing="ij",
    )
    aspect = width / height
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    across = cos * x * aspect - sin * y
    down = sin * x * aspect + cos * y
    wobble = dice.normal() * 0.05
    grid = torch.stack([across / aspect * wobble.exp()[:, None, None], down], -1)
    level = torch.stack([x, y], -1) * half[:, None, None, None]
    return middle[:, None, None] + grid * half[:, None, None, None], middle[:, None, None] + level


def sample_grid(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    return F.grid_sample(values, grid, mode=mode, padding_mode="zeros", align_corners=False)


def warp_figures(
    figures: FigureBatch, grid: Float[Tensor, "B H W 2"], dice: BatchRandom, how: PhotoDamage
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    both = torch.cat([figures.colour, figures.alpha[:, None]], 1).float() / 255
    seen = sample_grid(both, grid, "bilinear")
    labels = torch.stack([figures.layer, figures.kind], 1).float()
    found = sample_grid(labels, grid, "nearest").round().to(torch.uint8)
    return seen[:, :3], seen[:, 3:], found[:, 0], found[:, 1]


def warp_body_maps(
    figures: FigureBatch, grid: Float[Tensor, "B H W 2"], dice: BatchRandom, how: PhotoDamage
) -> tuple[Tensor, Tensor]:
    """Bodies are a little farther off than the estimator's errors say."""
    off = dice.normal(1, 1, 2) * how.body_shift
    size = (dice.normal(1, 1, 1) * 0.015).exp()
    maps = torch.stack([figures.code, figures.depth], 1).float()
    found = sample_grid(maps, grid * size + off, "nearest").round().to(torch.uint8)
    return found[:, 0], found[:, 1]


def photo_mask(grid: Float[Tensor, "B H W 2"], ends: Float[Tensor, "B 4"]) -> Float[Tensor, "B 1 H W"]:
    low, high = ends[:, None, None, :2], ends[:, None, None, 2:]
    return ((grid >= low) & (grid <= high)).all(-1)[:, None].float()


def tint_figures(colour: Tensor, alpha: Tensor, dice: BatchRandom) -> Tensor:
    """Another light on the person than on what is behind."""
    straight = (colour / alpha.clamp(min=1e-3)).clamp(0, 1)
    gamma = (0.25 * dice.normal(1, 1, 1)).exp()
    gain = (0.15 * dice.normal(1, 1, 1) + 0.05 * dice.normal(3, 1, 1)).exp()
    grey = straight.mean(1, keepdim=True)
    vivid = dice.uniform(0.5, 1.4, 1, 1, 1)
    straight = (grey + vivid * (straight - grey)).clamp(1e-4, 1) ** gamma * gain
    soft = dice.field((colour.shape[2], colour.shape[3]), 3) * 0.12 * expand_per_image(dice.often(0.5))
    return (straight * soft.exp()).clamp(0, 1) * alpha


def compose_background(
    figures: FigureBatch, scenes: Tensor, colour: Tensor, alpha: Tensor, dice: BatchRandom, how: PhotoDamage
) -> tuple[Tensor, Tensor]:
    """Scenes, mixed and blurred, perhaps with somebody else in them; and where that somebody is."""
    size = (alpha.shape[2], alpha.shape[3])
    first, second = sample_scenes(scenes, dice, size), sample_scenes(scenes, dice, size)
    share = (dice.field(size, 4) * 8).sigmoid() * expand_per_image(dice.often(how.mixed))
    behind = first + share * (second - first)
    fine = dice.field(size, 48) * 0.08 + dice.field(size, 16, 3) * 0.05
    behind = behind + fine * expand_per_image(dice.often(0.3)) * dice.uniform(0.0, 1.5, 1, 1, 1)
    whole = alpha.sum((2, 3), keepdim=True).clamp(min=1)
    person = colour.sum((2, 3), keepdim=True) / whole
    scene = behind.mean((2, 3), keepdim=True)
    near = expand_per_image(dice.often(how.clash)) * dice.uniform(0.4, 1.0, 1, 1, 1)
    behind = behind + near * (person - scene)
    behind = blur_images(behind, dice.uniform(0.0, 3.0) * dice.often(0.5))
    order = torch.randperm(dice.count, generator=dice.generator, device=dice.device)
    where = dice.normal(1, 1, 2) * 0.7
    scale = dice.uniform(0.7, 1.8, 1, 1, 1)
    base = F.affine_grid(
        torch.eye(2, 3, device=dice.device).expand(dice.count, -1, -1), [dice.count, 1, *size], align_corners=False
    )
    both = torch.cat([figures.colour[order], figures.alpha[order, None]], 1).float() / 255
    somebody = sample_grid(both, base * scale + where, "bilinear") * expand_per_image(dice.often(how.crowd))
    behind = somebody[:, :3] + (1 - somebody[:, 3:]) * behind
    spread = F.avg_pool2d(alpha, 15, 1, 7)
    cast = (
        torch.roll(spread, (6, 4), (2, 3)) * expand_per_image(dice.often(how.shadow)) * dice.uniform(0.1, 0.7, 1, 1, 1)
    )
    return (behind * (1 - cast)).clamp(0, 1), somebody[:, 3:]


def sample_scenes(scenes: Tensor, dice: BatchRandom, size: tuple[int, int]) -> Tensor:
    """Parts of scenes, mirrored or upright."""
    index = torch.randint(len(scenes), (dice.count,), generator=dice.generator, device=dice.device)
    scale = dice.uniform(0.25, 1.0)
    sign = 1 - 2 * dice.often(0.5).float()
    shift = (1 - scale[:, None]) * (dice.uniform(0.0, 1.0, 2) * 2 - 1)
    zero = torch.zeros_like(scale)
    matrix = torch.stack(
        [torch.stack([scale * sign, zero, shift[:, 0]], 1), torch.stack([zero, scale, shift[:, 1]], 1)], 1
    )
    grid = F.affine_grid(matrix, [dice.count, 3, *size], align_corners=False)
    found = F.grid_sample(scenes[index].float() / 255, grid, padding_mode="reflection", align_corners=False)
    gamma = (0.3 * dice.normal(1, 1, 1)).exp()
    return found.clamp(1e-4, 1) ** gamma * (0.1 * dice.normal(3, 1, 1)).exp()


def sample_foreground_bars(dice: BatchRandom, size: tuple[int, int], how: PhotoDamage) -> Bool[Tensor, "B 1 H W"]:
    """Something in front of everybody, from below or from a side."""
    y = (torch.arange(size[0], device=dice.device) / size[0])[None, None, :, None]
    x = (torch.arange(size[1], device=dice.device) / size[1])[None, None, None, :]
    tilt = dice.normal(1, 1, 1) * 0.15
    low = y + tilt * (x - 0.5) > dice.uniform(0.6, 0.95, 1, 1, 1)
    side = x + tilt * (y - 0.5) > dice.uniform(0.75, 0.98, 1, 1, 1)
    below = dice.often(0.6)[:, None, None, None]
    return torch.where(below, low, side) & dice.often(how.bar)[:, None, None, None]


def blur_images(images: Float[Tensor, "B C H W"], sigma: Float[Tensor, " B"], reach: int = 6) -> Tensor:
    """Each with a Gaussian of its own."""
    count, channels = images.shape[:2]
    step = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-0.5 * (step / sigma.clamp(min=0.05)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None]
    flat = images.reshape(1, count * channels, *images.shape[2:])
    flat = F.pad(flat, [reach] * 4, mode="replicate")
    flat = F.conv2d(flat, kernel[..., None], groups=count * channels)
    return F.conv2d(flat, kernel[:, :, None], groups=count * channels).view_as(images)


def damage_photo(photo: Float[Tensor, "B 3 H W"], dice: BatchRandom, how: PhotoDamage) -> Float[Tensor, "B 3 H W"]:
    """What light, lenses, sensors and codecs do."""
    size = (photo.shape[2], photo.shape[3])
    light = dice.field(size, 2) * dice.uniform(0.0, 0.25, 1, 1, 1)
    photo = photo * light.exp() * (0.12 * dice.normal(1, 1, 1) + 0.05 * dice.normal(3, 1, 1)).exp()
    photo = photo.clamp(1e-4, 1) ** (0.2 * dice.normal(1, 1, 1)).exp()
    grey = photo.mean(1, keepdim=True)
    vivid = dice.uniform(0.6, 1.4) * ~dice.often(how.grey)
    photo = grey + expand_per_image(vivid) * (photo - grey)
    contrast, middle = dice.uniform(0.7, 1.25, 1, 1, 1), photo.mean((1, 2, 3), keepdim=True)
    photo = middle + contrast * (photo - middle)
    blurred = blur_images(photo, dice.uniform(0.3, 1.8))
    soft, sharp = (
        expand_per_image(dice.often(how.blur)),
        expand_per_image(dice.often(how.sharp)) * dice.uniform(0.3, 1.2, 1, 1, 1),
    )
    photo = photo + (soft - sharp * (1 - soft)) * (blurred - photo)
    strong = expand_per_image(dice.uniform(0.0, 0.06) * dice.often(how.noise))
    grain = torch.randn(photo.shape, generator=dice.generator, device=dice.device)
    coarse = F.interpolate(grain[:, :, ::2, ::2], size, mode="bilinear", align_corners=False)
    photo = (photo + strong * (0.7 * grain + 0.7 * coarse)).clamp(0, 1)
    quality = dice.uniform(0.0, 1.0)
    return torch.where(dice.often(how.jpeg)[:, None, None, None], simulate_jpeg(photo, quality), photo).clamp(0, 1)


LUMA_MATRIX = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def simulate_jpeg(photo: Float[Tensor, "B 3 H W"], quality: Float[Tensor, " B"]) -> Float[Tensor, "B 3 H W"]:
    """Cosine transforms of blocks of 8 x 8, rounded the more coarsely the higher the frequency. quality: 0 to 1."""
    count, _, height, width = photo.shape
    to_luma = photo.new_tensor(LUMA_MATRIX)
    ycc = torch.einsum("kc,bchw->bkhw", to_luma, photo - 0.5)
    step = torch.arange(8, device=photo.device).float()
    basis = torch.cos((2 * step + 1) * step[:, None] * pi / 16) * 0.5
    basis[0] /= 2**0.5
    blocks = ycc.view(count, 3, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)
    waves = basis @ blocks @ basis.T
    coarse = (0.02 + 0.018 * (step[:, None] + step)) * (1 + photo.new_tensor([0.0, 1.0, 1.0])[:, None, None])
    table = coarse * (3.0 ** (2 * (1 - quality) - 1.2))[:, None, None, None] * 0.8
    table = table[:, :, None, None]
    back = basis.T @ (torch.round(waves / table) * table) @ basis
    ycc = back.permute(0, 1, 2, 4, 3, 5).reshape(photo.shape)
    return torch.einsum("ck,bkhw->bchw", torch.linalg.inv(to_luma), ycc) + 0.5


def damage_matte(alpha: Tensor, other: Tensor, dice: BatchRandom, how: PhotoDamage) -> tuple[Tensor, Tensor]:
    """A matte as a coarse estimator gives it: smooth, gaps closed, lumps and holes; or none. And whether there is."""
    size = (alpha.shape[2], alpha.shape[3])
    closed = -F.max_pool2d(-F.max_pool2d(alpha, 9, 1, 4), 9, 1, 4)
    wide = -F.max_pool2d(-F.max_pool2d(alpha, 17, 1, 8), 17, 1, 8)
    kind = dice.uniform(0.0, 1.0, 1, 1, 1)
    matte = torch.where(kind < 0.35, alpha, torch.where(kind < 0.75, closed, wide))
    matte = torch.maximum(matte, other * expand_per_image(dice.often(0.25)))
    soft = blur_images(matte, dice.uniform(0.3, 4.0))
    uneven = dice.field(size, 12) * dice.uniform(0.0, 0.3, 1, 1, 1) + dice.normal(1, 1, 1) * 0.12
    steep = dice.uniform(2.0, 14.0, 1, 1, 1)
    matte = ((soft + uneven * (4 * soft * (1 - soft)) - 0.5) * steep + 0.5).clamp(0, 1)
    lumps = dice.field(size, 5)
    hole, lump = expand_per_image(dice.often(0.12)), expand_per_image(dice.often(0.12))
    matte = matte * (1 - hole * (lumps > 1.6)) + (1 - matte) * lump * (lumps < -1.7)
    clean = expand_per_image(dice.often(0.1))
    matte = clean * alpha + (1 - clean) * matte
    return matte.clamp(0, 1), (~dice.often(how.no_matte)).float()
