"""CUDA kernels of the rasterizer: one thread for each face, then one for each pixel, which share the operations of
`raster_numba`."""

import numpy as np
import torch
from jaxtyping import Float
from numba import cuda
from torch import Tensor

from motion_imitate.geometry.camera import NEAR_PLANE
from motion_imitate.geometry.cuda_launch import compile_for_gpu, cuda_array, launch_kernel
from motion_imitate.geometry.raster_numba import (
    HALF,
    INFINITY,
    ZERO,
    Floats,
    Ints,
    depth_at_pixel,
    face_is_visible,
    pixel_span,
    triangle_in_pixels,
    write_pixel_weights,
)
from motion_imitate.types import Raster

NO_FACE = (1 << 63) - 1
FACE_BITS = 0xFFFFFFFF


@compile_for_gpu
def find_nearest_faces(corners: Floats, near: np.float32, keys: Ints) -> None:
    """Write the nearest face to the pixels [B, H, W] that it covers: the bits of the depth, then of the face."""
    f, b = cuda.grid(2)
    if f >= corners.shape[1] or b >= corners.shape[0]:
        return
    half = (np.float32(keys.shape[2]) * HALF, np.float32(keys.shape[1]) * HALF)
    triangle = triangle_in_pixels(corners, b, f, half)
    depths = corners[b, f, 0, 2], corners[b, f, 1, 2], corners[b, f, 2, 2]
    if not face_is_visible(triangle, depths, near):
        return
    left, right = pixel_span(triangle[0], triangle[2], triangle[4], keys.shape[2])
    top, bottom = pixel_span(triangle[1], triangle[3], triangle[5], keys.shape[1])
    for row in range(top, bottom):
        for column in range(left, right):
            z = depth_at_pixel(triangle, depths, row, column)
            if ZERO < z < INFINITY:
                key = (np.int64(np.float32(z).view(np.int32)) << 32) | np.int64(f)
                cuda.atomic.min(keys, (b, row, column), key)


@compile_for_gpu
def write_raster(corners: Floats, keys: Ints, face: Ints, weights: Floats, depth: Floats) -> None:
    """Write face, weights and depth of each pixel."""
    column, row, b = cuda.grid(3)
    if column >= keys.shape[2] or row >= keys.shape[1] or b >= keys.shape[0]:
        return
    key = keys[b, row, column]
    if key == NO_FACE:
        face[b, row, column], depth[b, row, column] = -1, INFINITY
        weights[b, row, column, 0] = weights[b, row, column, 1] = weights[b, row, column, 2] = ZERO
        return
    half = (np.float32(keys.shape[2]) * HALF, np.float32(keys.shape[1]) * HALF)
    face[b, row, column] = key & FACE_BITS
    depth[b, row, column] = np.int32(key >> 32).view(np.float32)
    write_pixel_weights(corners, b, row, column, half, key & FACE_BITS, weights)


def rasterize_on_gpu(corners: Float[Tensor, "B F 3 3"], size: tuple[int, int]) -> Raster:
    """Faces, weights and depth, without gradients."""
    batch, (height, width), device = len(corners), size, corners.device
    seen = corners.detach().float().contiguous()
    keys = torch.full((batch, height, width), NO_FACE, device=device)
    face, depth = torch.empty_like(keys), seen.new_empty(batch, height, width)
    raster = Raster(face, seen.new_empty(batch, height, width, 3), depth)
    given = cuda_array(seen), cuda_array(keys)
    launch_kernel(find_nearest_faces, (seen.shape[1], batch), device, given[0], np.float32(NEAR_PLANE), given[1])
    launch_kernel(write_raster, (width, height, batch), device, *given, *map(cuda_array, vars(raster).values()))
    return raster
