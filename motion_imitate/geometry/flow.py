"""Correspondence between two views of the same body.

A flow holds, for each pixel of one view, the image point of the other view that shows the same point of the body.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample
from torch.nn.functional import interpolate as resized

from motion_imitate.types import Raster, View

OUTSIDE_IMAGE = -2.0  # an image coordinate outside the image


def interpolate_on_raster(
    values: Float[Tensor, "#B F 3 C"], raster: Raster, empty: float = 0
) -> Float[Tensor, "B H W C"]:
    """Interpolate values at face corners to each pixel; `empty` where no face is visible."""
    count, channels = values.shape[1], values.shape[3]
    body = (raster.face >= 0).flatten()
    everywhere = body.device.type != "cpu"  # counting the body's pixels would wait for the device
    hit = torch.arange(len(body), device=body.device) if everywhere else body.nonzero()[:, 0]  # flat indices are fast
    face = raster.face.flatten()[hit].clamp(min=0)
    if len(values) > 1:
        face = face + hit // raster.face[0].numel() * count
    at_corners = values.reshape(-1, 3, channels).index_select(0, face)  # [pixels, 3, C]
    blended = (at_corners * raster.weights.view(-1, 3, 1).index_select(0, hit)).sum(1)
    if everywhere:
        blended = torch.where(body[:, None], blended, empty)
    picture = values.new_full((raster.face.numel(), channels), empty).index_copy(0, hit, blended)
    return picture.view(*raster.face.shape, channels)


def to_homogeneous_points(corners: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Convert image x, y and depth to points that can be interpolated linearly.

    `from_homogeneous_points` is the inverse.
    """
    return torch.cat([corners[..., :2] * corners[..., 2:], corners[..., 2:]], -1)


def from_homogeneous_points(points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Convert points from `to_homogeneous_points` back to image x, y and depth."""
    return torch.cat([points[..., :2] / points[..., 2:].clamp(min=1e-6), points[..., 2:]], -1)


def correspond_views(source: View, target: View) -> Float[Tensor, "B H W 3"]:
    """For each target pixel, the image point and depth of the same body point in the source view.

    -2, outside the image, where the target shows no body. Points hidden in the source are not excluded.
    """
    points = from_homogeneous_points(interpolate_on_raster(to_homogeneous_points(source.corners), target.raster))
    return points.masked_fill(target.raster.face[..., None] < 0, OUTSIDE_IMAGE)


def warp_image(image: Float[Tensor, "B C h w"], flow: Float[Tensor, "B H W 2"]) -> Float[Tensor, "B C H W"]:
    """Sample the image at the flow's points, bilinearly; black outside."""
    return grid_sample(image, flow, align_corners=False)


def resize_flow(
    flow: Float[Tensor, "B H W 2"],
    valid: Bool[Tensor, "B H W"] | Float[Tensor, "B H W"],
    size: tuple[int, int],
) -> tuple[Float[Tensor, "B h w 2"], Float[Tensor, "B h w"]]:
    """Resize a flow, averaging valid pixels only.

    Returns the flow and the valid fraction of each new pixel. `valid` may be fractional.
    """
    share = valid.to(flow)[:, None]
    if size == flow.shape[1:3]:
        return flow.masked_fill(share[:, 0, ..., None] <= 0, OUTSIDE_IMAGE), share[:, 0]
    both = torch.cat([flow.permute(0, 3, 1, 2) * share, share], 1)
    scaled = resized(both, size, mode="bilinear", align_corners=False)
    part = scaled[:, 2]
    mixed = scaled[:, :2] / part[:, None].clamp(min=1e-6)
    return mixed.permute(0, 2, 3, 1).masked_fill(part[..., None] <= 0, OUTSIDE_IMAGE), part
