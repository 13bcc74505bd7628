"""A body reduced to its moving joints: points of its surface and their derivatives, without the mesh.

A blend of skinned vertices is exactly a sum over joints of `G c + s p` (G the joint's rotation, p its position), and
joints that never bend fold into the nearest ancestor that does, so thirty keypoints cost microseconds. Everything here
is in camera space: the root's rotation includes `camera.facing`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.rotations import matrix_to_rotation_vector, rotation_vector_to_matrix
from motion_imitate.types import Body, BodyModel

ROOT_SIZE = 6  # numbers of a state before the bends: position and root rotation
BENDS = (
    *("spine_low", "spine_high", "neck", "head"),
    *(f"{bend}_{side}" for side in ("left", "right") for bend in ("collar", "shoulder", "elbow", "wrist")),
    *(f"{bend}_{side}" for side in ("left", "right") for bend in ("hip", "knee", "ankle")),
)
STATE_SIZE = ROOT_SIZE + 3 * len(BENDS)


def bend_kind(bend: str) -> str:
    """A bend's name without its side."""
    return bend.removesuffix("_left").removesuffix("_right")


def cross_matrix(v: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3 3"]:
    """The matrix that maps w to the cross product v x w."""
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(*v.shape, 3)


def so3_left_jacobian(v: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3 3"]:
    """The left Jacobian of SO(3): the angular velocity, in fixed axes, of the rotation about v as v changes."""
    angle2 = (v * v).sum(-1)[..., None, None]
    angle = (angle2 + 1e-20).sqrt()
    small = angle2 < 1e-6
    first = torch.where(small, 0.5 - angle2 / 24, (1 - angle.cos()) / (angle2 + 1e-20))
    second = torch.where(small, 1 / 6 - angle2 / 120, (angle - angle.sin()) / (angle2 * angle + 1e-20))
    k = cross_matrix(v)
    return torch.eye(3, dtype=v.dtype, device=v.device) + first * k + second * (k @ k)


@dataclass(frozen=True)
class PoseState:
    """The pose of a person in some frames, as the fit updates it: [T, ...]."""

    place: Float[Tensor, "T 3"]  # of the root, in camera space
    root: Float[Tensor, "T 3 3"]  # from body space to camera space
    bends: Float[Tensor, "T C 3"]  # rotation vectors, in the order of BENDS

    def moved(self, step: Float[Tensor, "T D"]) -> "PoseState":
        """The state after a step [T, D] of position, root rotation and bends."""
        bends = self.bends + step[:, ROOT_SIZE:].reshape(self.bends.shape)
        return PoseState(self.place + step[:, :3], rotation_vector_to_matrix(step[:, 3:ROOT_SIZE]) @ self.root, bends)

    def minus(self, other: "PoseState") -> Float[Tensor, "T D"]:
        """The step that leads from `other` to this state."""
        root = matrix_to_rotation_vector(self.root @ other.root.transpose(-1, -2))
        return torch.cat([self.place - other.place, root, (self.bends - other.bends).flatten(1)], -1)

    def __getitem__(self, index: slice | Tensor) -> "PoseState":
        return PoseState(self.place[index], self.root[index], self.bends[index])

    def __len__(self) -> int:
        return len(self.place)


def concatenate_states(states: list[PoseState]) -> PoseState:
    """States one after another, along time."""
    return PoseState(*(torch.cat([getattr(s, name) for s in states]) for name in ("place", "root", "bends")))


@dataclass(frozen=True)
class RiggedPoints:
    """Points carried by the moving joints: sum over m of `G_m arm_m + share_m p_m`; arms are linear in the shape."""

    share: Float[Tensor, "K M"]
    arm: Float[Tensor, "K M 3"]
    arm_dirs: Float[Tensor, "S K M 3"]

    def arms_for_shape(self, shape: Float[Tensor, "t S"]) -> Float[Tensor, "t K M 3"]:
        """The arms for a body shape."""
        return self.arm.to(shape) + torch.einsum("ts,skmi->tkmi", shape, self.arm_dirs.to(shape))


class Rig:
    """The moving joints of a body model, in float64, with the fixed joints folded into them."""

    def __init__(self, model: BodyModel) -> None:
        self.model = model
        skin = model.skin
        bent_by = {joint: number for number, name in enumerate(BENDS) for joint in model.controls[name]}
        self.joints = [0, *sorted(bent_by)]  # of the model; parents come before their children
        self.bend = torch.tensor([bent_by[j] for j in self.joints[1:]])
        spread = torch.tensor([len(model.controls[BENDS[b]]) for b in self.bend], dtype=torch.float64)
        self.part = (1 / spread)[:, None]  # the fraction of its bend that each joint takes
        self._fold(skin.parents, model.relaxed.double().cpu())
        self.below = torch.zeros(len(self.joints), len(self.joints), dtype=torch.float64)  # [m, n]: n is m or below it
        for n in range(len(self.joints)):
            m = n
            while m >= 0:
                self.below[m, n] = 1
                m = self.parent[m]

    def _fold(self, parents: tuple[int, ...], relaxed: Tensor) -> None:
        """Find, for every joint, the moving joint that carries it (possibly itself), and its fixed rotation and offset
        there."""
        skin = self.model.skin
        rest = torch.cat([skin.joints[None], skin.joint_dirs]).double().cpu()  # [1 + S, J, 3]
        moving = {j: m for m, j in enumerate(self.joints)}
        count = len(parents)
        self.carrier = torch.zeros(count, dtype=torch.long)
        self.fixed = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
        self.reach = torch.zeros(len(rest), count, 3, dtype=torch.float64)
        self.parent = [-1] * len(self.joints)
        self.offset = torch.zeros(len(rest), len(self.joints), 3, dtype=torch.float64)
        for j in range(1, count):
            p = parents[j]
            reach = self.reach[:, p] + (rest[:, j] - rest[:, p]) @ self.fixed[p].T
            if j in moving:
                self.carrier[j], self.parent[moving[j]] = moving[j], int(self.carrier[p])
                self.offset[:, moving[j]] = reach
            else:
                self.carrier[j] = self.carrier[p]
                self.fixed[j] = self.fixed[p] @ relaxed[j]
                self.reach[:, j] = reach

    def points(self, blend: Float[Tensor, "K V"], nudge: tuple[Tensor, Tensor] | None = None) -> RiggedPoints:
        """Points that are blends of vertices; `nudge` shifts each by an offset [K, 3] that is attached to a joint
        [K]."""
        skin = self.model.skin
        among = blend.cpu().abs().amax(0).nonzero()[:, 0]  # the few vertices in use
        weights, blend = skin.weights.cpu()[among].double(), blend.cpu()[:, among].double()
        rest = torch.cat([skin.joints[None], skin.joint_dirs]).double().cpu()
        skinned = torch.cat([skin.template.cpu()[None, among], skin.shape_dirs.cpu()[:, among]]).double()
        share = blend @ weights  # [K, J]
        used = share.abs().amax(0).nonzero()[:, 0]
        riders = [weights[:, j].nonzero()[:, 0] for j in used]  # each joint carries few vertices
        parts = [blend[:, r] @ (weights[r, j, None] * skinned[:, r]) for j, r in zip(used, riders, strict=True)]
        arms = torch.stack(parts, 2)  # [1 + S, K, j, 3]
        arms = arms - share[:, used, None] * rest[:, None, used]
        arms = torch.einsum("jab,skjb->skja", self.fixed[used], arms) + share[:, used, None] * self.reach[:, None, used]
        count = len(self.joints)
        arm = arms.new_zeros(len(rest), len(blend), count, 3).index_add_(2, self.carrier[used], arms)
        folded = share.new_zeros(len(blend), count).index_add_(1, self.carrier[used], share[:, used])
        if nudge is not None:
            offset, joint = nudge[0].double().cpu(), nudge[1].long().cpu()
            row = torch.arange(len(blend))
            arm[0, row, self.carrier[joint]] += torch.einsum("kab,kb->ka", self.fixed[joint], offset)
        return RiggedPoints(folded, arm[0], arm[1:])

    def pose(
        self, state: PoseState, shape: Float[Tensor, "#T S"]
    ) -> tuple[Float[Tensor, "T M 3 3"], Float[Tensor, "T M 3"]]:
        """The rotation and position of every moving joint, in camera space."""
        local = rotation_vector_to_matrix(state.bends[:, self.bend] * self.part.to(state.bends))  # [T, M - 1, 3, 3]
        offsets = self.offset.to(shape)
        offset = offsets[0] + torch.einsum("ts,smi->tmi", shape, offsets[1:])
        turns, places = [state.root], [state.place]
        for m in range(1, len(self.joints)):
            above = turns[self.parent[m]]
            places.append(places[self.parent[m]] + (above @ offset[:, m, :, None])[..., 0])
            turns.append(above @ local[:, m - 1])
        return torch.stack(turns, 1), torch.stack(places, 1)

    def place(self, points: RiggedPoints, state: PoseState, shape: Float[Tensor, "#T S"]) -> Float[Tensor, "T K 3"]:
        """Positions of points in camera space."""
        turns, places = self.pose(state, shape)
        arms = points.arms_for_shape(shape).expand(len(turns), -1, -1, -1)
        return torch.einsum("tmab,tkmb->tka", turns, arms) + points.share.to(places) @ places

    def rates(
        self, share: Tensor, arm: Tensor, state: PoseState, turns: Tensor, places: Tensor
    ) -> tuple[Float[Tensor, "T K 3"], Float[Tensor, "T K 3 D"]]:
        """Points with shares [T or 1, K, M] and arms [T or 1, K, M, 3], and their derivatives by each number of the
        state."""
        each = (
            torch.einsum("tmab,tkmb->tkma", turns, arm.expand(len(turns), -1, -1, -1))
            + share[..., None] * places[:, None]
        )
        at = each.sum(2)
        held = share.expand(len(turns), -1, -1) @ self.below.T  # [T, K, M], share at or below each joint
        lever = torch.einsum("mn,tkna->tkma", self.below, each) - held[..., None] * places[:, None]
        axes = turns[:, self.parent[1:]] @ so3_left_jacobian(state.bends[:, self.bend] * self.part) * self.part[:, None]
        by_joint = -cross_matrix(lever[:, :, 1:]) @ axes[:, None]  # [T, K, M - 1, 3, 3]
        by_bend = by_joint.new_zeros(*by_joint.shape[:2], len(BENDS), 3, 3).index_add_(2, self.bend, by_joint)
        by_place = torch.eye(3, dtype=at.dtype).expand(*at.shape[:2], 3, 3)
        by_root = -cross_matrix(lever[:, :, 0])
        return at, torch.cat([by_place, by_root, by_bend.transpose(2, 3).flatten(3)], -1)

    def shape_rates(self, points: RiggedPoints, turns: Tensor, rows: Tensor | None = None) -> Tensor:
        """Derivatives of points by the shape, [T, K, 3, S]; `rows` [T, n] selects points per frame."""
        arms, share = points.arm_dirs, points.share
        offsets = self.offset[1:].permute(1, 2, 0)  # [M, 3, S]
        along = [turns.new_zeros(len(turns), 3, len(arms))]  # derivatives of the joints' positions
        for m in range(1, len(self.joints)):
            along.append(along[self.parent[m]] + turns[:, self.parent[m]] @ offsets[m])
        moved = torch.stack(along, 1)
        if rows is None:
            return torch.einsum("tmab,skmb->tkas", turns, arms) + torch.einsum("km,tmas->tkas", share, moved)
        picked = arms[:, rows]  # [S, T, n, M, 3]
        return torch.einsum("tmab,stnmb->tnas", turns, picked) + torch.einsum("tnm,tmas->tnas", share[rows], moved)

    def body(self, state: PoseState, shape: Float[Tensor, "#T S"]) -> Body:
        """The whole body in the body model's own parameters, with relaxed hands."""
        pose = self.model.relaxed.double().cpu().repeat(len(state), 1, 1, 1)
        pose[:, self.joints[1:]] = rotation_vector_to_matrix(state.bends[:, self.bend] * self.part)
        pose[:, 0] = state.root * state.root.new_tensor([1.0, -1, -1])[:, None]  # undo `camera.facing`
        return Body(pose.float(), shape.float().expand(len(state), -1))

    def state(self, body: Body, place: Float[Tensor, "T 3"]) -> PoseState:
        """Inverse of `body`: the state of a body whose root is at a place in camera space."""
        pose = body.pose.double()
        root = pose[:, 0] * pose.new_tensor([1.0, -1, -1])[:, None]
        first = [self.joints[1:][self.bend.tolist().index(number)] for number in range(len(BENDS))]
        spread = torch.tensor([float(len(self.model.controls[name])) for name in BENDS])
        return PoseState(place.double(), root, matrix_to_rotation_vector(pose[:, first]) * spread.to(pose)[:, None])
