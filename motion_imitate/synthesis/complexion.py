"""Generated skin textures: tone, lips, brows, eyes and scalp in the body's texture coordinates."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.geometry.raster import rasterize
from motion_imitate.synthesis.figure import MeasuredBody
from motion_imitate.synthesis.noise import noise_at_points
from motion_imitate.synthesis.person import FIRST_EYEBALL_VERTEX

SKIN_TONES = ((0.29, 0.185, 0.135), (0.48, 0.325, 0.235), (0.68, 0.5, 0.385), (0.8, 0.625, 0.51), (0.89, 0.735, 0.645))
IRIS_COLOURS = ((0.2, 0.12, 0.07), (0.3, 0.2, 0.1), (0.25, 0.4, 0.55), (0.3, 0.42, 0.3), (0.35, 0.38, 0.4))
SKIN_TEXTURE_SIZE = 512
IRIS_AND_PUPIL_RADII = (0.0062, 0.0028)  # metres from the eye's axis


@dataclass(frozen=True)
class TexelMap:
    """Face and barycentric weights of each texel; texels outside the charts copy the nearest one inside."""

    face: Int[np.ndarray, " T"]
    weights: Float[np.ndarray, "T 3"]


@lru_cache(maxsize=2)
def map_texels_to_faces(uv: bytes, size: int) -> TexelMap:
    """The texel map of float32 texture coordinates, given as bytes so that it can be cached."""
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
    return TexelMap(face.ravel()[source], weights.reshape(-1, 3)[source])


def interpolate_to_texels(
    values: Float[Tensor, "V C"], who: MeasuredBody, size: int = SKIN_TEXTURE_SIZE
) -> Float[np.ndarray, "T C"]:
    """Vertex values at every texel of the body's texture."""
    where = map_texels_to_faces(who.body.uv.float().numpy().tobytes(), size)
    corners = values.numpy()[who.body.faces.numpy()[where.face]]
    return np.asarray((corners * where.weights[..., None]).sum(1))


def sample_skin_tone(random: np.random.Generator) -> Float[np.ndarray, "3"]:
    """A random skin colour."""
    step = random.random() * (len(SKIN_TONES) - 1)
    low = min(int(step), len(SKIN_TONES) - 2)
    mixed = np.array(SKIN_TONES[low]) + (step - low) * (np.array(SKIN_TONES[low + 1]) - np.array(SKIN_TONES[low]))
    return np.clip(mixed * random.uniform(0.92, 1.06) * (1 + random.normal(0, 0.02, 3)), 0.05, 0.96)


def soft_step(distance: Float[np.ndarray, "*n"], edge: float) -> Float[np.ndarray, "*n"]:
    """Smooth step: 1 well inside (negative distance), 0 well outside, 0.5 at the edge."""
    return np.asarray(1 / (1 + np.exp(np.clip(distance / edge, -30, 30))))


def paint_skin_texture(
    random: np.random.Generator,
    who: MeasuredBody,
    skin: Float[np.ndarray, "3"],
    hair: Float[np.ndarray, "3"],
    scalp: Float[Tensor, " V"],
) -> np.ndarray:
    """A texture of the whole skin, uint8 [H, W, 3].

    `scalp` is the distance in metres inside the hairline.
    """
    blotches = torch.from_numpy(noise_at_points(random, who.base.at.numpy(), 9.0)).float()
    at = interpolate_to_texels(torch.cat([who.base.at, scalp[:, None], blotches[:, None]], 1), who)
    place, inside = at[:, :3], at[:, 3]
    colour = skin * (1 + 0.03 * at[:, 4:])
    mouth, eye = who.points["mouth_left"].numpy(), who.points["eye_left"].numpy()
    front = place[:, 2] > eye[2] - 0.05
    near = np.abs(place[:, 0])
    flush = 0.35 * np.exp(-(((near - 0.04) / 0.02) ** 2) - ((place[:, 1] - mouth[1] - 0.035) / 0.02) ** 2) * front
    colour = mix_colours(colour, skin * [1.0, 0.72, 0.68], flush)
    if random.random() < 0.3:  # a beard or stubble
        beard = soft_step(np.maximum(place[:, 1] - mouth[1] - 0.012, mouth[1] - 0.06 - place[:, 1]), 0.006) * (
            near < 0.062
        )
        colour = mix_colours(colour, hair, beard * random.choice([0.15, 0.3, 0.8]) * (place[:, 2] > eye[2] - 0.085))
    lips = np.hypot(place[:, 0] / (mouth[0] + 0.003), (place[:, 1] - mouth[1]) / 0.0095) - 1
    colour = mix_colours(
        colour, skin * [0.92, 0.58, 0.56] * random.uniform(0.8, 1.05), 0.8 * soft_step(lips, 0.1) * front
    )
    seam = soft_step(np.abs(place[:, 1] - mouth[1]) - 0.0012, 0.0006) * (near < mouth[0])
    colour = mix_colours(colour, skin * [0.4, 0.22, 0.2], 0.7 * seam * front)
    arch = eye[1] + 0.019 + 0.005 * (1 - ((near - eye[0] - 0.006) / 0.022) ** 2)
    brow = soft_step(np.abs(place[:, 1] - arch) - random.uniform(0.0028, 0.0048), 0.0012) * soft_step(
        np.abs(near - eye[0]) - 0.021, 0.002
    )
    colour = mix_colours(colour, hair * 0.8, 0.85 * brow * front)
    lid = soft_step(np.abs(np.hypot((near - eye[0]) / 1.5, (place[:, 1] - eye[1]) * 1.25) - 0.0105) - 0.0016, 0.0007)
    colour = mix_colours(colour, skin * 0.35, 0.75 * lid * front * (place[:, 1] > eye[1] - 0.003))
    colour = mix_colours(colour, hair * 0.9, 0.93 * soft_step(-inside, 0.003))
    colour = paint_eyeballs(random, who, place, colour)
    return np.asarray(np.clip(colour.reshape(SKIN_TEXTURE_SIZE, SKIN_TEXTURE_SIZE, 3), 0, 1) * 255 + 0.5, np.uint8)


def mix_colours(one: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Linear blend from `one` to `other`, per texel."""
    return np.asarray(one + share[:, None] * (other - one))


def paint_eyeballs(random: np.random.Generator, who: MeasuredBody, place: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """The colours with sclera, iris and pupil painted on the eyeballs."""
    ball = (
        interpolate_to_texels((torch.arange(len(who.base.at)) >= FIRST_EYEBALL_VERTEX).float()[:, None], who)[:, 0]
        > 0.5
    )
    centre = who.joints["eye.L"].numpy()
    away = np.hypot(np.abs(place[:, 0]) - centre[0], place[:, 1] - centre[1])
    ahead = place[:, 2] > centre[2]
    white = np.array([0.86, 0.84, 0.82])
    iris = np.array(IRIS_COLOURS[int(random.choice(len(IRIS_COLOURS), p=[0.45, 0.25, 0.12, 0.08, 0.1]))])
    ring = mix_colours(
        np.broadcast_to(white, place.shape), iris, soft_step(away - IRIS_AND_PUPIL_RADII[0], 0.0004) * ahead
    )
    ring = mix_colours(ring, np.full(3, 0.02), soft_step(away - IRIS_AND_PUPIL_RADII[1], 0.0003) * ahead)
    return np.where(ball[:, None], ring, colour)
