"""Training samples: photos of synthetic people, views to draw of them, and the ground truth of those views."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, cast

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from motion_imitate.avatar.build import build_avatar
from motion_imitate.avatar.draft import DraftMaker, draft_size
from motion_imitate.avatar.parsing_net import ParsingNet
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.background.fill import dilate_mattes
from motion_imitate.bodies.dress import dress_body
from motion_imitate.generators import liquid_warping
from motion_imitate.generators.corrections import CorrectionSettings, PersonCrop, crop_person
from motion_imitate.generators.painter import face_uv_points, flows_to_photos, uv_surface_map
from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.synthesis.damage import degrade_image
from motion_imitate.synthesis.pairs import SyntheticDataset, SyntheticSample
from motion_imitate.types import Batched, Body, BodyModel, Camera, Draft, Source, View, cat_batched
from motion_imitate.weights import tensors_from_bytes, tensors_to_bytes

SAMPLE_RANDOM_STREAM = 3  # keeps these random numbers apart from other uses of the seed
BACKGROUND_MARGIN_PIXELS = 7  # pixels around the person in which a photo's background is not trusted


@dataclass(frozen=True)
class GroundTruth(Batched):
    """What V views really look like."""

    image: Float[Tensor, "V 3 H W"]
    matte: Float[Tensor, "V 1 H W"]
    behind: Float[Tensor, "V 3 H W"]
    face: Float[Tensor, "V 4"]  # left, top, right, bottom, in image points; NaN where no face is visible


@dataclass(frozen=True)
class TrainingScene:
    """One person: the photos, and V views to draw of the dressed body."""

    source: Source
    model: BodyModel
    body: Body
    camera: Camera
    target: View  # the model in that body, seen by that camera
    truth: GroundTruth


@dataclass(frozen=True)
class CorrectionSample:
    """One or more people: the photo of each, and as many views of each for the networks to correct."""

    crop: PersonCrop
    draft: Draft
    truth: GroundTruth

    def to(self, device: str) -> "CorrectionSample":
        """The sample on another device."""
        return CorrectionSample(self.crop.to(device), self.draft.to(device), self.truth.to(device))

    def views(self, first: int, step: int) -> "CorrectionSample":
        """Every `step`-th view of each person, from view `first` on."""
        number = torch.arange(len(self.draft)).view(len(self.crop), -1)[:, first::step].flatten()
        return CorrectionSample(self.crop, self.draft[number], self.truth[number])

    def window(self, tops: Int[Tensor, " V"], lefts: Int[Tensor, " V"], side: int) -> "CorrectionSample":
        """A square part of each view."""
        height, width = self.draft.cover.shape[2:]
        rows, columns = (first[:, None] + torch.arange(side) for first in (tops, lefts))
        number = torch.arange(len(tops))[:, None, None]

        def part(maps: Float[Tensor, "V C H W"]) -> Float[Tensor, "V C h w"]:
            return maps.movedim(1, -1)[number, rows[:, :, None], columns[:, None]].movedim(-1, 1)

        draft, truth = self.draft, self.truth
        flow = draft.flow[number, rows[:, :, None], columns[:, None]]
        corner = torch.stack([lefts, tops, lefts, tops], 1).to(truth.face)
        face = ((truth.face + 1) / 2 * corner.new_tensor([width, height] * 2) - corner) / side * 2 - 1
        return CorrectionSample(
            self.crop,
            Draft(part(draft.colour), part(draft.cover), flow, part(draft.seen), part(draft.position)),
            GroundTruth(part(truth.image), part(truth.matte), part(truth.behind), face),
        )

    def packed(self) -> bytes:
        """The sample as bytes, in half precision: to send between processes, and to keep."""
        return tensors_to_bytes({name: value.half() for name, value in flatten_tensors(self, "").items()})

    @classmethod
    def unpacked(cls, data: bytes) -> "CorrectionSample":
        """Inverse of `packed`."""
        tensors = {name: value.float() for name, value in tensors_from_bytes(data).items()}
        return cast(CorrectionSample, unflatten_tensors(cls, tensors, ""))

    @classmethod
    def joined(cls, some: Sequence["CorrectionSample"]) -> "CorrectionSample":
        """Several samples as one."""
        return cls(*(cat_batched([getattr(one, f.name) for one in some]) for f in fields(cls)))


@dataclass(frozen=True)
class PaintingSample(Batched):
    """Views to paint over the background of the first photo."""

    pairs: liquid_warping.LiquidWarpingBatch
    truth: GroundTruth

    def packed(self) -> bytes:
        """The sample as bytes, to send between processes."""
        return tensors_to_bytes(flatten_tensors(self, ""))

    @classmethod
    def unpacked(cls, data: bytes) -> "PaintingSample":
        """Inverse of `packed`."""
        return cast(PaintingSample, unflatten_tensors(cls, tensors_from_bytes(data), ""))


@dataclass(frozen=True)
class TrainingSampleSettings:
    """How samples are made from synthetic people: photos per person and errors of the matte."""

    photos: int = 1
    blur: tuple[float, float] = (0.4, 1.6)  # range of the Gaussian that blurs the matte, in pixels
    off: float = 0.25  # largest offset of the matte's values
    facing: float = 0.7  # probability that the photo is the view that shows most of the face
    relaxed: float = 0.0  # how much a relaxed pose counts besides the face


@torch.no_grad()
def make_correction_sample(
    pairs: SyntheticDataset,
    net: ParsingNet,
    number: int,
    size: int,
    how: TrainingSampleSettings = TrainingSampleSettings(facing=1.0, relaxed=2.0),
) -> CorrectionSample:
    """The sample of that number, with drafts of the avatar of its photo, which `net` parses.

    `size` is the drafts' longer side.
    """
    one = make_training_scene(pairs, number, how)
    avatar = build_avatar(one.source, one.model, cast(BodyModel, pairs.body), net)
    maker = DraftMaker.of(avatar, one.model, one.source)
    height, width = one.truth.image.shape[2:]
    small = draft_size((slice(0, height), slice(0, width)), size)
    posed = pose_avatar(avatar, one.model, one.body, one.camera)
    view = view_of_body(one.model, rasterize, one.body, one.camera, small)
    draft = maker.draw(posed._replace(vertices=camera_to_image(posed.vertices, one.camera)), view)
    image, matte, behind = (
        interpolate(x, small, mode="area") for x in (one.truth.image, one.truth.matte, one.truth.behind)
    )
    return CorrectionSample(
        crop_person(one.source, maker.positions, CorrectionSettings(size=size)),
        draft,
        GroundTruth(image, matte, behind, one.truth.face),
    )


def make_painting_sample(
    pairs: SyntheticDataset, number: int, how: TrainingSampleSettings = TrainingSampleSettings()
) -> PaintingSample:
    """The sample of that number as input of the published networks."""
    one = make_training_scene(pairs, number, how)
    source, places = one.source, face_uv_points(one.model.uv)
    flow, valid = flows_to_photos(source.view, one.target)

    def each(photos: Float[Tensor, "N C H W"]) -> Float[Tensor, "V N C H W"]:
        return photos.expand(len(one.truth), *photos.shape)

    behind = source.background[:1]
    given = liquid_warping.LiquidWarpingBatch(
        each(source.image),
        each(source.matte),
        each(uv_surface_map(source.view, places)),
        each(1 - dilate_mattes((source.matte[:1] > 0.5).to(behind), BACKGROUND_MARGIN_PIXELS))[:, 0],
        uv_surface_map(one.target, places),
        flow,
        valid,
    )
    there = one.truth.image + (1 - one.truth.matte) * (behind - one.truth.behind)
    return PaintingSample(given, replace(one.truth, image=there.clamp(0, 1), behind=behind.expand_as(there)))


def make_training_scene(
    pairs: SyntheticDataset, number: int, how: TrainingSampleSettings = TrainingSampleSettings()
) -> TrainingScene:
    """The scene of that number. The photos' bodies have an estimator's errors; the views' poses are exact."""
    random = np.random.default_rng([SAMPLE_RANDOM_STREAM, pairs.seed, number])
    sample = order_by_facing(pairs[number], pairs.body.relaxed, random, how)
    photos, views = slice(how.photos), slice(how.photos, None)
    mattes = torch.stack([perturb_matte(matte, random, how) for matte in sample.matte[photos]])
    body = sample.seen_body[photos]
    body = replace(body, shape=body.shape.mean(0, keepdim=True).expand_as(body.shape))
    camera, size = sample.seen_camera[photos], (sample.image.shape[2], sample.image.shape[3])
    model = cast(BodyModel, dress_body(pairs.body, body, camera, mattes))
    view = view_of_body(model, rasterize, body, camera, size)
    image = torch.stack(
        [torch.from_numpy(degrade_image(random, x.numpy(), pairs.how.damage)) for x in sample.image[photos]]
    )
    source = Source(image, mattes, sample.background[photos], body, camera, view)
    wanted = Body(sample.body.pose[views], body.shape[:1].expand(len(sample) - how.photos, -1))
    seen_by, truth = sample.camera[views], ground_truth_of_views(sample, views)
    target = view_of_body(model, rasterize, wanted, seen_by, size)
    return TrainingScene(source, model, wanted, seen_by, target, truth)


def ground_truth_of_views(sample: SyntheticSample, views: slice) -> GroundTruth:
    """Ground truth of some views; the background includes the person's shadow."""
    dark = sample.background[views] * sample.shadow[views]
    return GroundTruth(sample.image[views], sample.matte[views], dark, visible_face_boxes(sample)[views])


def order_by_facing(
    sample: SyntheticSample, relaxed: Float[Tensor, "J 3 3"], random: np.random.Generator, how: TrainingSampleSettings
) -> SyntheticSample:
    """With probability `how.facing`, the sample sorted to show most of the face first; else the sample as it is."""
    if random.random() >= how.facing:
        return sample
    bent = (sample.body.pose - relaxed)[:, 1:].square().sum((2, 3)).mean(1)
    return sample[(sample.face_turned - how.relaxed * bent).argsort(descending=True, stable=True)]


def perturb_matte(
    matte: Float[Tensor, "1 H W"], random: np.random.Generator, how: TrainingSampleSettings
) -> Float[Tensor, "1 H W"]:
    """The matte as an estimator would return it: softer, and slightly too large or too small."""
    soft = cv2.GaussianBlur(matte[0].numpy(), (0, 0), random.uniform(*how.blur))
    return torch.from_numpy(soft)[None].sub(random.uniform(-how.off, how.off)).sub(0.5).mul(1.6).add(0.5).clamp(0, 1)


def visible_face_boxes(sample: SyntheticSample) -> Float[Tensor, "N 4"]:
    """Boxes of the faces; NaN for a face that looks away."""
    return torch.where(sample.face_turned[:, None] > 0.2, sample.face, torch.nan)


def flatten_tensors(noun: object, before: str) -> dict[str, Tensor]:
    """The tensors of nested dataclasses by dotted path, each path prefixed with `before`."""
    if isinstance(noun, Tensor):
        return {before: noun}
    assert is_dataclass(noun)
    return {k: v for f in fields(noun) for k, v in flatten_tensors(getattr(noun, f.name), f"{before}.{f.name}").items()}


def unflatten_tensors(kind: Any, tensors: dict[str, Tensor], before: str) -> Any:
    """Inverse of `flatten_tensors`: rebuild a dataclass of type `kind`."""
    if not is_dataclass(kind):
        return tensors[before]
    made: Any = kind
    return made(**{f.name: unflatten_tensors(f.type, tensors, f"{before}.{f.name}") for f in fields(kind)})
