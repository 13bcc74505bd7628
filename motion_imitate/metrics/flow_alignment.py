"""A picture moved to fit another: what is left of the difference is not of place."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.estimators.matte import around


@dataclass(frozen=True)
class Sliding:
    most: float = 0.04  # of the person's longer side, that anything is moved
    even: float = 0.01  # of it, over which what lies side by side moves alike


def slid(
    picture: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
    where: Bool[Tensor, "B 1 H W"],
    how: Sliding = Sliding(),
) -> Float[Tensor, "B 3 H W"]:
    """What pictures show, moved to where the truth shows it if that is near; `where` is the person."""
    pairs = zip(inked(picture), inked(truth), where[:, 0].numpy(), strict=True)
    moved = [carried(made, offset(made, real, longest(person), how)) for made, real, person in pairs]
    return torch.from_numpy(np.stack(moved)).permute(0, 3, 1, 2).to(picture)


def inked(pictures: Float[Tensor, "B 3 H W"]) -> NDArray[np.float32]:
    return np.ascontiguousarray(pictures.permute(0, 2, 3, 1).float().numpy())


def longest(person: NDArray[np.bool_]) -> int:
    """Pixels that the person takes up, upright or across."""
    return max(part.stop - part.start for part in around(person, 0.0))


def offset(
    made: NDArray[np.float32], real: NDArray[np.float32], side: int, how: Sliding = Sliding()
) -> NDArray[np.float32]:
    """For each pixel of the real picture, how many pixels away the made one shows the same, [H, W, 2]."""
    one, other = (cv2.cvtColor((x * 255 + 0.5).clip(0, 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for x in (real, made))
    start = np.zeros((*real.shape[:2], 2), np.float32)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(one, other, start)
    far = np.linalg.norm(flow, axis=2, keepdims=True)
    bounded = flow * np.minimum(1, how.most * side / np.maximum(far, 1e-6))
    return np.asarray(cv2.GaussianBlur(bounded, (0, 0), max(how.even * side, 0.5)), np.float32)


def carried(picture: NDArray[np.float32], away: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each pixel read so far away."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    at = (columns + away[..., 0], rows + away[..., 1])
    return np.asarray(cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
