"""Cloth that nobody wove: textures of a metre by a metre, uint8 [H, W, 3], that repeat at their edges."""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from motion_imitate.synthesis.noise import field

Random = np.random.Generator
Colour = Float[np.ndarray, "3"]
Pattern = Float[np.ndarray, "H W"]
Cloth = UInt8[np.ndarray, "H W 3"]

SIZE = 512  # texels of a metre
QUIET = (
    (0.05, 0.05, 0.06),
    (0.93, 0.93, 0.92),
    (0.45, 0.45, 0.46),
    (0.09, 0.13, 0.26),
    (0.72, 0.63, 0.5),
    (0.3, 0.2, 0.13),
)
WRITING = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
FACES = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX)
CHEST = (0.34, 0.66)  # where a print may go, of the texture


def colour(random: Random) -> Colour:
    """One that people wear: every other one is black, white, grey, navy, beige or brown, or nearly so."""
    if random.random() < 0.5:
        return np.clip(np.array(QUIET[random.integers(len(QUIET))]) + random.normal(0, 0.03, 3), 0.02, 0.97)
    hue, saturation, value = random.random() * 360, random.beta(2.2, 1.6), random.uniform(0.2, 0.95)
    one = np.array([[[hue, saturation, value]]], np.float32)
    return np.clip(cv2.cvtColor(one, cv2.COLOR_HSV2RGB)[0, 0].astype(float), 0.02, 0.97)


def two(random: Random) -> tuple[Colour, Colour]:
    """Colours that can be told apart."""
    first = colour(random)
    for _ in range(8):
        second = colour(random)
        if np.abs(first - second).max() > 0.25:
            break
    return first, second


def wave(random: Random, along: int, least: int = 4, most: int = 34) -> Float[np.ndarray, "N"]:
    """Bands of a random rhythm, in [0, 1]; `along` texels in a row."""
    count, share = int(random.integers(least, most)), random.uniform(0.15, 0.85)
    phase = (np.arange(along) / along * count) % 1
    edge = 0.04 * max(1, count / 10)
    bands = np.clip((share - phase) / edge + 0.5, 0, 1) * np.clip(phase / edge, 0, 1)
    if random.random() < 0.4:  # every so often a band of its own
        every = [d for d in (1, 2, 3, 4, 6) if count % d == 0][-1]
        bands = bands * np.where((np.arange(along) / along * count // 1) % every == 0, 1, random.uniform(0.2, 0.7))
    return np.asarray(bands, np.float64)


def plain(random: Random, size: int) -> Pattern:
    return np.zeros((size, size))


def stripes(random: Random, size: int) -> Pattern:
    bands = np.broadcast_to(wave(random, size)[:, None], (size, size))
    return np.ascontiguousarray(bands if random.random() < 0.65 else bands.T)


def check(random: Random, size: int) -> Pattern:
    across = wave(random, size, 4, 20)
    down = across if random.random() < 0.6 else wave(random, size, 4, 20)
    return 0.5 * (across[None] + down[:, None])


def dots(random: Random, size: int) -> Pattern:
    count, radius = int(random.integers(6, 26)), random.uniform(0.12, 0.4)
    row, column = np.divmod(np.arange(size * size), size)
    y, x = row / size * count, column / size * count
    x = x + 0.5 * (y // 1 % 2) * (count % 2 == 0)
    away = np.hypot(x % 1 - 0.5, y % 1 - 0.5).reshape(size, size)
    return np.clip((radius - away) / 0.06 + 0.5, 0, 1)


def clouds(random: Random, size: int) -> Pattern:
    return np.clip(0.5 + 0.6 * field(random, size, random.uniform(3, 16), 3), 0, 1)


def camouflage(random: Random, size: int) -> Pattern:
    steps = int(random.integers(2, 5))
    return np.clip(np.floor((0.5 + 0.5 * field(random, size, random.uniform(4, 14), 2)) * steps) / (steps - 1), 0, 1)


def flowers(random: Random, size: int) -> Pattern:
    drawn = np.zeros((size, size), np.uint8)
    petals, radius = int(random.integers(3, 8)), random.uniform(6, 22)
    for x, y in random.integers(0, size, (int(random.integers(40, 160)), 2)):
        turn = random.random() * 2 * np.pi
        for k in range(petals):
            angle = turn + 2 * np.pi * k / petals
            at = (int(x + radius * np.cos(angle)), int(y + radius * np.sin(angle)))
            cv2.ellipse(
                drawn, at, (int(radius * 0.7), int(radius * 0.4)), np.degrees(angle), 0, 360, 255, -1, cv2.LINE_AA
            )
        cv2.circle(drawn, (int(x), int(y)), int(radius * 0.4), 100, -1, cv2.LINE_AA)
    return drawn / 255.0


def diagonal(random: Random, size: int) -> Pattern:
    bands, row = wave(random, size, 5, 24), np.arange(size)
    return bands[(row[:, None] + row[None]) % size]


def blocks(random: Random, size: int) -> Pattern:
    row = np.arange(size)[:, None] / size
    return np.broadcast_to((row > random.uniform(0.35, 0.65)).astype(float), (size, size)).copy()


PATTERNS: dict[str, tuple[float, Callable[[Random, int], Pattern]]] = {  # how often, and what
    "plain": (6, plain),
    "stripes": (2, stripes),
    "check": (1.2, check),
    "dots": (0.6, dots),
    "clouds": (0.8, clouds),
    "camouflage": (0.5, camouflage),
    "flowers": (0.7, flowers),
    "diagonal": (0.5, diagonal),
    "blocks": (0.8, blocks),
}


def cloth(random: Random, size: int = SIZE) -> Cloth:
    """Any of PATTERNS in two colours, woven and worn."""
    names = list(PATTERNS)
    often = np.array([PATTERNS[name][0] for name in names])
    name = names[int(random.choice(len(names), p=often / often.sum()))]
    first, second = two(random)
    return finished(random, painted(PATTERNS[name][1](random, size), first, second))


def denim(random: Random, size: int = SIZE) -> Cloth:
    dark = np.array([0.12, 0.17, 0.3]) * random.uniform(0.5, 1.5) + random.normal(0, 0.015, 3)
    light = np.clip(dark * 2 + 0.15, 0, 0.85)
    row = np.arange(size)
    twill = 0.12 * np.sin((row[:, None] + row[None]) * (2 * np.pi * 128 / size))
    return finished(random, painted(np.clip(0.3 + 0.16 * field(random, size, 5.0, 3) + twill, 0, 1), dark, light))


def painted(share: Pattern, first: Colour, second: Colour) -> Float[np.ndarray, "H W 3"]:
    return first + share[..., None] * (second - first)


def finished(random: Random, cloth: Float[np.ndarray, "H W 3"]) -> Cloth:
    """Creases and the grain of threads."""
    size = len(cloth)
    crease = random.uniform(0.01, 0.05) * field(random, size, random.uniform(6, 14), 2)
    grain = random.normal(0, random.uniform(0.005, 0.03), (size, size))
    return np.asarray(np.clip(cloth * (1 + crease[..., None]) + grain[..., None], 0, 1) * 255 + 0.5, np.uint8)


def printed(random: Random, cloth: Cloth) -> Cloth:
    """With a sign, a word or a picture where the chest is: the middle of the texture."""
    size = len(cloth)
    low, high = (int(size * share) for share in CHEST)
    wide = high - low
    ink, mask = np.empty((wide, wide, 3)), np.zeros((wide, wide), np.uint8)
    ink[:] = colour(random)
    middle = wide // 2
    kind = random.integers(4)
    if kind == 0:
        cv2.circle(
            mask,
            (middle, middle),
            int(wide * random.uniform(0.2, 0.45)),
            255,
            int(random.choice([-1, 6, 14])),
            cv2.LINE_AA,
        )
    elif kind == 1:
        count = int(random.integers(3, 8))
        angle = np.arange(2 * count) / count * np.pi
        reach = wide * np.where(np.arange(2 * count) % 2, random.uniform(0.15, 0.4), 0.45)
        points = np.stack([middle + reach * np.sin(angle), middle - reach * np.cos(angle)], 1)
        cv2.fillPoly(mask, [points.astype(np.int32)], (255,), cv2.LINE_AA)
    elif kind == 2:
        mask[wide // 6 : -wide // 6, wide // 8 : -wide // 8] = 255
        ink[:] = painted(clouds(random, wide), *two(random))
    if kind == 3 or random.random() < 0.5:
        word = "".join(random.choice(list(WRITING), int(random.integers(2, 6))))
        face, scale = FACES[random.integers(len(FACES))], 1.0
        (across, up), _ = cv2.getTextSize(word, face, scale, 6)
        scale = wide * 0.95 / across
        shade = 255 * int(kind == 3)
        at = (int(wide * 0.02), int(middle + up * scale / 2))
        cv2.putText(mask, word, at, face, scale, (shade,), int(random.integers(3, 10)), cv2.LINE_AA)
    out = cloth.copy()
    part = out[low:high, low:high]
    share = mask[..., None] / 255
    part[:] = (part * (1 - share) + 255 * ink * share).astype(np.uint8)
    return out
