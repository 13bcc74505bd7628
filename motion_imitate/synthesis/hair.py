"""Generated hair: a cap over the scalp, hanging hair, ponytails and buns."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.synthesis.figure import MeasuredBody
from motion_imitate.synthesis.noise import noise_at_points
from motion_imitate.synthesis.outfits import RING_POINTS, OutfitItem
from motion_imitate.synthesis.shells import (
    ClothPiece,
    DressingBase,
    build_ring_cloth,
    cut_cloth,
    push_from_centre,
    reach_by_angle,
    smooth_over_edges,
)

HAIR_COLOURS = (
    (0.05, 0.045, 0.04),
    (0.12, 0.08, 0.06),
    (0.22, 0.14, 0.09),
    (0.36, 0.23, 0.13),
    (0.62, 0.47, 0.28),
    (0.5, 0.2, 0.1),
    (0.6, 0.6, 0.6),
)
HAIR_COLOUR_CHANCES = (0.3, 0.2, 0.17, 0.12, 0.11, 0.04, 0.06)
HAIR_STYLES = ("bald", "stubble", "short", "full", "afro", "bob", "long", "tail", "bun")
HAIR_STYLE_CHANCES = (0.03, 0.07, 0.26, 0.18, 0.06, 0.12, 0.14, 0.09, 0.05)
AVERAGE_HEAD_HEIGHT = 0.18  # metres, mouth to crown of the average head


def sample_hair_colour(random: np.random.Generator) -> Float[np.ndarray, "3"]:
    """A random hair colour."""
    picked = np.array(HAIR_COLOURS[int(random.choice(len(HAIR_COLOURS), p=HAIR_COLOUR_CHANCES))])
    if random.random() < 0.03:
        picked = random.uniform(0.1, 0.9, 3)
    return np.clip(picked * random.uniform(0.75, 1.25) + random.normal(0, 0.01, 3), 0.02, 0.95)


def paint_strands(random: np.random.Generator, colour: Float[np.ndarray, "3"], size: int = 256) -> np.ndarray:
    """A hair texture with light and dark strands."""
    thin = random.normal(0, 1, (size // 32, size))
    streaks = cv2.resize(thin, (size, size), interpolation=cv2.INTER_CUBIC)
    broad = cv2.resize(random.normal(0, 1, (4, 24)), (size, size), interpolation=cv2.INTER_CUBIC)
    light = 1 + 0.16 * streaks + 0.16 * broad
    return np.asarray(np.clip(colour * light[..., None], 0, 1) * 255, np.uint8)


def hairline_distance(random: np.random.Generator, who: MeasuredBody, fringe: bool) -> Float[Tensor, " V"]:
    """Height of each vertex above the hairline in metres; negative outside the scalp."""
    at, head = who.base.at, who.points
    size = (who.top - float(head["mouth_left"][1])) / AVERAGE_HEAD_HEIGHT
    eye, ear, mouth = (float(head[f"{name}_left"][1]) for name in ("eye", "ear", "mouth"))
    behind = float(head["ear_left"][2])
    front = eye + (random.uniform(0.02, 0.035) if fringe else random.uniform(0.048, 0.066)) * size
    marks = np.array([-0.2, -0.03, -0.012, 0.014, 0.034, 0.06, 0.3]) * size + behind
    burn = random.uniform(-0.012, 0.012)
    lines = np.array([mouth - 0.012, mouth + 0.01, ear + 0.01, ear + burn, eye + 0.012, front, front])
    line = torch.from_numpy(np.interp(at[:, 2].numpy(), marks, lines)).float()
    return torch.where(who.head, at[:, 1] - line, torch.full_like(line, -1.0))


def make_hair(
    random: np.random.Generator, who: MeasuredBody, colour: Float[np.ndarray, "3"]
) -> tuple[list[OutfitItem], Float[Tensor, " V"]]:
    """The hair pieces, and each vertex's distance in metres inside the hairline (positive where scalp is coloured)."""
    style = str(random.choice(HAIR_STYLES, p=HAIR_STYLE_CHANCES))
    edge = hairline_distance(random, who, style in ("bob", "long", "full") and random.random() < 0.4)
    if style == "bald":
        return [], torch.full_like(edge, -1.0)
    if style == "stubble":
        return [], edge
    texture = paint_strands(random, colour)
    thick = {
        "short": random.uniform(0.006, 0.014),
        "full": random.uniform(0.014, 0.03),
        "afro": random.uniform(0.035, 0.08),
    }
    crown = build_hair_cap(random, who, edge, thick.get(style, random.uniform(0.008, 0.018)))
    items = [OutfitItem("hair", cut_cloth(crown, who.base, edge), texture, 0.25)]
    if style in ("bob", "long"):
        items.append(
            OutfitItem("hair", build_hanging_hair(random, who, crown[edge > 0], style == "long"), texture, 0.25)
        )
    if style in ("tail", "bun"):
        items.append(OutfitItem("hair", build_tail_or_bun(random, who, crown[edge > 0], style == "bun"), texture, 0.25))
    return items, edge


def build_hair_cap(
    random: np.random.Generator, who: MeasuredBody, edge: Float[Tensor, " V"], thick: float
) -> Float[Tensor, "V 3"]:
    """The body's vertices with the scalp pushed out to the hair's surface."""
    at, base = who.base.at, who.base
    centre = (who.points["ear_left"] + who.points["ear_right"]) / 2 + torch.tensor([0, 0.02, 0])
    rise = (edge / 0.035).clamp(0, 1)
    rough = torch.from_numpy(noise_at_points(random, at.numpy(), 14.0)).float()
    off = 0.002 + thick * rise * (1 + 0.22 * rough)
    out = push_from_centre(at, centre, off)
    near = scalp_edges(base, edge)
    for _ in range(3):
        out = smooth_over_edges(near, out, 0.5)
    return torch.where((edge > 0)[:, None], out, at + 0.0015 * base.normal)


def scalp_edges(base: DressingBase, edge: Float[Tensor, " V"]) -> Tensor:
    """Edges with both ends on the scalp."""
    return base.pairs[(edge > 0)[base.pairs].all(1)]


def hair_joint_weights(who: MeasuredBody, places: Float[Tensor, "R A 3"]) -> Float[Tensor, "R A J"]:
    """Joint weights of hair: the head, and the upper spine further down."""
    names = list(who.joints)
    held = torch.zeros(*places.shape[:2], len(names))
    neck = float(who.joints["neck01"][1])
    up = ((places[..., 1] - neck + 0.1) / 0.13).clamp(0, 1)
    held[..., names.index("head")], held[..., names.index("spine01")] = up, 1 - up
    return held


def build_hanging_hair(
    random: np.random.Generator, who: MeasuredBody, crown: Float[Tensor, "n 3"], long: bool
) -> ClothPiece:
    """Hair that hangs around the sides and back of the head."""
    eye, mouth = float(who.points["eye_left"][1]), float(who.points["mouth_left"][1])
    neck = float(who.joints["neck01"][1])
    start = eye + 0.035
    end = random.uniform(neck - 0.25, neck - 0.03) if long else random.uniform(mouth - 0.05, mouth)
    heights = torch.linspace(start, end, 14)
    open_ = np.radians(random.uniform(66, 95))
    angles = torch.linspace(open_, 2 * np.pi - open_, RING_POINTS)
    middle = torch.tensor([0.0, float(who.points["ear_left"][2]) - 0.015])
    head = reach_by_angle(crown, middle, heights.clamp(min=eye - 0.01), angles, 0.02)
    torso = reach_by_angle(who.base.at[~who.arm & ~who.head], middle, heights, angles, 0.02) + 0.012
    back = (-angles.cos()).clamp(0, 1)  # at the sides hair falls past the shoulders, at the back it lies on them
    least = head * torch.linspace(1, 0.92, len(heights))[:, None]
    reach = torch.maximum(least, torch.minimum(torso, least + 0.02 + 0.09 * back))
    wave = torch.from_numpy(np.cumsum(random.normal(0, 0.0015, (len(heights), 1)), 0)).float()
    lock = torch.from_numpy(random.normal(0, 0.004, RING_POINTS)).float()
    reach = reach + 0.003 + wave + lock * torch.linspace(0.2, 1, len(heights))[:, None]
    low = (
        heights[:, None]
        + torch.from_numpy(random.normal(0, 0.012, RING_POINTS)).float() * torch.linspace(0, 1, 14)[:, None]
    )
    place = torch.stack([middle[0] + reach * angles.sin(), low, middle[1] + reach * angles.cos()], -1)
    return build_ring_cloth(place, hair_joint_weights(who, place), False, 0.5, start - end, back_of_head_face(who))


def build_tail_or_bun(
    random: np.random.Generator, who: MeasuredBody, crown: Float[Tensor, "n 3"], bun: bool
) -> ClothPiece:
    """A ponytail or a bun."""
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
    return build_ring_cloth(place, hair_joint_weights(who, place), True, 0.2, 0.3, back_of_head_face(who))


def back_of_head_face(who: MeasuredBody) -> int:
    """Index of a body face at the back of the head."""
    faces = who.base.at[who.base.faces].mean(1)
    head = torch.isin(who.body.parts, torch.tensor([23, 24]))
    return int(torch.where(head, faces[:, 2], torch.full_like(faces[:, 2], 9.0)).argmin())
