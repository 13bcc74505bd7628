"""People made up from recorded poses, as the pose network would see them: what the lifter learns from."""

from dataclasses import dataclass
from math import log, pi

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.estimators.pose_prior import habits
from motion_imitate.estimators.rig import BENDS, Points, Rig, State, turn
from motion_imitate.estimators.terms import HIPS, USED, towards, trust

LIMBS = (
    ("spine_low", "spine_high", "neck", "head"),
    *(tuple(f"{b}_{side}" for b in ("collar", "shoulder", "elbow", "wrist")) for side in ("left", "right")),
    *(tuple(f"{b}_{side}" for b in ("hip", "knee", "ankle")) for side in ("left", "right")),
)
GUESSES = (  # the network guesses depth limb by limb: points that err together, by side, and by how many metres
    ((13,), 0.07),
    ((15, 17, 19, 21), 0.11),
    ((25,), 0.08),
    ((27, 29, 31), 0.12),
)
TRUNK = (tuple(k for k in USED if k < 23), 0.1)  # what is above the hips, both sides together
TILT = (0.17, 0.17, 0.04)  # radians by which the whole guess is turned, about right, down and ahead


@dataclass(frozen=True)
class Sample:
    """People and what was seen of them; as `terms.Evidence`, one person a row."""

    state: State
    shape: Float[Tensor, "N S"]
    points: Float[Tensor, "N K 3"]  # where the points truly are, in camera space
    aim: Float[Tensor, "N K 2"]
    weight: Float[Tensor, "N K"]
    world: Float[Tensor, "N K 3"]


class Crowd:
    """Draws people at random, the same ones for the same seed."""

    def __init__(self, rig: Rig, points: Points, poses: tuple[Tensor, Tensor], shapes: int, seed: int = 0) -> None:
        self.rig, self.points, self.shapes = rig, points, shapes
        self.roots, self.bends = poses[0].float(), poses[1].float()
        self.random = torch.Generator().manual_seed(seed)
        usual = habits(rig.model)
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
        """Recorded poses with limbs exchanged, loosened and jittered, hinges kept within their limits."""
        chosen = self.pick(count, len(self.bends))
        bends, root = self.bends[chosen].clone(), self.roots[chosen]
        loose = self.mean + torch.einsum("cab,ncb->nca", self.loose, self.normal(count, len(BENDS), 3)) * 0.8
        for limb in LIMBS:
            columns = [BENDS.index(name) for name in limb]
            other = self.bends[self.pick(count, len(self.bends))]
            for source in (other, loose):
                taken = (self.uniform(count) < 0.3)[:, None, None]
                bends[:, columns] = torch.where(taken, source[:, columns], bends[:, columns])
        bends = bends + 0.12 * self.normal(count, len(BENDS), 3)
        bend = (bends * self.hinge).sum(-1)
        bends = bends + (bend.clamp(self.least, self.most) - bend)[..., None] * self.hinge
        upright = turn(0.15 * self.normal(count, 3))
        keep = self.uniform(count) < 0.5
        return torch.where(keep[:, None, None], root, upright), bends

    def draw(self, count: int) -> Sample:
        root, bends = self.pose(count)
        still = torch.zeros(count)
        yaw = turn(torch.stack([still, 2 * pi * self.uniform(count), still], -1))
        tilt = turn(torch.stack([0.25 * self.normal(count), still, 0.12 * self.normal(count)], -1))
        facing = torch.diag(torch.tensor([1.0, -1, -1]))
        depth = (log(3.2) + 0.45 * self.normal(count)).exp().clamp(1.5, 12)
        across = (self.uniform(count, 2) - 0.5) * 0.7
        place = torch.cat([across, torch.ones(count, 1)], -1) * depth[:, None]
        state = State(place, tilt @ facing @ yaw @ root, bends)
        shape = torch.zeros(count, self.rig.offset.shape[0] - 1)
        shape[:, : self.shapes] = 0.9 * self.normal(count, self.shapes)
        at = self.rig.place(self.points, state, shape)
        aim, weight = self.seen(at)
        return Sample(state, shape[:, : self.shapes], at, aim, weight, self.guessed(at, place))

    def seen(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """Points in the picture plane, with errors, some of them hardly visible and further off."""
        aim = at[..., :2] / at[..., 2:].clamp(min=0.3)
        size = (aim.amax(1) - aim.amin(1)).amax(-1)
        error = (log(0.006) + 0.6 * self.normal(len(at))).exp() * size
        faint = self.uniform(*aim.shape[:2]) < 0.12
        visible = torch.where(faint, 0.6 * self.uniform(*aim.shape[:2]), 0.8 + 0.2 * self.uniform(*aim.shape[:2]))
        aim = aim + error[:, None, None] * self.normal(*aim.shape)
        aim = aim + (faint * size[:, None] * 0.03)[..., None] * self.normal(*aim.shape)
        return aim, trust(USED).float() * ((visible - 0.3) / 0.5).clamp(0.03, 1)

    def guessed(self, at: Tensor, place: Tensor) -> Tensor:
        """Points in space about the hips, turned a little as a whole and off in depth limb by limb."""
        count = len(at)
        ray = towards(place[:, :2] / place[:, 2:])
        ahead = (at - at[:, HIPS].mean(1, keepdim=True)) @ ray
        tilt = turn(self.normal(count, 3) * torch.tensor(TILT))
        ahead = ahead @ tilt.mT * (0.06 * self.normal(count)).exp()[:, None, None]
        ahead = ahead + 0.02 * self.normal(*ahead.shape)
        deeper = torch.zeros(count, len(USED))
        deeper[:, [USED.index(p) for p in TRUNK[0]]] += TRUNK[1] * self.normal(count)[:, None]
        for side in (0, 1):
            carried = torch.zeros(count)
            for number, (points, error) in enumerate(GUESSES):
                carried = (carried if number % 2 else 0) + error * self.normal(count)
                deeper[:, [USED.index(p + side) for p in points]] += carried[:, None]
        ahead = torch.cat([ahead[..., :2], ahead[..., 2:] + deeper[..., None]], -1)
        ahead = ahead - ahead[:, HIPS].mean(1, keepdim=True)
        return ahead @ ray.mT
