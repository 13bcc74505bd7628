"""What made-up people wear when there is no wardrobe: cut from the body's own skin, in generated fabrics."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.synthesis import fabrics
from motion_imitate.synthesis.figure import Figure
from motion_imitate.synthesis.noise import at_points
from motion_imitate.synthesis.shells import FAR, Base, Piece, cut_out, girth, rings, stood_off

Random = np.random.Generator
FLARE = 0.06  # metres a skirt grows wider for each metre of length, at least
AROUND = 40  # points of a ring


@dataclass(frozen=True)
class Item:
    kind: str  # as `person.Worn` has it
    piece: Piece
    texture: np.ndarray  # uint8 [H, W, 3]
    metres: float = 1.0  # of the texture's side


@dataclass(frozen=True)
class Outfit:
    items: list[Item]
    base: Base
    hidden: Bool[Tensor, " V"]  # of the skin


def outfit(random: Random, who: Figure) -> Outfit:
    """Shoes, and a shirt with trousers, shorts or a skirt, or a dress."""
    worn = Outfit([], who.base, torch.zeros(len(who.base.at), dtype=torch.bool))
    style = random.choice(["trousers", "shorts", "skirt", "dress"], p=[0.6, 0.17, 0.13, 0.1])
    worn = shoes(random, who, worn)
    tucked = random.random() < 0.3
    if style in ("trousers", "shorts"):
        above = shirt(random, who, worn, tucked) if tucked else worn
        worn = trousers(random, who, above, style == "shorts")
        return worn if tucked else jacket(random, who, shirt(random, who, worn, tucked))
    cloth = fabrics.cloth(random)
    worn = skirt(random, who, shirt(random, who, worn, True, cloth if style == "dress" else None), cloth)
    return jacket(random, who, worn)


def worn_over(
    random: Random,
    who: Figure,
    worn: Outfit,
    cut: Tensor,
    off: Tensor,
    smooth: int,
    cloth: np.ndarray,
    kind: str = "clothes",
) -> Outfit:
    """One more layer; the skin is hidden where its edge is not near."""
    at = stood_off(worn.base, cut, off, smooth)
    if kind == "clothes":
        fold = torch.from_numpy(at_points(random, at.numpy() * [1, 0.6, 1], 14.0)).float()
        at = at + (0.0022 * fold.clamp(-1.5, 2.0) * (cut > 0))[:, None] * worn.base.normal
    piece = cut_out(at, worn.base, cut)
    outer = torch.where((cut > -0.03)[:, None], at, worn.base.outer)
    hidden = worn.hidden | (cut > 0.035)
    return Outfit([*worn.items, Item(kind, piece, cloth)], replace(worn.base, outer=outer), hidden)


def shirt(random: Random, who: Figure, worn: Outfit, tucked: bool, cloth: np.ndarray | None = None) -> Outfit:
    if cloth is None:
        cloth = fabrics.cloth(random)
        cloth = fabrics.printed(random, cloth) if random.random() < 0.35 else cloth
    waist, hip = float(who.joints["spine04"][1]), float(who.joints["upperleg01.L"][1])
    hem = hip - 0.04 if tucked else hip + random.uniform(-0.07, 0.05)
    sleeve = float(random.choice([0.3, 0.5, 0.6, 0.8, 1.5, 1.92, 1.95]))
    cut = trunk(who, sleeve, hem, neckline(random, who))
    down = ((waist + 0.2 - who.base.at[:, 1]) / 0.25).clamp(0, 1) * ~who.arm
    off = (
        random.uniform(0.005, 0.014)
        + (0.0 if tucked else random.uniform(0, 0.022)) * down
        + 0.014 * random.random() * (who.reach - sleeve + 0.5).clamp(0, 1) * who.arm
    )
    return worn_over(random, who, worn, cut, off, int(random.integers(4, 12)), cloth)


def jacket(random: Random, who: Figure, worn: Outfit) -> Outfit:
    """Sometimes, and open in front."""
    if random.random() > 0.22:
        return worn
    at = who.base.at
    hem = float(who.joints["upperleg01.L"][1]) + random.uniform(-0.14, 0.06)
    cut = trunk(who, float(random.choice([1.93, 1.95, 0.05])), hem, neckline(random, who, 0.1))
    height = ((at[:, 1] - hem) / (who.joints["neck01"][1] - hem)).clamp(0, 1)
    gap = random.uniform(0.0, 0.05) + random.uniform(0, 0.05) * height
    front = (at[:, 2] > 0.02) & ~who.arm
    cut = torch.where(front, torch.minimum(cut, at[:, 0].abs() - gap), cut)
    cloth = fabrics.denim(random) if random.random() < 0.3 else fabrics.cloth(random)
    return worn_over(random, who, worn, cut, torch.full_like(cut, 0.01), 6, cloth)


def trunk(who: Figure, sleeve: float, hem: float, neck: Float[Tensor, " V"]) -> Float[Tensor, " V"]:
    """The cut of what covers the torso, down to a height and along the arms."""
    at = who.base.at
    arms = (sleeve - who.reach) * 0.27 * who.scale
    return torch.where(who.arm, arms, torch.minimum(at[:, 1] - hem, neck))


def neckline(random: Random, who: Figure, deep: float | None = None) -> Float[Tensor, " V"]:
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


def trousers(random: Random, who: Figure, worn: Outfit, short: bool) -> Outfit:
    at = who.base.at
    waist, hip, knee, ankle = (float(who.joints[j][1]) for j in ("spine04", "upperleg01.L", "lowerleg01.L", "foot.L"))
    hem = random.uniform(knee - 0.03, hip - 0.15) if short else ankle + random.choice([0.0, 0.015, 0.06, 0.12])
    top = waist - random.uniform(0.0, 0.05)
    cut = torch.where(who.arm, -FAR, torch.minimum(at[:, 1] - hem, top - at[:, 1]))
    down = ((hip - at[:, 1]) / (hip - ankle)).clamp(0, 1)
    off = 0.004 + random.uniform(0, 0.01) + random.uniform(0, 0.028) * down
    cloth = fabrics.denim(random) if random.random() < 0.45 else fabrics.cloth(random)
    return worn_over(random, who, worn, cut, off, int(random.integers(3, 9)), cloth)


def skirt(random: Random, who: Figure, worn: Outfit, cloth: np.ndarray) -> Outfit:
    at = worn.base.outer[~who.arm]
    waist, hip, knee, ankle = (float(who.joints[j][1]) for j in ("spine04", "upperleg01.L", "lowerleg01.L", "foot.L"))
    hem = random.uniform(knee - 0.1, hip - 0.22) if random.random() < 0.75 else random.uniform(ankle + 0.08, knee)
    heights = torch.linspace(waist + 0.01, hem, 16)
    angles = torch.arange(AROUND) * (2 * torch.pi / AROUND)
    reach = girth(at, torch.zeros(2), heights, angles, 0.025)
    reach = torch.cat([reach[:1], reach[1:].cummax(0).values]) + 0.012
    below = (waist - heights).clamp(min=0)[:, None]
    flare, folds = FLARE + random.random() * 0.25, int(random.integers(5, 12))
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
    piece = rings(place, held, True, float(reach.mean()) * 2 * torch.pi, waist - hem, nearest)
    over = ~who.arm & (who.base.at[:, 1] > hem + 0.08) & (who.base.at[:, 1] < waist - 0.03)
    return Outfit([*worn.items, Item("clothes", piece, cloth)], worn.base, worn.hidden | over)


def shoes(random: Random, who: Figure, worn: Outfit) -> Outfit:
    """Low or high ones, over bare feet or socks; soles flat on the floor."""
    at, ankle = who.base.at, float(who.joints["foot.L"][1])
    if random.random() < 0.7:
        sock = torch.where(who.arm, -FAR, ankle + random.uniform(0.06, 0.2) - at[:, 1])
        worn = worn_over(random, who, worn, sock, torch.full_like(sock, 0.002), 0, fabrics.cloth(random, 128), "socks")
    top = ankle + (random.uniform(0.0, 0.02) if random.random() < 0.75 else random.uniform(0.06, 0.14))
    slope = random.uniform(0, 0.25) * (at[:, 2] - who.joints["foot.L"][2]).clamp(0, 0.1)
    cut = torch.where(who.arm, -FAR, top - slope - at[:, 1])
    off = torch.full_like(cut, 0.004) + 0.004 * (cut > 0.03)
    solid = lasted(who, stood_off(worn.base, cut, off, 8, True))
    low = who.floor - 0.012
    flat = solid[:, 1] < who.floor + 0.01
    solid = torch.where(flat[:, None], torch.stack([solid[:, 0], torch.full_like(off, low), solid[:, 2]], 1), solid)
    corners = solid[who.base.faces]
    uv = torch.stack([corners[..., 2], (corners[..., 1] - low) / 0.3], -1)
    piece = cut_out(solid, worn.base, cut, uv)
    outer = torch.where((cut > -0.02)[:, None], solid, worn.base.outer)
    item = Item("shoes", piece, leather(random))
    return Outfit([*worn.items, item], replace(worn.base, outer=outer), worn.hidden | (cut > 0.02))


def lasted(who: Figure, at: Float[Tensor, "V 3"], bins: int = 24) -> Float[Tensor, "V 3"]:
    """Feet in front of the ankle as rounded blocks: no toes are told apart."""
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


def leather(random: Random, size: int = 128) -> np.ndarray:
    """Rows of the texture are heights of 0.3 m in all: a sole, and the upper shoe."""
    upper = np.empty((size, size, 3))
    upper[:] = fabrics.colour(random)
    if random.random() < 0.4:
        upper[: int(size * random.uniform(0.6, 0.85))] = fabrics.colour(random)
    sole = int(size * random.uniform(0.06, 0.11))
    upper[size - sole :] = random.choice([0.92, 0.06, 0.3])
    return np.asarray(np.clip(upper + random.normal(0, 0.012, (size, size, 1)), 0, 1) * 255, np.uint8)
