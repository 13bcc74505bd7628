"""Frames of a clip as the truth, and how far other pictures of the same moments are from them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import nan

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from motion_imitate.estimators.face import FaceNets, Sureness, chips
from motion_imitate.estimators.landmarks import Landmarks
from motion_imitate.estimators.matte import in_picture, matte
from motion_imitate.metrics.flow_alignment import slid
from motion_imitate.metrics.images import face_distance, flicker, ms_ssim, perceptual_distance, pose_error, psnr, ssim
from motion_imitate.metrics.motion import overlap
from motion_imitate.training.losses import Features
from motion_imitate.types import Frames, Sighting
from motion_imitate.video import read
from pipelines.motion.estimate import RUN, Watching

SHARES = ("seen", "mirrored", "opposite", "made_up")

LOOKS = 2  # at a picture; the second looks where the first saw the person
SHOWN = 0.5  # how sure the pose network must be that the truth shows a point

FACES = Sureness(pixels=40.0)  # less than a photo's needs: pictures are compared at one size

Marks = dict[str, float]  # NaN: there is nothing to measure


@dataclass(frozen=True)
class Judges:
    """The networks that look at pictures; what one that is absent would say is not measured."""

    eyes: Landmarks
    faces: FaceNets | None = None
    features: Features | None = None


@dataclass(frozen=True)
class Sample:
    """A frame of the truth and the one after it, and the person of the first."""

    frame: int
    pictures: UInt8[Tensor, "2 3 H W"]
    seen: Sighting
    person: Bool[Tensor, "1 1 H W"]

    def __len__(self) -> int:
        return 1


def samples(
    what: Watching, wanted: Collection[int], points: Float[Tensor, "T K 2"], look: Landmarks
) -> Iterator[Sample]:
    """The wanted frames in which the person is seen where `points` say."""
    for frame, pictures in with_the_next(what, wanted):
        seen = person_near(pictures[0], points[frame], look)
        if seen is None:
            continue
        person = matte(pictures[0].float() / 255, seen) > 0.5
        if person.any():
            yield Sample(frame, pictures, seen, person[None])


def with_the_next(what: Watching, wanted: Collection[int]) -> Iterator[tuple[int, UInt8[Tensor, "2 3 H W"]]]:
    """Each wanted frame, and the one after it."""
    before: Tensor | None = None
    pictures = (picture for run in read(what.info.path, RUN, what.size, warn=what.warn) for picture in run.data)
    last = max(wanted)
    for number, picture in enumerate(pictures):
        if before is not None and number - 1 in wanted:
            yield number - 1, torch.stack([before, picture])
        if number > last:
            return
        before = picture


def person_near(picture: UInt8[Tensor, "3 H W"], points: Float[Tensor, "K 2"], look: Landmarks) -> Sighting | None:
    """Whoever is seen nearest to those points, in this picture alone."""
    still = Frames(picture.expand(LOOKS, -1, -1, -1), torch.arange(LOOKS) / 30)
    people = [one[-1:] for one in look(still) if float(one.score[-1]) > 0]
    return min(people, key=lambda one: float((one.points[0] - points).norm(dim=1).median()), default=None)


def judged(pictures: UInt8[Tensor, "2 3 H W"], truth: Sample, judges: Judges) -> Marks:
    """How far the picture of a moment, and the one after it, are from the truth."""
    made, real = pictures.float() / 255, truth.pictures.float() / 255
    first, goal = made[:1], real[:1]
    return {
        "person_psnr": float(psnr(first, goal, truth.person)),
        "person_ssim": float(ssim(first, goal, truth.person)),
        "person_ms_ssim": float(ms_ssim(first, goal, truth.person)),
        "psnr": float(psnr(first, goal)),
        "ssim": float(ssim(first, goal)),
        "flicker": 255 * float(flicker(made, real, truth.person)),
        "face": face_apart(first, goal, truth, judges),
        **looks(first, goal, truth.person, judges.features),
        **seen_again(pictures[0], truth, judges.eyes),
    }


@torch.no_grad()
def looks(
    made: Float[Tensor, "1 3 H W"],
    real: Float[Tensor, "1 3 H W"],
    person: Bool[Tensor, "1 1 H W"],
    features: Features | None,
) -> Marks:
    """How unlike the truth the person looks, as he is and slid to fit it; and how alike he is then, pixel by pixel."""
    moved = slid(made, real, person)
    apart = [nan, nan]
    if features is not None:
        both = torch.cat([made, moved])
        apart = perceptual_distance(features, both, real.expand_as(both), person.expand(2, -1, -1, -1)).tolist()
    return {"perceptual": apart[0], "aligned": apart[1], "aligned_ssim": float(ssim(moved, real, person))}


@torch.no_grad()
def face_apart(made: Float[Tensor, "1 3 H W"], real: Float[Tensor, "1 3 H W"], truth: Sample, judges: Judges) -> float:
    """How unlike the truth's face is what was made at its place."""
    face = None if judges.faces is None else judges.faces.find(real[0], truth.seen.points[0])
    if judges.faces is None or face is None:
        return nan
    cut = chips(torch.cat([made, real]), face.points.expand(2, -1, -1))
    return float(face_distance(judges.faces.identity, cut[:1], cut[1:]))


def seen_again(picture: UInt8[Tensor, "3 H W"], truth: Sample, look: Landmarks) -> Marks:
    """Where the pose network sees the person now."""
    again = person_near(picture, truth.seen.points[0], look)
    if again is None:
        return {"found": 0.0, "pose_error": nan, "outline": nan}
    size = (picture.shape[1], picture.shape[2])
    visible = truth.seen.visible > SHOWN
    masks = [torch.from_numpy(in_picture(one, size) > 0.5)[None] for one in (again, truth.seen)]
    return {
        "found": 1.0,
        "pose_error": float(pose_error(again.points, truth.seen.points, visible, size)),
        "outline": overlap(*masks),
    }
