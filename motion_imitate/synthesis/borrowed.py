"""People in clothes, hair and skins of a data folder of MakeHuman's, some of them dyed or in generated fabrics."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.bodies.skinning import rest_shape
from motion_imitate.synthesis import fabrics, wardrobe
from motion_imitate.synthesis.actor import Layer, nearest_faces
from motion_imitate.synthesis.figure import Figure
from motion_imitate.synthesis.hair import hairline, shade
from motion_imitate.synthesis.held_out import Part, part_of
from motion_imitate.synthesis.person import EYEBALLS, SOLID, Tuck, tucked
from motion_imitate.synthesis.tailor import dyed, halves
from motion_imitate.synthesis.wardrobe import Garment, Whole, hang, hung_weights

Random = np.random.Generator
TEXELS = 512  # of a texture's side, at most
SUITS, SHOES = "*suit*", "shoes*"
ONE = "work"  # in the name of suits whose halves are worn with no other's
BALD = 0.05
FABRIC = 0.45  # how often a garment is in a generated fabric
DYED = 0.35  # and how often it is dyed


@lru_cache(maxsize=64)
def asset(folder: Path) -> Garment:
    return wardrobe.read(folder)


@lru_cache(maxsize=64)
def texture(material: wardrobe.Material) -> Float[Tensor, "4 H W"]:
    """At most TEXELS wide; shades of folds painted in."""
    full = wardrobe.paint(material)
    scale = min(1.0, TEXELS / max(full.shape[1:]))
    if scale == 1:
        return full
    size = (round(full.shape[2] * scale), round(full.shape[1] * scale))
    small = cv2.resize(full.permute(1, 2, 0).numpy(), size, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).permute(2, 0, 1)


def pick(random: Random, folder: Path, pattern: str = "*", part: Part = "all") -> Path:
    found = sorted(p for p in folder.glob(pattern) if p.is_dir() and any(p.glob("*.mhmat")))
    if not found:
        raise FileNotFoundError(
            f"no {pattern} in {folder}; --makehuman must be a data folder of MakeHuman's, with clothes/, hair/, skins/"
        )
    some = part_of(found, part)
    return some[int(random.integers(len(some)))]


@lru_cache(maxsize=2)
def whole_of(name: str) -> Whole:
    from motion_imitate import bodies

    return wardrobe.whole(bodies.load(name))


def layers(random: Random, who: Figure, folder: Path, part: Part = "all") -> list[Layer]:
    mesh = whole_of(who.body.name)
    base = rest_shape(mesh.skin, who.shape[None])[0][0]
    clothes = dressed(random, who, folder, part)
    locks = random.random() >= BALD
    colour = shade(random)
    heads = hairy(random, folder, colour, locks, part)
    worn = [*clothes, *heads]
    hung = [hang(garment, base) for _, garment, _ in worn]
    cloth = [at for at, (kind, _, _) in zip(hung, worn, strict=True) if kind == "clothes"]
    naked = tucked(who.base.at, who.body.faces, torch.cat(cloth), Tuck()) if cloth else who.base.at
    gone = torch.zeros(len(base), dtype=torch.bool)
    for _, garment, _ in worn:
        gone[garment.hides] = True
    seen = ~gone[mesh.places][who.body.faces].all(1) & ~(who.body.faces >= EYEBALLS).all(1)
    skin = complexion(random, who, folder, colour, locks, part)
    body = who.body
    made = [
        Layer("skin", naked, who.base.weights, body.faces[seen], body.uv[seen], body.parts[seen], body.iuv[seen], skin)
    ]
    for at, (kind, garment, paint) in zip(hung, worn, strict=True):
        made.append(hanging(who, kind, garment, at, hung_weights(garment, mesh.skin.weights), paint))
    return made


def complexion(
    random: Random, who: Figure, folder: Path, colour: Float[np.ndarray, "3"], locks: bool, part: Part
) -> np.ndarray:
    """A skin, its scalp of the hair's colour where there is hair."""
    path = pick(random, folder / "skins", "*_*ale*", part)
    while "suit" in path.name:
        path = pick(random, folder / "skins", "*_*ale*", part)
    paint = texture(wardrobe.read_material(wardrobe.only(path, ".mhmat")))[:3]
    paint = paint * torch.from_numpy(random.uniform(0.88, 1.08) * (1 + random.normal(0, 0.02, (3, 1, 1)))).float()
    pixels = np.asarray(paint.clamp(0, 1).permute(1, 2, 0).numpy() * 255, np.uint8)
    if not locks:
        return pixels
    from motion_imitate.synthesis.complexion import soft, spread

    edge = hairline(random, who, False)
    inside = spread(edge[:, None], who, len(pixels))[:, 0].reshape(pixels.shape[:2])
    share = 0.85 * soft(0.006 - inside, 0.004)[..., None]
    return np.asarray(pixels * (1 - share) + 255 * colour * 0.8 * share, np.uint8)


Worn = tuple[str, Garment, np.ndarray]  # as `person.Worn`, textures as bytes, of three channels where solid


def packed(paint: Float[Tensor, "4 H W"]) -> np.ndarray:
    kept = paint if float(paint[3].min()) < SOLID else paint[:3]
    return np.asarray((kept.clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).numpy())


def dressed(random: Random, who: Figure, folder: Path, part: Part) -> list[Worn]:
    """The upper half of a suit, the lower of that or another, and shoes."""
    one = asset(pick(random, folder / "clothes", SUITS, part))
    other = one if random.random() < 0.4 else asset(pick(random, folder / "clothes", SUITS, part))
    upper, lower = halves(one, who.body, who.shape)[0], halves(other, who.body, who.shape)[1]
    if ONE in one.name or ONE in other.name:
        one, upper = (one, one) if ONE in one.name else (other, other)
        lower = replace(one, faces=one.faces[:0], uv=one.uv[:0])
    elif not len(upper.faces) or not len(lower.faces):  # in one piece
        upper, lower = one, replace(one, faces=one.faces[:0], uv=one.uv[:0])
    shoes = asset(pick(random, folder / "clothes", SHOES, part))
    wear = [("clothes", lower), ("clothes", upper), ("shoes", shoes)]
    return [(kind, *coloured(random, kind, garment)) for kind, garment in wear if len(garment.faces)]


def coloured(random: Random, kind: str, garment: Garment) -> tuple[Garment, np.ndarray]:
    """As it is, dyed, or of a generated fabric under the shade of its own folds."""
    paint, choice = texture(garment.material), random.random()
    if choice < FABRIC and kind == "clothes":
        cloth = fabrics.denim(random) if random.random() < 0.15 else fabrics.cloth(random)
        grey = paint[:3].mean(0).numpy()
        small = cv2.GaussianBlur(grey, (0, 0), 12)
        relief = np.clip(
            0.75 + 0.5 * (grey / np.maximum(small, 0.05) - 1) + 0.25 * grey / max(float(grey.mean()), 0.05), 0.35, 1.3
        )
        tiled = cloth[np.arange(grey.shape[0])[:, None] % len(cloth), np.arange(grey.shape[1]) % len(cloth)]
        pixels = np.asarray(np.clip(tiled * relief[..., None], 0, 255), np.uint8)
        if float(paint[3].min()) < SOLID:
            pixels = np.concatenate([pixels, packed(paint)[..., 3:]], 2)
        return garment, pixels
    if choice < FABRIC + DYED:
        first, second = fabrics.two(random)
        dark, light = sorted((first, second), key=lambda c: float(c.sum()))
        paint = dyed(
            paint, tuple((dark * 0.5).tolist()), tuple(np.clip(light * 1.2, 0, 1).tolist()), random.uniform(0, 0.4)
        )
    return garment, packed(paint)


def hairy(random: Random, folder: Path, colour: Float[np.ndarray, "3"], locks: bool, part: Part) -> list[Worn]:
    """Eyes, brows, lashes and hair, all dyed alike."""
    eyes = asset(folder / "eyes" / "low-poly")
    irises = sorted((folder / "eyes" / "materials").glob("*.mhmat"))
    iris = texture(wardrobe.read_material(irises[int(random.integers(len(irises)))]))
    found: list[Worn] = [("eyes", eyes, packed(iris)[..., :3])]
    wanted = [("brows", "eyebrows"), ("lashes", "eyelashes"), *([("hair", "hair")] if locks else [])]
    for kind, name in wanted:
        garment = asset(pick(random, folder / name, part=part))
        paint = texture(garment.material)
        if kind == "hair":
            mean = float((paint[:3] * paint[3]).sum() / (3 * paint[3].sum()).clamp(min=1))
            light = np.clip(colour / max(mean, 0.08), 0, 1.6)
            paint = dyed(paint, tuple((colour * 0.25).tolist()), tuple(light.tolist()), 0.1)
        elif kind == "brows":
            paint = dyed(paint, tuple((colour * 0.4).tolist()), tuple(colour.tolist()))
        found.append((kind, garment, packed(paint)))
    return found


def hanging(
    who: Figure, kind: str, garment: Garment, at: Float[Tensor, "N 3"], weights: Tensor, paint: np.ndarray
) -> Layer:
    faces, uv = garment.faces, garment.uv
    if paint.shape[2] == 4:
        kept = anything(uv, paint)
        faces, uv = faces[kept], uv[kept]
    source = under(who, at)[faces[:, 0]]
    body = who.body
    return Layer(kind, at, weights, faces, uv, body.parts[source], body.iuv[source], paint)


def anything(uv: Float[Tensor, "F 3 2"], paint: np.ndarray, least: int = 20) -> Bool[Tensor, " F"]:
    """Faces of which there is something: at a corner, between two or in the middle."""
    points = torch.cat([uv, (uv + uv.roll(1, 1)) / 2, uv.mean(1, keepdim=True)], 1) % 1
    height, width = paint.shape[:2]
    column = (points[..., 0] * width).long().clamp(max=width - 1)
    row = ((1 - points[..., 1]) * height).long().clamp(max=height - 1)
    return (torch.from_numpy(paint[..., 3].copy())[row, column] > least).any(1)


def under(who: Figure, at: Float[Tensor, "N 3"]) -> Int[Tensor, " N"]:
    """The body's face that each vertex lies over."""
    return nearest_faces(at, who.base.at, who.body.faces, 9)
