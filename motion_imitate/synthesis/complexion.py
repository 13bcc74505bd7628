"""Skin that is painted: tone, lips, brows, eyes and scalp, where the body's own texture coordinates have them."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.geometry.raster import rasterize
from motion_imitate.synthesis.figure import Figure
from motion_imitate.synthesis.noise import at_points
from motion_imitate.synthesis.person import EYEBALLS

Random = np.random.Generator
TONES = ((0.29, 0.185, 0.135), (0.48, 0.325, 0.235), (0.68, 0.5, 0.385), (0.8, 0.625, 0.51), (0.89, 0.735, 0.645))
IRIS = ((0.2, 0.12, 0.07), (0.3, 0.2, 0.1), (0.25, 0.4, 0.55), (0.3, 0.42, 0.3), (0.35, 0.38, 0.4))
SIZE = 512
EYE = (0.0062, 0.0028)  # metres from an eye's axis to the edges of iris and pupil


@dataclass(frozen=True)
class Chart:
    """Which face, and where on it, each texel shows; those that show none, what the nearest that does shows."""

    face: Int[np.ndarray, " T"]
    weights: Float[np.ndarray, "T 3"]


@lru_cache(maxsize=2)
def chart(uv: bytes, size: int) -> Chart:
    """`uv`: float32 texture coordinates of faces' corners."""
    flat = torch.from_numpy(np.frombuffer(uv, np.float32).reshape(-1, 3, 2).copy())
    corners = torch.cat([flat * torch.tensor([2.0, -2.0]) + torch.tensor([-1.0, 1.0]), torch.ones(len(flat), 3, 1)], 2)
    raster = rasterize(corners[None], (size, size))
    face, weights = raster.face[0].numpy(), raster.weights[0].numpy()
    _, label = cv2.distanceTransformWithLabels(
        (face < 0).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    filled = np.zeros(label.max() + 1, np.int64)
    filled[label[face >= 0]] = np.flatnonzero(face.ravel() >= 0)
    source = filled[label].ravel()
    return Chart(face.ravel()[source], weights.reshape(-1, 3)[source])


def spread(values: Float[Tensor, "V C"], who: Figure, size: int = SIZE) -> Float[np.ndarray, "T C"]:
    """What vertices have, at every texel of the body's texture."""
    where = chart(who.body.uv.float().numpy().tobytes(), size)
    corners = values.numpy()[who.body.faces.numpy()[where.face]]
    return np.asarray((corners * where.weights[..., None]).sum(1))


def tone(random: Random) -> Float[np.ndarray, "3"]:
    step = random.random() * (len(TONES) - 1)
    low = min(int(step), len(TONES) - 2)
    mixed = np.array(TONES[low]) + (step - low) * (np.array(TONES[low + 1]) - np.array(TONES[low]))
    return np.clip(mixed * random.uniform(0.92, 1.06) * (1 + random.normal(0, 0.02, 3)), 0.05, 0.96)


def soft(distance: Float[np.ndarray, "*n"], edge: float) -> Float[np.ndarray, "*n"]:
    """1 well inside (negative), 0 well outside, half at 0."""
    return np.asarray(1 / (1 + np.exp(np.clip(distance / edge, -30, 30))))


def painted(
    random: Random, who: Figure, skin: Float[np.ndarray, "3"], hair: Float[np.ndarray, "3"], scalp: Float[Tensor, " V"]
) -> np.ndarray:
    """A texture of the whole skin, uint8 [H, W, 3]. `scalp`: metres inside the hair's edge."""
    at = spread(torch.cat([who.base.at, scalp[:, None]], 1), who)
    place, inside = at[:, :3], at[:, 3]
    colour = skin * (1 + 0.03 * at_points(random, place, 9.0)[:, None])
    mouth, eye = who.points["mouth_left"].numpy(), who.points["eye_left"].numpy()
    front = place[:, 2] > eye[2] - 0.05
    near = np.abs(place[:, 0])
    flush = 0.35 * np.exp(-(((near - 0.04) / 0.02) ** 2) - ((place[:, 1] - mouth[1] - 0.035) / 0.02) ** 2) * front
    colour = mix(colour, skin * [1.0, 0.72, 0.68], flush)
    if random.random() < 0.3:  # a beard, or the shade of one
        beard = soft(np.maximum(place[:, 1] - mouth[1] - 0.012, mouth[1] - 0.06 - place[:, 1]), 0.006) * (near < 0.062)
        colour = mix(colour, hair, beard * random.choice([0.15, 0.3, 0.8]) * (place[:, 2] > eye[2] - 0.085))
    lips = np.hypot(place[:, 0] / (mouth[0] + 0.003), (place[:, 1] - mouth[1]) / 0.0095) - 1
    colour = mix(colour, skin * [0.92, 0.58, 0.56] * random.uniform(0.8, 1.05), 0.8 * soft(lips, 0.1) * front)
    seam = soft(np.abs(place[:, 1] - mouth[1]) - 0.0012, 0.0006) * (near < mouth[0])
    colour = mix(colour, skin * [0.4, 0.22, 0.2], 0.7 * seam * front)
    arch = eye[1] + 0.019 + 0.005 * (1 - ((near - eye[0] - 0.006) / 0.022) ** 2)
    brow = soft(np.abs(place[:, 1] - arch) - random.uniform(0.0028, 0.0048), 0.0012) * soft(
        np.abs(near - eye[0]) - 0.021, 0.002
    )
    colour = mix(colour, hair * 0.8, 0.85 * brow * front)
    lid = soft(np.abs(np.hypot((near - eye[0]) / 1.5, (place[:, 1] - eye[1]) * 1.25) - 0.0105) - 0.0016, 0.0007)
    colour = mix(colour, skin * 0.35, 0.75 * lid * front * (place[:, 1] > eye[1] - 0.003))
    colour = mix(colour, hair * 0.9, 0.93 * soft(-inside, 0.003))
    colour = eyes(random, who, place, colour)
    return np.asarray(np.clip(colour.reshape(SIZE, SIZE, 3), 0, 1) * 255 + 0.5, np.uint8)


def mix(one: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return np.asarray(one + share[:, None] * (other - one))


def eyes(random: Random, who: Figure, place: np.ndarray, colour: np.ndarray) -> np.ndarray:
    ball = spread((torch.arange(len(who.base.at)) >= EYEBALLS).float()[:, None], who)[:, 0] > 0.5
    centre = who.joints["eye.L"].numpy()
    away = np.hypot(np.abs(place[:, 0]) - centre[0], place[:, 1] - centre[1])
    ahead = place[:, 2] > centre[2]
    white = np.array([0.86, 0.84, 0.82])
    iris = np.array(IRIS[int(random.choice(len(IRIS), p=[0.45, 0.25, 0.12, 0.08, 0.1]))])
    ring = mix(np.broadcast_to(white, place.shape), iris, soft(away - EYE[0], 0.0004) * ahead)
    ring = mix(ring, np.full(3, 0.02), soft(away - EYE[1], 0.0003) * ahead)
    return np.where(ball[:, None], ring, colour)
