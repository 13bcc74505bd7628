"""Photos, drivers and renderers that an evaluation compares."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.estimators.face import FaceNets
from motion_imitate.estimators.landmarks import Landmarking, Landmarks
from motion_imitate.generators.load import renderers
from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import STEADY, Person, Render, look, portrait
from motion_imitate.metrics.images import coverage
from motion_imitate.motion.retarget import Retarget, retarget
from motion_imitate.motion.smooth import smooth
from motion_imitate.photos.people import Photos, people_in
from motion_imitate.training.backbones import lite0
from motion_imitate.types import BodyModel, Frames, Generator, Motion, Sighting, Source, cat
from motion_imitate.video import probe, read
from motion_imitate.weights import MissingWeights
from pipelines.evaluate.scores import FACES, SHARES, Judges, Marks
from pipelines.imitate.backdrop import covered
from pipelines.motion.advice import of_photo
from pipelines.motion.estimate import RUN, Watching, body_model, fitted, noted, scaled, sightings
from pipelines.motion.options import Seeing
from pipelines.output_path import Refused
from pipelines.reporter import Talk

LARGE = 960  # pixels of the longer side at which pictures are compared, if nothing is said
VIEW = 400  # at which it is counted where the person's pixels are from


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


def judges_of(seeing: Seeing, talk: Talk) -> Judges:
    """Every network that there is; who lacks a package is told once."""
    eyes = Landmarks(Landmarking(device=seeing.device, threads=seeing.threads, rate=1e6))
    faces = FaceNets(FACES, threads=seeing.threads)
    try:
        return Judges(eyes, faces, lite0())
    except MissingWeights as missing:
        talk.warn(f"perceptual distance is left out: {missing}")
        return Judges(eyes, faces)


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
