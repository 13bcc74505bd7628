"""What a view shows at each pixel, and where another view of the same body shows it.

A flow holds, for each pixel of one view, the image point of another that shows the same spot of the body.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample
from torch.nn.functional import interpolate as resized

from motion_imitate.types import Raster, View

NOWHERE = -2.0  # an image point outside every picture


def interpolate(values: Float[Tensor, "#B F 3 C"], raster: Raster, empty: float = 0) -> Float[Tensor, "B H W C"]:
    """Values at face corners, read at each pixel; `empty` where no face is seen."""
    count, channels = values.shape[1], values.shape[3]
    hit = (raster.face >= 0).flatten().nonzero()[:, 0]  # pixels by number, which is quicker than by row and column
    face = raster.face.flatten()[hit]
    if len(values) > 1:
        face = face + hit // raster.face[0].numel() * count
    at_corners = values.reshape(-1, 3, channels).index_select(0, face)  # [pixels, 3, C]
    blended = (at_corners * raster.weights.view(-1, 3, 1).index_select(0, hit)).sum(1)
    picture = values.new_full((raster.face.numel(), channels), empty).index_copy(0, hit, blended)
    return picture.view(*raster.face.shape, channels)


def in_space(corners: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Image x, y and depth as a point that may be mixed with others in straight lines; `on_picture` undoes it."""
    return torch.cat([corners[..., :2] * corners[..., 2:], corners[..., 2:]], -1)


def on_picture(points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    return torch.cat([points[..., :2] / points[..., 2:].clamp(min=1e-6), points[..., 2:]], -1)


def correspond(source: View, target: View) -> Float[Tensor, "B H W 3"]:
    """For each pixel of the target: where the source shows that spot, and how far from the source's camera it is."""
    points = on_picture(interpolate(in_space(source.corners), target.raster))
    return points.masked_fill(target.raster.face[..., None] < 0, NOWHERE)


def visible(at: Float[Tensor, "B H W 3"], source: View, slack: float = 0.02) -> Bool[Tensor, "B H W"]:
    """Whether the source shows those points, or something nearer; `slack` in metres."""
    return inside(at[..., :2]) & (at[..., 2] > 0) & (at[..., 2] <= nearest(source.raster.depth, at[..., :2]) + slack)


def inside(at: Float[Tensor, "*n 2"]) -> Bool[Tensor, "*n"]:
    return (at.abs() <= 1).all(-1)


def nearest(picture: Float[Tensor, "B h w"], at: Float[Tensor, "B H W 2"]) -> Float[Tensor, "B H W"]:
    """The picture's pixel that each image point lies in, or the one next to it at the border."""
    height, width = picture.shape[1:]
    column = ((at[..., 0] + 1) * width / 2).floor().long().clamp(0, width - 1)
    row = ((at[..., 1] + 1) * height / 2).floor().long().clamp(0, height - 1)
    batch = torch.arange(len(picture), device=picture.device)[:, None, None]
    return picture[batch, row, column]


def warp(image: Float[Tensor, "B C h w"], flow: Float[Tensor, "B H W 2"]) -> Float[Tensor, "B C H W"]:
    """The image read where the flow says; black outside."""
    return grid_sample(image, flow, align_corners=False)


def resize(
    flow: Float[Tensor, "B H W 2"],
    valid: Bool[Tensor, "B H W"] | Float[Tensor, "B H W"],
    size: tuple[int, int],
) -> tuple[Float[Tensor, "B h w 2"], Float[Tensor, "B h w"]]:
    """A flow at another size, and how much of what each of its pixels was made from is valid: the rest has no say.
    It may be valid in parts."""
    share = valid.to(flow)[:, None]
    if size == flow.shape[1:3]:
        return flow.masked_fill(share[:, 0, ..., None] <= 0, NOWHERE), share[:, 0]
    both = torch.cat([flow.permute(0, 3, 1, 2) * share, share], 1)
    scaled = resized(both, size, mode="bilinear", align_corners=False)
    part = scaled[:, 2]
    mixed = scaled[:, :2] / part[:, None].clamp(min=1e-6)
    return mixed.permute(0, 2, 3, 1).masked_fill(part[..., None] <= 0, NOWHERE), part
