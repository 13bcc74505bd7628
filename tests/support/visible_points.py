"""Which points of one view another view shows."""

import torch


def visible_at_points(at, source, slack=0.02):
    """Whether each point [B, H, W, 3] is inside the source image and not hidden by a nearer surface; in metres."""
    height, width = source.raster.depth.shape[1:]
    column = ((at[..., 0] + 1) * width / 2).floor().long().clamp(0, width - 1)
    row = ((at[..., 1] + 1) * height / 2).floor().long().clamp(0, height - 1)
    depth = source.raster.depth[torch.arange(len(at))[:, None, None], row, column]
    return (at[..., :2].abs() <= 1).all(-1) & (at[..., 2] > 0) & (at[..., 2] <= depth + slack)
