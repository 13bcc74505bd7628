"""What networks learn from: photos of made-up people, views of them that are to be drawn, and how those really look."""

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, cast

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.background.fill import grown
from motion_imitate.bodies.dress import dress
from motion_imitate.compositing.compose import palette
from motion_imitate.generators import liquid_warping
from motion_imitate.generators.load import geometric
from motion_imitate.generators.load import places as places_of
from motion_imitate.generators.painter import middles, surface, ways
from motion_imitate.generators.retouch import Draft, Looked, Retouching, draft, look_at
from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import look
from motion_imitate.synthesis.pairs import Pairs, Sample
from motion_imitate.types import Batched, Body, BodyModel, Source, View, cat
from motion_imitate.weights import packed, unpacked

LESSON = 3  # what a seed is for
OFF = 7  # pixels round the person in which a photo's background is not believed


@dataclass(frozen=True)
class Truth(Batched):
    image: Float[Tensor, "V 3 H W"]
    matte: Float[Tensor, "V 1 H W"]
    behind: Float[Tensor, "V 3 H W"]
    face: Float[Tensor, "V 4"]  # left, top, right, bottom, in image points; NaN where none is seen


@dataclass(frozen=True)
class Scene:
    """One person: the photos, and V views that are to be drawn of the body in their clothes."""

    source: Source
    model: BodyModel
    target: View
    truth: Truth


@dataclass(frozen=True)
class Lesson:
    """One person: N photos, V views to be mended."""

    looked: Looked
    palette: Float[Tensor, "N 4 H W"]
    drafts: Draft
    truth: Truth

    def to(self, device: str) -> "Lesson":
        return Lesson(self.looked.to(device), self.palette.to(device), self.drafts.to(device), self.truth.to(device))

    def packed(self) -> bytes:
        return packed(named(self, ""))

    @classmethod
    def unpacked(cls, data: bytes) -> "Lesson":
        return cast(Lesson, built(cls, unpacked(data), ""))


@dataclass(frozen=True)
class Sitting(Batched):
    """Views to be painted before the background of the first photo."""

    pairs: liquid_warping.Pairs
    truth: Truth

    def packed(self) -> bytes:
        return packed(named(self, ""))

    @classmethod
    def unpacked(cls, data: bytes) -> "Sitting":
        return cast(Sitting, built(cls, unpacked(data), ""))


@dataclass(frozen=True)
class Teaching:
    photos: int = 1
    blur: tuple[float, float] = (0.4, 1.6)  # pixels by which a matte is softer than the truth
    off: float = 0.25  # of the way from its edge's outside to its inside that it is wrong
    facing: float = 0.7  # how often the photo is the view that shows most of the face
    still: float = 0.0  # how often the photo itself is a view: who has not moved is to be left alone
    retouch: Retouching = field(default_factory=Retouching)


def lesson(pairs: Pairs, number: int, how: Teaching = Teaching()) -> Lesson:
    """What the geometric generator makes of a scene."""
    one = scene(pairs, number, how)
    generator = geometric(one.model)
    drawn = generator.draw(generator.encode(one.source), one.target)
    places, read = places_of(one.model), palette(one.source)
    return Lesson(look_at(one.source, places, how.retouch), read, draft(drawn, read, one.target, places), one.truth)


def sitting(pairs: Pairs, number: int, how: Teaching = Teaching()) -> Sitting:
    """A scene as the published networks are given it."""
    one = scene(pairs, number, how)
    source, places = one.source, middles(one.model.uv)
    flow, valid = ways(source.view, one.target)

    def each(photos: Float[Tensor, "N C H W"]) -> Float[Tensor, "V N C H W"]:
        return photos.expand(len(one.truth), *photos.shape)

    behind = source.background[:1]
    given = liquid_warping.Pairs(
        each(source.image),
        each(source.matte),
        each(surface(source.view, places)),
        each(1 - grown((source.matte[:1] > 0.5).to(behind), OFF))[:, 0],
        surface(one.target, places),
        flow,
        valid,
    )
    there = one.truth.image + (1 - one.truth.matte) * (behind - one.truth.behind)
    return Sitting(given, replace(one.truth, image=there.clamp(0, 1), behind=behind.expand_as(there)))


def scene(pairs: Pairs, number: int, how: Teaching = Teaching()) -> Scene:
    """The sample of that number; the photo's body is as wrong as an estimator's, the views' poses are the true ones."""
    random = np.random.default_rng([LESSON, pairs.seed, number])
    sample = ordered(pairs[number], random, how)
    photos, views = slice(how.photos), slice(how.photos, None)
    mattes = torch.stack([guessed(matte, random, how) for matte in sample.matte[photos]])
    body = sample.seen_body[photos]
    body = replace(body, shape=body.shape.mean(0, keepdim=True).expand_as(body.shape))
    camera, size = sample.seen_camera[photos], (sample.image.shape[2], sample.image.shape[3])
    model = cast(BodyModel, dress(pairs.body, body, camera, mattes))
    view = look(model, rasterize, body, camera, size)
    source = Source(sample.image[photos], mattes, sample.background[photos], body, camera, view)
    wanted = Body(sample.body.pose[views], body.shape[:1].expand(len(sample) - how.photos, -1))
    seen_by, truth = sample.camera[views], truth_of(sample, views)
    if random.random() < how.still:
        wanted, seen_by = cat([body[:1], wanted[1:]]), cat([camera[:1], seen_by[1:]])
        truth = cat([truth_of(sample, slice(1)), truth[1:]])
    target = look(model, rasterize, wanted, seen_by, size)
    return Scene(source, model, target, truth)


def truth_of(sample: Sample, views: slice) -> Truth:
    dark = sample.background[views] * sample.shadow[views]
    return Truth(sample.image[views], sample.matte[views], dark, seen_face(sample)[views])


def ordered(sample: Sample, random: np.random.Generator, how: Teaching) -> Sample:
    """The views, those first that show the face best, or as they are."""
    if random.random() >= how.facing:
        return sample
    return sample[sample.face_turned.argsort(descending=True, stable=True)]


def guessed(matte: Float[Tensor, "1 H W"], random: np.random.Generator, how: Teaching) -> Float[Tensor, "1 H W"]:
    """A matte as one would estimate it: softer, and a little too large or too small."""
    soft = cv2.GaussianBlur(matte[0].numpy(), (0, 0), random.uniform(*how.blur))
    return torch.from_numpy(soft)[None].sub(random.uniform(-how.off, how.off)).sub(0.5).mul(1.6).add(0.5).clamp(0, 1)


def seen_face(sample: Sample) -> Float[Tensor, "N 4"]:
    """Faces that look away are none."""
    return torch.where(sample.face_turned[:, None] > 0.2, sample.face, torch.nan)


def named(noun: object, before: str) -> dict[str, Tensor]:
    """The tensors of dataclasses in dataclasses."""
    if isinstance(noun, Tensor):
        return {before: noun}
    assert is_dataclass(noun)
    return {k: v for f in fields(noun) for k, v in named(getattr(noun, f.name), f"{before}.{f.name}").items()}


def built(kind: Any, tensors: dict[str, Tensor], before: str) -> Any:
    if not is_dataclass(kind):
        return tensors[before]
    made: Any = kind
    return made(**{f.name: built(f.type, tensors, f"{before}.{f.name}") for f in fields(kind)})
