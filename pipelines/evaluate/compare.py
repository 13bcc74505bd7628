"""The reference people, driving motion and rendering methods that an evaluation compares."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.estimators.clip import (
    DETECTION_RUN,
    OpenedClip,
    fit_motion,
    limit_size,
    load_body_model,
    track_person,
)
from motion_imitate.estimators.face import FaceNets
from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking
from motion_imitate.generators import AVATAR_RENDERER, CORRECTIONS_RENDERER, GENERATORS, load_generator
from motion_imitate.generators.load import hold_corrections
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.imitate import FrameRenderer, adapt_motion
from motion_imitate.metrics.images import photo_coverage
from motion_imitate.motion.retarget import Retarget
from motion_imitate.photos.people import Photos, find_people
from motion_imitate.portray import Person, make_person, prepare_person
from motion_imitate.training.backbones import load_lite0
from motion_imitate.types import BodyModel, Frames, Generator, Motion, Sighting, Source, cat_batched
from motion_imitate.video import probe, read
from motion_imitate.weights import MissingWeights
from pipelines.evaluate.scores import COMPARED_FACES, PIXEL_ORIGINS, FrameScores, MetricNetworks
from pipelines.motion.advice import photo_advice
from pipelines.motion.estimate import record_points
from pipelines.motion.options import EstimationOptions
from pipelines.output_path import UsageError
from pipelines.rendering.backdrop import resize_to_cover
from pipelines.reporter import Reporter

COMPARED_SIZE = 960  # default longer side, in pixels, of compared pictures
ORIGIN_SIZE = 400  # longer side, in pixels, at which pixel origins are counted


@dataclass(frozen=True)
class ReferencePerson:
    """The person of a frame, and the body model dressed in their clothes."""

    source: Source
    model: BodyModel


@dataclass(frozen=True)
class RenderingMethod:
    """A way to render the person in a motion; `shares` says where the person's pixels come from."""

    stage: Callable[[Motion], UInt8[Tensor, "T 3 H W"]]
    shares: Callable[[Motion], FrameScores]


def load_metric_networks(estimation: EstimationOptions, reporter: Reporter) -> MetricNetworks:
    """All available metric networks; warns once of a missing package."""
    eyes = LandmarkEstimator(Landmarking(device=estimation.device, threads=estimation.threads, rate=1e6))
    faces = FaceNets(COMPARED_FACES, threads=estimation.threads)
    try:
        return MetricNetworks(eyes, faces, load_lite0())
    except MissingWeights as missing:
        reporter.warn(f"perceptual distance is left out: {missing}")
        return MetricNetworks(eyes, faces)


def rendering_methods(
    photo: ReferencePerson, size: tuple[int, int], weights: Path | None = None
) -> dict[str, RenderingMethod]:
    """The unchanged photo as a baseline, and every renderer; corrections only with their weights."""
    still = fill_frame_with(photo.source.image[0], size)
    behind = fill_frame_with(photo.source.background[0], size)
    ways = {"copy": RenderingMethod(lambda motion: still.expand(len(motion), -1, -1, -1), lambda motion: {})}
    corrects = weights is not None and hold_corrections(weights)
    ways |= {AVATAR_RENDERER: method_of_avatar(photo, behind, AVATAR_RENDERER)}
    if corrects:
        ways |= {CORRECTIONS_RENDERER: method_of_avatar(photo, behind, CORRECTIONS_RENDERER, weights)}
    drawing = None if corrects else weights
    return ways | {
        name: method_of_generator(photo, load_generator(name, photo.model, drawing), behind) for name in GENERATORS
    }


def method_of_avatar(
    photo: ReferencePerson, behind: UInt8[Tensor, "3 H W"], renderer: str, weights: Path | None = None
) -> RenderingMethod:
    """The method that renders a person as an avatar, or as a corrected one, before a background."""
    render = FrameRenderer(make_person(photo.source, photo.model, renderer, weights), rasterize)

    def stage(motion: Motion) -> Tensor:
        return render((Frames(behind.expand(len(motion), -1, -1, -1), motion.seconds), motion)).data

    return RenderingMethod(stage, lambda motion: {})


def method_of_generator(
    photo: ReferencePerson,
    generator: Generator,  # type: ignore[type-arg]
    behind: UInt8[Tensor, "3 H W"],
) -> RenderingMethod:
    """The method that renders a person with a generator before a background."""
    render = FrameRenderer(Person.of(photo.source, photo.model, generator), rasterize)
    code = generator.encode(photo.source)
    scale = min(1.0, ORIGIN_SIZE / max(behind.shape[1:]))
    small = (round(behind.shape[1] * scale), round(behind.shape[2] * scale))

    def stage(motion: Motion) -> Tensor:
        return render((Frames(behind.expand(len(motion), -1, -1, -1), motion.seconds), motion)).data

    def shares(motion: Motion) -> FrameScores:
        drawn = generator.draw(code, view_of_body(photo.model, rasterize, motion.body, motion.camera, small))
        return dict(zip(PIXEL_ORIGINS, photo_coverage(drawn, len(photo.source))[0].tolist(), strict=True))

    return RenderingMethod(stage, shares)


def fill_frame_with(picture: Float[Tensor, "3 H W"], size: tuple[int, int]) -> UInt8[Tensor, "3 h w"]:
    """The middle of the picture, scaled to cover the size, as bytes."""
    same = picture if picture.shape[1:] == size else resize_to_cover(picture, size)
    return (same * 255 + 0.5).clamp(0, 255).to(torch.uint8)


def read_reference_person(
    clip: Path, number: int, estimation: EstimationOptions, reporter: Reporter
) -> ReferencePerson:
    """The person of one frame of a clip, estimated as from a photo."""
    info = probe(clip)
    picture = read_clip_frame(clip, number, limit_size((info.height, info.width), estimation.size)).float() / 255
    people = find_people(picture, f"frame {number} of {clip}", estimation.person)
    for advice in photo_advice(people, (picture.shape[1], picture.shape[2])):
        reporter.warn(f"frame {number} of {clip}: {advice}")
    return ReferencePerson(*prepare_person(Photos(picture[None], torch.ones_like(picture[None, :1])), people[:1]))


def read_clip_frame(clip: Path, number: int, size: tuple[int, int]) -> UInt8[Tensor, "3 H W"]:
    """One frame of a clip by its number, scaled to a size."""
    before = 0
    for run in read(clip, DETECTION_RUN, size):
        if number < before + len(run):
            return run.data[number - before]
        before += len(run)
    raise UsageError(f"{clip} has {before} frames and there is no frame {number}; --source-frame goes to {before - 1}")


def retarget_clip_motion(
    opened: OpenedClip, frames: int, photo: ReferencePerson
) -> tuple[Motion, Float[Tensor, "T K 2"]]:
    """The clip's motion on the person's body, seen by the clip's camera; and the landmarks seen in the clip."""
    points: list[Tensor] = []
    seen = record_points(take_sightings(track_person(opened), frames), points.append)
    plan = Retarget(camera="copy", scale="match")
    driven = fit_motion(opened, seen, load_body_model("anny"))
    motion = cat_batched(list(adapt_motion(driven, photo.source, photo.model, plan)))
    return motion, torch.cat(points)[..., :2]


def take_sightings(runs: Iterator[Sighting], frames: int) -> Iterator[Sighting]:
    """The first runs, as many as it takes to hold this many frames."""
    done = 0
    for run in runs:
        yield run
        done += len(run)
        if done >= frames:
            return
