"""Clips and bodies generated for the benchmarks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from motion_imitate.bodies import load_body
from motion_imitate.compositing.body_overlay import overlay_body
from motion_imitate.geometry.camera import default_intrinsics
from motion_imitate.types import Body, BodyModel, Camera, Frames, Motion, cat_batched

LONG_CLIP_FRAMES = 20_000  # frames of the clip that shows memory growth


def play_back_and_forth(clip: Path, times: int) -> Iterator[Frames]:
    """The clip forwards, backwards, forwards, and so on."""
    from motion_imitate.video import read  # needs av, which `standing_motion` does not

    whole = cat_batched(list(read(clip)))
    gap = float(whole.seconds.diff().median())
    lasts = float(whole.seconds[-1]) + gap
    for turn in range(times):
        rows = torch.arange(len(whole)) if turn % 2 == 0 else torch.arange(len(whole) - 1, -1, -1)
        for part in rows.split(16):
            start = turn * lasts + int(part[0] if turn % 2 == 0 else len(whole) - 1 - part[0]) * gap
            yield Frames(whole.data[part], start + torch.arange(len(part), dtype=torch.float64) * gap)


def render_swaying_body(frames: int, size: tuple[int, int] = (240, 180)) -> Iterator[Frames]:
    """A body that turns back and forth on a grey background."""
    model = cast(BodyModel, load_body())
    ground = torch.full((16, 3, *size), 200, dtype=torch.uint8)
    motion = standing_motion(model, size, 16, 2.6)
    motion = replace(motion, confidence=torch.ones(16))
    there = overlay_body(Frames(ground, torch.arange(16.0)), model, motion)
    back = there[torch.arange(15, -1, -1)]
    for number in range((frames + 15) // 16):
        some = (there, back)[number % 2][: min(16, frames - 16 * number)]
        yield Frames(some.data, (16 * number + torch.arange(len(some), dtype=torch.float64)) / 60)


def standing_motion(model: BodyModel, size: tuple[int, int], count: int, distance: float) -> Motion:
    """A motion of standing bodies that turn a little further each frame, head to toe in the image."""
    turn = torch.linspace(0, 1, count)
    pose = model.relaxed.repeat(count, 1, 1, 1)
    pose[:, 0, 0, 0] = pose[:, 0, 2, 2] = turn.cos()
    pose[:, 0, 0, 2], pose[:, 0, 2, 0] = turn.sin(), -turn.sin()
    focal, centre = default_intrinsics(size, count)
    place = torch.tensor([[0.0, 0.0, distance]]).expand(count, -1)
    body = Body(pose, torch.zeros(count, model.skin.shape_dirs.shape[0]))
    return Motion(body, Camera(focal, centre, place), torch.full((count,), 0.9), torch.arange(count) / 30)
