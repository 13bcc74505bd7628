"""How fast bodies are drawn on one core: the compiled rasteriser against plain torch, and the overlay."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import cast

import cv2
import torch
from torch import Tensor

from motion_imitate.bodies import load
from motion_imitate.compositing.body_overlay import overlay
from motion_imitate.geometry.camera import project
from motion_imitate.geometry.raster import rasterize_numba, rasterize_torch
from motion_imitate.types import BodyModel, Frames, Motion
from pipelines.bench.synthetic_clips import standing
from pipelines.bench.timing import TIMES, timed

CALLS = ((256, 1), (256, 8), (512, 1), (512, 8))  # pixels along a side, bodies
HD = (1080, 1920)
RUN = 8


def measure(_: Path | None = None) -> Iterator[str]:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = cast(BodyModel, load())  # frozen fields, which type checkers do not take for fields
    yield f"rasterise {len(model.faces)} triangles, one thread; best and middle of {TIMES}, per body"
    for side, count in CALLS:
        corners = faces_of(model, standing(model, (side, side), count, 1.75))
        yield from compared(corners, (side, side))
    if torch.cuda.is_available():
        yield from on_gpu(model)
    yield from drawing(model)


def faces_of(model: BodyModel, motion: Motion) -> Tensor:
    return project(model(motion.body)[0], motion.camera)[:, model.faces]


def compared(corners: Tensor, size: tuple[int, int]) -> Iterator[str]:
    first, second = rasterize_numba(corners, size), rasterize_torch(corners, size)
    differ = (first.face != second.face).float().mean()
    works = {"torch": lambda: rasterize_torch(corners, size), "numba": lambda: rasterize_numba(corners, size)}
    times = timed(works, len(corners))
    for name, (best, middle) in times.items():
        ratio = times["torch"][0] / best
        yield f"  {size[0]} px, batch {len(corners)}  {name:<6} {best:7.2f} {middle:7.2f} ms  x{ratio:.1f}"
    yield f"  {size[0]} px, batch {len(corners)}  pixels that differ: {differ:.3%}"


def on_gpu(model: BodyModel) -> Iterator[str]:
    for count in (1, 8, 64):
        corners = faces_of(model, standing(model, (256, 256), count, 1.75)).to("cuda")
        works = {"cuda": partial(waited_for, corners)}
        best, middle = timed(works, count)["cuda"]
        yield f"  256 px, batch {count}  torch on CUDA {best:7.3f} {middle:7.3f} ms"


def waited_for(corners: Tensor) -> None:
    rasterize_torch(corners, (256, 256))
    torch.cuda.synchronize()


def drawing(model: BodyModel) -> Iterator[str]:
    motion = standing(model, HD, RUN, 3.2)
    image = faces_of(model, motion)[..., 1]
    tall = float((image.amax((1, 2)) - image.amin((1, 2))).mean()) * HD[0] / 2
    frames = Frames(torch.full((RUN, 3, *HD), 128, dtype=torch.uint8), motion.seconds)
    works: dict[str, Callable[[], object]] = {
        "pose the body": lambda: model(motion.body),
        "overlay, posing included": lambda: overlay(frames, model, motion),
    }
    yield f"draw a body {tall:.0f} px tall over {HD[1]}x{HD[0]}, runs of {RUN}, per frame"
    for name, (best, middle) in timed(works, RUN).items():
        yield f"  {name:<28} {best:7.2f} {middle:7.2f} ms"
