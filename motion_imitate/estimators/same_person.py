"""Tell whether two estimates of a clip follow the same person."""

from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies.skinning import SkinnedBody, posed_keypoints
from motion_imitate.estimators.follow import HIP_INDICES, hip_centres
from motion_imitate.geometry.camera import body_to_camera
from motion_imitate.motion.windows import resample_motion
from motion_imitate.types import BodyModel, Motion, Sighting

SHOULDER_INDICES = [11, 12]
COMPARED_FRAMES = 8  # of a motion, at most
SAME_PERSON = 0.5  # distance of the hips in the image below which two are the same person, in lengths of the trunk
SAME_TIME = 0.3  # seconds between two frames that are compared


class HipPath(NamedTuple):
    """Where the middle of somebody's hips is seen, as x / z and y / z, and how far their shoulders are from it."""

    aim: Float[Tensor, "T 2"]
    trunk: Float[Tensor, " T"]
    seconds: Float[Tensor, " T"]


def hip_path(motion: Motion, model: BodyModel) -> HipPath:
    """The path of the hips in a motion, in the frames in which the person is seen."""
    points = posed_keypoints(cast(SkinnedBody, model), motion.body, "blazepose33")
    at = body_to_camera(points, motion.camera)
    hips, shoulders = (at[:, rows].mean(1) for rows in (HIP_INDICES, SHOULDER_INDICES))
    depth = hips[:, 2:].clamp(min=0.2)
    return HipPath(hips[:, :2] / depth, (shoulders - hips).norm(dim=1) / depth[:, 0], motion.seconds)


def pick_seen_frames(motion: Motion) -> Motion:
    """A few frames in which the person is seen, evenly spread; none if they are never seen."""
    rows = (motion.confidence > 0).nonzero()[:, 0]
    spread = torch.linspace(0, max(len(rows) - 1, 0), min(COMPARED_FRAMES, len(rows))).round().long()
    return motion[rows[spread]]


def follows_same_person(scan: Motion, motion: Motion, model: BodyModel) -> bool:
    """Whether a scan follows the person of a motion; true if the two are not seen at the same time."""
    some, other = pick_seen_frames(motion), scan[scan.confidence > 0]
    if not len(some) or not len(other):
        return True
    some = some[(some.seconds[:, None] - other.seconds).abs().amin(1) < SAME_TIME]
    if not len(some):
        return True
    ours, theirs = hip_path(some, model), hip_path(resample_motion(other, some.seconds), model)
    return bool(((theirs.aim - ours.aim).norm(dim=1) / ours.trunk).median() < SAME_PERSON)


def number_of_person(people: list[Sighting], motion: Motion, model: BodyModel) -> int:
    """The number, from the left, of whom a motion follows: who is nearest to it while both are seen."""
    path = hip_path(motion[motion.confidence > 0], model)
    lens, centre = motion.camera.focal[0], motion.camera.centre[0]
    there = [one for one in people if bool((one.score > 0).any())]
    there = sorted(there, key=lambda one: float(hip_centres(one)[0, 0]))  # as `follow_person` numbers them

    def distance(one: Sighting) -> float:
        seen = one[one.score > 0]
        near = (path.seconds - seen.seconds[:, None]).abs().argmin(1)
        return float(((hip_centres(seen) - centre) / lens - path.aim[near]).norm(dim=1).median())

    return 1 + min(range(len(there)), key=lambda k: distance(there[k])) if there else 1
