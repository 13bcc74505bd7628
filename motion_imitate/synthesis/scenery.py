"""What is behind made-up people: shades, noise, clutter, rooms, or photos out of a folder."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from motion_imitate.synthesis import fabrics
from motion_imitate.synthesis.fabrics import PATTERNS
from motion_imitate.synthesis.noise import field

Random = np.random.Generator
Picture = Float[np.ndarray, "H W 3"]
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
KEPT = 64  # photos held in memory


def colour(random: Random) -> Float[np.ndarray, "3"]:
    """One that walls and gardens have: less strong than those of clothes."""
    strong = fabrics.colour(random)
    return strong + random.uniform(0.1, 0.8) * (strong.mean() - strong)


def shades(random: Random, size: tuple[int, int]) -> Picture:
    small = (max(size[0] // 8, 2), max(size[1] // 8, 2))  # nothing in it is sharp
    y, x = np.mgrid[0 : small[0], 0 : small[1]] / np.array(small).reshape(2, 1, 1)
    angle = random.random() * 2 * np.pi
    share = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[..., None]
    one, other = colour(random), colour(random)
    other = one + (other - one) * random.uniform(0.1, 1)
    round_ = np.hypot(x - random.random(), y - random.random())[..., None]
    picture = (one + share * (other - one)) * (1 - random.uniform(0, 0.4) * round_**2)
    return cv2.resize(picture.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def clouds(random: Random, size: tuple[int, int]) -> Picture:
    wide = max(size)
    share = field(random, wide, random.uniform(2, 8), 4)[: size[0], : size[1], None]
    one, other = colour(random), colour(random)
    other = one + (other - one) * random.uniform(0.2, 0.8)
    return one + np.clip(0.5 + 0.35 * share, 0, 1) * (other - one)


def clutter(random: Random, size: tuple[int, int], on: Picture | None = None, count: int | None = None) -> Picture:
    """Boxes, discs and lines of any colour, far off."""
    drawn = np.ascontiguousarray((shades(random, size) if on is None else on) * 255).clip(0, 255).astype(np.uint8)
    height, width = size
    for _ in range(int(random.integers(4, 30)) if count is None else count):
        ink = tuple((colour(random) * 255).tolist())
        a = (int(random.integers(-20, width)), int(random.integers(-20, height)))
        b = (a[0] + int(random.integers(4, width // 2)), a[1] + int(random.integers(4, height // 2)))
        kind = random.integers(4)
        if kind < 2:
            cv2.rectangle(drawn, a, b, ink, -1)
        elif kind == 2:
            cv2.circle(drawn, a, int(random.integers(3, max(4, width // 6))), ink, -1, cv2.LINE_AA)
        else:
            cv2.line(drawn, a, b, ink, int(random.integers(1, 8)), cv2.LINE_AA)
    soft = float(random.choice([0.0, 0.6, 2.0, 5.0]))
    return (cv2.GaussianBlur(drawn, (0, 0), soft) if soft else drawn) / 255


def room(random: Random, size: tuple[int, int]) -> Picture:
    """A wall, a floor in perspective, a board between them, and things on the wall."""
    height, width = size
    line = random.uniform(0.55, 0.85) * height
    y, x = (np.mgrid[0:height, 0:width] + 0.5).astype(np.float32)
    down = np.maximum(y - line, 0.5) / height
    deep = 0.25 / down
    names = list(PATTERNS)
    tile = PATTERNS[names[int(random.integers(len(names)))]][1](random, 256).astype(np.float32)
    turn = random.uniform(-0.6, 0.6)
    across = (x / width - 0.5) * deep * 2
    u, v = across * np.cos(turn) - deep * np.sin(turn), across * np.sin(turn) + deep * np.cos(turn)
    place = [np.asarray(x * 48 % 255, np.float32) for x in (u, v)]
    share = cv2.remap(tile, place[0], place[1], cv2.INTER_LINEAR)
    share = (share * np.clip(down * 6, 0, 1))[..., None] * random.uniform(0.1, 0.9)
    one, other = colour(random), colour(random)
    floor = one + share * (other - one)
    wall = clutter(random, size, np.broadcast_to(colour(random), (height, width, 3)), int(random.integers(0, 8)))
    light = 1 - random.uniform(0, 0.35) * np.abs(x / width - random.random())[..., None]
    picture = np.where((y > line)[..., None], floor, wall * light)
    board = (np.abs(y - line + 2) < 2)[..., None] & (random.random() < 0.6)
    return np.where(board, np.clip(one * 0.5 + 0.3, 0, 1), picture)


@lru_cache(maxsize=KEPT)
def photo(path: Path) -> np.ndarray:
    data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if data is None:
        raise ValueError(f"{path} is no picture that can be read; take it out of the folder of backgrounds")
    scale = min(1.0, 800 / max(data.shape[:2]))
    small = cv2.resize(data, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1])


def cropped(random: Random, path: Path, size: tuple[int, int]) -> Picture:
    """Any part of a photo, perhaps mirrored."""
    whole = photo(path)
    shape = np.array(size) / max(size)
    side = min(whole.shape[0] / shape[0], whole.shape[1] / shape[1]) * random.uniform(0.5, 1)
    high, wide = (max(2, int(n)) for n in shape * side)
    top, left = int(random.integers(whole.shape[0] - high + 1)), int(random.integers(whole.shape[1] - wide + 1))
    part = whole[top : top + high, left : left + wide]
    part = cv2.resize(part, (size[1], size[0]), interpolation=cv2.INTER_AREA if high > size[0] else cv2.INTER_LINEAR)
    return (part[:, ::-1] if random.random() < 0.5 else part) / 255


def photos(folder: Path) -> tuple[Path, ...]:
    """The pictures of a folder and of those in it."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give one of photos for backgrounds")
    found = tuple(sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES))
    if not found:
        raise FileNotFoundError(f"no pictures ({', '.join(SUFFIXES)}) in {folder}; give a folder of photos")
    return found


SCENES: tuple[Callable[[Random, tuple[int, int]], Picture], ...] = (shades, clouds, clutter, room, room)


def scene(random: Random, size: tuple[int, int], taken: tuple[Path, ...] = ()) -> Float[np.ndarray, "3 H W"]:
    """Photos, four times of five, where there are any."""
    if taken and random.random() < 0.8:
        picture = cropped(random, taken[int(random.integers(len(taken)))], size)
    else:
        picture = SCENES[int(random.integers(len(SCENES)))](random, size)
        grain = np.float32(random.uniform(0, 0.02))
        picture = picture + grain * random.standard_normal((*size, 1), np.float32)
    return np.ascontiguousarray(np.clip(picture, 0, 1).transpose(2, 0, 1), np.float32)
