"""np.random.Generator poses and cameras of synthetic people, and simulated estimator errors."""

from dataclasses import dataclass
from math import radians
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies.skinning import SkinnedBody, global_to_local, local_to_global
from motion_imitate.estimators.pose_prior import build_pose_prior
from motion_imitate.estimators.rig import BENDS
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body, BodyModel, Camera

TRUNK_CONTROLS = ("spine", "neck", "head", "collar")
PoseBank = tuple[Float[Tensor, "N 3 3"], Float[Tensor, "N C 3"]]  # roots and bends, from `mocap.load_pose_bank`


@dataclass(frozen=True)
class PosingSettings:
    """How the poses of one person vary."""

    jitter: float = 4.0  # degrees of noise on every bend
    near: float = 0.2  # chance that a pose is similar to the one before
    swap: float = 0.2  # chance that a limb is taken from another pose
    loose: float = 0.15  # chance that a pose is drawn from the pose prior
    small: float = 0.4  # chance that the turn between views is small
    turned: float = 25.0  # degrees of a small turn; others are arbitrary


@dataclass(frozen=True)
class CameraFraming:
    """How cameras frame a person."""

    whole: float = 0.75  # chance of a full-body view; else from the knees up
    high: tuple[float, float] = (0.55, 0.95)  # size of the subject, as a share of the image
    focal: tuple[float, float] = (1.3, 3.5)  # focal length, in halves of the longer side
    pitch: float = 8.0  # degrees, up or down
    roll: float = 2.0
    shift: float = 0.08  # offset from the image's centre, in image points
    same: float = 0.6  # chance that a view keeps the lens and tilt of the one before


@dataclass(frozen=True)
class EstimatorErrors:
    """Simulated errors of an estimator, as standard deviations.

    It is accurate in the image plane and poor in depth. With the defaults joints are as far off as on real clips, as
    measured by `bench estimate`.
    """

    flat: float = 2.0  # degrees of limb rotation in the image plane
    deep: float = 10.0  # degrees out of it or about the bone; independent for each bone
    trunk: float = 0.7  # factor on both for the trunk
    along: float = 0.012  # metres in the image plane
    depth: float = 0.02  # share of the distance
    shape: float = 0.3  # in standard deviations of shape; the same in all views


class PoseSampler:
    """Poses from a bank of recorded ones, or from the pose prior where there is none."""

    def __init__(
        self, model: SkinnedBody, bank: PoseBank | None = None, how: PosingSettings = PosingSettings()
    ) -> None:
        self.model, self.bank, self.how = model, bank, how
        usual = build_pose_prior(cast(BodyModel, model))
        self.mean, self.hinge = usual.mean.float(), usual.hinge.float()
        self.least, self.most = usual.least.float(), usual.most.float()
        self.spread = torch.linalg.cholesky(torch.linalg.inv(usual.precision)).float()
        self.rest = model.relaxed
        bent = [(joint, number) for number, name in enumerate(BENDS) for joint in model.controls[name]]
        self.joints, self.bend = torch.tensor(bent).T
        self.spread_over = torch.tensor([float(len(model.controls[BENDS[number]])) for _, number in bent])
        self.limbs = [[k for k, name in enumerate(BENDS) if name.split("_")[0] in limb and name.endswith(side)]
                      for limb in (("shoulder", "elbow", "collar", "wrist"), ("hip", "knee", "ankle"))
                      for side in ("left", "right")]  # fmt: skip

    def sample_prior_bends(self, random: np.random.Generator) -> Float[Tensor, "C 3"]:
        """Bends drawn from the pose prior."""
        return self.mean + 0.65 * (self.spread @ normal_tensor(random, len(BENDS), 3, 1))[..., 0]

    def sample_bends(self, random: np.random.Generator) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "C 3"]]:
        """Root rotation and bends of one random pose."""
        if self.bank is None or random.random() < self.how.loose:
            return rotation_vector_to_matrix(0.1 * normal_tensor(random, 3)), self.sample_prior_bends(random)
        which = int(random.integers(len(self.bank[1])))
        root, bends = self.bank[0][which].float(), self.bank[1][which].float().clone()
        for limb in self.limbs:
            if random.random() < self.how.swap:
                bends[limb] = self.bank[1][int(random.integers(len(self.bank[1])))].float()[limb]
        return root, bends

    def sample_poses(self, random: np.random.Generator, count: int) -> Float[Tensor, "B J 3 3"]:
        """`count` poses of one person, with random headings."""
        found, yaw = [], random.uniform(-np.pi, np.pi) if random.random() < 0.3 else random.normal(0, 0.6)
        root, bends = self.sample_bends(random)
        for k in range(count):
            if k and random.random() >= self.how.near:
                root, bends = self.sample_bends(random)
            elif k:
                bends = bends + radians(10) * normal_tensor(random, *bends.shape)
            if k:
                small = random.random() < self.how.small
                yaw += random.normal(0, radians(self.how.turned)) if small else random.uniform(-np.pi, np.pi)
            found.append(
                self.pose(
                    rotation_vector_to_matrix(torch.tensor([0.0, yaw, 0.0])) @ turn_to_front(root),
                    self.jitter_bends(random, bends),
                )
            )
        return torch.stack(found)

    def jitter_bends(self, random: np.random.Generator, bends: Float[Tensor, "C 3"]) -> Float[Tensor, "C 3"]:
        """The bends with noise; elbows and knees stay within their limits."""
        bends = bends + radians(self.how.jitter) * normal_tensor(random, *bends.shape)
        bent = (bends * self.hinge).sum(-1)
        return bends + (bent.clamp(self.least, self.most) - bent)[:, None] * self.hinge

    def pose(self, root: Float[Tensor, "3 3"], bends: Float[Tensor, "C 3"]) -> Float[Tensor, "J 3 3"]:
        """Joint rotations of a root rotation and bends."""
        pose = self.rest.clone()
        pose[0] = root
        pose[self.joints] = rotation_vector_to_matrix(bends[self.bend] / self.spread_over[:, None])
        return pose

    def wrong(
        self, random: np.random.Generator, body: Body, camera: Camera, how: EstimatorErrors
    ) -> tuple[Body, Camera]:
        """The body and camera with random estimator errors."""
        count = len(body)
        size = torch.tensor([how.deep, how.deep, how.flat]).deg2rad()  # about x, y, and z, the line of sight
        worth = torch.tensor([how.trunk if name.startswith(TRUNK_CONTROLS) else 1.0 for name in BENDS])
        off = rotation_vector_to_matrix(size * worth[:, None] * normal_tensor(random, count, len(BENDS), 3))
        turns = local_to_global(body.pose, self.model.skin.parents)
        error = off.new_empty(turns.shape)
        error[:, 0] = rotation_vector_to_matrix(size * how.trunk * normal_tensor(random, count, 3))
        bends = dict(zip(self.joints.tolist(), self.bend.tolist(), strict=True))
        for joint, parent in enumerate(self.model.skin.parents):
            if parent >= 0:  # joints without a control take their parent's error
                error[:, joint] = off[:, bends[joint]] if joint in bends else error[:, parent]
        pose = global_to_local(error @ turns, self.model.skin.parents)
        shape = body.shape + how.shape * normal_tensor(random, 1, body.shape.shape[1])
        along, deeper = (
            how.along * normal_tensor(random, count, 2),
            (1 + how.depth * normal_tensor(random, count, 1)).clamp(min=0.5),
        )
        place = torch.cat([camera.place[:, :2] + along, camera.place[:, 2:]], 1) * deeper
        return Body(pose, shape), Camera(camera.focal, camera.centre, place)


def normal_tensor(random: np.random.Generator, *size: int) -> Tensor:
    """Standard normal noise as a float tensor."""
    return torch.from_numpy(random.normal(0, 1, size)).float()


def turn_to_front(root: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
    """The root rotated about the vertical until the chest faces ahead; unchanged where the chest points up or down."""
    ahead = root[:, 2]
    if float(ahead[[0, 2]].norm()) < 0.3:
        return root
    return rotation_vector_to_matrix(torch.stack([ahead[0] * 0, -torch.atan2(ahead[0], ahead[2]), ahead[0] * 0])) @ root


def frame_views(
    random: np.random.Generator,
    points: Float[Tensor, "B N 3"],
    upper: Tensor,
    size: tuple[int, int],
    how: CameraFraming,
) -> tuple[Float[Tensor, "B 3 3"], Camera]:
    """Tilts of the world and cameras that frame the points.

    Points are in body space with roots rotated; `upper` selects those above the knees.
    """
    count, longest = len(points), max(size)
    lens = torch.tensor([longest / size[1], longest / size[0]])
    tilts, focals, places = [], [], []
    whole, fill = random.random() < how.whole, random.uniform(*how.high)
    for k in range(count):
        if k == 0 or random.random() >= how.same:
            tilt = rotation_vector_to_matrix(
                torch.tensor([random.normal(0, how.pitch), 0, random.normal(0, how.roll)]).float().deg2rad()
            )
            focal = float(np.exp(random.uniform(*np.log(how.focal)))) * lens
            shift = torch.from_numpy(random.normal(0, how.shift, 2) * [1, 0.5]).float()
        seen = (points[k] @ tilt.T) * points.new_tensor([1.0, -1.0, -1.0])
        subject = seen if whole else seen[upper]
        wanted = 2 * (fill if whole else max(fill, 0.85))
        places.append(place_subject(seen, subject, focal, wanted, shift))
        tilts.append(tilt)
        focals.append(focal)
    return torch.stack(tilts), Camera(torch.stack(focals), torch.zeros(count, 2), torch.stack(places))


def place_subject(
    seen: Float[Tensor, "N 3"], subject: Float[Tensor, "M 3"], focal: Float[Tensor, "2"], wanted: float, shift: Tensor
) -> Float[Tensor, "3"]:
    """Root position at which the subject fills `wanted` of the image's height or width, centred at `shift`."""
    place = torch.tensor([0.0, 0.0, 4.0])
    for _ in range(6):
        at = subject + place
        flat = at[:, :2] / at[:, 2:].clamp(min=0.3) * focal
        low, high = flat.amin(0), flat.amax(0)
        grow = float((high - low).max()) / wanted
        deep = float(at[:, 2].mean())
        middle = ((low + high) / 2 - shift) * deep / focal
        place = place - torch.cat([middle, torch.zeros(1)])
        place[2] += deep * (grow - 1) * 0.9
        place[2] = max(float(place[2]), 0.6 - float(seen[:, 2].min()))
    return place
