"""Which face each pixel sees. Plain PyTorch is the reference and runs anywhere; a compiled CPU kernel agrees with it.

A pixel sees a face when its centre lies inside or on the border; the nearest face wins, of equally near ones the first.
Faces show from both sides. A face with a corner nearer than `camera.NEAR`, or not finite, is not seen at all.
"""

from importlib.util import find_spec

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.geometry.camera import NEAR
from motion_imitate.types import Raster, Rasterizer

AT_ONCE = 1 << 20  # pairs of a face and a pixel of its box, looked at together; about 100 bytes each
NOTHING = torch.iinfo(torch.int64).max


def to_pixels(corners: Float[Tensor, "*n 3"], size: tuple[int, int]) -> Float[Tensor, "*n 3"]:
    """Image x and y in pixels: the first pixel's centre is at 0.5, 0.5. Depth is kept."""
    height, width = size
    half = corners.new_tensor([width / 2, height / 2])
    return torch.cat([(corners[..., :2] + 1) * half, corners[..., 2:]], dim=-1)


def pull(corners: Float[Tensor, "N 3 3"], at: Float[Tensor, "N 2"]) -> tuple[Tensor, Tensor, Tensor]:
    """For a face in pixels and a point each: edge values, the pull of each corner [N, 3], and the depth [N].

    The edge values have one sign if the point is inside. A corner's share of the point is its pull over their sum.
    """
    x, y = (corners[..., :2] - at[:, None]).unbind(-1)
    (x0, x1, x2), (y0, y1, y2) = x.unbind(-1), y.unbind(-1)
    e0, e1, e2 = x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0
    z0, z1, z2 = corners[..., 2].unbind(-1)
    q0, q1, q2 = e0 * (z1 * z2), e1 * (z2 * z0), e2 * (z0 * z1)
    depth = (e0 + e1 + e2) * (z1 * z2 * z0) / (q0 + q1 + q2)
    return torch.stack([e0, e1, e2], -1), torch.stack([q0, q1, q2], -1), depth


def boxes(corners: Float[Tensor, "N 3 3"], size: tuple[int, int]) -> tuple[Int[Tensor, "N 2"], Int[Tensor, "N 2"]]:
    """First column and row of each face's box, and how many of them; none where the face can't be seen."""
    height, width = size
    low, high = corners[..., :2].aminmax(dim=1)
    low = (low - 0.5).ceil().clamp(min=0)
    high = torch.minimum((high - 0.5).floor() + 1, high.new_tensor([width, height]))
    seen = (corners[..., 2] >= NEAR).all(1) & (corners.abs().sum(1) < torch.inf).all(1) & (low < high).all(1)
    counts = torch.where(seen[:, None], high - low, 0).long()
    return torch.where(seen[:, None], low, 0).long(), counts


def nearest_faces(corners: Float[Tensor, "B F 3 3"], size: tuple[int, int]) -> Int[Tensor, "B H W"]:
    """The least of (depth, face), packed into one number, over all pairs of a pixel and a face whose box holds it."""
    height, width = size
    batch, faces = corners.shape[:2]
    pixels = to_pixels(corners.float(), size).flatten(0, 1)  # [B F, 3, 3]
    start, counts = boxes(pixels, size)
    ends = counts.prod(1).cumsum(0)
    best = torch.full((batch * height * width,), NOTHING, device=corners.device)
    total = int(ends[-1]) if len(ends) else 0
    for first in range(0, total, AT_ONCE):
        pair = torch.arange(first, min(first + AT_ONCE, total), device=corners.device)
        which = torch.searchsorted(ends, pair, right=True)
        inside = pair - (ends[which] - counts[which].prod(1))
        column = start[which, 0] + inside % counts[which, 0]
        row = start[which, 1] + inside // counts[which, 0]
        edge, _, z = pull(pixels[which], torch.stack([column, row], -1) + 0.5)
        hit = ((edge >= 0).all(1) | (edge <= 0).all(1)) & (z > 0) & (z < torch.inf)
        packed = z[hit].view(torch.int32).long() << 32 | which[hit] % faces
        pixel = (which[hit] // faces * height + row[hit]) * width + column[hit]
        best.scatter_reduce_(0, pixel, packed, "amin")
    return torch.where(best == NOTHING, -1, best & 0xFFFFFFFF).view(batch, height, width)


def weights_of(
    corners: Float[Tensor, "B F 3 3"], face: Int[Tensor, "B H W"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W"]]:
    """Weights and depth where the faces are known. Gradients reach the corners; which face is seen has none."""
    batch, row, column = hit = (face >= 0).nonzero(as_tuple=True)
    seen = to_pixels(corners[batch, face[hit]], size)
    _, share, z = pull(seen, torch.stack([column, row], -1) + 0.5)
    weights = corners.new_zeros(*face.shape, 3).index_put(hit, share / share.sum(-1, keepdim=True))
    return weights, corners.new_full(face.shape, torch.inf).index_put(hit, z)


def rasterize_torch(corners: Float[Tensor, "B F 3 3"], size: tuple[int, int]) -> Raster:
    face = nearest_faces(corners.detach(), size)
    return Raster(face, *weights_of(corners, face, size))


def rasterize_numba(corners: Float[Tensor, "B F 3 3"], size: tuple[int, int]) -> Raster:
    from motion_imitate.geometry.raster_numba import draw  # numba takes long to import, and may be missing

    shape = (len(corners), *size)
    raster = Raster(torch.empty(shape, dtype=torch.int64), torch.empty(*shape, 3), torch.empty(shape))
    seen = corners.detach().float().cpu().contiguous()
    draw(seen.numpy(), NEAR, *(t.numpy() for t in vars(raster).values()))
    if not (corners.requires_grad and torch.is_grad_enabled()):
        return raster.to(corners.device)
    face = raster.face.to(corners.device)
    return Raster(face, *weights_of(corners, face, size))


RASTERIZERS: dict[str, Rasterizer] = {"torch": rasterize_torch, "numba": rasterize_numba}


def rasterize(corners: Float[Tensor, "B F 3 3"], size: tuple[int, int]) -> Raster:
    """What each pixel of (height, width) sees of faces given by image x, image y and depth of their corners.

    Faces are found in float32. Gradients reach the corners through weights and depth.
    """
    compiled = corners.device.type == "cpu" and find_spec("numba")
    return RASTERIZERS["numba" if compiled else "torch"](corners, size)
