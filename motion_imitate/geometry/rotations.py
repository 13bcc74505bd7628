"""Rotation matrices of any batch shape as rotation vectors and quaternions, and the way from one to another.

A rotation vector is an axis times an angle in radians, at most pi; a quaternion is (w, x, y, z), w >= 0.
"""

import torch
from jaxtyping import Float
from kornia.geometry import conversions
from torch import Tensor


def to_vectors(turns: Float[Tensor, "*n 3 3"]) -> Float[Tensor, "*n 3"]:
    return conversions.rotation_matrix_to_axis_angle(turns.reshape(-1, 3, 3)).view(turns.shape[:-1])


def from_vectors(vectors: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3 3"]:
    return conversions.axis_angle_to_rotation_matrix(vectors.reshape(-1, 3)).view(*vectors.shape, 3)


def to_quaternions(turns: Float[Tensor, "*n 3 3"]) -> Float[Tensor, "*n 4"]:
    q = conversions.rotation_matrix_to_quaternion(turns.reshape(-1, 3, 3))
    return torch.where(q[:, :1] < 0, -q, q).view(*turns.shape[:-2], 4)


def from_quaternions(quaternions: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 3 3"]:
    return conversions.quaternion_to_rotation_matrix(quaternions.reshape(-1, 4)).view(*quaternions.shape[:-1], 3, 3)


def between(
    a: Float[Tensor, "*n 3 3"], b: Float[Tensor, "*n 3 3"], part: Float[Tensor, "*m"]
) -> Float[Tensor, "*n 3 3"]:
    """From a (part 0) to b (part 1) along the shortest way; `part` broadcasts against the batch."""
    return a @ from_vectors(to_vectors(a.mT @ b) * part[..., None])
