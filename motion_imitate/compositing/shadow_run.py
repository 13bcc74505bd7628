"""Contact shadows in a run of frames, on any device and without waiting for it: see `shadow`, whose windows and sizes
the device does not tell."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from motion_imitate.compositing.shadow import LOW_REACH, Floor, ShadowSettings
from motion_imitate.geometry.camera import aim_camera, camera_to_image
from motion_imitate.types import Camera, Rasterizer

BLUR_REACH = 64  # pixels of the strength to each side, several times the widest blur


def cast_shadow_run(
    pictures: UInt8[Tensor, "B H W 3"],
    at: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    floor: Floor,
    camera: Camera,
    rasterize: Rasterizer,
    how: ShadowSettings = ShadowSettings(),
) -> None:
    """Darken pictures, in place, where a body standing on the floor casts a shadow."""
    size = (pictures.shape[1], pictures.shape[2])
    near = floor.heights(at) < LOW_REACH * how.high
    spots = camera_to_image(floor.drop(at), camera)[..., :2]
    low, high, seen = find_shadow_windows(spots, near, size, how.margin)
    part = aim_camera(camera, low + high - 1, high - low)  # of windows as shares of the picture
    lost = shadow_strengths(at, faces, near, floor, part, rasterize, how)
    darken_pictures(pictures, lost * seen[:, None, None], low, high)


def find_shadow_windows(
    spots: Float[Tensor, "B V 2"], near: Bool[Tensor, "B V"], size: tuple[int, int], margin: float
) -> tuple[Float[Tensor, "B 2"], Float[Tensor, "B 2"], Bool[Tensor, " B"]]:
    """The windows round image points, their first and last corners as shares of the picture, and whether there is
    one; else it is the picture. See `crop_window_around`."""
    whole = spots.new_tensor([size[1], size[0]])
    pixels = (spots + 1) * whole / 2
    low = torch.where(near[..., None], pixels, torch.inf).amin(1)
    high = torch.where(near[..., None], pixels, -torch.inf).amax(1)
    wide = margin * (high - low).amax(1, keepdim=True)
    low, high = (low - wide).floor().clamp(min=0), (high + wide).ceil().minimum(whole)
    seen = (high - low >= 2).all(1) & high.isfinite().all(1) & low.isfinite().all(1)
    there = seen[:, None]
    return torch.where(there, low / whole, 0.0), torch.where(there, high / whole, 1.0), seen


def shadow_strengths(
    at: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    near: Bool[Tensor, "B V"],
    floor: Floor,
    camera: Camera,
    rasterize: Rasterizer,
    how: ShadowSettings,
) -> Float[Tensor, "B s s"]:
    """Fraction of light that is lost, as `camera` sees it; `near` are the vertices near the floor."""
    height = floor.heights(at).clamp(min=0)
    spots = camera_to_image(floor.drop(at), camera)[..., :2]
    low = near[:, faces].all(2)  # [B, F]
    corners = torch.cat([spots, 1 + height[..., None]], 2)[:, faces]
    hidden = torch.zeros((), device=at.device)  # nearer than the near plane
    depth = rasterize(torch.where(low[..., None, None], corners, hidden), (how.view, how.view)).depth
    dark = how.dark * torch.exp(1 - depth).pow(1 / how.high)
    away = (at[..., 2][:, faces].mean(2) * low).sum(1) / low.sum(1).clamp(min=1)
    away = away.clamp(min=1e-3)
    wide, deep = how.soft / away, how.soft * abs(floor.depth) / away.square()
    blur = torch.stack([wide, deep], 1) * camera.focal * how.view / 2
    return blur_each(dark, blur.clamp(min=0.5))


def blur_each(maps: Float[Tensor, "B H W"], sigma: Float[Tensor, "B 2"]) -> Float[Tensor, "B H W"]:
    """Blur each map by Gaussians of its own, across and down."""
    away = torch.arange(-BLUR_REACH, BLUR_REACH + 1, device=maps.device, dtype=maps.dtype)
    weights = torch.exp(-0.5 * (away / sigma[..., None]).square())
    across, down = (weights / weights.sum(2, keepdim=True))[:, None, None].unbind(3)  # [B, 1, 1, K]
    wide = F.pad(maps[None], (BLUR_REACH, BLUR_REACH, BLUR_REACH, BLUR_REACH), mode="reflect")
    return F.conv2d(F.conv2d(wide, across, groups=len(maps)), down.mT, groups=len(maps))[0]


def darken_pictures(
    pictures: UInt8[Tensor, "B H W 3"],
    lost: Float[Tensor, "B s s"],
    low: Float[Tensor, "B 2"],
    high: Float[Tensor, "B 2"],
) -> None:
    """Darken windows of pictures, in place, by the fraction `lost`, resized to fit."""
    height, width = pictures.shape[1:3]
    y, x = ((torch.arange(n, device=lost.device) + 0.5) / n for n in (height, width))
    column, row = ((each - low[:, k, None]) / (high - low)[:, k, None] * 2 - 1 for k, each in enumerate((x, y)))
    grid = torch.stack([column[:, None].expand(-1, height, -1), row[:, :, None].expand(-1, -1, width)], 3)
    inside = (grid.abs() <= 1).all(3)
    each = F.grid_sample(lost[:, None], grid, padding_mode="border", align_corners=False)[:, 0] * inside
    pictures.copy_((pictures * (1 - each[..., None])).round().to(torch.uint8))
