"""Ground-truth frames of a clip, and scores of how far rendered pictures are from them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import nan

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from motion_imitate.estimators.clip import DETECTION_RUN, OpenedClip
from motion_imitate.estimators.face import FaceNets, FaceThresholds, align_faces
from motion_imitate.estimators.landmarks import LandmarkEstimator
from motion_imitate.estimators.matte import estimate_matte, warp_mask_to_image
from motion_imitate.metrics.flow_alignment import align_by_flow
from motion_imitate.metrics.images import (
    face_distance,
    flicker_error,
    ms_ssim,
    perceptual_distance,
    pose_error,
    psnr,
    ssim,
)
from motion_imitate.metrics.motion import mean_mask_iou
from motion_imitate.training.losses import FeatureExtractor
from motion_imitate.types import Frames, Sighting
from motion_imitate.video import read

POSE_PASSES = 2  # per picture; the second searches where the first found the person
MIN_POINT_VISIBILITY = 0.5  # from which a ground-truth point counts as visible

COMPARED_FACES = FaceThresholds(pixels=40.0)  # smaller than for a photo: pictures are compared at one size

FrameScores = dict[str, float]  # NaN if there is nothing to measure


@dataclass(frozen=True)
class MetricNetworks:
    """The networks that measure pictures; the scores of an absent one are NaN."""

    eyes: LandmarkEstimator
    faces: FaceNets | None = None
    features: FeatureExtractor | None = None


@dataclass(frozen=True)
class GroundTruthFrame:
    """A ground-truth frame, the frame after it, and the person of the first."""

    frame: int
    pictures: UInt8[Tensor, "2 3 H W"]
    seen: Sighting
    person: Bool[Tensor, "1 1 H W"]

    def __len__(self) -> int:
        return 1


def find_ground_truth_frames(
    opened: OpenedClip, wanted: Collection[int], points: Float[Tensor, "T K 2"], look: LandmarkEstimator
) -> Iterator[GroundTruthFrame]:
    """The wanted frames in which a person is found near `points`."""
    for frame, pictures in frames_with_next(opened, wanted):
        seen = find_person_near(pictures[0], points[frame], look)
        if seen is None:
            continue
        person = estimate_matte(pictures[0].float() / 255, seen) > 0.5
        if person.any():
            yield GroundTruthFrame(frame, pictures, seen, person[None])


def frames_with_next(opened: OpenedClip, wanted: Collection[int]) -> Iterator[tuple[int, UInt8[Tensor, "2 3 H W"]]]:
    """The number of each wanted frame, and its picture with the next one."""
    before: Tensor | None = None
    pictures = (
        picture for run in read(opened.info.path, DETECTION_RUN, opened.size, warn=opened.warn) for picture in run.data
    )
    last = max(wanted)
    for number, picture in enumerate(pictures):
        if before is not None and number - 1 in wanted:
            yield number - 1, torch.stack([before, picture])
        if number > last:
            return
        before = picture


def find_person_near(
    picture: UInt8[Tensor, "3 H W"], points: Float[Tensor, "K 2"], look: LandmarkEstimator
) -> Sighting | None:
    """The person nearest to these points, found in this picture alone; None if nobody is."""
    still = Frames(picture.expand(POSE_PASSES, -1, -1, -1), torch.arange(POSE_PASSES) / 30)
    people = [one[-1:] for one in look(still) if float(one.score[-1]) > 0]
    return min(people, key=lambda one: float((one.points[0] - points).norm(dim=1).median()), default=None)


def score_clip_frame(
    pictures: UInt8[Tensor, "2 3 H W"], truth: GroundTruthFrame, judges: MetricNetworks
) -> FrameScores:
    """The scores of a rendered frame and the one after it against the ground truth."""
    made, real = pictures.float() / 255, truth.pictures.float() / 255
    first, goal = made[:1], real[:1]
    return {
        "person_psnr": float(psnr(first, goal, truth.person)),
        "person_ssim": float(ssim(first, goal, truth.person)),
        "person_ms_ssim": float(ms_ssim(first, goal, truth.person)),
        "psnr": float(psnr(first, goal)),
        "ssim": float(ssim(first, goal)),
        "flicker": 255 * float(flicker_error(made, real, truth.person)),
        "face": face_difference(first, goal, truth, judges),
        **appearance_scores(first, goal, truth.person, judges.features),
        **pose_scores(pictures[0], truth, judges.eyes),
    }


@torch.no_grad()
def appearance_scores(
    made: Float[Tensor, "1 3 H W"],
    real: Float[Tensor, "1 3 H W"],
    person: Bool[Tensor, "1 1 H W"],
    features: FeatureExtractor | None,
) -> FrameScores:
    """Perceptual distance to the ground truth as rendered and after alignment, and SSIM after alignment."""
    moved = align_by_flow(made, real, person)
    apart = [nan, nan]
    if features is not None:
        both = torch.cat([made, moved])
        apart = perceptual_distance(features, both, real.expand_as(both), person.expand(2, -1, -1, -1)).tolist()
    return {"perceptual": apart[0], "aligned": apart[1], "aligned_ssim": float(ssim(moved, real, person))}


@torch.no_grad()
def face_difference(
    made: Float[Tensor, "1 3 H W"], real: Float[Tensor, "1 3 H W"], truth: GroundTruthFrame, judges: MetricNetworks
) -> float:
    """Distance between the face embeddings at the ground truth's face; NaN if it shows none."""
    face = None if judges.faces is None else judges.faces.find(real[0], truth.seen.points[0])
    if judges.faces is None or face is None:
        return nan
    cut = align_faces(torch.cat([made, real]), face.points.expand(2, -1, -1))
    return float(face_distance(judges.faces.identity, cut[:1], cut[1:]))


def pose_scores(picture: UInt8[Tensor, "3 H W"], truth: GroundTruthFrame, look: LandmarkEstimator) -> FrameScores:
    """The scores of the pose that the pose network finds in the rendered picture."""
    again = find_person_near(picture, truth.seen.points[0], look)
    if again is None:
        return {"found": 0.0, "pose_error": nan, "outline": nan}
    size = (picture.shape[1], picture.shape[2])
    visible = truth.seen.visible > MIN_POINT_VISIBILITY
    masks = [torch.from_numpy(warp_mask_to_image(one, size) > 0.5)[None] for one in (again, truth.seen)]
    return {
        "found": 1.0,
        "pose_error": float(pose_error(again.points, truth.seen.points, visible, size)),
        "outline": mean_mask_iou(*masks),
    }
