"""The method on one page: photos become a Source, a motion becomes views, a generator draws them, and the drawn person
is read from the photos at the size of the output."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate import bodies
from motion_imitate.background.fill import behind, grown
from motion_imitate.bodies.dress import dress
from motion_imitate.bodies.skinning import Skinned
from motion_imitate.compositing.compose import compose_into, palette
from motion_imitate.compositing.shadow import cast as cast_shadow
from motion_imitate.estimators.fit import fit
from motion_imitate.estimators.fitter import Fitter, Fitting
from motion_imitate.estimators.follow import follow
from motion_imitate.estimators.landmarks import Landmarks
from motion_imitate.estimators.matte import matte as matte_of
from motion_imitate.estimators.quality import QUALITIES
from motion_imitate.generators.load import RENDERERS, renderers
from motion_imitate.geometry.camera import around, cut, to_camera, to_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.motion.retarget import Retarget, retarget
from motion_imitate.motion.smooth import Smoothing, smooth
from motion_imitate.photos.people import Photos, people_in, photos_of
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
    cat,
)
from motion_imitate.video import probe, read

STILL = Fitting(outline_steps=6, every=1)  # for photos
STEADY = Smoothing(reach=0.1)  # what is driven is to be as quick as the driver
LOOKED_AT = 960  # pixels of the longer side at which people are looked for


@dataclass(frozen=True)
class Preparing:
    view: int = 768  # pixels of the longer side at which the photo's body is looked at
    margin: float = 0.012  # of the longer side, round the person, that is painted over too


@dataclass(frozen=True)
class Rendering:
    view: int = 400  # pixels of the longer side at which the generator draws, at most
    margin: float = 0.08  # of the body's extent, round it, for hair and cloth


def look(model: BodyModel, rasterize: Rasterizer, body: Body, camera: Camera, size: tuple[int, int]) -> View:
    """A posed body as a camera sees it, at (height, width)."""
    vertices, joints = (to_camera(points, camera) for points in model(body))
    return shown(vertices, joints, camera, model, rasterize, size)


def shown(
    vertices: Float[Tensor, "B V 3"],
    joints: Float[Tensor, "B J 3"],
    camera: Camera,
    model: BodyModel,
    rasterize: Rasterizer,
    size: tuple[int, int],
) -> View:
    """The same of points in camera space."""
    corners = to_image(vertices, camera)[:, model.faces]  # [B, F, 3, 3]
    return View(corners, to_image(joints, camera)[..., :2], rasterize(corners, size))


def prepare(
    photos: Photos, seen: Sequence[Sighting], fitter: Fitter, rasterize: Rasterizer, how: Preparing = Preparing()
) -> tuple[Source, BodyModel]:
    """The person of some photos, `seen` once in each; and the body model in their clothes."""
    size = photos.size
    found = cat([next(fit(iter([one]), fitter, size)) for one in seen])
    body = replace(found.body, shape=found.body.shape.mean(0, keepdim=True).expand(len(seen), -1))
    mattes = torch.stack([matte_of(photo, one) for photo, one in zip(photos.image, seen, strict=True)])
    mattes = photos.cut(mattes)
    model = dress(cast(Skinned, fitter.rig.model), body, found.camera, mattes)
    scale = min(1.0, how.view / max(size))
    dressed = cast(BodyModel, model)
    view = look(dressed, rasterize, body, found.camera, (round(size[0] * scale), round(size[1] * scale)))
    behind = without_person(photos.image, mattes, how.margin)
    return Source(photos.image, mattes, behind, body, found.camera, view), dressed


def without_person(
    photos: Float[Tensor, "N 3 H W"], mattes: Float[Tensor, "N 1 H W"], margin: float
) -> Float[Tensor, "N 3 H W"]:
    """Photos, the person painted over with what is round about."""
    reach = max(3, round(margin * max(photos.shape[2:])))
    return behind(photos, grown((mattes > 0.02).to(mattes), reach))


def portrait(photos: Photos, seen: Sequence[Sighting]) -> tuple[Source, BodyModel]:
    """The person of some photos, as a body that is free to use."""
    with torch.no_grad():
        return prepare(photos, seen, Fitter(cast(BodyModel, bodies.load()), STILL), rasterize)


def floor(model: BodyModel, body: Body, camera: Camera) -> float | None:
    """The camera's y of the ground that a body stands on, if the camera sees its lowest point."""
    vertices = to_camera(model(body)[0], camera)
    lowest = vertices[0, :, 1].argmax()
    spot = to_image(vertices, camera)[0, lowest, :2]
    return float(vertices[0, lowest, 1]) if bool((spot.abs() < 1).all()) else None


@dataclass(frozen=True)
class Person:
    """Somebody from photos, ready to be drawn in any number of clips."""

    source: Source
    model: BodyModel
    generator: Generator  # type: ignore[type-arg]
    code: object  # the generator's
    palette: Float[Tensor, "N 4 H W"]

    @classmethod
    def of(cls, source: Source, model: BodyModel, generator: Generator) -> "Person":  # type: ignore[type-arg]
        return cls(source, model, generator, generator.encode(source), palette(source))


class Render:
    """The stage that draws. It does not remember, and may be called from several threads at once."""

    def __init__(
        self, person: Person, rasterize: Rasterizer, floor: float | None = None, how: Rendering = Rendering()
    ) -> None:
        """`floor` is the camera's y of the ground, if there is to be a shadow on it."""
        self.person, self.rasterize, self.floor, self.how = person, rasterize, floor, how

    def __call__(self, pair: tuple[Frames, Motion]) -> Frames:
        """The backgrounds, the person over each. Who is out of sight stands as he did last."""
        behind, motion = pair
        data = behind.data.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
        with torch.inference_mode():
            for t in range(len(motion)):
                self.draw(data[t], motion[t : t + 1])
        return Frames(data.permute(0, 3, 1, 2), behind.seconds)

    def draw(self, picture: UInt8[Tensor, "H W C"], motion: Motion) -> None:
        """Draws into the picture itself."""
        size, model, person = (picture.shape[0], picture.shape[1]), self.person.model, self.person
        vertices, joints = (to_camera(points, motion.camera) for points in model(motion.body))
        window = around(to_image(vertices, motion.camera)[0, :, :2], size, self.how.margin)
        if window is None:
            return
        part, camera = picture[window], cut(motion.camera, window, size)
        scale = min(1.0, self.how.view / max(part.shape[:2]))
        small = (max(8, round(part.shape[0] * scale)), max(8, round(part.shape[1] * scale)))
        view = shown(vertices, joints, camera, model, self.rasterize, small)
        if self.floor is not None:
            cast_shadow(picture, vertices[0], model.faces, self.floor, motion.camera, self.rasterize)
        compose_into(part, person.generator.draw(person.code, view), person.palette)


@dataclass(frozen=True)
class Imitation:
    quality: str = "default"  # of the look at the clip; or fast or best
    person: str | int = "largest"  # of the clip; or left, right, or a number from the left
    retarget: Retarget = field(default_factory=Retarget)


def portray(
    photos: Sequence[Path],
    size: int = 1280,
    person: str | int = "largest",
    renderer: str = "geometric",
    weights: Path | None = None,
) -> Person:
    """The person of some photos, in pictures of at most `size` pixels: made once, for any number of clips."""
    if renderer not in RENDERERS:
        raise ValueError(f"no renderer {renderer!r}; choose one of {', '.join(RENDERERS)}")
    given = photos_of(photos, size)
    seen = [people_in(image, str(path), person)[0] for image, path in zip(given.image, photos, strict=True)]
    source, model = portrait(given, seen)
    return Person.of(source, model, renderers(weights)[renderer](model))


def imitate(person: Person, clip: Path, how: Imitation = Imitation()) -> Iterator[Frames]:
    """The person does what the person of the clip does, before the photo's own background; a few frames at a time,
    however long the clip is. Give them to `video.write`."""
    source, model = person.source, person.model
    render = Render(person, rasterize, floor(model, source.body[:1], source.camera[:1]))
    behind = (source.background[:1] * 255 + 0.5).to(torch.uint8).contiguous(memory_format=torch.channels_last)
    driver = smooth(watched(clip, how), STEADY)
    for run in retarget(driver, source.body[:1], source.camera[:1], model, how.retarget):
        for t in range(0, len(run), 4):
            some = run[t : t + 4]
            yield render((Frames(behind.expand(len(some), -1, -1, -1), some.seconds), some))


def watched(clip: Path, how: Imitation) -> Iterator[Motion]:
    """The motion of the person of a clip."""
    quality, info = QUALITIES[how.quality], probe(clip)
    scale = min(1.0, LOOKED_AT / max(info.height, info.width))
    small = (round(info.height * scale), round(info.width * scale))
    look = Landmarks(quality.look)
    runs = (look(frames) for frames in read(clip, 24, small))
    fitter = Fitter(cast(BodyModel, bodies.load()), quality.fit)
    with torch.no_grad():
        yield from fit(follow(runs, how.person), fitter, (info.height, info.width), quality.windows)
