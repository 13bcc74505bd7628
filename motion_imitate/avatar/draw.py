"""Draw a posed avatar at the output's own size. Plain PyTorch is the reference; kernels for CPU and GPU agree with it.

Each pixel has 2 x 2 samples. A face covers the samples whose centres lie between its edges; of two faces that share an
edge, exactly one covers a sample on it. A sample shows the nearest opaque face, and over it the nearest translucent
one. Both sides of a face are visible. A face has one colour and one alpha per pixel, those at its centre: read at each
sample, they would be blurred. Source points are interpolated evenly over the picture, not over the face in space: in
the pose of the photo, every texel is then where it was in the photo.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from motion_imitate.avatar.avatar import OPAQUE_ALPHA, THICK_ALPHA, Avatar, FadingFaces, points_to_texels
from motion_imitate.avatar.draw_numba import blend_avatar, render_avatar
from motion_imitate.avatar.place_numba import SMALLEST_AREA, AvatarArrays
from motion_imitate.avatar.raster_numba import FAINT_ALPHA
from motion_imitate.geometry.camera import NEAR_PLANE
from motion_imitate.geometry.raster import PAIRS_PER_CHUNK, face_pixel_boxes, kernels_of_device, to_pixels
from motion_imitate.types import Drawn

FACE_INDEX = 0xFFFFFFFF  # the bits of a sample that hold its face


@dataclass(frozen=True)
class ScreenFaces:
    """An avatar's faces in samples, from the top left corner of the window of the picture that contains them.

    What a face has at a point is `value + gradient @ (point - origin)`. The planes' columns: origin x, y; value of
    nearness, u, v; their gradients along x; along y; least u, v; greatest u, v. u and v are texels of the face's photo,
    nearness is 1 / (depth - bias), which is even over a flat face's picture.
    """

    corners: Float[Tensor, "F 3 3"]  # x, y, depth; all 0 for faces that cannot be seen
    planes: Float[Tensor, "F 15"]
    lifted_planes: Float[Tensor, "F 15"]  # the same for the photo that the face fades to
    fading: FadingFaces
    left: int  # of the window, in pixels of the picture
    top: int
    size: tuple[int, int]  # of the window, in pixels


def place_faces(avatar: Avatar, vertices: Float[Tensor, "V 3"], size: tuple[int, int]) -> ScreenFaces | None:
    """Faces on a picture of (height, width), from image x, image y and depth of the vertices; None if none is on it.

    Like in `geometry.raster`, a face with a corner nearer than the near plane, or not finite, cannot be seen.
    """
    at_corners = avatar.faces.T.flatten()  # one row per value: several times as fast as one per corner
    photo_size = (avatar.photos.shape[1], avatar.photos.shape[2])
    x, y, depth = to_pixels(vertices.float(), size).T.contiguous()[:, at_corners].view(3, 3, -1)
    uv = points_to_texels(avatar.source, photo_size).T.contiguous()[:, at_corners].view(2, 3, -1)
    seen = (depth >= NEAR_PLANE).all(0) & ((x.abs() + y.abs() + depth).sum(0) < torch.inf)
    low = torch.stack([torch.where(seen, places, torch.inf).amin() for places in (x, y)])
    high = torch.stack([torch.where(seen, places, -torch.inf).amax() for places in (x, y)])
    low, high = low.floor().clamp(min=0), high.ceil().minimum(low.new_tensor([size[1], size[0]]))
    if not (low < high).all():
        return None
    (left, top), (right, bottom) = low.long().tolist(), high.long().tolist()
    x, y = (x - low[0]) * 2, (y - low[1]) * 2
    x1, x2, y1, y2 = x[1] - x[0], x[2] - x[0], y[1] - y[0], y[2] - y[0]
    area = x1 * y2 - x2 * y1
    seen &= (area.abs() > SMALLEST_AREA) & (area.abs() < torch.inf)
    nearness = 1 / (depth - avatar.bias[avatar.layer]).clamp(min=NEAR_PLANE)
    limit = uv.new_tensor([[photo_size[1] - 1], [photo_size[0] - 1]])

    def write_planes(uv: Float[Tensor, "2 3 F"]) -> Float[Tensor, "F 15"]:
        values = torch.cat([nearness[None], uv])
        first, second = (values[:, 1] - values[:, 0]) / area, (values[:, 2] - values[:, 0]) / area
        gradients = (first * y2 - second * y1, second * x1 - first * x2)
        reach = (uv.amin(1) - 1, uv.amax(1) + 1)  # the centre of a pixel may lie a little outside the face
        bounds = (bound.clamp(min=0).minimum(limit) for bound in reach)
        return torch.cat([torch.stack([x[0], y[0]]), values[:, 0], *gradients, *bounds]).T.contiguous()

    fading, lifted = avatar.spread_lift(), uv.clone()
    own = fading.slot >= 0
    lifted[:, :, own] = points_to_texels(fading.lifted_source[fading.slot[own]], photo_size).permute(2, 1, 0)
    corners = torch.where(seen, torch.stack([x, y, depth]), 0).permute(2, 1, 0).contiguous()
    size = (bottom - top, right - left)
    return ScreenFaces(corners, write_planes(uv), write_planes(lifted), fading, left, top, size)


def texels_of_faces(
    planes: Float[Tensor, "N 15"], at: Float[Tensor, "N 2"]
) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """Where faces read their photos at a point each, at most a texel outside their corners."""
    over, down = (at - planes[:, :2]).unbind(1)
    uv = planes[:, 3:5] + planes[:, 6:8] * over[:, None] + planes[:, 9:11] * down[:, None]
    u, v = uv.maximum(planes[:, 11:13]).minimum(planes[:, 13:15]).unbind(1)
    return u, v


def read_texels(
    photos: UInt8[Tensor, "N H W 4"], which: Int[Tensor, " P"], u: Float[Tensor, " P"], v: Float[Tensor, " P"]
) -> Float[Tensor, "P 4"]:
    """Bilinear reads, 0 to 255."""
    left, top = u.long(), v.long()
    right, bottom = (left + 1).clamp(max=photos.shape[2] - 1), (top + 1).clamp(max=photos.shape[1] - 1)
    over, down = (u - left)[:, None], (v - top)[:, None]
    above = photos[which, top, left].float().lerp(photos[which, top, right].float(), over)
    below = photos[which, bottom, left].float().lerp(photos[which, bottom, right].float(), over)
    return above.lerp(below, down)


def points_in_faces(corners: Float[Tensor, "N 3 3"], at: Float[Tensor, "N 2"]) -> Tensor:
    """Whether each point lies in its face: between the two edges that pass its row, [N]."""
    begin, end = corners, corners.roll(-1, 1)
    swapped = (begin[..., 1] > end[..., 1])[..., None]
    begin, end = torch.where(swapped, end, begin), torch.where(swapped, begin, end)
    (xa, ya, _), (xb, yb, _), y = begin.unbind(-1), end.unbind(-1), at[:, 1:]
    passed = (ya <= y) & (y < yb)
    crossing = xa + (y - ya) * ((xb - xa) / (yb - ya))
    first = torch.where(passed, crossing, torch.inf).amin(1)
    last = torch.where(passed, crossing, -torch.inf).amax(1)
    return (first <= at[:, 0]) & (at[:, 0] < last)


def nearest_faces_per_sample(avatar: Avatar, screen: ScreenFaces) -> tuple[Int[Tensor, "H W"], Int[Tensor, "H W"]]:
    """The nearest opaque and the nearest translucent face at each sample of the window.

    As one integer each: the bits of the nearness, then of the face, of which the first wins; 0 for none.
    """
    height, width = 2 * screen.size[0], 2 * screen.size[1]
    start, counts = face_pixel_boxes(screen.corners, (height, width))
    ends = counts.prod(1).cumsum(0)
    best = torch.zeros(2, height * width, dtype=torch.int64, device=ends.device)
    total = int(ends[-1])
    for begin in range(0, total, PAIRS_PER_CHUNK):
        pair = torch.arange(begin, min(begin + PAIRS_PER_CHUNK, total), device=ends.device)
        which = torch.searchsorted(ends, pair, right=True)
        inside = pair - (ends[which] - counts[which].prod(1))
        sample = start[which] + torch.stack([inside % counts[which, 0], inside // counts[which, 0]], 1)
        hit = points_in_faces(screen.corners[which], sample + 0.5)
        which, sample = which[hit], sample[hit]
        planes, at = screen.planes[which], sample + 0.5
        over, down = (at - planes[:, :2]).unbind(1)
        nearness = planes[:, 2] + planes[:, 8] * down + planes[:, 5] * over
        centre = sample // 2 * 2 + 1.0
        alpha = read_texels(avatar.photos, avatar.photo[which], *texels_of_faces(planes, centre))[:, 3]
        opaque = avatar.solid[which] | (alpha > torch.where(avatar.thick[which], THICK_ALPHA, OPAQUE_ALPHA))
        packed = nearness.view(torch.int32).long() << 32 | (len(ends) - 1 - which)
        pixel = sample[:, 1] * width + sample[:, 0]
        for k, chosen in enumerate((opaque, ~opaque & (alpha >= FAINT_ALPHA))):
            best[k].scatter_reduce_(0, pixel[chosen], packed[chosen], "amax")
    solid, soft = best.view(2, height, width).unbind(0)
    return solid, soft


def render_window(avatar: Avatar, screen: ScreenFaces) -> Float[Tensor, "H W 4"]:
    """Reference: premultiplied colour and alpha of the window, 0 to 255."""
    solid, soft = nearest_faces_per_sample(avatar, screen)
    samples = torch.zeros(*solid.shape, 4, device=solid.device)
    for packed, shown in ((solid, solid > 0), (soft, soft >> 32 > solid >> 32)):
        row, column = hit = shown.nonzero(as_tuple=True)
        face = len(screen.planes) - 1 - (packed[hit] & FACE_INDEX)
        centre = torch.stack([column, row], 1) // 2 * 2 + 1.0
        at = texels_of_faces(screen.planes[face], centre)
        texel = read_texels(avatar.photos, avatar.photo[face], *at)
        at = texels_of_faces(screen.lifted_planes[face], centre)
        lifted = read_texels(avatar.photos, screen.fading.lifted[face], *at)
        texel[:, :3] = texel[:, :3].lerp(lifted[:, :3], screen.fading.lift[face][:, None])
        alpha = texel[:, 3:] / 255 if packed is soft else 1.0
        texel[:, 3] = 255
        samples[hit] = samples[hit] * (1 - alpha) + texel * alpha
    height, width = screen.size
    return samples.view(height, 2, width, 2, 4).mean((1, 3))


def render_torch(avatar: Avatar, vertices: Float[Tensor, "V 3"], size: tuple[int, int]) -> Float[Tensor, "H W 4"]:
    """Reference: premultiplied colour and alpha of the picture, 0 to 255."""
    drawn = torch.zeros(*size, 4, device=vertices.device)
    screen = place_faces(avatar, vertices, size)
    if screen is not None:
        drawn[picture_window(screen)] = render_window(avatar, screen)
    return drawn


def avatar_arrays(avatar: Avatar) -> AvatarArrays:
    """What the CPU kernels draw of an avatar, without copying it."""
    given = {**vars(avatar), **avatar.spread_lift()._asdict()}
    arrays = {name: given[name].contiguous().numpy() for name in AvatarArrays._fields}
    return AvatarArrays(**{**arrays, "photos": arrays["photos"].view(np.uint32)[..., 0]})


def render_numba(avatar: Avatar, vertices: Float[Tensor, "V 3"], size: tuple[int, int]) -> Float[Tensor, "H W 4"]:
    """Compiled for the CPU: premultiplied colour and alpha of the picture, 0 to 255."""
    drawn = torch.zeros(*size, 4)
    render_avatar(drawn.numpy(), avatar_arrays(avatar), vertices.float().contiguous().numpy(), NEAR_PLANE)
    return drawn


def render_cuda(avatar: Avatar, vertices: Float[Tensor, "V 3"], size: tuple[int, int]) -> Float[Tensor, "H W 4"]:
    """Compiled for GPUs: premultiplied colour and alpha of the picture, 0 to 255."""
    from motion_imitate.avatar.draw_cuda import render_avatar_run, single_run

    return render_avatar_run(single_run(avatar), vertices[None], size)[0][0]


AVATAR_RENDERERS: dict[str, Callable[[Avatar, Tensor, tuple[int, int]], Tensor]] = {
    "torch": render_torch,
    "numba": render_numba,
    "cuda": render_cuda,
}


def draw_avatar(avatar: Avatar, vertices: Float[Tensor, "V 3"], size: tuple[int, int]) -> Drawn:
    """Draw at (height, width), from image x, image y and depth of the vertices (`camera.camera_to_image`)."""
    render = AVATAR_RENDERERS[kernels_of_device(vertices.device)]
    drawn = render(avatar, vertices, size).permute(2, 0, 1) / 255
    return Drawn(drawn[:3] / drawn[3:].clamp(min=1e-6), drawn[3:])


def draw_avatar_into(picture: UInt8[Tensor, "H W C"], avatar: Avatar, vertices: Float[Tensor, "V 3"]) -> None:
    """Draw over a picture, in place, at its size: what `draw_avatar` gives, blended and rounded.

    A picture with 4 channels has straight alpha.
    """
    kernels = kernels_of_device(picture.device)
    if kernels == "numba":
        places = vertices.float().contiguous().numpy()
        blend_avatar(picture.numpy(), avatar_arrays(avatar), places, NEAR_PLANE)
    elif kernels == "cuda":
        from motion_imitate.avatar.draw_cuda import draw_avatar_run, single_run

        draw_avatar_run(picture[None], single_run(avatar), vertices[None])
    elif (screen := place_faces(avatar, vertices, (picture.shape[0], picture.shape[1]))) is not None:
        blend_window(picture[picture_window(screen)], render_window(avatar, screen))


def blend_window(picture: UInt8[Tensor, "H W C"], window: Float[Tensor, "H W 4"]) -> None:
    """Blend premultiplied colour and alpha, 0 to 255, over a picture in place."""
    colour, alpha = window[..., :3], window[..., 3:]
    behind = 1 - alpha / 255
    if picture.shape[2] == 4:
        behind = behind * picture[..., 3:] / 255
    below = colour + behind * picture[..., :3]
    if picture.shape[2] == 4:
        alpha = alpha + behind * 255
        below = torch.cat([below * 255 / alpha.clamp(min=1e-6), alpha], -1)
    picture.copy_(torch.where(window[..., 3:] > 0, (below + 0.5).clamp(max=255).to(torch.uint8), picture))


def picture_window(screen: ScreenFaces) -> tuple[slice, slice]:
    """Rows and columns of the picture."""
    (height, width), top, left = screen.size, screen.top, screen.left
    return slice(top, top + height), slice(left, left + width)
