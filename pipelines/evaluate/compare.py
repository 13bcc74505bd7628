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
from motion_imitate.frame_renderer import FrameRenderer, RenderSettings
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.generators.load import find_renderer_of_weights
from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import adapt_motion
from motion_imitate.motion.retarget import Retarget
from motion_imitate.photos.people import Photos, find_people
from motion_imitate.portray import make_person, prepare_person
from motion_imitate.training.backbones import load_lite0
from motion_imitate.types import BodyModel, Frames, Motion, Sighting, Source, cat_batched
from motion_imitate.video import probe, read
from motion_imitate.weights import MissingWeights
from pipelines.device import choose_device
from pipelines.evaluate.scores import COMPARED_FACES, MetricNetworks
from pipelines.motion.advice import photo_advice
from pipelines.motion.estimate import record_points
from pipelines.motion.options import EstimationOptions
from pipelines.output_path import UsageError
from pipelines.rendering.backdrop import resize_to_cover
from pipelines.reporter import Reporter

COMPARED_SIZE = 960  # default longer side, in pixels, of compared pictures


@dataclass(frozen=True)
class ReferencePerson:
    """The person of a frame, and the body model dressed in their clothes."""

    source: Source
    model: BodyModel


RenderingMethod = Callable[[Motion], UInt8[Tensor, "T 3 H W"]]  # renders the person in a motion


def load_metric_networks(estimation: EstimationOptions, reporter: Reporter) -> MetricNetworks:
    """All available metric networks; warns once of a missing package."""
    eyes = LandmarkEstimator(Landmarking(device=choose_device(estimation.device), threads=estimation.threads, rate=1e6))
    faces = FaceNets(COMPARED_FACES, threads=estimation.threads)
    try:
        return MetricNetworks(eyes, faces, load_lite0())
    except MissingWeights as missing:
        reporter.warn(f"perceptual distance is left out: {missing}")
        return MetricNetworks(eyes, faces)


def rendering_methods(
    photo: ReferencePerson, size: tuple[int, int], weights: Path | None = None, device: str = "cpu"
) -> dict[str, RenderingMethod]:
    """The unchanged photo as a baseline, the avatar, and the renderer whose weights these are."""
    how = RenderSettings(device=device)
    still = fill_frame_with(photo.source.image[0], size)
    behind = fill_frame_with(photo.source.background[0], size)

    def render_with(renderer: str) -> RenderingMethod:
        render = FrameRenderer(make_person(photo.source, photo.model, renderer, weights), rasterize, how=how)
        return lambda motion: render((Frames(behind.expand(len(motion), -1, -1, -1), motion.seconds), motion)).data

    ways: dict[str, RenderingMethod] = {"copy": lambda motion: still.expand(len(motion), -1, -1, -1)}
    return ways | {name: render_with(name) for name in compared_renderers(weights)}


def compared_renderers(weights: Path | None) -> tuple[str, ...]:
    """The avatar, and the renderer whose weights these are."""
    return (AVATAR_RENDERER,) if weights is None else (AVATAR_RENDERER, find_renderer_of_weights(weights))


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
