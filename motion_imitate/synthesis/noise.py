"""Smooth random noise on textures and at points."""

import cv2
import numpy as np
from jaxtyping import Float


def noise_field(random: np.random.Generator, size: int, fine: float, octaves: int) -> Float[np.ndarray, "H W"]:
    """Seamless noise, about standard normal.

    `fine` is the number of bumps across; each octave has twice as many at half the height.
    """
    total, power = np.zeros((size, size)), 0.0
    for octave in range(octaves):
        cells = int(np.clip(round(fine * 2**octave), 2, size))
        coarse = np.pad(random.normal(0, 1, (cells, cells)), 2, mode="wrap").astype(np.float32)
        edge = 2 * size // cells + 1
        wide = size + 2 * edge  # a whole number of texels on either side
        place = ((np.arange(wide) - edge + 0.5) * cells / size + 2 - 0.5).astype(np.float32)
        grown = cv2.remap(coarse, *np.meshgrid(place, place), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        total += grown[edge:-edge, edge:-edge] / 2**octave
        power += 0.6 / 4**octave
    return np.asarray(total / power**0.5)


def noise_at_points(
    random: np.random.Generator, points: Float[np.ndarray, "N 3"], fine: float, octaves: int = 2
) -> Float[np.ndarray, " N"]:
    """Noise at points in metres, about standard normal; `fine` bumps per metre."""
    total, power = np.zeros(len(points)), 0.0
    for octave in range(octaves):
        ways = random.normal(0, 1, (3, 6)) * fine * 2**octave * np.pi
        total += np.sin(points @ ways + random.random(6) * 2 * np.pi).sum(1) / 2**octave
        power += 3 / 4**octave
    return np.asarray(total / power**0.5)
