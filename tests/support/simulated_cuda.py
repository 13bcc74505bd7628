"""Run the CUDA kernels in numba's simulator, and print how far they are from plain PyTorch, as JSON.

The simulator must be chosen before numba is imported: NUMBA_ENABLE_CUDASIM=1.
"""

import json

import torch

from motion_imitate.avatar.draft import render_draft_torch
from motion_imitate.avatar.draw import blend_window, render_cuda, render_torch
from motion_imitate.avatar.draw_cuda import draw_avatar_run, render_avatar_run, single_run
from motion_imitate.geometry.raster import rasterize_cuda, rasterize_torch
from tests.avatar.test_draw import random_scene

SIZE = (14, 10)


def largest(difference: torch.Tensor) -> float:
    """The greatest absolute value."""
    return float(difference.float().abs().max())


def compare_rasters() -> dict[str, float]:
    """Faces of two pictures, some too near and one that is not finite."""
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(2, 12, 3, 2, generator=generator) * 2.4 - 1.2
    corners = torch.cat([places, 1 + torch.rand(2, 12, 3, 1, generator=generator)], 3)
    corners[0, 0, 0, 2], corners[1, 1, 1, 0] = -1.0, torch.inf
    true, made = rasterize_torch(corners, SIZE), rasterize_cuda(corners, SIZE)
    assert 0.2 < (true.face >= 0).float().mean() < 1
    return {"face": largest(true.face - made.face), "weights": largest(true.weights - made.weights)}


def compare_drawings() -> dict[str, float]:
    """An avatar alone, over pictures, and as a draft."""
    avatar, vertices = random_scene(3, 14)
    true, reads = render_draft_torch(avatar, vertices, SIZE)
    made, made_reads = render_avatar_run(single_run(avatar), vertices[None], SIZE)
    pictures = torch.full((2, *SIZE, 4), 90, dtype=torch.uint8)
    blended = pictures[0].clone()
    blend_window(blended, render_torch(avatar, vertices, SIZE))
    draw_avatar_run(pictures[1:], single_run(avatar), vertices[None])
    return {
        "drawn": largest(true - made[0]),
        "reads": largest(reads - made_reads[0]),
        "alone": largest(true - render_cuda(avatar, vertices, SIZE)),
        "blended": largest(blended.int() - pictures[1].int()),
        "untouched": largest(pictures[0].int() - 90),
    }


if __name__ == "__main__":
    print(json.dumps(compare_rasters() | compare_drawings()))
