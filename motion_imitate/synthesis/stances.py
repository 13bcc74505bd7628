"""Poses of people in photos: standing, seated or on one leg; arms hanging, crossed, on the hips, in pockets, raised."""

from dataclasses import dataclass
from math import radians

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.bodies.skinning import joint_places, local_to_global
from motion_imitate.estimators.rig import BENDS
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.synthesis.poses import PoseSampler, normal_tensor, turn_to_front

ARM_BENDS = ("collar", "shoulder", "elbow", "wrist")
HAND_PLACES = ("hanging", "hip", "front", "crossed", "behind", "head", "out", "pocket")
HAND_PLACE_CHANCES = (0.26, 0.12, 0.16, 0.08, 0.11, 0.06, 0.1, 0.11)
LEG_POSES = ("free", "together", "seated", "raised")


@dataclass(frozen=True)
class StanceSettings:
    """Distributions of `StanceSampler`."""

    tried: int = 20000  # arm poses of the left arm that places are picked from
    turned: tuple[float, float, float] = (0.43, 0.45, 0.12)  # frontal, half turned, any way
    legs: tuple[float, float, float, float] = (0.6, 0.16, 0.14, 0.1)  # chances of LEG_POSES
    alike: float = 0.45  # how often both arms do the same
    recorded: float = 0.3  # of poses that are recorded ones
    seed: int = 11


class StanceSampler:
    """Samples standing poses; arm poses are sorted by where they bring the hand."""

    def __init__(self, poses: PoseSampler, how: StanceSettings = StanceSettings()) -> None:
        self.poses, self.how = poses, how
        random = np.random.default_rng(how.seed)
        self.arm = [BENDS.index(f"{name}_left") for name in ARM_BENDS]
        self.other = [BENDS.index(f"{name}_right") for name in ARM_BENDS]
        self.hip = [BENDS.index(name) for name in BENDS if name.split("_")[0] in ("hip", "knee", "ankle")]
        self.sides = [[BENDS.index(f"{name}_{side}") for name in ("hip", "knee")] for side in ("left", "right")]
        bends = poses.mean.expand(how.tried, -1, -1).clone()
        loose = (
            poses.mean + torch.stack([poses.sample_prior_bends(random) - poses.mean for _ in range(how.tried)]) * 1.25
        )
        bends[:, self.arm] = loose[:, self.arm]
        elbow = BENDS.index("elbow_left")
        free = torch.from_numpy(random.uniform(0, 1, how.tried)).float()
        bent = poses.least[elbow] + free * (poses.most[elbow] - poses.least[elbow])
        along = (bends[:, elbow] * poses.hinge[elbow]).sum(-1)
        bends[:, elbow] += (bent - along)[:, None] * poses.hinge[elbow]
        places = joints_of_bends(poses, bends)
        self.found = {name: bends[hands_at_place(places, name)][:, self.arm] for name in HAND_PLACES}
        missing = [name for name, some in self.found.items() if not len(some)]
        if missing:
            raise ValueError(f"no arm pose of {how.tried} is {', '.join(missing)}; raise StanceSettings.tried")

    def sample_bends(self, random: np.random.Generator, loose: bool = True) -> Float[Tensor, "C 3"]:
        """A pose: small bends of the trunk, legs of LEG_POSES, and two arms."""
        bends = self.poses.mean + 0.22 * (self.poses.sample_prior_bends(random) - self.poses.mean)
        if random.random() < 0.4 and self.poses.bank is not None:
            recorded = self.poses.bank[1][int(random.integers(len(self.poses.bank[1])))].float()
            bends[self.hip] = self.poses.mean[self.hip] * 0.5 + random.uniform(0.1, 0.5) * recorded[self.hip]
        legs = str(random.choice(LEG_POSES, p=self.how.legs))
        if legs == "together":
            self.close_legs(random, bends)
        elif legs == "seated" and (loose or random.random() < 0.3):
            self.seat_legs(random, bends, random.uniform(-6, 22 if loose else 2))
        elif legs == "raised" and loose:
            self.lift_leg(random, bends, int(random.integers(2)), random.uniform(30, 115), random.uniform(10, 130))
        first = str(random.choice(HAND_PLACES, p=HAND_PLACE_CHANCES))
        second = first if random.random() < self.how.alike else str(random.choice(HAND_PLACES, p=HAND_PLACE_CHANCES))
        left, right = self.found[first], self.found[second]
        bends[self.arm] = left[int(random.integers(len(left)))]
        bends[self.other] = right[int(random.integers(len(right)))] * torch.tensor([1.0, -1.0, -1.0])
        return bends

    def close_legs(self, random: np.random.Generator, bends: Float[Tensor, "C 3"]) -> None:
        """Bring the legs together, or one in front of the other; in place."""
        inward = radians(random.uniform(2, 7))
        for (hip, knee), sign in zip(self.sides, (-1.0, 1.0), strict=True):
            bends[hip] = torch.tensor([random.normal(0, 0.05), 0.0, sign * inward])
            bends[knee] = self.poses.mean[knee] * random.uniform(0, 0.6)

    def seat_legs(self, random: np.random.Generator, bends: Float[Tensor, "C 3"], apart: float) -> None:
        """Sit down: thighs ahead, `apart` degrees from straight, and shins hanging; in place."""
        forward, down = random.uniform(65, 105), random.uniform(55, 110)
        for side in (0, 1):
            self.lift_leg(random, bends, side, forward + random.normal(0, 5), down + random.normal(0, 12), apart)

    def lift_leg(
        self,
        random: np.random.Generator,
        bends: Float[Tensor, "C 3"],
        side: int,
        forward: float,
        bent: float,
        apart: float = 0.0,
    ) -> None:
        """Lift the left (0) or right (1) thigh by `forward` and bend the knee by `bent` degrees; in place."""
        (hip, knee), sign = self.sides[side], 1.0 - 2.0 * side
        out = radians(apart + random.normal(0, 5))
        bends[hip] = torch.tensor([-radians(forward), sign * out, sign * 0.3 * out])
        bends[knee] = radians(bent) * self.poses.hinge[knee]

    def sample_poses(self, random: np.random.Generator, count: int, loose: bool) -> Float[Tensor, "B J 3 3"]:
        """Poses of one person. `loose`: whether legs may go far apart, which they cannot in a skirt."""
        return torch.stack([self.sample_pose(random, loose) for _ in range(count)])

    def sample_pose(self, random: np.random.Generator, loose: bool) -> Float[Tensor, "J 3 3"]:
        """One pose, standing or recorded, turned at random."""
        way = random.choice(3, p=self.how.turned)
        yaw = (random.normal(0, radians(16)), random.choice([-1, 1]) * radians(random.uniform(18, 65)))[min(way, 1)]
        yaw = random.uniform(-np.pi, np.pi) if way == 2 else yaw
        if loose and random.random() < self.how.recorded:
            root, bends = self.poses.sample_bends(random)
            root = turn_to_front(root)
        else:
            root = rotation_vector_to_matrix(radians(3) * normal_tensor(random, 3))
            bends = self.sample_bends(random, loose)
        bends = self.poses.jitter_bends(random, bends)
        return self.poses.pose(rotation_vector_to_matrix(torch.tensor([0.0, float(yaw), 0.0])) @ root, bends)


def joints_of_bends(poses: PoseSampler, bends: Float[Tensor, "N C 3"]) -> dict[str, Float[Tensor, "N 3"]]:
    """Joint positions of the mean body in body space."""
    found = []
    skin = poses.model.skin
    for some in bends.split(1000):
        pose = poses.rest.expand(len(some), -1, -1, -1).clone()
        pose[:, poses.joints] = rotation_vector_to_matrix(some[:, poses.bend] / poses.spread_over[:, None])
        turns = local_to_global(pose, skin.parents)
        found.append(joint_places(turns, skin.joints.expand(len(some), -1, -1), skin.parents))
    return dict(zip(poses.model.joint_names, torch.cat(found).unbind(1), strict=True))


def hands_at_place(at: dict[str, Float[Tensor, "N 3"]], place: str) -> Bool[Tensor, " N"]:
    """Which poses bring the left hand to a place without an arm through the trunk."""
    elbow, wrist, hand = at["lowerarm01.L"], at["wrist.L"], at["finger3-2.L"]
    shoulder, hip = float(at["upperarm01.L"][:, 1].mean()), float(at["upperleg01.L"][:, 1].mean())
    clear = torch.ones(len(wrist), dtype=torch.bool)
    for share in (0.4, 0.7, 1.0):
        for one, other in ((elbow, wrist), (wrist, hand)):
            x, y, z = (one + share * (other - one)).unbind(1)
            trunk = (x / 0.19) ** 2 + ((z + 0.01) / 0.145) ** 2
            head = (x / 0.1) ** 2 + ((z - 0.05) / 0.12) ** 2
            clear &= (trunk > 1) | (y > shoulder + 0.05) | (y < hip - 0.3)
            clear &= (head > 1) | (y < shoulder + 0.05)
    if place == "pocket":
        return hands_in_pockets(elbow, wrist, hand, hip)
    x, y, z = wrist.unbind(1)
    low, high = hip - 0.02, shoulder - 0.05
    rules = {
        "hanging": (elbow[:, 1] < shoulder - 0.2) & (y < low + 0.06) & (x < 0.42) & (x > 0.19) & (z.abs() < 0.2),
        "hip": (y > hip) & (y < hip + 0.17) & (x > 0.14) & (x < 0.27) & (z > -0.1) & (z < 0.15) & (elbow[:, 0] > 0.32),
        "front": (x.abs() < 0.2) & (y > low - 0.05) & (y < high) & (z > 0.13) & (z < 0.36) & (elbow[:, 1] < high - 0.1),
        "crossed": (x < 0.02) & (y > hip + 0.15) & (y < high) & (z > 0.13) & (z < 0.33),
        "behind": (x < 0.24) & (y > hip - 0.15) & (y < high) & (z < -0.12),
        "head": (y > shoulder + 0.08) & (x.abs() < 0.25) & (z > -0.15) & (z < 0.3),
        "out": (x > 0.45) & (y < shoulder + 0.15),
    }
    return clear & rules[place]


def hands_in_pockets(
    elbow: Float[Tensor, "N 3"], wrist: Float[Tensor, "N 3"], hand: Float[Tensor, "N 3"], hip: float
) -> Bool[Tensor, " N"]:
    """Which poses bring the left hand into the thigh, where cloth hides it, with the wrist at the pocket."""
    x, y, z = hand.unbind(1)
    thigh = ((x - 0.09) / 0.1) ** 2 + (z / 0.11) ** 2
    inside = (thigh < 1) & (y < hip + 0.03) & (y > hip - 0.14)
    outside = (wrist[:, 0] > 0.12) & (wrist[:, 1] > hand[:, 1] + 0.03) & (wrist[:, 2] > -0.08)
    return inside & outside & (elbow[:, 0] > 0.22) & (elbow[:, 1] > hip + 0.1) & (elbow[:, 2] < 0.15)
