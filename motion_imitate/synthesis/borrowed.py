"""People in clothes, hair and skins from a MakeHuman data folder; some clothes are dyed or get a generated fabric."""

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
from motion_imitate.synthesis.actor import MeshLayer, nearest_body_faces
from motion_imitate.synthesis.figure import MeasuredBody
from motion_imitate.synthesis.hair import hairline_distance, sample_hair_colour
from motion_imitate.synthesis.held_out import HeldOutSplit, select_split
from motion_imitate.synthesis.person import FIRST_EYEBALL_VERTEX, SOLID_ALPHA, SkinTuck, tuck_skin
from motion_imitate.synthesis.tailor import dye_texture, split_suit
from motion_imitate.synthesis.wardrobe import Garment, MakeHumanMesh, garment_weights, hang_garment

MAX_TEXTURE_SIDE = 512  # longest side of a texture
SUIT_FOLDERS, SHOE_FOLDERS = "*suit*", "shoes*"
MATCHED_SUIT = "work"  # in the name of suits whose halves are only worn together
BALD_CHANCE = 0.05
FABRIC_CHANCE = 0.45  # share of clothes in a generated fabric
DYE_CHANCE = 0.35  # share of garments that are dyed


@lru_cache(maxsize=64)
def load_garment(folder: Path) -> Garment:
    """The garment in an asset folder, cached."""
    return wardrobe.read_garment(folder)


@lru_cache(maxsize=64)
def load_garment_texture(material: wardrobe.GarmentMaterial) -> Float[Tensor, "4 H W"]:
    """The material's texture with fold shading, scaled down to MAX_TEXTURE_SIDE."""
    full = wardrobe.load_material_texture(material)
    scale = min(1.0, MAX_TEXTURE_SIDE / max(full.shape[1:]))
    if scale == 1:
        return full
    size = (round(full.shape[2] * scale), round(full.shape[1] * scale))
    small = cv2.resize(full.permute(1, 2, 0).numpy(), size, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).permute(2, 0, 1)


@lru_cache(maxsize=64)
def split_suit_once(folder: Path, name: str) -> tuple[Garment, Garment]:
    """The suit's upper and lower garment on the average body of a model, cached."""
    from motion_imitate import bodies

    body = bodies.load_body(name)
    return split_suit(load_garment(folder), body, torch.zeros(len(body.skin.shape_dirs)))


def preload_wardrobe(folder: Path, name: str) -> None:
    """Fill the caches with a wardrobe, before processes that share them are forked."""
    for path in sorted(p for part in ("clothes", "hair", "eyebrows", "eyelashes") for p in (folder / part).glob("*")):
        if path.is_dir() and any(path.glob("*.mhclo")):
            load_garment_texture(load_garment(path).material)
            if "suit" in path.name:
                split_suit_once(path, name)


def pick_asset_folder(
    random: np.random.Generator, folder: Path, pattern: str = "*", part: HeldOutSplit = "all"
) -> Path:
    """A random asset folder that matches the pattern and belongs to the split."""
    found = sorted(p for p in folder.glob(pattern) if p.is_dir() and any(p.glob("*.mhmat")))
    if not found:
        raise FileNotFoundError(
            f"no {pattern} in {folder}; --makehuman must be a MakeHuman data folder with clothes/, hair/ and skins/"
        )
    some = select_split(found, part)
    return some[int(random.integers(len(some)))]


@lru_cache(maxsize=2)
def cached_makehuman_mesh(name: str) -> MakeHumanMesh:
    """The MakeHuman base mesh for a body model, cached."""
    from motion_imitate import bodies

    return wardrobe.load_makehuman_mesh(bodies.load_body(name))


def build_wardrobe_layers(
    random: np.random.Generator,
    who: MeasuredBody,
    folder: Path,
    part: HeldOutSplit = "all",
    outfits: np.random.Generator | None = None,
) -> list[MeshLayer]:
    """Skin, clothes, eyes and hair from a wardrobe, hung on the body."""
    mesh = cached_makehuman_mesh(who.body.name)
    base = rest_shape(mesh.skin, who.shape[None])[0][0]
    clothes = choose_clothes(outfits or random, who, folder, part)
    locks = random.random() >= BALD_CHANCE
    colour = sample_hair_colour(random)
    heads = choose_eyes_and_hair(random, folder, colour, locks, part)
    worn = [*clothes, *heads]
    hung = [hang_garment(garment, base) for _, garment, _ in worn]
    cloth = [at for at, (kind, _, _) in zip(hung, worn, strict=True) if kind == "clothes"]
    naked = tuck_skin(who.base.at, who.body.faces, torch.cat(cloth), SkinTuck()) if cloth else who.base.at
    gone = torch.zeros(len(base), dtype=torch.bool)
    for _, garment, _ in worn:
        gone[garment.hides] = True
    seen = ~gone[mesh.places][who.body.faces].all(1) & ~(who.body.faces >= FIRST_EYEBALL_VERTEX).all(1)
    skin = paint_wardrobe_skin(random, who, folder, colour, locks, part)
    body = who.body
    made = [
        MeshLayer(
            "skin", naked, who.base.weights, body.faces[seen], body.uv[seen], body.parts[seen], body.iuv[seen], skin
        )
    ]
    for at, (kind, garment, paint) in zip(hung, worn, strict=True):
        made.append(build_garment_layer(who, kind, garment, at, garment_weights(garment, mesh.skin.weights), paint))
    return made


def paint_wardrobe_skin(
    random: np.random.Generator,
    who: MeasuredBody,
    folder: Path,
    colour: Float[np.ndarray, "3"],
    locks: bool,
    part: HeldOutSplit,
) -> np.ndarray:
    """A skin texture; the scalp takes the hair's colour unless the person is bald."""
    path = pick_asset_folder(random, folder / "skins", "*_*ale*", part)
    while "suit" in path.name:
        path = pick_asset_folder(random, folder / "skins", "*_*ale*", part)
    paint = load_garment_texture(wardrobe.read_mhmat(wardrobe.find_asset_file(path, ".mhmat")))[:3]
    paint = paint * torch.from_numpy(random.uniform(0.88, 1.08) * (1 + random.normal(0, 0.02, (3, 1, 1)))).float()
    pixels = np.asarray(paint.clamp(0, 1).permute(1, 2, 0).numpy() * 255, np.uint8)
    if not locks:
        return pixels
    from motion_imitate.synthesis.complexion import interpolate_to_texels, soft_step

    edge = hairline_distance(random, who, False)
    inside = interpolate_to_texels(edge[:, None], who, len(pixels))[:, 0].reshape(pixels.shape[:2])
    share = 0.85 * soft_step(0.006 - inside, 0.004)[..., None]
    return np.asarray(pixels * (1 - share) + 255 * colour * 0.8 * share, np.uint8)


TexturedGarment = tuple[str, Garment, np.ndarray]  # kind, garment, uint8 texture, RGB where solid


def texture_to_bytes(paint: Float[Tensor, "4 H W"]) -> np.ndarray:
    """The texture as uint8 [H, W, 3], or with alpha where it is not solid."""
    kept = paint if float(paint[3].min()) < SOLID_ALPHA else paint[:3]
    return np.asarray((kept.clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).numpy())


def choose_clothes(
    random: np.random.Generator, who: MeasuredBody, folder: Path, part: HeldOutSplit
) -> list[TexturedGarment]:
    """The upper half of a suit, the lower half of the same or another suit, and shoes."""
    first = pick_asset_folder(random, folder / "clothes", SUIT_FOLDERS, part)
    second = first if random.random() < 0.4 else pick_asset_folder(random, folder / "clothes", SUIT_FOLDERS, part)
    one, other = load_garment(first), load_garment(second)
    upper, lower = split_suit_once(first, who.body.name)[0], split_suit_once(second, who.body.name)[1]
    if MATCHED_SUIT in one.name or MATCHED_SUIT in other.name:
        one, upper = (one, one) if MATCHED_SUIT in one.name else (other, other)
        lower = replace(one, faces=one.faces[:0], uv=one.uv[:0])
    elif not len(upper.faces) or not len(lower.faces):  # a one-piece suit
        upper, lower = one, replace(one, faces=one.faces[:0], uv=one.uv[:0])
    shoes = load_garment(pick_asset_folder(random, folder / "clothes", SHOE_FOLDERS, part))
    wear = [("clothes", lower), ("clothes", upper), ("shoes", shoes)]
    return [(kind, *recolour_garment(random, kind, garment)) for kind, garment in wear if len(garment.faces)]


def recolour_garment(random: np.random.Generator, kind: str, garment: Garment) -> tuple[Garment, np.ndarray]:
    """The garment with its own texture, dyed, or in a generated fabric shaded by its own folds."""
    paint, choice = load_garment_texture(garment.material), random.random()
    if choice < FABRIC_CHANCE and kind == "clothes":
        cloth = fabrics.make_denim_texture(random) if random.random() < 0.15 else fabrics.make_cloth_texture(random)
        grey = paint[:3].mean(0).numpy()
        small = cv2.GaussianBlur(grey, (0, 0), 12)
        relief = np.clip(
            0.75 + 0.5 * (grey / np.maximum(small, 0.05) - 1) + 0.25 * grey / max(float(grey.mean()), 0.05), 0.35, 1.3
        )
        tiled = cloth[np.arange(grey.shape[0])[:, None] % len(cloth), np.arange(grey.shape[1]) % len(cloth)]
        pixels = np.asarray(np.clip(tiled * relief[..., None], 0, 255), np.uint8)
        if float(paint[3].min()) < SOLID_ALPHA:
            pixels = np.concatenate([pixels, texture_to_bytes(paint)[..., 3:]], 2)
        return garment, pixels
    if choice < FABRIC_CHANCE + DYE_CHANCE:
        first, second = fabrics.sample_contrasting_colours(random)
        dark, light = sorted((first, second), key=lambda c: float(c.sum()))
        paint = dye_texture(
            paint, tuple((dark * 0.5).tolist()), tuple(np.clip(light * 1.2, 0, 1).tolist()), random.uniform(0, 0.4)
        )
    return garment, texture_to_bytes(paint)


def choose_eyes_and_hair(
    random: np.random.Generator, folder: Path, colour: Float[np.ndarray, "3"], locks: bool, part: HeldOutSplit
) -> list[TexturedGarment]:
    """Eyes, brows, lashes and hair; all but the eyes dyed in one colour."""
    eyes = load_garment(folder / "eyes" / "low-poly")
    irises = sorted((folder / "eyes" / "materials").glob("*.mhmat"))
    iris = load_garment_texture(wardrobe.read_mhmat(irises[int(random.integers(len(irises)))]))
    found: list[TexturedGarment] = [("eyes", eyes, texture_to_bytes(iris)[..., :3])]
    wanted = [("brows", "eyebrows"), ("lashes", "eyelashes"), *([("hair", "hair")] if locks else [])]
    for kind, name in wanted:
        garment = load_garment(pick_asset_folder(random, folder / name, part=part))
        paint = load_garment_texture(garment.material)
        if kind == "hair":
            mean = float((paint[:3] * paint[3]).sum() / (3 * paint[3].sum()).clamp(min=1))
            light = np.clip(colour / max(mean, 0.08), 0, 1.6)
            paint = dye_texture(paint, tuple((colour * 0.25).tolist()), tuple(light.tolist()), 0.1)
        elif kind == "brows":
            paint = dye_texture(paint, tuple((colour * 0.4).tolist()), tuple(colour.tolist()))
        found.append((kind, garment, texture_to_bytes(paint)))
    return found


def build_garment_layer(
    who: MeasuredBody, kind: str, garment: Garment, at: Float[Tensor, "N 3"], weights: Tensor, paint: np.ndarray
) -> MeshLayer:
    """A garment as a layer, without fully transparent faces."""
    faces, uv = garment.faces, garment.uv
    if paint.shape[2] == 4:
        kept = opaque_faces(uv, paint)
        faces, uv = faces[kept], uv[kept]
    source = faces_under_cloth(who, at)[faces[:, 0]]
    body = who.body
    return MeshLayer(kind, at, weights, faces, uv, body.parts[source], body.iuv[source], paint)


def opaque_faces(uv: Float[Tensor, "F 3 2"], paint: np.ndarray, least: int = 20) -> Bool[Tensor, " F"]:
    """Faces whose texture is visible at a corner, an edge's middle or the centre."""
    points = torch.cat([uv, (uv + uv.roll(1, 1)) / 2, uv.mean(1, keepdim=True)], 1) % 1
    height, width = paint.shape[:2]
    column = (points[..., 0] * width).long().clamp(max=width - 1)
    row = ((1 - points[..., 1]) * height).long().clamp(max=height - 1)
    return (torch.from_numpy(paint[..., 3].copy())[row, column] > least).any(1)


def faces_under_cloth(who: MeasuredBody, at: Float[Tensor, "N 3"]) -> Int[Tensor, " N"]:
    """The body face nearest to each vertex."""
    return nearest_body_faces(at, who.base.at, who.body.faces, 9)
