"""Image degradation: noise, blur, JPEG and colour casts."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

ColourImage = Float[np.ndarray, "3 H W"]


@dataclass(frozen=True)
class Damage:
    """Chance of each effect on a degraded view, and its greatest strength."""

    views: int = 1  # how many views of a sample are degraded, from the first; the others stay clean
    noise: tuple[float, float] = (0.6, 0.03)
    blur: tuple[float, float] = (0.35, 1.1)  # pixels
    jpeg: tuple[float, int] = (0.5, 45)  # lowest quality
    cast: tuple[float, float] = (0.6, 0.12)  # colour cast, the same for all views of a sample


def sample_colour_cast(random: np.random.Generator, how: Damage) -> Float[np.ndarray, "3 1 1"]:
    """np.random.Generator gain of each colour channel."""
    if random.random() > how.cast[0]:
        return np.ones((3, 1, 1), np.float32)
    gain = np.exp(random.normal(-0.5 * how.cast[1], how.cast[1]) + random.normal(0, how.cast[1] / 3, (3, 1, 1)))
    return np.asarray(gain, np.float32)


def degrade_image(random: np.random.Generator, picture: ColourImage, how: Damage) -> ColourImage:
    """The image with random blur, noise and JPEG compression."""
    image = np.ascontiguousarray(picture.transpose(1, 2, 0))
    if random.random() < how.blur[0]:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.3, how.blur[1]))
    if random.random() < how.noise[0]:
        size = random.uniform(0, how.noise[1])
        image = image + random.standard_normal(image.shape, np.float32) * np.float32(size)
    if random.random() < how.jpeg[0]:
        quality = int(random.integers(how.jpeg[1], 96))
        pixels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1] / np.float32(255)
    return np.ascontiguousarray(np.clip(image, 0, 1).transpose(2, 0, 1), np.float32)
