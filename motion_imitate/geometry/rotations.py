"""Convert and interpolate rotations, of any batch shape.

A rotation vector is an axis times an angle in radians, at most pi. A quaternion is (w, x, y, z) with w >= 0.
"""

import torch
from jaxtyping import Float
from kornia.geometry import conversions
from torch import Tensor


def matrix_to_rotation_vector(turns: Float[Tensor, "*n 3 3"]) -> Float[Tensor, "*n 3"]:
    """Rotation vectors of rotation matrices."""
    return conversions.rotation_matrix_to_axis_angle(turns.reshape(-1, 3, 3)).view(turns.shape[:-1])


def rotation_vector_to_matrix(vectors: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3 3"]:
    """Rotation matrices of rotation vectors."""
    return conversions.axis_angle_to_rotation_matrix(vectors.reshape(-1, 3)).view(*vectors.shape, 3)


def matrix_to_quaternion(turns: Float[Tensor, "*n 3 3"]) -> Float[Tensor, "*n 4"]:
    """Quaternions of rotation matrices, with w >= 0."""
    q = conversions.rotation_matrix_to_quaternion(turns.reshape(-1, 3, 3))
    return torch.where(q[:, :1] < 0, -q, q).view(*turns.shape[:-2], 4)


def quaternion_to_matrix(quaternions: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 3 3"]:
    """Rotation matrices of quaternions."""
    return conversions.quaternion_to_rotation_matrix(quaternions.reshape(-1, 4)).view(*quaternions.shape[:-1], 3, 3)


def interpolate_rotations(
    a: Float[Tensor, "*n 3 3"], b: Float[Tensor, "*n 3 3"], part: Float[Tensor, "*m"]
) -> Float[Tensor, "*n 3 3"]:
    """Interpolate from `a` (part 0) to `b` (part 1) along the shortest arc; `part` broadcasts against the batch."""
    return a @ rotation_vector_to_matrix(matrix_to_rotation_vector(a.mT @ b) * part[..., None])
