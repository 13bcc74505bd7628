"""Benchmark the rasterizer on one core, compiled against plain torch, and the overlay."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import cast

import cv2
import torch
from torch import Tensor

from motion_imitate.bodies import load_body
from motion_imitate.compositing.body_overlay import overlay_body
from motion_imitate.geometry.camera import project_points
from motion_imitate.geometry.raster import RASTERIZERS, rasterize_numba, rasterize_torch
from motion_imitate.types import BodyModel, Frames, Motion, Rasterizer
from pipelines.bench.synthetic_clips import standing_motion
from pipelines.bench.timing import DEFAULT_REPEATS, time_in_turns
from pipelines.device import find_gpu_fault

RASTER_CASES = ((256, 1), (256, 8), (512, 1), (512, 8))  # pixels of a side, bodies
RASTER_HD_SIZE = (1080, 1920)
RASTER_RUN = 8


def measure_raster(_: Path | None = None) -> Iterator[str]:
    """Lines on the rasterizers and the overlay."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = cast(BodyModel, load_body())  # mypy does not accept frozen fields for the protocol's attributes
    yield f"rasterize {len(model.faces)} triangles, one thread; best and median of {DEFAULT_REPEATS}, per body"
    for side, count in RASTER_CASES:
        corners = project_faces(model, standing_motion(model, (side, side), count, 1.75))
        yield from compare_rasterizers(corners, (side, side))
    if not find_gpu_fault():
        yield from measure_raster_gpu(model)
    yield from measure_overlay(model)


def project_faces(model: BodyModel, motion: Motion) -> Tensor:
    """Image corners of the body's faces, for each frame."""
    return project_points(model(motion.body)[0], motion.camera)[:, model.faces]


def compare_rasterizers(corners: Tensor, size: tuple[int, int]) -> Iterator[str]:
    """Time per body of both rasterizers, and the share of pixels in which they differ."""
    first, second = rasterize_numba(corners, size), rasterize_torch(corners, size)
    differ = (first.face != second.face).float().mean()
    works = {"torch": lambda: rasterize_torch(corners, size), "numba": lambda: rasterize_numba(corners, size)}
    times = time_in_turns(works, len(corners))
    for name, (best, middle) in times.items():
        ratio = times["torch"][0] / best
        yield f"  {size[0]} px, batch {len(corners)}  {name:<6} {best:7.2f} {middle:7.2f} ms  x{ratio:.1f}"
    yield f"  {size[0]} px, batch {len(corners)}  pixels that differ: {differ:.3%}"


def measure_raster_gpu(model: BodyModel) -> Iterator[str]:
    """Time per body of both rasterizers on CUDA."""
    for count in (1, 8, 64):
        corners = project_faces(model, standing_motion(model, (256, 256), count, 1.75)).to("cuda")
        works = {name: partial(rasterize_and_wait, RASTERIZERS[name], corners) for name in ("torch", "cuda")}
        for name, (best, middle) in time_in_turns(works, count).items():
            yield f"  256 px, batch {count}  {name:<6} on the GPU {best:7.3f} {middle:7.3f} ms"


def rasterize_and_wait(rasterize: Rasterizer, corners: Tensor) -> None:
    """Rasterize on the GPU and wait until it is done."""
    rasterize(corners, (256, 256))
    torch.cuda.synchronize()


def measure_overlay(model: BodyModel) -> Iterator[str]:
    """Time per frame of posing the body and of the whole overlay."""
    motion = standing_motion(model, RASTER_HD_SIZE, RASTER_RUN, 3.2)
    image = project_faces(model, motion)[..., 1]
    tall = float((image.amax((1, 2)) - image.amin((1, 2))).mean()) * RASTER_HD_SIZE[0] / 2
    frames = Frames(torch.full((RASTER_RUN, 3, *RASTER_HD_SIZE), 128, dtype=torch.uint8), motion.seconds)
    works: dict[str, Callable[[], object]] = {
        "pose the body": lambda: model(motion.body),
        "overlay, posing included": lambda: overlay_body(frames, model, motion),
    }
    size = f"{RASTER_HD_SIZE[1]}x{RASTER_HD_SIZE[0]}"
    yield f"draw a body {tall:.0f} px tall over {size}, runs of {RASTER_RUN}, per frame"
    for name, (best, middle) in time_in_turns(works, RASTER_RUN).items():
        yield f"  {name:<28} {best:7.2f} {middle:7.2f} ms"
