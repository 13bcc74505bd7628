"""How made-up people stand before a camera, and how an estimator would be wrong about it."""

from dataclasses import dataclass
from math import radians
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies.skinning import Skinned, global_to_local, local_to_global
from motion_imitate.estimators.pose_prior import habits
from motion_imitate.estimators.rig import BENDS, turn
from motion_imitate.types import Body, BodyModel, Camera

Random = np.random.Generator
TRUNK = ("spine", "neck", "head", "collar")
Bank = tuple[Float[Tensor, "N 3 3"], Float[Tensor, "N C 3"]]  # roots and bends, as `mocap.library` gives them


@dataclass(frozen=True)
class Posing:
    """How poses of one person follow each other."""

    jitter: float = 4.0  # degrees of every bend, about the recorded ones
    near: float = 0.2  # how often the next pose is much like the one before
    swap: float = 0.2  # how often an arm or a leg is that of another pose
    loose: float = 0.15  # how often a pose is not recorded at all, but within people's habits
    small: float = 0.4  # how often a turn between views is small,
    turned: float = 25.0  # of about so many degrees; else it is any


@dataclass(frozen=True)
class Framing:
    whole: float = 0.75  # how often all of the person is to be seen; else from the knees up
    high: tuple[float, float] = (0.55, 0.95)  # of the picture's height, what is to be seen
    focal: tuple[float, float] = (1.3, 3.5)  # of half the picture's longer side
    pitch: float = 8.0  # degrees that cameras look up or down
    roll: float = 2.0
    shift: float = 0.08  # of the picture, off its middle
    same: float = 0.6  # how often all views have one lens and stand


@dataclass(frozen=True)
class Errors:
    """Of an estimator, which sees well where things are in the picture, and badly how deep: standard deviations, such
    that joints are as far off as on real clips (`bench estimate` measures those)."""

    flat: float = 2.0  # degrees that arms and legs are turned in the picture plane,
    deep: float = 10.0  # and out of it, or about themselves; each bone whatever the one before it is
    trunk: float = 0.7  # what the trunk is turned beside that
    along: float = 0.012  # metres along the picture
    depth: float = 0.02  # of the distance
    shape: float = 0.3  # of the shape's own; the same in all views


class Poses:
    """Recorded ones, or those that habits allow where nothing is recorded."""

    def __init__(self, model: Skinned, bank: Bank | None = None, how: Posing = Posing()) -> None:
        self.model, self.bank, self.how = model, bank, how
        usual = habits(cast(BodyModel, model))
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

    def loose(self, random: Random) -> Float[Tensor, "C 3"]:
        return self.mean + 0.65 * (self.spread @ normal(random, len(BENDS), 3, 1))[..., 0]

    def one(self, random: Random) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "C 3"]]:
        if self.bank is None or random.random() < self.how.loose:
            return turn(0.1 * normal(random, 3)), self.loose(random)
        which = int(random.integers(len(self.bank[1])))
        root, bends = self.bank[0][which].float(), self.bank[1][which].float().clone()
        for limb in self.limbs:
            if random.random() < self.how.swap:
                bends[limb] = self.bank[1][int(random.integers(len(self.bank[1])))].float()[limb]
        return root, bends

    def few(self, random: Random, count: int) -> Float[Tensor, "B J 3 3"]:
        """Poses of one person, without the root's turn about the upright being alike."""
        found, yaw = [], random.uniform(-np.pi, np.pi) if random.random() < 0.3 else random.normal(0, 0.6)
        root, bends = self.one(random)
        for k in range(count):
            if k and random.random() >= self.how.near:
                root, bends = self.one(random)
            elif k:
                bends = bends + radians(10) * normal(random, *bends.shape)
            if k:
                small = random.random() < self.how.small
                yaw += random.normal(0, radians(self.how.turned)) if small else random.uniform(-np.pi, np.pi)
            found.append(self.pose(turn(torch.tensor([0.0, yaw, 0.0])) @ faced(root), self.kept(random, bends)))
        return torch.stack(found)

    def kept(self, random: Random, bends: Float[Tensor, "C 3"]) -> Float[Tensor, "C 3"]:
        """Jittered, and elbows and knees within their limits."""
        bends = bends + radians(self.how.jitter) * normal(random, *bends.shape)
        bent = (bends * self.hinge).sum(-1)
        return bends + (bent.clamp(self.least, self.most) - bent)[:, None] * self.hinge

    def pose(self, root: Float[Tensor, "3 3"], bends: Float[Tensor, "C 3"]) -> Float[Tensor, "J 3 3"]:
        pose = self.rest.clone()
        pose[0] = root
        pose[self.joints] = turn(bends[self.bend] / self.spread_over[:, None])
        return pose

    def wrong(self, random: Random, body: Body, camera: Camera, how: Errors) -> tuple[Body, Camera]:
        """What an estimator would say."""
        count = len(body)
        size = torch.tensor([how.deep, how.deep, how.flat]).deg2rad()  # about x, y, and z, the line of sight
        worth = torch.tensor([how.trunk if name.startswith(TRUNK) else 1.0 for name in BENDS])
        off = turn(size * worth[:, None] * normal(random, count, len(BENDS), 3))
        turns = local_to_global(body.pose, self.model.skin.parents)
        error = off.new_empty(turns.shape)
        error[:, 0] = turn(size * how.trunk * normal(random, count, 3))
        bends = dict(zip(self.joints.tolist(), self.bend.tolist(), strict=True))
        for joint, parent in enumerate(self.model.skin.parents):
            if parent >= 0:  # what has no bend of its own is as wrong as what carries it
                error[:, joint] = off[:, bends[joint]] if joint in bends else error[:, parent]
        pose = global_to_local(error @ turns, self.model.skin.parents)
        shape = body.shape + how.shape * normal(random, 1, body.shape.shape[1])
        along, deeper = how.along * normal(random, count, 2), (1 + how.depth * normal(random, count, 1)).clamp(min=0.5)
        place = torch.cat([camera.place[:, :2] + along, camera.place[:, 2:]], 1) * deeper
        return Body(pose, shape), Camera(camera.focal, camera.centre, place)


def normal(random: Random, *size: int) -> Tensor:
    return torch.from_numpy(random.normal(0, 1, size)).float()


def faced(root: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
    """Turned about the upright until the chest points ahead, as far as it points anywhere level."""
    ahead = root[:, 2]
    if float(ahead[[0, 2]].norm()) < 0.3:
        return root
    return turn(torch.stack([ahead[0] * 0, -torch.atan2(ahead[0], ahead[2]), ahead[0] * 0])) @ root


def looked_at(
    random: Random, points: Float[Tensor, "B N 3"], upper: Tensor, size: tuple[int, int], how: Framing
) -> tuple[Float[Tensor, "B 3 3"], Camera]:
    """A tilt of the world, and cameras that frame the points (in body space, roots turned); `upper` picks those above
    the knees."""
    count, longest = len(points), max(size)
    lens = torch.tensor([longest / size[1], longest / size[0]])
    tilts, focals, places = [], [], []
    whole, fill = random.random() < how.whole, random.uniform(*how.high)
    for k in range(count):
        if k == 0 or random.random() >= how.same:
            tilt = turn(torch.tensor([random.normal(0, how.pitch), 0, random.normal(0, how.roll)]).float().deg2rad())
            focal = float(np.exp(random.uniform(*np.log(how.focal)))) * lens
            shift = torch.from_numpy(random.normal(0, how.shift, 2) * [1, 0.5]).float()
        seen = (points[k] @ tilt.T) * points.new_tensor([1.0, -1.0, -1.0])
        subject = seen if whole else seen[upper]
        wanted = 2 * (fill if whole else max(fill, 0.85))
        places.append(stood(seen, subject, focal, wanted, shift))
        tilts.append(tilt)
        focals.append(focal)
    return torch.stack(tilts), Camera(torch.stack(focals), torch.zeros(count, 2), torch.stack(places))


def stood(
    seen: Float[Tensor, "N 3"], subject: Float[Tensor, "M 3"], focal: Float[Tensor, "2"], wanted: float, shift: Tensor
) -> Float[Tensor, "3"]:
    """Where the root must be for the subject to be `wanted` high or wide in the picture, its middle at `shift`."""
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
