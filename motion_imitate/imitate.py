"""The whole method.

1. Photos become a `Source`: a matte, a fitted body and an inpainted background.
2. The driver's motion is estimated from the clip, smoothed and retargeted to the body of the source.
3. For each frame the body is rasterized to a `View`, and the generator says where to read the photos.
4. The person is composed over the background at the output's resolution.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate import bodies
from motion_imitate.background.fill import dilate_mattes, inpaint_hidden
from motion_imitate.bodies.dress import dress_body
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.compositing.compose import build_palette, compose_into
from motion_imitate.compositing.shadow import cast_shadow
from motion_imitate.estimators.fit import fit
from motion_imitate.estimators.fitter import Fitter, Fitting
from motion_imitate.estimators.follow import follow_person
from motion_imitate.estimators.landmarks import LandmarkEstimator
from motion_imitate.estimators.matte import estimate_matte as matte_of
from motion_imitate.estimators.quality import QUALITIES
from motion_imitate.generators.load import RENDERERS, renderers_with_weights
from motion_imitate.geometry.camera import body_to_camera, camera_to_image, crop_camera, crop_window_around
from motion_imitate.geometry.raster import rasterize
from motion_imitate.motion.retarget import Retarget, retarget
from motion_imitate.motion.smooth import Smoothing, smooth
from motion_imitate.photos.people import Photos, find_people, load_photos
from motion_imitate.types import (
    Body,
    BodyModel,
    Camera,
    Frames,
    Generator,
    Motion,
    Rasterizer,
    Sighting,
    Source,
    View,
    cat_batched,
)
from motion_imitate.video import probe, read

PHOTO_FITTING = Fitting(outline_steps=6, every=1)  # for photos
DRIVER_SMOOTHING = Smoothing(reach=0.1)  # light smoothing: the result must not lag behind the driver
DETECTION_SIDE = 960  # longer side, in pixels, at which people are detected


@dataclass(frozen=True)
class PrepareSettings:
    """Settings of `prepare`."""

    view: int = 768  # longer side, in pixels, of the raster of the photo's body
    margin: float = 0.012  # inpainted margin around the person, as a fraction of the longer side


@dataclass(frozen=True)
class RenderSettings:
    """Settings of `FrameRenderer`."""

    view: int = 400  # maximum longer side, in pixels, at which the generator draws
    margin: float = 0.08  # margin around the body for hair and clothes, as a fraction of its extent


def view_of_body(model: BodyModel, rasterize: Rasterizer, body: Body, camera: Camera, size: tuple[int, int]) -> View:
    """Rasterize a posed body as the camera sees it, at (height, width)."""
    vertices, joints = (body_to_camera(points, camera) for points in model(body))
    return view_of_vertices(vertices, joints, camera, model, rasterize, size)


def view_of_vertices(
    vertices: Float[Tensor, "B V 3"],
    joints: Float[Tensor, "B J 3"],
    camera: Camera,
    model: BodyModel,
    rasterize: Rasterizer,
    size: tuple[int, int],
) -> View:
    """Rasterize vertices and joints given in camera space, at (height, width)."""
    corners = camera_to_image(vertices, camera)[:, model.faces]  # [B, F, 3, 3]
    return View(corners, camera_to_image(joints, camera)[..., :2], rasterize(corners, size))


def prepare(
    photos: Photos,
    seen: Sequence[Sighting],
    fitter: Fitter,
    rasterize: Rasterizer,
    how: PrepareSettings = PrepareSettings(),
) -> tuple[Source, BodyModel]:
    """Fit the person, detected once per photo, and return the source and the body model dressed in their clothes."""
    size = photos.size
    found = cat_batched([next(fit(iter([one]), fitter, size)) for one in seen])
    body = replace(found.body, shape=found.body.shape.mean(0, keepdim=True).expand(len(seen), -1))
    mattes = torch.stack([matte_of(photo, one) for photo, one in zip(photos.image, seen, strict=True)])
    mattes = photos.cut(mattes)
    model = dress_body(cast(SkinnedBody, fitter.rig.model), body, found.camera, mattes)
    scale = min(1.0, how.view / max(size))
    dressed = cast(BodyModel, model)
    view = view_of_body(dressed, rasterize, body, found.camera, (round(size[0] * scale), round(size[1] * scale)))
    behind = inpaint_person(photos.image, mattes, how.margin)
    return Source(photos.image, mattes, behind, body, found.camera, view), dressed


def inpaint_person(
    photos: Float[Tensor, "N 3 H W"], mattes: Float[Tensor, "N 1 H W"], margin: float
) -> Float[Tensor, "N 3 H W"]:
    """Inpaint the person, with a margin, from their surroundings."""
    reach = max(3, round(margin * max(photos.shape[2:])))
    return inpaint_hidden(photos, dilate_mattes((mattes > 0.02).to(mattes), reach))


def prepare_person(photos: Photos, seen: Sequence[Sighting]) -> tuple[Source, BodyModel]:
    """`prepare` with the shipped body model and the default rasterizer."""
    with torch.no_grad():
        return prepare(photos, seen, Fitter(cast(BodyModel, bodies.load_body()), PHOTO_FITTING), rasterize)


def visible_floor_height(model: BodyModel, body: Body, camera: Camera) -> float | None:
    """Height of the floor under the body, as y in camera space; None if the lowest point is outside the image."""
    vertices = body_to_camera(model(body)[0], camera)
    lowest = vertices[0, :, 1].argmax()
    spot = camera_to_image(vertices, camera)[0, lowest, :2]
    return float(vertices[0, lowest, 1]) if bool((spot.abs() < 1).all()) else None


@dataclass(frozen=True)
class Person:
    """A person prepared from photos, who can be rendered for any number of clips."""

    source: Source
    model: BodyModel
    generator: Generator  # type: ignore[type-arg]
    code: object  # the result of generator.encode
    palette: Float[Tensor, "N 4 H W"]

    @classmethod
    def of(cls, source: Source, model: BodyModel, generator: Generator) -> "Person":  # type: ignore[type-arg]
        """Encode the photos with the generator and build the palette that the compositor reads."""
        return cls(source, model, generator, generator.encode(source), build_palette(source))


class FrameRenderer:
    """Renders a person over background frames. Stateless; may be called from several threads at once."""

    def __init__(
        self, person: Person, rasterize: Rasterizer, floor: float | None = None, how: RenderSettings = RenderSettings()
    ) -> None:
        """`floor` is the floor's y in camera space; None renders no shadow."""
        self.person, self.rasterize, self.floor, self.how = person, rasterize, floor, how

    def __call__(self, pair: tuple[Frames, Motion]) -> Frames:
        """Render the person over each background frame.

        Where the driver is not seen, the motion holds the last pose.
        """
        behind, motion = pair
        data = behind.data.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
        with torch.inference_mode():
            for t in range(len(motion)):
                self.draw(data[t], motion[t : t + 1])
        return Frames(data.permute(0, 3, 1, 2), behind.seconds)

    def draw(self, picture: UInt8[Tensor, "H W C"], motion: Motion) -> None:
        """Render one frame of the motion into `picture`, in place."""
        size, model, person = (picture.shape[0], picture.shape[1]), self.person.model, self.person
        vertices, joints = (body_to_camera(points, motion.camera) for points in model(motion.body))
        window = crop_window_around(camera_to_image(vertices, motion.camera)[0, :, :2], size, self.how.margin)
        if window is None:
            return
        part, camera = picture[window], crop_camera(motion.camera, window, size)
        scale = min(1.0, self.how.view / max(part.shape[:2]))
        small = (max(8, round(part.shape[0] * scale)), max(8, round(part.shape[1] * scale)))
        view = view_of_vertices(vertices, joints, camera, model, self.rasterize, small)
        if self.floor is not None:
            cast_shadow(picture, vertices[0], model.faces, self.floor, motion.camera, self.rasterize)
        compose_into(part, person.generator.draw(person.code, view), person.palette)


@dataclass(frozen=True)
class ImitationSettings:
    """Settings of `imitate`."""

    quality: str = "default"  # of the motion estimation: fast, default or best
    person: str | int = "largest"  # in the clip: largest, left, right, or an index from the left
    retarget: Retarget = field(default_factory=Retarget)


def portray(
    photos: Sequence[Path],
    size: int = 1280,
    person: str | int = "largest",
    renderer: str = "geometric",
    weights: Path | None = None,
) -> Person:
    """Prepare a person from photos, scaled to at most `size` pixels on the longer side.

    Do this once; the result serves any number of clips.
    """
    if renderer not in RENDERERS:
        raise ValueError(f"no renderer {renderer!r}; choose one of {', '.join(RENDERERS)}")
    given = load_photos(photos, size)
    seen = [find_people(image, str(path), person)[0] for image, path in zip(given.image, photos, strict=True)]
    source, model = prepare_person(given, seen)
    return Person.of(source, model, renderers_with_weights(weights)[renderer](model))


def imitate(person: Person, clip: Path, how: ImitationSettings = ImitationSettings()) -> Iterator[Frames]:
    """Yield frames of the person performing the motion of the clip, over the background of the first photo.

    Frames come a few at a time, so clips of any length fit in memory. Pass them to `video.write`.
    """
    source, model = person.source, person.model
    render = FrameRenderer(person, rasterize, visible_floor_height(model, source.body[:1], source.camera[:1]))
    behind = (source.background[:1] * 255 + 0.5).to(torch.uint8).contiguous(memory_format=torch.channels_last)
    driver = smooth(estimate_driver_motion(clip, how), DRIVER_SMOOTHING)
    for run in retarget(driver, source.body[:1], source.camera[:1], model, how.retarget):
        for t in range(0, len(run), 4):
            some = run[t : t + 4]
            yield render((Frames(behind.expand(len(some), -1, -1, -1), some.seconds), some))


def estimate_driver_motion(clip: Path, how: ImitationSettings) -> Iterator[Motion]:
    """Estimate the motion of the person in a clip."""
    quality, info = QUALITIES[how.quality], probe(clip)
    scale = min(1.0, DETECTION_SIDE / max(info.height, info.width))
    small = (round(info.height * scale), round(info.width * scale))
    look = LandmarkEstimator(quality.look)
    runs = (look(frames) for frames in read(clip, 24, small))
    fitter = Fitter(cast(BodyModel, bodies.load_body()), quality.fit)
    with torch.no_grad():
        yield from fit(follow_person(runs, how.person), fitter, (info.height, info.width), quality.windows)
