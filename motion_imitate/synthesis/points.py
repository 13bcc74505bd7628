"""Synthetic people as the pose network would see them, for training the lifter."""

from dataclasses import dataclass
from math import log, pi

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.estimators.pose_prior import build_pose_prior
from motion_imitate.estimators.rig import BENDS, PoseState, Rig, RiggedPoints
from motion_imitate.estimators.terms import FITTED_LANDMARKS, HIP_ROWS, landmark_trust, rotation_towards_ray
from motion_imitate.geometry.rotations import rotation_vector_to_matrix

LIMB_CONTROLS = (
    ("spine_low", "spine_high", "neck", "head"),
    *(tuple(f"{b}_{side}" for b in ("collar", "shoulder", "elbow", "wrist")) for side in ("left", "right")),
    *(tuple(f"{b}_{side}" for b in ("hip", "knee", "ankle")) for side in ("left", "right")),
)
LIMB_DEPTH_ERRORS = (  # keypoints (left side) whose depths err together, and by how many metres
    ((13,), 0.07),
    ((15, 17, 19, 21), 0.11),
    ((25,), 0.08),
    ((27, 29, 31), 0.12),
)
TRUNK_DEPTH_ERROR = (
    tuple(k for k in FITTED_LANDMARKS if k < 23),
    0.1,
)  # everything above the hips, both sides together
GUESS_TILT = (0.17, 0.17, 0.04)  # radians of rotation of the whole guess about right, down and ahead


@dataclass(frozen=True)
class LifterBatch:
    """People and their observed keypoints, one person per row; see `terms.Evidence`."""

    state: PoseState
    shape: Float[Tensor, "N S"]
    points: Float[Tensor, "N K 3"]  # true positions in camera space
    aim: Float[Tensor, "N K 2"]
    weight: Float[Tensor, "N K"]
    world: Float[Tensor, "N K 3"]


class PersonSampler:
    """Random people, reproducible from the seed."""

    def __init__(
        self, rig: Rig, points: RiggedPoints, poses: tuple[Tensor, Tensor], shapes: int, seed: int = 0
    ) -> None:
        self.rig, self.points, self.shapes = rig, points, shapes
        self.roots, self.bends = poses[0].float(), poses[1].float()
        self.random = torch.Generator().manual_seed(seed)
        usual = build_pose_prior(rig.model)
        self.mean, self.hinge = usual.mean.float(), usual.hinge.float()
        self.least, self.most = usual.least.float(), usual.most.float()
        covariance = torch.linalg.inv(usual.precision)
        self.loose = torch.linalg.cholesky(covariance).float()

    def normal(self, *size: int) -> Tensor:
        return torch.randn(*size, generator=self.random)

    def uniform(self, *size: int) -> Tensor:
        return torch.rand(*size, generator=self.random)

    def pick(self, count: int, of: int) -> Tensor:
        return torch.randint(of, (count,), generator=self.random)

    def pose(self, count: int) -> tuple[Tensor, Tensor]:
        """Recorded poses with exchanged limbs and noise; hinges stay within their limits."""
        chosen = self.pick(count, len(self.bends))
        bends, root = self.bends[chosen].clone(), self.roots[chosen]
        loose = self.mean + torch.einsum("cab,ncb->nca", self.loose, self.normal(count, len(BENDS), 3)) * 0.8
        for limb in LIMB_CONTROLS:
            columns = [BENDS.index(name) for name in limb]
            other = self.bends[self.pick(count, len(self.bends))]
            for source in (other, loose):
                taken = (self.uniform(count) < 0.3)[:, None, None]
                bends[:, columns] = torch.where(taken, source[:, columns], bends[:, columns])
        bends = bends + 0.12 * self.normal(count, len(BENDS), 3)
        bend = (bends * self.hinge).sum(-1)
        bends = bends + (bend.clamp(self.least, self.most) - bend)[..., None] * self.hinge
        upright = rotation_vector_to_matrix(0.15 * self.normal(count, 3))
        keep = self.uniform(count) < 0.5
        return torch.where(keep[:, None, None], root, upright), bends

    def draw(self, count: int) -> LifterBatch:
        """The next `count` people."""
        root, bends = self.pose(count)
        still = torch.zeros(count)
        yaw = rotation_vector_to_matrix(torch.stack([still, 2 * pi * self.uniform(count), still], -1))
        tilt = rotation_vector_to_matrix(torch.stack([0.25 * self.normal(count), still, 0.12 * self.normal(count)], -1))
        facing = torch.diag(torch.tensor([1.0, -1, -1]))
        depth = (log(3.2) + 0.45 * self.normal(count)).exp().clamp(1.5, 12)
        across = (self.uniform(count, 2) - 0.5) * 0.7
        place = torch.cat([across, torch.ones(count, 1)], -1) * depth[:, None]
        state = PoseState(place, tilt @ facing @ yaw @ root, bends)
        shape = torch.zeros(count, self.rig.offset.shape[0] - 1)
        shape[:, : self.shapes] = 0.9 * self.normal(count, self.shapes)
        at = self.rig.place(self.points, state, shape)
        aim, weight = self.seen(at)
        return LifterBatch(state, shape[:, : self.shapes], at, aim, weight, self.simulate_world_points(at, place))

    def seen(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints in the image plane with errors; some are barely visible and less accurate."""
        aim = at[..., :2] / at[..., 2:].clamp(min=0.3)
        size = (aim.amax(1) - aim.amin(1)).amax(-1)
        error = (log(0.006) + 0.6 * self.normal(len(at))).exp() * size
        faint = self.uniform(*aim.shape[:2]) < 0.12
        visible = torch.where(faint, 0.6 * self.uniform(*aim.shape[:2]), 0.8 + 0.2 * self.uniform(*aim.shape[:2]))
        aim = aim + error[:, None, None] * self.normal(*aim.shape)
        aim = aim + (faint * size[:, None] * 0.03)[..., None] * self.normal(*aim.shape)
        return aim, landmark_trust(FITTED_LANDMARKS).float() * ((visible - 0.3) / 0.5).clamp(0.03, 1)

    def simulate_world_points(self, at: Tensor, place: Tensor) -> Tensor:
        """World keypoints relative to the hips, with a rotation of the whole and depth errors per limb."""
        count = len(at)
        ray = rotation_towards_ray(place[:, :2] / place[:, 2:])
        ahead = (at - at[:, HIP_ROWS].mean(1, keepdim=True)) @ ray
        tilt = rotation_vector_to_matrix(self.normal(count, 3) * torch.tensor(GUESS_TILT))
        ahead = ahead @ tilt.mT * (0.06 * self.normal(count)).exp()[:, None, None]
        ahead = ahead + 0.02 * self.normal(*ahead.shape)
        deeper = torch.zeros(count, len(FITTED_LANDMARKS))
        deeper[:, [FITTED_LANDMARKS.index(p) for p in TRUNK_DEPTH_ERROR[0]]] += (
            TRUNK_DEPTH_ERROR[1] * self.normal(count)[:, None]
        )
        for side in (0, 1):
            carried = torch.zeros(count)
            for number, (points, error) in enumerate(LIMB_DEPTH_ERRORS):
                carried = (carried if number % 2 else 0) + error * self.normal(count)
                deeper[:, [FITTED_LANDMARKS.index(p + side) for p in points]] += carried[:, None]
        ahead = torch.cat([ahead[..., :2], ahead[..., 2:] + deeper[..., None]], -1)
        ahead = ahead - ahead[:, HIP_ROWS].mean(1, keepdim=True)
        return ahead @ ray.mT
