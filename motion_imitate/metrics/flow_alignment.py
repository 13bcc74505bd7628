"""Align a picture to the ground truth by a small optical flow, so that metrics ignore small displacements."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.estimators.matte import padded_mask_slices


@dataclass(frozen=True)
class FlowAlignment:
    """Limits of the flow."""

    most: float = 0.04  # maximum displacement, as a fraction of the person's longer side
    even: float = 0.01  # blur of the flow, as a fraction of the same


def align_by_flow(
    picture: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
    where: Bool[Tensor, "B 1 H W"],
    how: FlowAlignment = FlowAlignment(),
) -> Float[Tensor, "B 3 H W"]:
    """Move what the pictures show to where the truth shows it, within the limits; `where` is the person."""
    pairs = zip(pictures_to_arrays(picture), pictures_to_arrays(truth), where[:, 0].numpy(), strict=True)
    moved = [remap_picture(made, limited_flow(made, real, person_extent(person), how)) for made, real, person in pairs]
    return torch.from_numpy(np.stack(moved)).permute(0, 3, 1, 2).to(picture)


def pictures_to_arrays(pictures: Float[Tensor, "B 3 H W"]) -> NDArray[np.float32]:
    """Convert to arrays [B, H, W, 3]."""
    return np.ascontiguousarray(pictures.permute(0, 2, 3, 1).float().numpy())


def person_extent(person: NDArray[np.bool_]) -> int:
    """Longer side of the person's bounding box, in pixels."""
    return max(part.stop - part.start for part in padded_mask_slices(person, 0.0))


def limited_flow(
    made: NDArray[np.float32], real: NDArray[np.float32], side: int, how: FlowAlignment = FlowAlignment()
) -> NDArray[np.float32]:
    """Smoothed and limited optical flow from the real to the generated picture, [H, W, 2], in pixels."""
    one, other = (cv2.cvtColor((x * 255 + 0.5).clip(0, 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for x in (real, made))
    start = np.zeros((*real.shape[:2], 2), np.float32)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(one, other, start)
    far = np.linalg.norm(flow, axis=2, keepdims=True)
    bounded = flow * np.minimum(1, how.most * side / np.maximum(far, 1e-6))
    return np.asarray(cv2.GaussianBlur(bounded, (0, 0), max(how.even * side, 0.5)), np.float32)


def remap_picture(picture: NDArray[np.float32], away: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sample the picture at each pixel plus its offset."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    at = (columns + away[..., 0], rows + away[..., 1])
    return np.asarray(cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
