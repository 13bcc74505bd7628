"""Generated clothes: cut from the body's own skin, in generated fabrics."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.synthesis import fabrics
from motion_imitate.synthesis.figure import MeasuredBody
from motion_imitate.synthesis.noise import noise_at_points
from motion_imitate.synthesis.shells import (
    FAR_FROM_EDGE,
    ClothPiece,
    DressingBase,
    build_ring_cloth,
    cut_cloth,
    offset_skin,
    reach_by_angle,
)

MIN_SKIRT_FLARE = 0.06  # metres of width per metre of length
RING_POINTS = 40  # points per ring


@dataclass(frozen=True)
class OutfitItem:
    """One garment, or one piece of hair."""

    kind: str  # a key of `actor.FINISHES`
    piece: ClothPiece
    texture: np.ndarray  # uint8 [H, W, 3]
    metres: float = 1.0  # side of the texture


@dataclass(frozen=True)
class Outfit:
    """The garments so far, and the body they are put on."""

    items: list[OutfitItem]
    base: DressingBase
    hidden: Bool[Tensor, " V"]  # skin vertices under clothes


def make_outfit(random: np.random.Generator, who: MeasuredBody) -> Outfit:
    """Shoes with a shirt and trousers, shorts or a skirt, or with a dress."""
    worn = Outfit([], who.base, torch.zeros(len(who.base.at), dtype=torch.bool))
    style = random.choice(["trousers", "shorts", "skirt", "dress"], p=[0.6, 0.17, 0.13, 0.1])
    worn = add_shoes(random, who, worn)
    tucked = random.random() < 0.3
    if style in ("trousers", "shorts"):
        above = add_shirt(random, who, worn, tucked) if tucked else worn
        worn = add_trousers(random, who, above, style == "shorts")
        return worn if tucked else add_jacket(random, who, add_shirt(random, who, worn, tucked))
    cloth = fabrics.make_cloth_texture(random)
    worn = add_skirt(random, who, add_shirt(random, who, worn, True, cloth if style == "dress" else None), cloth)
    return add_jacket(random, who, worn)


def add_garment(
    random: np.random.Generator,
    who: MeasuredBody,
    worn: Outfit,
    cut: Tensor,
    off: Tensor,
    smooth: int,
    cloth: np.ndarray,
    kind: str = "clothes",
) -> Outfit:
    """Add one garment; skin well inside its edge becomes hidden."""
    at = offset_skin(worn.base, cut, off, smooth)
    if kind == "clothes":
        fold = torch.from_numpy(noise_at_points(random, at.numpy() * [1, 0.6, 1], 14.0)).float()
        at = at + (0.0022 * fold.clamp(-1.5, 2.0) * (cut > 0))[:, None] * worn.base.normal
    piece = cut_cloth(at, worn.base, cut)
    outer = torch.where((cut > -0.03)[:, None], at, worn.base.outer)
    hidden = worn.hidden | (cut > 0.035)
    return Outfit([*worn.items, OutfitItem(kind, piece, cloth)], replace(worn.base, outer=outer), hidden)


def add_shirt(
    random: np.random.Generator, who: MeasuredBody, worn: Outfit, tucked: bool, cloth: np.ndarray | None = None
) -> Outfit:
    """Add a shirt of random length, sleeves and neckline."""
    if cloth is None:
        cloth = fabrics.make_cloth_texture(random)
        cloth = fabrics.add_chest_print(random, cloth) if random.random() < 0.35 else cloth
    waist, hip = float(who.joints["spine04"][1]), float(who.joints["upperleg01.L"][1])
    hem = hip - 0.04 if tucked else hip + random.uniform(-0.07, 0.05)
    sleeve = float(random.choice([0.3, 0.5, 0.6, 0.8, 1.5, 1.92, 1.95]))
    cut = torso_cut(who, sleeve, hem, neckline_cut(random, who))
    down = ((waist + 0.2 - who.base.at[:, 1]) / 0.25).clamp(0, 1) * ~who.arm
    off = (
        random.uniform(0.005, 0.014)
        + (0.0 if tucked else random.uniform(0, 0.022)) * down
        + 0.014 * random.random() * (who.reach - sleeve + 0.5).clamp(0, 1) * who.arm
    )
    return add_garment(random, who, worn, cut, off, int(random.integers(4, 12)), cloth)


def add_jacket(random: np.random.Generator, who: MeasuredBody, worn: Outfit) -> Outfit:
    """Sometimes add a jacket, open in front."""
    if random.random() > 0.22:
        return worn
    at = who.base.at
    hem = float(who.joints["upperleg01.L"][1]) + random.uniform(-0.14, 0.06)
    cut = torso_cut(who, float(random.choice([1.93, 1.95, 0.05])), hem, neckline_cut(random, who, 0.1))
    height = ((at[:, 1] - hem) / (who.joints["neck01"][1] - hem)).clamp(0, 1)
    gap = random.uniform(0.0, 0.05) + random.uniform(0, 0.05) * height
    front = (at[:, 2] > 0.02) & ~who.arm
    cut = torch.where(front, torch.minimum(cut, at[:, 0].abs() - gap), cut)
    cloth = fabrics.make_denim_texture(random) if random.random() < 0.3 else fabrics.make_cloth_texture(random)
    return add_garment(random, who, worn, cut, torch.full_like(cut, 0.01), 6, cloth)


def torso_cut(who: MeasuredBody, sleeve: float, hem: float, neck: Float[Tensor, " V"]) -> Float[Tensor, " V"]:
    """Cut of a garment that covers the torso down to `hem` and the arms down to `sleeve`."""
    at = who.base.at
    arms = (sleeve - who.reach) * 0.27 * who.scale
    return torch.where(who.arm, arms, torch.minimum(at[:, 1] - hem, neck))


def neckline_cut(random: np.random.Generator, who: MeasuredBody, deep: float | None = None) -> Float[Tensor, " V"]:
    """Cut around the neck: round, V-shaped or a turtleneck."""
    at, middle = who.base.at, who.joints["neck01"]
    radius = random.uniform(0.072, 0.098) * who.scale
    line = float(who.points["neck"][1]) + random.uniform(-0.01, 0.035)
    if deep is None and random.random() < 0.1:
        line, radius = float(who.joints["neck03"][1]), 0.5  # a turtleneck
    deep = random.uniform(0, 0.09) if deep is None else deep
    away = (at[:, [0, 2]] - middle[[0, 2]]).norm(dim=1)
    pointed = 1 - (at[:, 0].abs() / radius).clamp(max=1) * float(random.random() < 0.5)
    edge = line - deep * pointed * ((at[:, 2] - middle[2]) / 0.06).clamp(0, 1)
    collar = torch.minimum(away - radius, middle[1] + 0.01 - at[:, 1])
    return torch.maximum(collar, edge - at[:, 1])


def add_trousers(random: np.random.Generator, who: MeasuredBody, worn: Outfit, short: bool) -> Outfit:
    """Add trousers or shorts."""
    at = who.base.at
    waist, hip, knee, ankle = (float(who.joints[j][1]) for j in ("spine04", "upperleg01.L", "lowerleg01.L", "foot.L"))
    hem = random.uniform(knee - 0.03, hip - 0.15) if short else ankle + random.choice([0.0, 0.015, 0.06, 0.12])
    top = waist - random.uniform(0.0, 0.05)
    cut = torch.where(who.arm, -FAR_FROM_EDGE, torch.minimum(at[:, 1] - hem, top - at[:, 1]))
    down = ((hip - at[:, 1]) / (hip - ankle)).clamp(0, 1)
    off = 0.004 + random.uniform(0, 0.01) + random.uniform(0, 0.028) * down
    cloth = fabrics.make_denim_texture(random) if random.random() < 0.45 else fabrics.make_cloth_texture(random)
    return add_garment(random, who, worn, cut, off, int(random.integers(3, 9)), cloth)


def add_skirt(random: np.random.Generator, who: MeasuredBody, worn: Outfit, cloth: np.ndarray) -> Outfit:
    """Add a skirt, built of rings."""
    at = worn.base.outer[~who.arm]
    waist, hip, knee, ankle = (float(who.joints[j][1]) for j in ("spine04", "upperleg01.L", "lowerleg01.L", "foot.L"))
    hem = random.uniform(knee - 0.1, hip - 0.22) if random.random() < 0.75 else random.uniform(ankle + 0.08, knee)
    heights = torch.linspace(waist + 0.01, hem, 16)
    angles = torch.arange(RING_POINTS) * (2 * torch.pi / RING_POINTS)
    reach = reach_by_angle(at, torch.zeros(2), heights, angles, 0.025)
    reach = torch.cat([reach[:1], reach[1:].cummax(0).values]) + 0.012
    below = (waist - heights).clamp(min=0)[:, None]
    flare, folds = MIN_SKIRT_FLARE + random.random() * 0.25, int(random.integers(5, 12))
    reach = reach + flare * below + 0.03 * below * torch.cos(folds * angles + random.random() * 6)
    place = torch.stack([reach * angles.sin(), heights[:, None].expand_as(reach), reach * angles.cos()], -1)
    names = list(who.joints)
    down = ((hip + 0.03 - heights) / 0.4).clamp(0, 1)[:, None]
    left = torch.sigmoid(place[..., 0] / 0.05)
    held = torch.zeros(*reach.shape, len(names))
    held[..., names.index("root")] = (1 - 0.8 * down).expand_as(reach)
    held[..., names.index("upperleg01.L")] = 0.8 * down * left
    held[..., names.index("upperleg01.R")] = 0.8 * down * (1 - left)
    nearest = int((who.body.parts == 9).nonzero()[0, 0])
    piece = build_ring_cloth(place, held, True, float(reach.mean()) * 2 * torch.pi, waist - hem, nearest)
    over = ~who.arm & (who.base.at[:, 1] > hem + 0.08) & (who.base.at[:, 1] < waist - 0.03)
    return Outfit([*worn.items, OutfitItem("clothes", piece, cloth)], worn.base, worn.hidden | over)


def add_shoes(random: np.random.Generator, who: MeasuredBody, worn: Outfit) -> Outfit:
    """Add low or high shoes with flat soles, with or without socks."""
    at, ankle = who.base.at, float(who.joints["foot.L"][1])
    if random.random() < 0.7:
        sock = torch.where(who.arm, -FAR_FROM_EDGE, ankle + random.uniform(0.06, 0.2) - at[:, 1])
        worn = add_garment(
            random, who, worn, sock, torch.full_like(sock, 0.002), 0, fabrics.make_cloth_texture(random, 128), "socks"
        )
    top = ankle + (random.uniform(0.0, 0.02) if random.random() < 0.75 else random.uniform(0.06, 0.14))
    slope = random.uniform(0, 0.25) * (at[:, 2] - who.joints["foot.L"][2]).clamp(0, 0.1)
    cut = torch.where(who.arm, -FAR_FROM_EDGE, top - slope - at[:, 1])
    off = torch.full_like(cut, 0.004) + 0.004 * (cut > 0.03)
    solid = round_off_feet(who, offset_skin(worn.base, cut, off, 8, True))
    low = who.floor - 0.012
    flat = solid[:, 1] < who.floor + 0.01
    solid = torch.where(flat[:, None], torch.stack([solid[:, 0], torch.full_like(off, low), solid[:, 2]], 1), solid)
    corners = solid[who.base.faces]
    uv = torch.stack([corners[..., 2], (corners[..., 1] - low) / 0.3], -1)
    piece = cut_cloth(solid, worn.base, cut, uv)
    outer = torch.where((cut > -0.02)[:, None], solid, worn.base.outer)
    item = OutfitItem("shoes", piece, paint_shoe_texture(random))
    return Outfit([*worn.items, item], replace(worn.base, outer=outer), worn.hidden | (cut > 0.02))


def round_off_feet(who: MeasuredBody, at: Float[Tensor, "V 3"], bins: int = 24) -> Float[Tensor, "V 3"]:
    """Feet in front of the ankle as rounded blocks, without toes."""
    out = at.clone()
    for side in ("L", "R"):
        start = who.joints[f"foot.{side}"] + torch.tensor([0.0, 0.03, 0.03])
        mine = ((at[:, 0] > 0) == (side == "L")) & (at[:, 1] < start[1]) & (at[:, 2] > start[2])
        place = at[mine]
        along = (place[:, 2] - start[2]) / (place[:, 2].max() - start[2])
        which = (along * (bins - 1)).long()
        low, high = torch.full((bins, 2), torch.inf), torch.full((bins, 2), -torch.inf)
        index = which[:, None].expand(-1, 2)
        low.scatter_reduce_(0, index, place[:, :2], "amin"), high.scatter_reduce_(0, index, place[:, :2], "amax")
        low[-3:], high[-3:] = low[-3:].amin(0), high[-3:].amax(0)
        middle, half = (low + high)[which] / 2, (high - low)[which] / 2
        tip = (1 - ((along - 0.8) / 0.2).clamp(min=0).square() * 0.75).sqrt()[:, None]
        way = torch.nn.functional.normalize((place[:, :2] - middle) / half.clamp(min=1e-4), dim=1)
        round_ = torch.cat([middle + half * tip * way, place[:, 2:]], 1)
        share = (along / 0.35).clamp(0, 1)[:, None]
        out[mine] = place + share * (round_ - place)
    return out


def paint_shoe_texture(random: np.random.Generator, size: int = 128) -> np.ndarray:
    """A shoe texture with upper and sole; its rows span a height of 0.3 m."""
    upper = np.empty((size, size, 3))
    upper[:] = fabrics.sample_clothing_colour(random)
    if random.random() < 0.4:
        upper[: int(size * random.uniform(0.6, 0.85))] = fabrics.sample_clothing_colour(random)
    sole = int(size * random.uniform(0.06, 0.11))
    upper[size - sole :] = random.choice([0.92, 0.06, 0.3])
    return np.asarray(np.clip(upper + random.normal(0, 0.012, (size, size, 1)), 0, 1) * 255, np.uint8)
