"""`motion-imitate imitate`: photos of a person and a clip in, a video of that person doing the motion out."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import chain, pairwise
from math import inf
from pathlib import Path
from time import monotonic
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.files import elsewhere
from motion_imitate.imitate import STEADY, Person, Render, floor, portrait, renderers, trained
from motion_imitate.motion import Retarget, retarget, smooth
from motion_imitate.portrait import people_in, photos_of
from motion_imitate.raster import rasterize
from motion_imitate.types import BodyModel, Frames, Motion, Sighting, Source
from motion_imitate.video import Encoding, read, write
from pipelines.advice import of_detail, of_photo
from pipelines.backdrops import Backdrop, backdrop, covered, emptied, readable, still
from pipelines.console import Talk
from pipelines.ends import on_ray
from pipelines.imitating import Drawing, Imitating
from pipelines.memory import full
from pipelines.motion import kept, maker, report, streamed
from pipelines.output import Refused, refuse
from pipelines.run import HERE, Running, beside
from pipelines.seeing import Seeing
from pipelines.watch import Watching, body_model, fitted, sightings, watching

LARGE = 1920  # pixels of the longer side of what is made, if nothing is said
PREVIEW, SMALL = 3.0, 480  # seconds, and pixels of the longer side, of a preview
DRAWN = 4  # frames of a run that is drawn
CLEAR = (".mov", ".webm")  # files that may be transparent
ENCODING = Encoding(preset="superfast")  # a larger file of the same quality, in two thirds of the time
TAGS = {
    "comment": "synthetic: made from a photo and the motion of another video",
    "digital_source_type": "compositeWithTrainedAlgorithmicMedia",
}


Portrayed = Callable[[Sequence[Path], int, Drawing, Talk], Person]


@dataclass(frozen=True)
class Driver:
    """Whose motion is followed: a clip that is looked at, or a stored motion."""

    motion: Iterator[Motion]
    model: BodyModel
    rate: Fraction
    frames: int | None
    what: Watching | None = None
    seen: deque[Sighting] = field(default_factory=deque)  # of the clip's frames, if they are kept


@dataclass(frozen=True)
class Job:
    photos: tuple[Path, ...]
    clip: Path | None
    out: Path
    how: Imitating
    seeing: Seeing
    limit: float = inf  # seconds of the clip
    since: float | None = None  # where the motion is the person's own, of a part of a video: the second that begins it

    @property
    def longest(self) -> int:
        return min(self.seeing.size or LARGE, SMALL if self.how.preview else LARGE)


def imitate(
    photos: list[Path], clip: Path | None, out: Path, how: Imitating, seeing: Seeing, overwrite: bool, talk: Talk
) -> None:
    given = [*photos, *([clip] if clip else []), *([how.motion] if how.motion else [])]
    refuse(out, given, suffixes(how), overwrite)
    refuse_wishes(how, seeing)
    begun = monotonic()
    job = Job(tuple(photos), clip, out, how, seeing)
    if how.segments is None:
        sure = made(job, talk)
    else:
        from pipelines.segments import in_segments  # which builds on this

        sure = in_segments(job, talk)
    report(out, sure, monotonic() - begun, talk)


def suffixes(how: Drawing) -> tuple[str, ...]:
    return CLEAR if how.background == "alpha" else (".mp4", *CLEAR)


def made(job: Job, talk: Talk, portrayed: Portrayed | None = None) -> list[Tensor]:
    """The file; how sure each of its frames is. Where the memory is full it is tried once more, with shorter runs."""
    portrayed = portrayed or person_of
    with nullcontext(HERE) if job.how.run == "threads" else on_ray(job.how.address, job.how.gpus_per_worker) as running:
        try:
            return drawn(job, talk, portrayed, DRAWN, running)
        except (MemoryError, RuntimeError) as error:
            if not full(error):
                raise
            talk.warn("the memory is full; once more, with half as much at a time")
            return drawn(job, talk, portrayed, DRAWN // 2, running)


def drawn(job: Job, talk: Talk, portrayed: Portrayed, length: int, running: Running) -> list[Tensor]:
    how, confidence = job.how, list[Tensor]()
    limit = min(job.limit, PREVIEW if how.preview else inf)
    with (
        moving(job, talk, portrayed, running) as (driver, person, moved),
        closing(behind(how.background, person.source, driver, talk)) as backdrop,
    ):
        first, moved = begun_with(moved)
        if job.since is not None:
            backdrop.send(torch.tensor([job.since]))
        render = Render(person, rasterize, ground(how.background, person.source, first, person.model))
        pairs = beside(staged(moved, backdrop, limit, confidence, length))
        with closing(pairs), closing(running.stage(partial(same, render), pairs, job.seeing.workers)) as pictures:
            frames = together(pictures, person.source, driver, how)
            shown = talk.counted(frames, "imitate", driver.frames if not how.preview else None)
            with elsewhere(job.out):
                warnings = running.sink(partial(written, job.out, driver.rate, job.clip), shown)
            for warning in warnings:
                talk.warn(warning)
    return confidence


@contextmanager
def moving(
    job: Job, talk: Talk, portrayed: Portrayed, running: Running
) -> Iterator[tuple[Driver, Person, Iterator[Motion]]]:
    """Whose motion it is, who follows it, and the motion as it becomes theirs."""
    how, seeing = job.how, replace(job.seeing, size=job.longest)
    torch.set_num_threads(seeing.threads)
    driver = driver_of(job.clip, how, seeing, talk, running) if job.since is None else part_of(job)
    within = how.background == "driving"
    plan = Retarget(camera=how.camera or ("copy" if within else "smooth"), scale=how.scale or fitting(within))
    with closing(beside(driver.motion)) as motion:
        person = portrayed(job.photos, job.longest, how, talk)
        source, model = person.source, person.model
        if job.since is not None:
            yield driver, person, motion
        else:
            yield driver, person, retarget(smooth(motion, STEADY), source.body[:1], source.camera[:1], model, plan)


def tags() -> dict[str, str]:
    return TAGS | {"software": maker()}


def written(out: Path, rate: Fraction, sound: Path | None, frames: Iterable[Frames]) -> list[str]:
    """What there was to warn of."""
    said: list[str] = []
    write(out, frames, rate, sound, tags(), ENCODING, said.append)
    return said


def refuse_wishes(how: Imitating, seeing: Seeing) -> None:
    """What would come to nothing is said before anything is computed."""
    if seeing.body != "anny":
        raise Refused(f"people of photos have the body anny, not {seeing.body}; leave --body out")
    if how.weights is not None:
        if how.renderer != "liquid-warping":
            raise Refused(f"the renderer {how.renderer} has no --weights; give --renderer liquid-warping with them")
        trained(how.weights)
    wish = how.background
    if wish.startswith("#"):
        colour(wish)
    elif wish not in ("photo", "driving", "alpha") and not Path(wish).is_file():
        raise Refused(f"there is no file {wish}; --background is photo, driving, alpha, #RRGGBB or a file's path")
    elif wish not in ("photo", "driving", "alpha"):
        readable(Path(wish))
    if how.motion is not None and wish == "driving":
        raise Refused("a stored motion has no pictures to stand before; give its video, or another --background")
    if how.side_by_side and wish == "alpha":
        raise Refused("--side-by-side shows pictures that are not transparent; give another --background")


def fitting(within: bool) -> Literal["keep", "match"]:
    return "match" if within else "keep"


def same(render: Render) -> Render:
    return render


def begun_with(runs: Iterator[Motion]) -> tuple[Motion, Iterator[Motion]]:
    """The first run, and all of them."""
    first = next(runs)
    return first, chain([first], runs)


def ground(wish: str, source: Source, first: Motion, model: BodyModel) -> float | None:
    """Where the ground is in what the person stands before, if that is known."""
    if wish == "photo":
        return floor(model, source.body[:1], source.camera[:1])
    return floor(model, first.body[:1], first.camera[:1]) if wish == "driving" else None


def person_of(paths: Sequence[Path], longest: int, how: Drawing, talk: Talk) -> Person:
    """The person of the photos; what will suffer is told."""
    photos = photos_of(paths, longest)
    seen = []
    for image, path in zip(photos.image, paths, strict=True):
        people = people_in(image, str(path), how.photo_person)
        for advice in of_photo(people, photos.size, small=max(photos.size) < longest // 2 * 2) + of_detail(
            image, people[0]
        ):
            talk.warn(f"{path}: {advice}")
        seen.append(people[0])
    source, model = portrait(photos, seen)
    return Person.of(source, model, renderers(how.weights)[how.renderer](model))


def behind(wish: str, source: Source, driver: Driver, talk: Talk) -> Backdrop:
    """What the person stands before."""
    size = (source.image.shape[2], source.image.shape[3])
    if wish == "photo":
        return still(source.background[0])
    if wish == "driving":
        assert driver.what is not None
        return emptied(driver.what, driver.seen)
    if wish == "alpha":
        return still(torch.zeros(4, *size))
    if wish.startswith("#"):
        return still(colour(wish)[:, None, None].expand(-1, *size))
    return backdrop(Path(wish), size, talk.warn)


def colour(wish: str) -> Float[Tensor, "3"]:
    digits = wish.removeprefix("#")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise Refused(f"{wish!r} is no colour; write it as #RRGGBB, such as #00FF00") from None
    return torch.tensor([red, green, blue]) / 255


def driver_of(clip: Path | None, how: Imitating, seeing: Seeing, talk: Talk, running: Running = HERE) -> Driver:
    if how.motion is not None:
        runs, about, model, frames = streamed(how.motion)
        what = watching(clip, seeing, talk.warn) if clip else None
        rate = what.info.rate if what else Fraction(about.rate).limit_denominator(100_000)
        return Driver(runs, model, rate, frames, what)
    if clip is None:
        raise Refused("nothing to imitate; give a video after the photos, or --motion FILE.npz")
    what = watching(clip, seeing, talk.warn, running)
    model, seen = body_model("anny"), deque[Sighting]()
    found = noticed(sightings(what), seen) if how.background == "driving" else sightings(what)
    return Driver(fitted(what, found, model), model, what.info.rate, what.info.frames, what, seen)


def part_of(job: Job) -> Driver:
    """A stretch of a motion that is the person's own already."""
    assert job.how.motion is not None
    motion, rate = kept(job.how.motion)
    return Driver(iter([motion]), body_model("anny"), Fraction(rate).limit_denominator(100_000), len(motion))


def noticed(runs: Iterable[Sighting], seen: deque[Sighting]) -> Iterator[Sighting]:
    """The sightings as they are; whoever takes them out of `seen` has them too."""
    for run in runs:
        seen.append(run)
        yield run


def staged(
    runs: Iterable[Motion], backdrop: Backdrop, limit: float, confidence: list[Tensor], length: int = DRAWN
) -> Iterator[tuple[Frames, Motion]]:
    """Short runs of what is to be drawn, until the limit in seconds."""
    start: float | None = None
    for run in runs:
        cuts = [
            0,
            *range(1 if start is None else DRAWN, len(run), length),
            len(run),
        ]  # the very first frame alone: sooner
        for first, last in pairwise(cuts):
            some = run[first:last]
            start = float(some.seconds[0]) if start is None else start
            if float(some.seconds[0]) - start >= limit:
                return
            confidence.append(some.confidence)
            yield Frames(backdrop.send(some.seconds), some.seconds), some


def together(drawn: Generator[Frames], source: Source, driver: Driver, how: Imitating) -> Iterator[Frames]:
    """The result alone, or photo, driver and result side by side."""
    if not how.side_by_side:
        yield from drawn
        return
    others: Iterator[Tensor] | None = None
    for run in drawn:
        height = run.data.shape[2]
        photo = high(source.image[0], height).expand(len(run), -1, -1, -1)
        if driver.what is None:
            yield Frames(torch.cat([photo, run.data], 3), run.seconds)
            continue
        others = driving(driver.what, height) if others is None else others
        theirs = torch.stack([next(others) for _ in range(len(run))])
        yield Frames(torch.cat([photo, theirs, run.data], 3), run.seconds)


def high(image: Float[Tensor, "3 H W"], height: int) -> UInt8[Tensor, "3 h w"]:
    size = (height, wide((image.shape[1], image.shape[2]), height))
    return (covered(image, size) * 255 + 0.5).clamp(0, 255).to(torch.uint8)


def driving(what: Watching, height: int) -> Iterator[UInt8[Tensor, "3 h w"]]:
    """The driver's own frames."""
    size = (height, wide((what.info.height, what.info.width), height))
    return (frame for run in read(what.info.path, DRAWN, size) for frame in run.data)


def wide(size: tuple[int, int], height: int) -> int:
    return max(2, round(size[1] * height / size[0] / 2) * 2)
