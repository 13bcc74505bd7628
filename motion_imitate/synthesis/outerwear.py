"""Open jackets and coats with a lining, and cloth that hangs around both legs."""

from dataclasses import replace

import numpy as np
import torch

from motion_imitate.synthesis import fabrics, outfits
from motion_imitate.synthesis.figure import MeasuredBody
from motion_imitate.synthesis.outfits import RING_POINTS, Outfit, OutfitItem
from motion_imitate.synthesis.shells import ClothPiece, build_ring_cloth, reach_by_angle

LINING_DEPTH = 0.004  # metres between cloth and lining
LAPEL_WIDTH = 0.07  # metres beside the opening in which the front of a jacket stands off


def add_coat(random: np.random.Generator, who: MeasuredBody, worn: Outfit) -> Outfit:
    """A lined jacket with long sleeves and a skirt to the thighs or lower, open or closed in front."""
    cloth, lining = sample_coat_cloths(random)
    waist, hip, knee, ankle = (float(who.joints[j][1]) for j in ("spine04", "upperleg01.L", "lowerleg01.L", "foot.L"))
    gap = 0.0 if random.random() < 0.35 else random.uniform(0.02, 0.12)
    deep = random.uniform(0.02, 0.2)
    worn = add_lined_bodice(random, who, worn, (cloth, lining), random.uniform(1.85, 1.95), waist - 0.06, gap, deep)
    hem = random.uniform(knee - 0.25, hip - 0.12)
    ends, flare = (waist + 0.03, max(hem, ankle + 0.1)), random.uniform(0, 0.12)
    state = random.bit_generator.state
    outer = build_hanging_cloth(random, who, worn, ends, flare, 0.016, gap)
    random.bit_generator.state = state  # the lining has the coat's folds
    inner = build_hanging_cloth(random, who, worn, ends, flare, 0.016 - LINING_DEPTH, gap)
    lined = [OutfitItem("hanging clothes", inner, lining)] if gap else []
    return Outfit([*worn.items, *lined, OutfitItem("hanging clothes", outer, cloth)], worn.base, worn.hidden)


def add_open_jacket(random: np.random.Generator, who: MeasuredBody, worn: Outfit) -> Outfit:
    """A lined jacket, cardigan or waistcoat, open in front so that what is under it shows."""
    hem = float(who.joints["upperleg01.L"][1]) + random.uniform(-0.16, 0.1)
    sleeve = float(random.choice([1.95, 1.9, 1.4, 0.05], p=[0.45, 0.25, 0.1, 0.2]))
    gap, deep = random.uniform(0.01, 0.11), random.uniform(0.03, 0.2)
    return add_lined_bodice(random, who, worn, sample_coat_cloths(random), sleeve, hem, gap, deep)


def sample_coat_cloths(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The textures of a coat and of its lining, which is often lighter or of another colour."""
    choice = random.random()
    if choice < 0.2:
        cloth = fabrics.make_denim_texture(random)
    elif choice < 0.6:
        cloth = fabrics.make_plain_texture(random, fabrics.sample_clothing_colour(random))
    else:
        cloth = fabrics.make_cloth_texture(random)
    return cloth, cloth if random.random() < 0.25 else fabrics.make_cloth_texture(random, 256)


def add_lined_bodice(
    random: np.random.Generator,
    who: MeasuredBody,
    worn: Outfit,
    cloths: tuple[np.ndarray, np.ndarray],
    sleeve: float,
    hem: float,
    gap: float,
    deep: float,
) -> Outfit:
    """The upper part of a coat; beside an opening of half width `gap` it stands off and shows its lining."""
    at = who.base.at
    cut = outfits.torso_cut(who, sleeve, hem, outfits.neckline_cut(random, who, deep))
    off = torch.full_like(cut, random.uniform(0.01, 0.024))
    if gap:
        front = (at[:, 2] > 0.02) & ~who.arm
        height = ((at[:, 1] - hem) / (who.joints["neck01"][1] - hem)).clamp(0, 1)
        beside = at[:, 0].abs() - gap - random.uniform(-0.03, 0.05) * height
        cut = torch.where(front, torch.minimum(cut, beside), cut)
        lifted = random.uniform(0.0, 0.035) * (1 - beside.abs() / LAPEL_WIDTH).clamp(0, 1)
        off = off + torch.where(front, lifted, torch.zeros_like(lifted))
    outside = outfits.add_garment(random, who, worn, cut, off, 6, cloths[0])
    if not gap:
        return outside
    inside = outside.items[-1]
    lining = replace(inside, piece=shrink_cloth(inside.piece, worn, who), texture=cloths[1])
    return replace(outside, items=[*worn.items, lining, inside])


def shrink_cloth(piece: ClothPiece, worn: Outfit, who: MeasuredBody) -> ClothPiece:
    """The same cloth, nearer to the body by LINING_DEPTH."""
    normal = worn.base.normal[who.body.faces[piece.source]].mean(1)
    inward = torch.zeros_like(piece.at).index_add_(0, piece.faces.flatten(), normal.repeat_interleave(3, 0))
    return replace(piece, at=piece.at - LINING_DEPTH * torch.nn.functional.normalize(inward, dim=1))


def build_hanging_cloth(
    random: np.random.Generator,
    who: MeasuredBody,
    worn: Outfit,
    ends: tuple[float, float],
    flare: float,
    off: float,
    gap: float,
) -> ClothPiece:
    """Cloth around both legs between two heights; `gap` is half the width of the opening in front, in metres."""
    below = [item.piece.at for item in worn.items if "hanging" in item.kind]
    at = torch.cat([worn.base.outer[~who.arm], *below])
    waist, hip, knee = (float(who.joints[j][1]) for j in ("spine04", "upperleg01.L", "lowerleg01.L"))
    heights = torch.linspace(*ends, 20)
    open_ = float(np.arctan2(gap, 0.13)) if gap else 0.0
    angles = torch.linspace(open_, 2 * torch.pi - open_, RING_POINTS + 1)
    angles = angles if gap else angles[:-1]
    reach = reach_by_angle(at, torch.zeros(2), heights, angles, 0.025)
    reach = reach.cummax(0).values + off
    drop = (waist - heights).clamp(min=0)[:, None]
    folds, deep = int(random.integers(4, 14)), random.uniform(0.0, 0.035)
    wave = torch.cos(folds * angles + random.random() * 6) + 0.5 * torch.cos(
        (2 * folds + 3) * angles + random.random() * 6
    )
    reach = reach + flare * drop + deep * drop * wave
    place = torch.stack([reach * angles.sin(), heights[:, None].expand_as(reach), reach * angles.cos()], -1)
    names = list(who.joints)
    down = ((hip + 0.03 - heights) / 0.4).clamp(0, 1)[:, None]
    deeper = 0.35 * ((knee + 0.05 - heights) / 0.3).clamp(0, 1)[:, None]
    left = (0.5 + place[..., 0] / 0.3).clamp(0.08, 0.92)
    held = torch.zeros(*reach.shape, len(names))
    held[..., names.index("root")] = (1 - 0.85 * down).expand_as(reach)
    for side, share in (("L", left), ("R", 1 - left)):
        held[..., names.index(f"upperleg01.{side}")] = 0.85 * down * share * (1 - deeper)
        held[..., names.index(f"lowerleg01.{side}")] = 0.85 * down * share * deeper
    nearest = int((who.body.parts == 9).nonzero()[0, 0])
    return build_ring_cloth(place, held, not gap, float(reach.mean()) * 2 * torch.pi, ends[0] - ends[1], nearest)
