"""What pictures of a person are worth: how sharp the photo's own pose is, and how much of another view is made up."""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.functional import max_pool2d

from motion_imitate.generators.load import geometric
from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import Person, Render, portrait
from motion_imitate.metrics.images import psnr
from motion_imitate.photos.headers import NotAPicture
from motion_imitate.photos.people import people_in, photos_of
from motion_imitate.photos.read import upright_size
from motion_imitate.types import Frames, Motion
from motion_imitate.weights import find
from pipelines.evaluate.compare import LARGE, driven, filling, photo_of, way_of
from pipelines.evaluate.scores import SHARES
from pipelines.motion.estimate import watching
from pipelines.motion.options import Seeing
from pipelines.reporter import Talk

LINES = (256, 720, 1080)  # heights of the photos that are to come back
SURE, RIM = 0.9, 2  # the matte that counts there, and pixels inside its edge
EVERY = 5  # frames from one whose colours' origin is counted to the next
QUIET = Talk(quiet=True)


def measure(data: Path | None) -> Iterator[str]:
    torch.set_num_threads(1)
    others = data.resolve().parent / "sources" if data else Path("nowhere")
    yield from sharpness([find("demo/photo.jpg"), *(sorted(others.iterdir()) if others.is_dir() else [])])
    first, second = ((data or Path("nowhere")) / f"single_cam{n:02d}.mp4" for n in (1, 3))
    if first.exists() and second.exists():
        yield from coverage(first, second)
    else:
        yield "coverage: give --data DIR, a folder of Pose2Sim's single_cam01.mp4 and single_cam03.mp4"


def sharpness(photos: list[Path]) -> Iterator[str]:
    yield f"the photo's own pose, PSNR in dB of the person (matte > {SURE}, {RIM} pixels inside), at lines of the photo"
    yield f"{'':30}" + "".join(f"{lines:8}" for lines in LINES)
    for photo in photos:
        yield f"{photo.name[:29]:30}" + "".join(returned(photo, lines) for lines in LINES)


def returned(photo: Path, lines: int) -> str:
    try:
        return f"{given_back(photo, lines):8.2f}"
    except NotAPicture:
        return f"{'nobody':>8}"


def given_back(photo: Path, lines: int) -> float:
    """NaN where the photo has fewer lines."""
    height, width = upright_size(photo)
    if height < lines:
        return float("nan")
    given = photos_of([photo], round(max(height, width) * lines / height))
    source, model = portrait(given, people_in(given.image[0], str(photo))[:1])
    motion = Motion(source.body, source.camera, torch.ones(1), torch.zeros(1))
    ground = Frames((source.background * 255 + 0.5).to(torch.uint8), motion.seconds)
    drawn = Render(Person.of(source, model, geometric(model)), rasterize)((ground, motion))
    return float(psnr(drawn.data.float() / 255, source.image, shrunk(source.matte > SURE)))


def shrunk(area: Bool[Tensor, "B 1 H W"]) -> Bool[Tensor, "B 1 H W"]:
    return max_pool2d((~area).float(), 2 * RIM + 1, 1, RIM) == 0


def coverage(first: Path, second: Path) -> Iterator[str]:
    """Where the person's pixels come from, if a frame of one camera is shown as another sees the person."""
    seeing = Seeing(size=LARGE)
    photo, what = photo_of(first, 0, seeing, QUIET), watching(second, seeing, QUIET.warn)
    motion, _ = driven(what, 1_000_000, photo)
    way = way_of(photo, geometric(photo.model), filling(photo.source.background[0], what.size))
    shown = [way.shares(motion[t : t + 1]) for t in range(0, len(motion), EVERY) if motion.confidence[t] > 0]
    shares = ", ".join(f"{name.replace('_', ' ')} {sum(s[name] for s in shown) / len(shown):.1%}" for name in SHARES)
    yield f"{first.stem} to {second.stem}, {len(shown)} frames: {shares}"
