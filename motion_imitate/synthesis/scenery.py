"""Backdrops of synthetic people: gradients, noise, clutter, rooms, or photos from a folder."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from motion_imitate.synthesis import fabrics
from motion_imitate.synthesis.fabrics import PATTERNS
from motion_imitate.synthesis.noise import noise_field

BackdropImage = Float[np.ndarray, "H W 3"]
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
CACHED_PHOTOS = 64  # photos kept in memory


def sample_backdrop_colour(random: np.random.Generator) -> Float[np.ndarray, "3"]:
    """A random backdrop colour, less saturated than clothes."""
    strong = fabrics.sample_clothing_colour(random)
    return strong + random.uniform(0.1, 0.8) * (strong.mean() - strong)


def gradient_backdrop(random: np.random.Generator, size: tuple[int, int]) -> BackdropImage:
    """A linear gradient with a vignette."""
    small = (max(size[0] // 8, 2), max(size[1] // 8, 2))  # low resolution is enough for a smooth image
    y, x = np.mgrid[0 : small[0], 0 : small[1]] / np.array(small).reshape(2, 1, 1)
    angle = random.random() * 2 * np.pi
    share = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[..., None]
    one, other = sample_backdrop_colour(random), sample_backdrop_colour(random)
    other = one + (other - one) * random.uniform(0.1, 1)
    round_ = np.hypot(x - random.random(), y - random.random())[..., None]
    picture = (one + share * (other - one)) * (1 - random.uniform(0, 0.4) * round_**2)
    return cv2.resize(picture.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def cloud_backdrop(random: np.random.Generator, size: tuple[int, int]) -> BackdropImage:
    """Smooth noise between two colours."""
    wide = max(size)
    share = noise_field(random, wide, random.uniform(2, 8), 4)[: size[0], : size[1], None]
    one, other = sample_backdrop_colour(random), sample_backdrop_colour(random)
    other = one + (other - one) * random.uniform(0.2, 0.8)
    return one + np.clip(0.5 + 0.35 * share, 0, 1) * (other - one)


def clutter_backdrop(
    random: np.random.Generator, size: tuple[int, int], on: BackdropImage | None = None, count: int | None = None
) -> BackdropImage:
    """np.random.Generator boxes, discs and lines, blurred as if far away."""
    drawn = (
        np.ascontiguousarray((gradient_backdrop(random, size) if on is None else on) * 255)
        .clip(0, 255)
        .astype(np.uint8)
    )
    height, width = size
    for _ in range(int(random.integers(4, 30)) if count is None else count):
        ink = tuple((sample_backdrop_colour(random) * 255).tolist())
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


def room_backdrop(random: np.random.Generator, size: tuple[int, int]) -> BackdropImage:
    """A wall with objects, a floor in perspective, and a skirting board."""
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
    one, other = sample_backdrop_colour(random), sample_backdrop_colour(random)
    floor = one + share * (other - one)
    wall = clutter_backdrop(
        random, size, np.broadcast_to(sample_backdrop_colour(random), (height, width, 3)), int(random.integers(0, 8))
    )
    light = 1 - random.uniform(0, 0.35) * np.abs(x / width - random.random())[..., None]
    picture = np.where((y > line)[..., None], floor, wall * light)
    board = (np.abs(y - line + 2) < 2)[..., None] & (random.random() < 0.6)
    return np.where(board, np.clip(one * 0.5 + 0.3, 0, 1), picture)


@lru_cache(maxsize=CACHED_PHOTOS)
def read_backdrop_photo(path: Path) -> np.ndarray:
    """A photo scaled to at most 800 pixels, cached."""
    data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if data is None:
        raise ValueError(f"{path} is not a readable image; remove it from the backgrounds folder")
    scale = min(1.0, 800 / max(data.shape[:2]))
    small = cv2.resize(data, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1])


def crop_backdrop_photo(random: np.random.Generator, path: Path, size: tuple[int, int]) -> BackdropImage:
    """A random crop of a photo, sometimes mirrored."""
    whole = read_backdrop_photo(path)
    shape = np.array(size) / max(size)
    side = min(whole.shape[0] / shape[0], whole.shape[1] / shape[1]) * random.uniform(0.5, 1)
    high, wide = (max(2, int(n)) for n in shape * side)
    top, left = int(random.integers(whole.shape[0] - high + 1)), int(random.integers(whole.shape[1] - wide + 1))
    part = whole[top : top + high, left : left + wide]
    part = cv2.resize(part, (size[1], size[0]), interpolation=cv2.INTER_AREA if high > size[0] else cv2.INTER_LINEAR)
    return (part[:, ::-1] if random.random() < 0.5 else part) / 255


def find_backdrop_photos(folder: Path) -> tuple[Path, ...]:
    """The images in a folder and its subfolders."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder; give a folder of photos")
    found = tuple(sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES))
    if not found:
        raise FileNotFoundError(f"no images ({', '.join(PHOTO_SUFFIXES)}) in {folder}; give a folder of photos")
    return found


BACKDROP_KINDS: tuple[Callable[[np.random.Generator, tuple[int, int]], BackdropImage], ...] = (
    gradient_backdrop,
    cloud_backdrop,
    clutter_backdrop,
    room_backdrop,
    room_backdrop,
)


def sample_backdrop(
    random: np.random.Generator, size: tuple[int, int], taken: tuple[Path, ...] = ()
) -> Float[np.ndarray, "3 H W"]:
    """A random backdrop; where photos are given, four out of five are photos."""
    if taken and random.random() < 0.8:
        picture = crop_backdrop_photo(random, taken[int(random.integers(len(taken)))], size)
    else:
        picture = BACKDROP_KINDS[int(random.integers(len(BACKDROP_KINDS)))](random, size)
        grain = np.float32(random.uniform(0, 0.02))
        picture = picture + grain * random.standard_normal((*size, 1), np.float32)
    return np.ascontiguousarray(np.clip(picture, 0, 1).transpose(2, 0, 1), np.float32)
