"""What drawing one driven frame takes: the shipped generator, and the paper's networks at the same threads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from motion_imitate.compositing.compose import compose_into, palette
from motion_imitate.generators.liquid_warping import SHAPES, Networks, Pairs
from motion_imitate.generators.load import geometric, liquid_warping
from motion_imitate.generators.retouch import GROUPS, Retouch, draft, framed, shrunk
from motion_imitate.geometry.camera import around, cut, to_camera, to_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.rotations import from_vectors
from motion_imitate.imitate import Rendering, look, portrait
from motion_imitate.photos.people import Photos, people_in
from motion_imitate.photos.read import opened
from motion_imitate.types import BodyModel, Drawn, Generator, Source, View
from motion_imitate.weights import find
from pipelines.bench.imitate import SIZE
from pipelines.bench.timing import timed
from pipelines.evaluate.compare import filling

SIDE = 256  # pixels of what the paper's networks draw
TURN = 0.15  # radians that the driven body is turned from how it stands in the photo
TIMES = 7
THREADS = (2, 1)
PAPER = "paper, what draws a frame"


@dataclass(frozen=True)
class Work:
    """Something that is done for each frame, and the weights it is done with."""

    does: Callable[[], object]
    weights: tuple[nn.Module, ...] = ()


def measure(_: Path | None = None) -> Iterator[str]:
    photo = filling(opened(find("demo/photo.jpg"), 2 * max(SIZE)).image, SIZE).float() / 255
    whole = Photos(photo[None], torch.ones_like(photo[None, :1]))
    source, model = portrait(whole, people_in(photo, "the sample photo")[:1])
    works = shipped(source, model) | published()
    yield f"one frame, {SIZE[1]}x{SIZE[0]} made of networks that see {SIDE} pixels; middle of {TIMES}, in turns"
    yield from compared(works)


def compared(works: dict[str, Work]) -> Iterator[str]:
    counts = {name: (operations(work.does), size_of(work.weights)) for name, work in works.items() if work.weights}
    for threads in THREADS:
        with limited(threads):
            tries = timed({name: torch.inference_mode()(work.does) for name, work in works.items()}, 1, TIMES)
        yield f"{threads} threads" if threads > 1 else "1 thread"
        for name, (_, ms) in tries.items():
            done, held = counts.get(name, (0, 0))
            told = f"{done / 1e9:8.2f} GFLOP {held / 1e6:6.2f} M weights" if held else ""
            yield f"  {name:44}{ms:8.1f} ms  x{ms / tries[PAPER][1]:<6.3f}{told}".rstrip()


@contextmanager
def limited(threads: int) -> Iterator[None]:
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


def operations(work: Callable[[], object]) -> int:
    """Additions and multiplications of all layers."""
    with FlopCounterMode(display=False) as counter:
        torch.no_grad()(work)()
    return counter.get_total_flops()


def size_of(nets: tuple[nn.Module, ...]) -> int:
    return sum(weight.numel() for net in nets for weight in net.parameters())


def shipped(source: Source, model: BodyModel) -> dict[str, Work]:
    """With a view and a window of the picture as `imitate.Render` takes them."""
    part, view = driven(source, model)
    carry, mend, read = geometric(model), liquid_warping(model), palette(source)
    assert isinstance(mend, Retouch)  # as the weights that ship are
    carried, mended = drawer(carry, source, view), drawer(mend, source, view)
    nets = (mend.source, mend.target)
    return {
        "geometric": Work(carried),
        "geometric, and composed": Work(lambda: compose_into(part, carried(), read)),
        "liquid-warping": Work(mended, nets),
        "liquid-warping, and composed": Work(lambda: compose_into(part, mended(), read), nets),
        "liquid-warping, its network alone": Work(network(mend, source, view), nets),
        f"liquid-warping, its network on {SIDE}x{SIDE}": Work(square(mend, source), nets),
    }


def driven(source: Source, model: BodyModel) -> tuple[Tensor, View]:
    """The window of a picture that a body takes up, turned a little, and the view of it."""
    turn = from_vectors(torch.tensor([[0.0, TURN, 0.0]]))[:, None]
    body = replace(source.body, pose=torch.cat([turn @ source.body.pose[:, :1], source.body.pose[:, 1:]], 1))
    size, how = (source.image.shape[2], source.image.shape[3]), Rendering()
    at = to_image(to_camera(model(body)[0], source.camera), source.camera)[0, :, :2]
    window = around(at, size, how.margin)
    assert window is not None
    part = torch.zeros(*size, 3, dtype=torch.uint8)[window]
    scale = min(1.0, how.view / max(part.shape[:2]))
    small = (round(part.shape[0] * scale), round(part.shape[1] * scale))
    return part, look(model, rasterize, body, cut(source.camera, window, size), small)


def drawer(generator: Generator, source: Source, view: View) -> Callable[[], Drawn]:  # type: ignore[type-arg]
    code = generator.encode(source)
    return lambda: generator.draw(code, view)


def network(mend: Retouch, source: Source, view: View) -> Callable[[], object]:
    """On what it sees of a view."""
    code = mend.encode(source)
    drafts = shrunk(draft(mend.base.draw(code.base, view), code.palette, view, mend.places), mend.how.size)
    flows, valid = framed(drafts.drawn, code.frame)
    return lambda: mend.target(drafts.picture, code.features, flows, valid)


def square(mend: Retouch, source: Source) -> Callable[[], object]:
    """On as many pixels as the paper's draws."""
    features, inputs = mend.encode(source).features, mend.target.glass.net.inputs
    ways = GROUPS * len(source)
    picture, flows = torch.zeros(1, inputs, SIDE, SIDE), torch.zeros(1, ways, SIDE, SIDE, 2)
    return lambda: mend.target(picture, features, flows, flows[..., 0])


def published() -> dict[str, Work]:
    """The networks of the paper, of chance weights, on one photo."""
    nets = Networks(SHAPES["paper"]).eval()
    random = torch.Generator().manual_seed(0)
    photo, mask = torch.rand(1, 1, 3, SIDE, SIDE, generator=random), torch.ones(1, 1, 1, SIDE, SIDE)
    flow = torch.rand(1, 1, SIDE, SIDE, 2, generator=random) * 2 - 1
    pairs = Pairs(photo, mask, photo, mask[:, 0], photo[:, 0], flow, torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool))
    with torch.no_grad():
        features = nets.source.features(torch.cat([photo, photo], 2)[0])
    view = torch.cat([photo[:, 0], photo[:, 0]], 1)
    return {
        PAPER: Work(lambda: nets.target(view, features, flow, pairs.valid), (nets.target,)),
        "paper, all three networks": Work(lambda: nets(pairs), (nets,)),
    }
