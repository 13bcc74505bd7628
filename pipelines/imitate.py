"""`motion-imitate imitate`: photos of a person and a clip in, a video of that person doing the motion out."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from time import monotonic

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.imitate import STEADY, Render, floor, geometric, portrait
from motion_imitate.motion import Retarget, retarget, smooth
from motion_imitate.pictures import opened as picture
from motion_imitate.portrait import people_in, photos_of
from motion_imitate.raster import rasterize
from motion_imitate.types import BodyModel, Frames, Motion, Source
from motion_imitate.video import read, write
from pipelines.advice import of_photo
from pipelines.console import Talk
from pipelines.imitating import Imitating
from pipelines.motion import maker, opened, report
from pipelines.output import Refused, refuse
from pipelines.run import beside, threads
from pipelines.seeing import Person, Seeing
from pipelines.watch import body_model, fitted, sightings, watching

LARGE = 1920  # pixels of the longer side of what is made, if nothing is said
PREVIEW, SMALL = 3.0, 480  # seconds, and pixels of the longer side, of a preview
DRAWN = 4  # frames of a run that is drawn
TAGS = {
    "comment": "synthetic: made from a photo and the motion of another video",
    "digital_source_type": "compositeWithTrainedAlgorithmicMedia",
}


@dataclass(frozen=True)
class Driver:
    """Whose motion is followed: a clip that is looked at, or a stored motion."""

    motion: Iterator[Motion]
    model: BodyModel
    rate: Fraction
    frames: int | None
    clip: Path | None


def imitate(
    photos: list[Path], clip: Path | None, out: Path, how: Imitating, seeing: Seeing, overwrite: bool, talk: Talk
) -> None:
    given = [*photos, *([clip] if clip else []), *([how.motion] if how.motion else [])]
    refuse(out, given, (".mp4",), overwrite)
    begun = monotonic()
    torch.set_num_threads(seeing.threads)
    longest = min(seeing.size or LARGE, SMALL if how.preview else LARGE)
    source, model = source_of(photos, longest, how.photo_person, talk)
    size = (source.image.shape[2], source.image.shape[3])
    behind = backdrop(how.background, source, size)
    driver = driver_of(clip, how.motion, seeing, talk)
    ground = floor(model, source.body[:1], source.camera[:1]) if how.background == "photo" else None
    render = Render(source, model, geometric(model), rasterize, ground)
    confidence: list[Tensor] = []

    def stage() -> Render:
        return render

    plan = Retarget(camera=how.camera, scale=how.scale)
    moved = retarget(smooth(driver.motion, STEADY), source.body[:1], source.camera[:1], model, plan)
    limit = PREVIEW if how.preview else float("inf")
    pairs = beside(staged(moved, behind, limit, confidence))
    with closing(pairs), closing(threads(stage, pairs, seeing.workers)) as drawn:
        frames = together(drawn, source, driver, how)
        shown = talk.counted(frames, "imitate", driver.frames if not how.preview else None)
        write(out, shown, driver.rate, driver.clip, TAGS | {"software": maker()}, warn=talk.warn)
    report(out, confidence, monotonic() - begun, talk)


def source_of(paths: list[Path], longest: int, person: Person, talk: Talk) -> tuple[Source, BodyModel]:
    """The person of the photos; what will suffer is told."""
    photos = photos_of(paths, longest)
    seen = []
    for image, path in zip(photos.image, paths, strict=True):
        people = people_in(image, str(path), person)
        for advice in of_photo(people, photos.size):
            talk.warn(f"{path}: {advice}")
        seen.append(people[0])
    return portrait(photos, seen)


def backdrop(wish: str, source: Source, size: tuple[int, int]) -> UInt8[Tensor, "3 H W"]:
    """What the person stands before."""
    if wish == "photo":
        shown = source.background[0]
    elif wish.startswith("#"):
        shown = colour(wish)[:, None, None].expand(-1, *size)
    else:
        shown = covering(picture(Path(wish), max(size)).image, size)
    return (shown * 255 + 0.5).clamp(0, 255).to(torch.uint8)


def colour(wish: str) -> Float[Tensor, "3"]:
    digits = wish.removeprefix("#")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise Refused(f"{wish!r} is no colour; write it as #RRGGBB, such as #00FF00") from None
    return torch.tensor([red, green, blue]) / 255


def covering(image: Float[Tensor, "3 H W"], size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """The middle of a picture, as large as covers a size."""
    scale = max(size[0] / image.shape[1], size[1] / image.shape[2])
    whole = (max(size[0], round(image.shape[1] * scale)), max(size[1], round(image.shape[2] * scale)))
    large = resized(image[None], whole, mode="bilinear", antialias=True)[0]
    top, left = (whole[0] - size[0]) // 2, (whole[1] - size[1]) // 2
    return large[:, top : top + size[0], left : left + size[1]]


def driver_of(clip: Path | None, stored: Path | None, seeing: Seeing, talk: Talk) -> Driver:
    if stored is not None:
        motion, about, model = opened(stored)
        return Driver(iter([motion]), model, Fraction(about.rate).limit_denominator(100_000), len(motion), clip)
    if clip is None:
        raise Refused("nothing to imitate; give a video after the photos, or --motion FILE.npz")
    what = watching(clip, replace(seeing, size=None), talk.warn)
    model = body_model("anny")
    return Driver(fitted(what, sightings(what), model), model, what.info.rate, what.info.frames, clip)


def staged(
    runs: Iterable[Motion], behind: UInt8[Tensor, "3 H W"], limit: float, confidence: list[Tensor]
) -> Iterator[tuple[Frames, Motion]]:
    """Short runs of what is to be drawn, until the limit in seconds."""
    start: float | None = None
    for run in runs:
        for first in range(0, len(run), DRAWN):
            some = run[first : first + DRAWN]
            start = float(some.seconds[0]) if start is None else start
            if float(some.seconds[0]) - start >= limit:
                return
            confidence.append(some.confidence)
            yield Frames(behind.expand(len(some), -1, -1, -1), some.seconds), some


def together(drawn: Generator[Frames], source: Source, driver: Driver, how: Imitating) -> Iterator[Frames]:
    """The result alone, or photo, driver and result side by side."""
    if not how.side_by_side:
        yield from drawn
        return
    height = source.image.shape[2]
    photo = (source.image[0] * 255 + 0.5).to(torch.uint8)
    others = driving(driver.clip, height)
    for run in drawn:
        rows = [photo.expand(len(run), -1, -1, -1), run.data]
        if others is not None:
            rows.insert(1, torch.stack([next(others) for _ in range(len(run))]))
        yield Frames(torch.cat(rows, 3), run.seconds)


def driving(clip: Path | None, height: int) -> Iterator[UInt8[Tensor, "3 h w"]] | None:
    """The driver's own frames, as high as the result."""
    if clip is None:
        return None
    from motion_imitate.video import probe

    info = probe(clip)
    width = max(2, round(info.width * height / info.height / 2) * 2)
    return (frame for run in read(clip, DRAWN, (height, width)) for frame in run.data)
