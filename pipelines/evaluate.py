"""`motion-imitate evaluate`: a clip's own frame serves as the photo, its motion drives it, its frames are the truth."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.backbones import lite0
from motion_imitate.estimators.face import FaceNets
from motion_imitate.estimators.landmarks import Landmarking, Landmarks
from motion_imitate.imitate import STEADY, Person, Render, look, portrait, renderers, trained
from motion_imitate.motion import Retarget, retarget, smooth
from motion_imitate.picture_metrics import coverage
from motion_imitate.portrait import Photos, people_in
from motion_imitate.raster import rasterize
from motion_imitate.types import BodyModel, Frames, Generator, Motion, Sighting, Source, cat
from motion_imitate.video import probe, read
from motion_imitate.weights import MissingWeights
from pipelines.advice import of_photo
from pipelines.backdrops import covered
from pipelines.console import Talk
from pipelines.evaluated import Row, Tile, given, means, places, sheet
from pipelines.evaluating import Evaluating, Strangers
from pipelines.judging import FACES, Judges, Marks, Sample, judged, samples
from pipelines.motion import noted
from pipelines.output import Refused
from pipelines.seeing import Seeing
from pipelines.watch import RUN, Nobody, Watching, body_model, fitted, scaled, sightings, watching

LARGE = 960  # pixels of the longer side at which pictures are compared, if nothing is said
VIEW = 400  # at which it is counted where the person's pixels are from
AHEAD = 24  # frames looked at beyond the last that is compared, for the fit's sake
COLUMNS = 6  # of a sheet
SHARES = ("seen", "mirrored", "opposite", "made_up")


@dataclass(frozen=True)
class Photo:
    """The person of a frame, and the body model in their clothes."""

    source: Source
    model: BodyModel


@dataclass(frozen=True)
class Way:
    """A way to make pictures of the person as a motion has them; `shares` says where the person's pixels are from."""

    stage: Callable[[Motion], UInt8[Tensor, "T 3 H W"]]
    shares: Callable[[Motion], Marks]


def evaluate(
    clips: list[Path],
    how: Evaluating,
    people: Strangers,
    seeing: Seeing,
    out: Path | None,
    overwrite: bool,
    talk: Talk,
) -> None:
    jobs = [*((clip, clip) for clip in clips), *how.pair]
    if not jobs and not how.made_up:
        raise Refused("nothing to evaluate; give clips, two of one scene (--pair FIRST SECOND), or --made-up COUNT")
    if how.weights is not None:
        trained(how.weights)  # what cannot be read is said first
    pages = places(jobs, how.made_up > 0, out, how.sheet, overwrite)
    seeing = replace(seeing, size=seeing.size or LARGE)
    judges = judges_of(seeing, talk)
    rows: list[Row] = []
    for (first, second), page in zip(jobs, pages[: len(jobs)], strict=True):
        rows += compared(first, second, how, seeing, page, judges, talk)
    if how.made_up:
        from pipelines.evaluate_made_up import made_up  # which takes long to import

        rows += made_up(how, people, pages[-1], judges, talk)
    given(rows, how, out, talk)


def judges_of(seeing: Seeing, talk: Talk) -> Judges:
    """Every network that there is; who lacks a package is told once."""
    eyes = Landmarks(Landmarking(device=seeing.device, threads=seeing.threads, rate=1e6))
    faces = FaceNets(FACES, threads=seeing.threads)
    try:
        return Judges(eyes, faces, lite0())
    except MissingWeights as missing:
        talk.warn(f"perceptual distance is left out: {missing}")
        return Judges(eyes, faces)


def compared(
    first: Path, second: Path, how: Evaluating, seeing: Seeing, page: Path | None, judges: Judges, talk: Talk
) -> list[Row]:
    """A row for each way to make the second clip out of one frame of the first."""
    alone = first == second
    photo = photo_of(first, how.source_frame, seeing, talk)
    what = watching(second, seeing, talk.warn)
    last = (how.frames + 1) * how.every  # one more, for the photo's own
    motion, points = driven(what, last + AHEAD, photo)
    wanted = [t for t in range(0, min(last, len(motion) - 1), how.every) if motion.confidence[t] > 0]
    wanted = [t for t in wanted if not alone or t != how.source_frame][: how.frames]
    truth = samples(what, wanted, points, judges.eyes) if wanted else iter(())
    name = first.stem if alone else f"{first.stem} to {second.stem}"
    counted = talk.counted(truth, name, len(wanted))
    shown = set(wanted[:: len(wanted) // COLUMNS + 1])
    marks, kept = measured(counted, ways_of(photo, what.size, how.weights), motion, judges, shown)
    if not kept:
        raise Nobody(f"no frame of {second} can be compared; give a clip with a person, or another --every")
    if page is not None:
        sheet(kept, page)
    return [{"clip": name, "row": row} | means(each, whole=alone) for row, each in marks.items()]


def measured(
    truth: Iterable[Sample], ways: dict[str, Way], motion: Motion, judges: Judges, shown: set[int]
) -> tuple[dict[str, list[Marks]], list[Tile]]:
    """What each way is worth in each frame; and the pictures of some."""
    marks: dict[str, list[Marks]] = {row: [] for row in ways}
    kept: list[Tile] = []
    for sample in truth:
        at = motion[sample.frame : sample.frame + 2]
        made = {row: way.stage(at) for row, way in ways.items()}
        for row, way in ways.items():
            marks[row].append(judged(made[row], sample, judges) | way.shares(at[:1]))
        if sample.frame in shown or not kept:
            kept.append(Tile(sample, {row: pictures[0] for row, pictures in made.items()}))
    return marks, kept


def ways_of(photo: Photo, size: tuple[int, int], weights: Path | None = None) -> dict[str, Way]:
    """The photo as it is, and every generator."""
    still = filling(photo.source.image[0], size)
    behind = filling(photo.source.background[0], size)
    ways = {"copy": Way(lambda motion: still.expand(len(motion), -1, -1, -1), lambda motion: {})}
    return ways | {row: way_of(photo, make(photo.model), behind) for row, make in renderers(weights).items()}


def way_of(photo: Photo, generator: Generator, behind: UInt8[Tensor, "3 H W"]) -> Way:  # type: ignore[type-arg]
    render = Render(Person.of(photo.source, photo.model, generator), rasterize)
    code = generator.encode(photo.source)
    scale = min(1.0, VIEW / max(behind.shape[1:]))
    small = (round(behind.shape[1] * scale), round(behind.shape[2] * scale))

    def stage(motion: Motion) -> Tensor:
        return render((Frames(behind.expand(len(motion), -1, -1, -1), motion.seconds), motion)).data

    def shares(motion: Motion) -> Marks:
        drawn = generator.draw(code, look(photo.model, rasterize, motion.body, motion.camera, small))
        return dict(zip(SHARES, coverage(drawn, len(photo.source))[0].tolist(), strict=True))

    return Way(stage, shares)


def filling(picture: Float[Tensor, "3 H W"], size: tuple[int, int]) -> UInt8[Tensor, "3 h w"]:
    """The middle of the picture, as large as fills the size."""
    same = picture if picture.shape[1:] == size else covered(picture, size)
    return (same * 255 + 0.5).clamp(0, 255).to(torch.uint8)


def photo_of(clip: Path, number: int, seeing: Seeing, talk: Talk) -> Photo:
    """The person of one frame of a clip, looked at as a photo is."""
    info = probe(clip)
    picture = frame_of(clip, number, scaled((info.height, info.width), seeing.size)).float() / 255
    people = people_in(picture, f"frame {number} of {clip}", seeing.person)
    for advice in of_photo(people, (picture.shape[1], picture.shape[2])):
        talk.warn(f"frame {number} of {clip}: {advice}")
    return Photo(*portrait(Photos(picture[None], torch.ones_like(picture[None, :1])), people[:1]))


def frame_of(clip: Path, number: int, size: tuple[int, int]) -> UInt8[Tensor, "3 H W"]:
    before = 0
    for run in read(clip, RUN, size):
        if number < before + len(run):
            return run.data[number - before]
        before += len(run)
    raise Refused(f"{clip} has {before} frames and there is no frame {number}; --source-frame goes to {before - 1}")


def driven(what: Watching, frames: int, photo: Photo) -> tuple[Motion, Float[Tensor, "T K 2"]]:
    """The clip's motion on the photo's body, seen by the clip's camera; and the points that were seen."""
    points: list[Tensor] = []
    seen = noted(until(sightings(what), frames), points.append)
    plan = Retarget(camera="copy", scale="match")
    runs = smooth(fitted(what, seen, body_model("anny")), STEADY)
    source = photo.source
    motion = cat(list(retarget(runs, source.body[:1], source.camera[:1], photo.model, plan)))
    return motion, torch.cat(points)[..., :2]


def until(runs: Iterator[Sighting], frames: int) -> Iterator[Sighting]:
    """The runs, as many as hold so many frames."""
    done = 0
    for run in runs:
        yield run
        done += len(run)
        if done >= frames:
            return
