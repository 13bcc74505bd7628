"""Benchmark drawing one driven frame: the shipped generators against the paper's networks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from motion_imitate.compositing.compose import build_palette, compose_into
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES, LiquidWarpingBatch, LiquidWarpingNetworks
from motion_imitate.generators.load import load_geometric_generator, load_liquid_warping_generator
from motion_imitate.generators.retouch import (
    WAYS_PER_PHOTO,
    RetouchGenerator,
    downscale_draft,
    flows_into_crops,
    make_retouch_draft,
)
from motion_imitate.geometry.camera import body_to_camera, camera_to_image, crop_camera, crop_window_around
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.geometry.view import view_of_body
from motion_imitate.imitate import RenderSettings
from motion_imitate.photos.people import Photos, find_people
from motion_imitate.photos.read import read_photo
from motion_imitate.portray import prepare_person
from motion_imitate.types import BodyModel, Drawn, Generator, Source, View
from motion_imitate.weights import find_asset
from pipelines.bench.imitate import RESULT_SIZE
from pipelines.bench.timing import time_in_turns
from pipelines.evaluate.compare import fill_frame_with

NETWORK_SIDE = 256  # pixels of a side of what the paper's networks draw
DRIVEN_TURN = 0.15  # radians between the driven body and the photo's pose
GENERATOR_REPEATS = 7
THREAD_COUNTS = (2, 1)
PAPER_BASELINE = "paper, per-frame network"


@dataclass(frozen=True)
class TimedWork:
    """A callable that is timed, and the networks that it uses."""

    does: Callable[[], object]
    weights: tuple[nn.Module, ...] = ()


def measure_generator(_: Path | None = None) -> Iterator[str]:
    """Lines on the time of one frame of each generator and network."""
    photo = (
        fill_frame_with(read_photo(find_asset("demo/photo.jpg"), 2 * max(RESULT_SIZE)).image, RESULT_SIZE).float() / 255
    )
    whole = Photos(photo[None], torch.ones_like(photo[None, :1]))
    source, model = prepare_person(whole, find_people(photo, "the sample photo")[:1])
    works = shipped_works(source, model) | paper_works()
    size = f"{RESULT_SIZE[1]}x{RESULT_SIZE[0]} from networks of {NETWORK_SIDE} pixels"
    yield f"one frame, {size}; median of {GENERATOR_REPEATS}, run in turns"
    yield from compare_works(works)


def compare_works(works: dict[str, TimedWork]) -> Iterator[str]:
    """Time the works with each number of threads, relative to the paper's networks."""
    counts = {
        name: (count_operations(work.does), count_parameters(work.weights))
        for name, work in works.items()
        if work.weights
    }
    for threads in THREAD_COUNTS:
        with limit_threads(threads):
            tries = time_in_turns(
                {name: torch.inference_mode()(work.does) for name, work in works.items()}, 1, GENERATOR_REPEATS
            )
        yield f"{threads} threads" if threads > 1 else "1 thread"
        for name, (_, ms) in tries.items():
            done, held = counts.get(name, (0, 0))
            told = f"{done / 1e9:8.2f} GFLOP {held / 1e6:6.2f} M weights" if held else ""
            yield f"  {name:44}{ms:8.1f} ms  x{ms / tries[PAPER_BASELINE][1]:<6.3f}{told}".rstrip()


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Run with that many threads in torch and OpenCV, then restore the former numbers."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


def count_operations(work: Callable[[], object]) -> int:
    """Floating-point operations of all layers; a multiplication and its addition count as two."""
    with FlopCounterMode(display=False) as counter:
        torch.no_grad()(work)()
    return counter.get_total_flops()


def count_parameters(nets: tuple[nn.Module, ...]) -> int:
    """The number of parameters of some networks."""
    return sum(weight.numel() for net in nets for weight in net.parameters())


def shipped_works(source: Source, model: BodyModel) -> dict[str, TimedWork]:
    """The shipped generators, on a view and crop of the size that `imitate` uses."""
    part, view = driven_view(source, model)
    carry, mend, read = load_geometric_generator(model), load_liquid_warping_generator(model), build_palette(source)
    assert isinstance(mend, RetouchGenerator)  # the kind of the shipped weights
    carried, mended = bind_draw(carry, source, view), bind_draw(mend, source, view)
    nets = (mend.source, mend.target)
    return {
        "geometric": TimedWork(carried),
        "geometric, and composed": TimedWork(lambda: compose_into(part, carried(), read)),
        "liquid-warping": TimedWork(mended, nets),
        "liquid-warping, and composed": TimedWork(lambda: compose_into(part, mended(), read), nets),
        "liquid-warping, its network alone": TimedWork(bind_network(mend, source, view), nets),
        f"liquid-warping, its network on {NETWORK_SIDE}x{NETWORK_SIDE}": TimedWork(
            bind_square_network(mend, source), nets
        ),
    }


def driven_view(source: Source, model: BodyModel) -> tuple[Tensor, View]:
    """The image crop that a slightly turned body covers, and the view of it."""
    turn = rotation_vector_to_matrix(torch.tensor([[0.0, DRIVEN_TURN, 0.0]]))[:, None]
    body = replace(source.body, pose=torch.cat([turn @ source.body.pose[:, :1], source.body.pose[:, 1:]], 1))
    size, how = (source.image.shape[2], source.image.shape[3]), RenderSettings()
    at = camera_to_image(body_to_camera(model(body)[0], source.camera), source.camera)[0, :, :2]
    window = crop_window_around(at, size, how.margin)
    assert window is not None
    part = torch.zeros(*size, 3, dtype=torch.uint8)[window]
    scale = min(1.0, how.view / max(part.shape[:2]))
    small = (round(part.shape[0] * scale), round(part.shape[1] * scale))
    return part, view_of_body(model, rasterize, body, crop_camera(source.camera, window, size), small)


def bind_draw(generator: Generator, source: Source, view: View) -> Callable[[], Drawn]:  # type: ignore[type-arg]
    """A function that draws the view, with the source encoded beforehand."""
    code = generator.encode(source)
    return lambda: generator.draw(code, view)


def bind_network(mend: RetouchGenerator, source: Source, view: View) -> Callable[[], object]:
    """A function that runs the network alone on the view."""
    code = mend.encode(source)
    drafts = downscale_draft(
        make_retouch_draft(mend.base.draw(code.base, view), code.palette, view, mend.places), mend.how.size
    )
    flows, valid = flows_into_crops(drafts.drawn, code.frame)
    return lambda: mend.target(drafts.picture, code.features, flows, valid)


def bind_square_network(mend: RetouchGenerator, source: Source) -> Callable[[], object]:
    """A function that runs the network alone on as many pixels as the paper's networks draw."""
    features, inputs = mend.encode(source).features, mend.target.glass.net.inputs
    ways = WAYS_PER_PHOTO * len(source)
    picture, flows = (
        torch.zeros(1, inputs, NETWORK_SIDE, NETWORK_SIDE),
        torch.zeros(1, ways, NETWORK_SIDE, NETWORK_SIDE, 2),
    )
    return lambda: mend.target(picture, features, flows, flows[..., 0])


def paper_works() -> dict[str, TimedWork]:
    """The paper's networks with random weights, on one photo."""
    nets = LiquidWarpingNetworks(NETWORK_SHAPES["paper"]).eval()
    random = torch.Generator().manual_seed(0)
    photo, mask = (
        torch.rand(1, 1, 3, NETWORK_SIDE, NETWORK_SIDE, generator=random),
        torch.ones(1, 1, 1, NETWORK_SIDE, NETWORK_SIDE),
    )
    flow = torch.rand(1, 1, NETWORK_SIDE, NETWORK_SIDE, 2, generator=random) * 2 - 1
    pairs = LiquidWarpingBatch(
        photo,
        mask,
        photo,
        mask[:, 0],
        photo[:, 0],
        flow,
        torch.ones(1, 1, NETWORK_SIDE, NETWORK_SIDE, dtype=torch.bool),
    )
    with torch.no_grad():
        features = nets.source.features(torch.cat([photo, photo], 2)[0])
    view = torch.cat([photo[:, 0], photo[:, 0]], 1)
    return {
        PAPER_BASELINE: TimedWork(lambda: nets.target(view, features, flow, pairs.valid), (nets.target,)),
        "paper, all three networks": TimedWork(lambda: nets(pairs), (nets,)),
    }
