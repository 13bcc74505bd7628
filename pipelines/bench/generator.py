"""Benchmark drawing one driven frame: the avatar, with and without corrections, against the paper's networks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from motion_imitate.frame_renderer import FrameRenderer
from motion_imitate.generators.corrections import CorrectionNetworks
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES, LiquidWarpingBatch, LiquidWarpingNetworks
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.person import AvatarAppearance, Person
from motion_imitate.photos.people import Photos, find_people
from motion_imitate.photos.read import read_photo
from motion_imitate.portray import prepare_person
from motion_imitate.types import BodyModel, Draft, Motion, Source
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
    """Lines on the time of one frame of the avatar and of each network."""
    photo = (
        fill_frame_with(read_photo(find_asset("demo/photo.jpg"), 2 * max(RESULT_SIZE)).image, RESULT_SIZE).float() / 255
    )
    whole = Photos(photo[None], torch.ones_like(photo[None, :1]))
    source, model = prepare_person(whole, find_people(photo, "the sample photo")[:1])
    works = avatar_works(source, model) | paper_works()
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


def avatar_works(source: Source, model: BodyModel) -> dict[str, TimedWork]:
    """The avatar of a photo in another pose, with and without corrections by untrained networks."""
    networks = CorrectionNetworks().eval()
    looks = AvatarAppearance.corrected(source, model, networks)
    plain, corrected = (
        FrameRenderer(Person(source, model, appearance), rasterize)
        for appearance in (replace(looks, corrections=()), looks)
    )
    own = looks.corrections[0]
    picture = torch.zeros(*source.image.shape[2:], 3, dtype=torch.uint8)
    motion = turned_motion(source)
    random = torch.rand(1, 4, NETWORK_SIDE, NETWORK_SIDE, generator=torch.Generator().manual_seed(0))
    square = Draft(
        random[:, :3], random[:, 3:], random[:, :2].permute(0, 2, 3, 1), random[:, 3:].round(), random[:, :3]
    )
    return {
        "avatar": TimedWork(lambda: plain.draw(picture, motion)),
        "avatar with corrections": TimedWork(lambda: corrected.draw(picture, motion), (networks,)),
        f"corrections of a draft of {NETWORK_SIDE}x{NETWORK_SIDE}": TimedWork(
            lambda: networks.correct(own.features, own.frame, square), (networks.target,)
        ),
    }


def turned_motion(source: Source) -> Motion:
    """The photo's body, slightly turned."""
    turn = rotation_vector_to_matrix(torch.tensor([[0.0, DRIVEN_TURN, 0.0]]))[:, None]
    body = replace(source.body, pose=torch.cat([turn @ source.body.pose[:, :1], source.body.pose[:, 1:]], 1))
    return Motion(body, source.camera, torch.ones(1), torch.zeros(1))


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
