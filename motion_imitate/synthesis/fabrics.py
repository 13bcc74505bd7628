"""Generated cloth: seamless textures of one square metre, uint8 [H, W, 3]."""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from motion_imitate.synthesis.noise import noise_field

Colour = Float[np.ndarray, "3"]
Pattern = Float[np.ndarray, "H W"]
Cloth = UInt8[np.ndarray, "H W 3"]

CLOTH_TEXELS = 512  # texels per metre
NEUTRAL_COLOURS = (
    (0.05, 0.05, 0.06),
    (0.93, 0.93, 0.92),
    (0.45, 0.45, 0.46),
    (0.09, 0.13, 0.26),
    (0.72, 0.63, 0.5),
    (0.3, 0.2, 0.13),
)
PRINT_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
PRINT_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
PRINT_AREA = (0.34, 0.66)  # range of the print, as a share of the texture


def sample_clothing_colour(random: np.random.Generator) -> Colour:
    """A random clothing colour; every second one is close to black, white, grey, navy, beige or brown."""
    if random.random() < 0.5:
        return np.clip(
            np.array(NEUTRAL_COLOURS[random.integers(len(NEUTRAL_COLOURS))]) + random.normal(0, 0.03, 3), 0.02, 0.97
        )
    hue, saturation, value = random.random() * 360, random.beta(2.2, 1.6), random.uniform(0.2, 0.95)
    one = np.array([[[hue, saturation, value]]], np.float32)
    return np.clip(cv2.cvtColor(one, cv2.COLOR_HSV2RGB)[0, 0].astype(float), 0.02, 0.97)


def sample_contrasting_colours(random: np.random.Generator) -> tuple[Colour, Colour]:
    """Two random colours that differ visibly."""
    first = sample_clothing_colour(random)
    for _ in range(8):
        second = sample_clothing_colour(random)
        if np.abs(first - second).max() > 0.25:
            break
    return first, second


def band_profile(random: np.random.Generator, along: int, least: int = 4, most: int = 34) -> Float[np.ndarray, "N"]:
    """One row of `along` texels with bands of random rhythm, in [0, 1]."""
    count, share = int(random.integers(least, most)), random.uniform(0.15, 0.85)
    phase = (np.arange(along) / along * count) % 1
    edge = 0.04 * max(1, count / 10)
    bands = np.clip((share - phase) / edge + 0.5, 0, 1) * np.clip(phase / edge, 0, 1)
    if random.random() < 0.4:  # a few bands at full strength, the rest fainter
        every = [d for d in (1, 2, 3, 4, 6) if count % d == 0][-1]
        bands = bands * np.where((np.arange(along) / along * count // 1) % every == 0, 1, random.uniform(0.2, 0.7))
    return np.asarray(bands, np.float64)


def plain_pattern(random: np.random.Generator, size: int) -> Pattern:
    """A pattern of one colour."""
    return np.zeros((size, size))


def stripe_pattern(random: np.random.Generator, size: int) -> Pattern:
    """Horizontal or vertical bands."""
    bands = np.broadcast_to(band_profile(random, size)[:, None], (size, size))
    return np.ascontiguousarray(bands if random.random() < 0.65 else bands.T)


def check_pattern(random: np.random.Generator, size: int) -> Pattern:
    """Bands crossed at right angles."""
    across = band_profile(random, size, 4, 20)
    down = across if random.random() < 0.6 else band_profile(random, size, 4, 20)
    return 0.5 * (across[None] + down[:, None])


def dot_pattern(random: np.random.Generator, size: int) -> Pattern:
    """Dots on a regular grid."""
    count, radius = int(random.integers(6, 26)), random.uniform(0.12, 0.4)
    row, column = np.divmod(np.arange(size * size), size)
    y, x = row / size * count, column / size * count
    x = x + 0.5 * (y // 1 % 2) * (count % 2 == 0)
    away = np.hypot(x % 1 - 0.5, y % 1 - 0.5).reshape(size, size)
    return np.clip((radius - away) / 0.06 + 0.5, 0, 1)


def cloud_pattern(random: np.random.Generator, size: int) -> Pattern:
    """Smooth noise."""
    return np.clip(0.5 + 0.6 * noise_field(random, size, random.uniform(3, 16), 3), 0, 1)


def camouflage_pattern(random: np.random.Generator, size: int) -> Pattern:
    """Noise in a few flat steps."""
    steps = int(random.integers(2, 5))
    return np.clip(
        np.floor((0.5 + 0.5 * noise_field(random, size, random.uniform(4, 14), 2)) * steps) / (steps - 1), 0, 1
    )


def flower_pattern(random: np.random.Generator, size: int) -> Pattern:
    """Flowers at random places."""
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


def diagonal_pattern(random: np.random.Generator, size: int) -> Pattern:
    """Bands at 45 degrees."""
    bands, row = band_profile(random, size, 5, 24), np.arange(size)
    return bands[(row[:, None] + row[None]) % size]


def block_pattern(random: np.random.Generator, size: int) -> Pattern:
    """Two blocks, one above the other."""
    row = np.arange(size)[:, None] / size
    return np.broadcast_to((row > random.uniform(0.35, 0.65)).astype(float), (size, size)).copy()


PATTERNS: dict[str, tuple[float, Callable[[np.random.Generator, int], Pattern]]] = {  # relative frequency and function
    "plain": (6, plain_pattern),
    "stripes": (2, stripe_pattern),
    "check": (1.2, check_pattern),
    "dots": (0.6, dot_pattern),
    "clouds": (0.8, cloud_pattern),
    "camouflage": (0.5, camouflage_pattern),
    "flowers": (0.7, flower_pattern),
    "diagonal": (0.5, diagonal_pattern),
    "blocks": (0.8, block_pattern),
}


def make_cloth_texture(random: np.random.Generator, size: int = CLOTH_TEXELS) -> Cloth:
    """A random entry of PATTERNS in two colours, with creases and grain."""
    names = list(PATTERNS)
    often = np.array([PATTERNS[name][0] for name in names])
    name = names[int(random.choice(len(names), p=often / often.sum()))]
    first, second = sample_contrasting_colours(random)
    return add_creases_and_grain(random, colour_pattern(PATTERNS[name][1](random, size), first, second))


def make_plain_texture(random: np.random.Generator, colour: Colour, size: int = CLOTH_TEXELS) -> Cloth:
    """Cloth of one colour, with creases and grain."""
    return add_creases_and_grain(random, np.broadcast_to(colour, (size, size, 3)))


def make_denim_texture(random: np.random.Generator, size: int = CLOTH_TEXELS) -> Cloth:
    """Denim with a twill weave, creases and grain."""
    dark = np.array([0.12, 0.17, 0.3]) * random.uniform(0.5, 1.5) + random.normal(0, 0.015, 3)
    light = np.clip(dark * 2 + 0.15, 0, 0.85)
    row = np.arange(size)
    twill = 0.12 * np.sin((row[:, None] + row[None]) * (2 * np.pi * 128 / size))
    return add_creases_and_grain(
        random, colour_pattern(np.clip(0.3 + 0.16 * noise_field(random, size, 5.0, 3) + twill, 0, 1), dark, light)
    )


def colour_pattern(share: Pattern, first: Colour, second: Colour) -> Float[np.ndarray, "H W 3"]:
    """The pattern from the first colour (0) to the second (1)."""
    return first + share[..., None] * (second - first)


def add_creases_and_grain(random: np.random.Generator, cloth: Float[np.ndarray, "H W 3"]) -> Cloth:
    """The cloth as bytes, with creases and thread grain."""
    size = len(cloth)
    crease = random.uniform(0.01, 0.05) * noise_field(random, size, random.uniform(6, 14), 2)
    grain = random.normal(0, random.uniform(0.005, 0.03), (size, size))
    return np.asarray(np.clip(cloth * (1 + crease[..., None]) + grain[..., None], 0, 1) * 255 + 0.5, np.uint8)


def add_chest_print(random: np.random.Generator, cloth: Cloth) -> Cloth:
    """The cloth with a shape, a word or a picture on the chest, the middle of the texture."""
    size = len(cloth)
    low, high = (int(size * share) for share in PRINT_AREA)
    wide = high - low
    ink, mask = np.empty((wide, wide, 3)), np.zeros((wide, wide), np.uint8)
    ink[:] = sample_clothing_colour(random)
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
        ink[:] = colour_pattern(cloud_pattern(random, wide), *sample_contrasting_colours(random))
    if kind == 3 or random.random() < 0.5:
        word = "".join(random.choice(list(PRINT_LETTERS), int(random.integers(2, 6))))
        face, scale = PRINT_FONTS[random.integers(len(PRINT_FONTS))], 1.0
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
