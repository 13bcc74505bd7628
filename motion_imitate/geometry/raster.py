"""Rasterization: the nearest face at each pixel. Plain PyTorch is the reference; a compiled CPU kernel agrees with it.

A face covers a pixel if the pixel's centre lies inside it or on its border. The nearest face wins; of equally near
faces, the first. Both sides of a face are visible. A face with a corner nearer than `camera.NEAR_PLANE`, or with a
corner that is not finite, is skipped.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.geometry.camera import NEAR_PLANE
from motion_imitate.geometry.raster_numba import rasterize_into
from motion_imitate.types import Raster, Rasterizer

PAIRS_PER_CHUNK = 1 << 20  # (face, pixel) pairs tested at a time; about 100 bytes each
EMPTY_PIXEL = torch.iinfo(torch.int64).max


def to_pixels(corners: Float[Tensor, "*n 3"], size: tuple[int, int]) -> Float[Tensor, "*n 3"]:
    """Convert image x and y to pixels: the centre of the first pixel is (0.5, 0.5). Depth is kept."""
    height, width = size
    half = corners.new_tensor([width / 2, height / 2])
    return torch.cat([(corners[..., :2] + 1) * half, corners[..., 2:]], dim=-1)


def perspective_weights(corners: Float[Tensor, "N 3 3"], at: Float[Tensor, "N 2"]) -> tuple[Tensor, Tensor, Tensor]:
    """For a face in pixels and a point each: edge values [N, 3], unnormalised corner weights [N, 3] and depth [N].

    The edge values all have one sign if the point is inside. The perspective-correct weights are the corner weights
    divided by their sum.
    """
    x, y = (corners[..., :2] - at[:, None]).unbind(-1)
    (x0, x1, x2), (y0, y1, y2) = x.unbind(-1), y.unbind(-1)
    e0, e1, e2 = x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0
    z0, z1, z2 = corners[..., 2].unbind(-1)
    q0, q1, q2 = e0 * (z1 * z2), e1 * (z2 * z0), e2 * (z0 * z1)
    depth = (e0 + e1 + e2) * (z1 * z2 * z0) / (q0 + q1 + q2)
    return torch.stack([e0, e1, e2], -1), torch.stack([q0, q1, q2], -1), depth


def face_pixel_boxes(
    corners: Float[Tensor, "N 3 3"], size: tuple[int, int]
) -> tuple[Int[Tensor, "N 2"], Int[Tensor, "N 2"]]:
    """First column and row of each face's bounding box, and its size in pixels; 0 x 0 if the face cannot be seen."""
    height, width = size
    low, high = corners[..., :2].aminmax(dim=1)
    low = (low - 0.5).ceil().clamp(min=0)
    high = torch.minimum((high - 0.5).floor() + 1, high.new_tensor([width, height]))
    seen = (corners[..., 2] >= NEAR_PLANE).all(1) & (corners.abs().sum(1) < torch.inf).all(1) & (low < high).all(1)
    counts = torch.where(seen[:, None], high - low, 0).long()
    return torch.where(seen[:, None], low, 0).long(), counts


def nearest_face_per_pixel(corners: Float[Tensor, "B F 3 3"], size: tuple[int, int]) -> Int[Tensor, "B H W"]:
    """Index of the nearest face at each pixel, -1 for none.

    Tests each face against the pixels of its bounding box, and takes the minimum of (depth, face) packed into one
    integer.
    """
    height, width = size
    batch, faces = corners.shape[:2]
    pixels = to_pixels(corners.float(), size).flatten(0, 1)  # [B F, 3, 3]
    start, counts = face_pixel_boxes(pixels, size)
    ends = counts.prod(1).cumsum(0)
    best = torch.full((batch * height * width,), EMPTY_PIXEL, device=corners.device)
    total = int(ends[-1]) if len(ends) else 0
    for first in range(0, total, PAIRS_PER_CHUNK):
        pair = torch.arange(first, min(first + PAIRS_PER_CHUNK, total), device=corners.device)
        which = torch.searchsorted(ends, pair, right=True)
        inside = pair - (ends[which] - counts[which].prod(1))
        column = start[which, 0] + inside % counts[which, 0]
        row = start[which, 1] + inside // counts[which, 0]
        edge, _, z = perspective_weights(pixels[which], torch.stack([column, row], -1) + 0.5)
        hit = ((edge >= 0).all(1) | (edge <= 0).all(1)) & (z > 0) & (z < torch.inf)
        packed = z[hit].view(torch.int32).long() << 32 | which[hit] % faces
        pixel = (which[hit] // faces * height + row[hit]) * width + column[hit]
        best.scatter_reduce_(0, pixel, packed, "amin")
    return torch.where(best == EMPTY_PIXEL, -1, best & 0xFFFFFFFF).view(batch, height, width)


def face_weights_and_depth(
    corners: Float[Tensor, "B F 3 3"], face: Int[Tensor, "B H W"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W"]]:
    """Weights and depth at each pixel for known faces.

    Differentiable with respect to the corners; the choice of the face is not.
    """
    batch, row, column = hit = (face >= 0).nonzero(as_tuple=True)
    seen = to_pixels(corners[batch, face[hit]], size)
    _, share, z = perspective_weights(seen, torch.stack([column, row], -1) + 0.5)
    weights = corners.new_zeros(*face.shape, 3).index_put(hit, share / share.sum(-1, keepdim=True))
    return weights, corners.new_full(face.shape, torch.inf).index_put(hit, z)


def rasterize_torch(corners: Float[Tensor, "B F 3 3"], size: tuple[int, int]) -> Raster:
    """Reference rasterizer in plain PyTorch, for any device."""
    face = nearest_face_per_pixel(corners.detach(), size)
    return Raster(face, *face_weights_and_depth(corners, face, size))


def rasterize_numba(corners: Float[Tensor, "B F 3 3"], size: tuple[int, int]) -> Raster:
    """Compiled CPU rasterizer; gradients are computed in PyTorch."""
    shape = (len(corners), *size)
    raster = Raster(torch.empty(shape, dtype=torch.int64), torch.empty(*shape, 3), torch.empty(shape))
    seen = corners.detach().float().cpu().contiguous()
    rasterize_into(seen.numpy(), NEAR_PLANE, *(t.numpy() for t in vars(raster).values()))
    if not (corners.requires_grad and torch.is_grad_enabled()):
        return raster.to(corners.device)
    face = raster.face.to(corners.device)
    return Raster(face, *face_weights_and_depth(corners, face, size))


def rasterize_cuda(corners: Float[Tensor, "B F 3 3"], size: tuple[int, int]) -> Raster:
    """Rasterizer compiled for GPUs; gradients are computed in PyTorch."""
    from motion_imitate.geometry.raster_cuda import rasterize_on_gpu

    raster = rasterize_on_gpu(corners, size)
    if not (corners.requires_grad and torch.is_grad_enabled()):
        return raster
    return Raster(raster.face, *face_weights_and_depth(corners, raster.face, size))


RASTERIZERS: dict[str, Rasterizer] = {"torch": rasterize_torch, "numba": rasterize_numba, "cuda": rasterize_cuda}
KERNELS_OF_DEVICES = {"cpu": "numba", "cuda": "cuda"}  # elsewhere plain PyTorch


def kernels_of_device(device: torch.device) -> str:
    """Which kernels draw on a device: numba, cuda or torch."""
    return KERNELS_OF_DEVICES.get(device.type, "torch")


def rasterize(corners: Float[Tensor, "B F 3 3"], size: tuple[int, int]) -> Raster:
    """Rasterize faces, given by image x, image y and depth of their corners, at (height, width).

    Faces are found in float32. Gradients reach the corners through weights and depth.
    """
    return RASTERIZERS[kernels_of_device(corners.device)](corners, size)
