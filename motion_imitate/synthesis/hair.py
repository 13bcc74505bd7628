"""Hair without a wardrobe: a cap of the scalp's own faces, curtains round the head, tails and buns."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.synthesis.figure import Figure
from motion_imitate.synthesis.noise import at_points
from motion_imitate.synthesis.outfits import AROUND, Item
from motion_imitate.synthesis.shells import Base, Piece, cut_out, girth, pushed, rings, softened

Random = np.random.Generator
SHADES = (
    (0.05, 0.045, 0.04),
    (0.12, 0.08, 0.06),
    (0.22, 0.14, 0.09),
    (0.36, 0.23, 0.13),
    (0.62, 0.47, 0.28),
    (0.5, 0.2, 0.1),
    (0.6, 0.6, 0.6),
)
OFTEN = (0.3, 0.2, 0.17, 0.12, 0.11, 0.04, 0.06)
STYLES = ("bald", "stubble", "short", "full", "afro", "bob", "long", "tail", "bun")
CHANCES = (0.03, 0.07, 0.26, 0.18, 0.06, 0.12, 0.14, 0.09, 0.05)
HEAD_HIGH = 0.18  # metres from the mouth to the crown of the ordinary head


def shade(random: Random) -> Float[np.ndarray, "3"]:
    picked = np.array(SHADES[int(random.choice(len(SHADES), p=OFTEN))])
    if random.random() < 0.03:
        picked = random.uniform(0.1, 0.9, 3)
    return np.clip(picked * random.uniform(0.75, 1.25) + random.normal(0, 0.01, 3), 0.02, 0.95)


def strands(random: Random, colour: Float[np.ndarray, "3"], size: int = 256) -> np.ndarray:
    """Along the texture's rows, light and dark."""
    thin = random.normal(0, 1, (size // 32, size))
    streaks = cv2.resize(thin, (size, size), interpolation=cv2.INTER_CUBIC)
    broad = cv2.resize(random.normal(0, 1, (4, 24)), (size, size), interpolation=cv2.INTER_CUBIC)
    light = 1 + 0.16 * streaks + 0.16 * broad
    return np.asarray(np.clip(colour * light[..., None], 0, 1) * 255, np.uint8)


def hairline(random: Random, who: Figure, fringe: bool) -> Float[Tensor, " V"]:
    """How far above its edge the scalp is, for every vertex."""
    at, head = who.base.at, who.points
    size = (who.top - float(head["mouth_left"][1])) / HEAD_HIGH
    eye, ear, mouth = (float(head[f"{name}_left"][1]) for name in ("eye", "ear", "mouth"))
    behind = float(head["ear_left"][2])
    front = eye + (random.uniform(0.02, 0.035) if fringe else random.uniform(0.048, 0.066)) * size
    marks = np.array([-0.2, -0.03, -0.012, 0.014, 0.034, 0.06, 0.3]) * size + behind
    burn = random.uniform(-0.012, 0.012)
    lines = np.array([mouth - 0.012, mouth + 0.01, ear + 0.01, ear + burn, eye + 0.012, front, front])
    line = torch.from_numpy(np.interp(at[:, 2].numpy(), marks, lines)).float()
    return torch.where(who.head, at[:, 1] - line, torch.full_like(line, -1.0))


def hair(random: Random, who: Figure, colour: Float[np.ndarray, "3"]) -> tuple[list[Item], Float[Tensor, " V"]]:
    """What is worn on the head, and the scalp that is of its colour: positive in it, in metres from its edge."""
    style = str(random.choice(STYLES, p=CHANCES))
    edge = hairline(random, who, style in ("bob", "long", "full") and random.random() < 0.4)
    if style == "bald":
        return [], torch.full_like(edge, -1.0)
    if style == "stubble":
        return [], edge
    texture = strands(random, colour)
    thick = {
        "short": random.uniform(0.006, 0.014),
        "full": random.uniform(0.014, 0.03),
        "afro": random.uniform(0.035, 0.08),
    }
    crown = cap(random, who, edge, thick.get(style, random.uniform(0.008, 0.018)))
    items = [Item("hair", cut_out(crown, who.base, edge), texture, 0.25)]
    if style in ("bob", "long"):
        items.append(Item("hair", curtain(random, who, crown[edge > 0], style == "long"), texture, 0.25))
    if style in ("tail", "bun"):
        items.append(Item("hair", tail(random, who, crown[edge > 0], style == "bun"), texture, 0.25))
    return items, edge


def cap(random: Random, who: Figure, edge: Float[Tensor, " V"], thick: float) -> Float[Tensor, "V 3"]:
    at, base = who.base.at, who.base
    centre = (who.points["ear_left"] + who.points["ear_right"]) / 2 + torch.tensor([0, 0.02, 0])
    rise = (edge / 0.035).clamp(0, 1)
    rough = torch.from_numpy(at_points(random, at.numpy(), 14.0)).float()
    off = 0.002 + thick * rise * (1 + 0.22 * rough)
    out = pushed(at, centre, off)
    near = replace_pairs(base, edge)
    for _ in range(3):
        out = softened(near, out, 0.5)
    return torch.where((edge > 0)[:, None], out, at + 0.0015 * base.normal)


def replace_pairs(base: Base, edge: Float[Tensor, " V"]) -> Tensor:
    """Neighbours within the scalp."""
    return base.pairs[(edge > 0)[base.pairs].all(1)]


def head_weights(who: Figure, places: Float[Tensor, "R A 3"]) -> Float[Tensor, "R A J"]:
    """Hair hangs on the head, and lower down on the shoulders."""
    names = list(who.joints)
    held = torch.zeros(*places.shape[:2], len(names))
    neck = float(who.joints["neck01"][1])
    up = ((places[..., 1] - neck + 0.1) / 0.13).clamp(0, 1)
    held[..., names.index("head")], held[..., names.index("spine01")] = up, 1 - up
    return held


def curtain(random: Random, who: Figure, crown: Float[Tensor, "n 3"], long: bool) -> Piece:
    eye, mouth = float(who.points["eye_left"][1]), float(who.points["mouth_left"][1])
    neck = float(who.joints["neck01"][1])
    start = eye + 0.035
    end = random.uniform(neck - 0.25, neck - 0.03) if long else random.uniform(mouth - 0.05, mouth)
    heights = torch.linspace(start, end, 14)
    open_ = np.radians(random.uniform(66, 95))
    angles = torch.linspace(open_, 2 * np.pi - open_, AROUND)
    middle = torch.tensor([0.0, float(who.points["ear_left"][2]) - 0.015])
    head = girth(crown, middle, heights.clamp(min=eye - 0.01), angles, 0.02)
    torso = girth(who.base.at[~who.arm & ~who.head], middle, heights, angles, 0.02) + 0.012
    back = (-angles.cos()).clamp(0, 1)  # shoulders part the hair at the sides; at the back it lies on them
    least = head * torch.linspace(1, 0.92, len(heights))[:, None]
    reach = torch.maximum(least, torch.minimum(torso, least + 0.02 + 0.09 * back))
    wave = torch.from_numpy(np.cumsum(random.normal(0, 0.0015, (len(heights), 1)), 0)).float()
    lock = torch.from_numpy(random.normal(0, 0.004, AROUND)).float()
    reach = reach + 0.003 + wave + lock * torch.linspace(0.2, 1, len(heights))[:, None]
    low = (
        heights[:, None] + torch.from_numpy(random.normal(0, 0.012, AROUND)).float() * torch.linspace(0, 1, 14)[:, None]
    )
    place = torch.stack([middle[0] + reach * angles.sin(), low, middle[1] + reach * angles.cos()], -1)
    return rings(place, head_weights(who, place), False, 0.5, start - end, scalp(who))


def tail(random: Random, who: Figure, crown: Float[Tensor, "n 3"], bun: bool) -> Piece:
    """A ponytail, or a ball of hair."""
    back = crown[crown[:, 2].argmin()] * torch.tensor([0.0, 1, 1])
    angles = torch.arange(16) * (2 * np.pi / 16)
    steps = torch.linspace(0, 1, 12)[:, None]
    if bun:
        size, up = random.uniform(0.03, 0.045), random.uniform(0, 0.06)
        along = back + torch.tensor([0.0, up, 0.02 - up * 0.3]) + torch.tensor([0.0, 0.3, -1.0]) * size * 2 * steps
        radius = size * (1 - (2 * steps - 0.8).clamp(-1, 1) ** 2).clamp(min=0.001).sqrt()
    else:
        long = random.uniform(0.12, 0.34)
        along = back + torch.cat([0 * steps, 0.02 - long * steps**1.3, -0.05 * (4 * steps).clamp(max=1).sqrt()], 1)
        radius = random.uniform(0.02, 0.035) * (0.6 + 1.6 * steps * (1 - steps)) * (1 - steps**4 * 0.8)
    ring = (
        torch.stack([angles.cos(), 0.2 * angles.sin(), angles.sin()], -1)
        if not bun
        else torch.stack([angles.cos(), angles.sin(), 0.3 * angles.sin()], -1)
    )
    place = along[:, None] + radius[..., None] * ring
    return rings(place, head_weights(who, place), True, 0.2, 0.3, scalp(who))


def scalp(who: Figure) -> int:
    """A face of the body at the back of the head."""
    faces = who.base.at[who.base.faces].mean(1)
    head = torch.isin(who.body.parts, torch.tensor([23, 24]))
    return int(torch.where(head, faces[:, 2], torch.full_like(faces[:, 2], 9.0)).argmin())
