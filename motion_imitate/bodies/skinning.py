"""Bodies posed by linear blend skinning, independent of the body model.

Rest poses have no orientations of their own: a joint's global rotation is its rotation from rest, so its vertices move
by `x -> G (x - h) + p`, with h the joint's rest position and p its posed position. The root joint rests at the origin
for every shape: rotating the root rotates the body about the origin.
"""

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.bodies.keypoints import KEYPOINT_SETS
from motion_imitate.bodies.parts import BODY_REGIONS
from motion_imitate.types import Body, Skin

Parents = tuple[int, ...]
SkinData = TypeVar("SkinData", "SkinnedBody", Skin)


@dataclass(frozen=True)
class SkinnedBody:
    """A `types.BodyModel` by linear blend skinning, with further data about its mesh."""

    name: str
    skin: Skin
    joint_names: tuple[str, ...]
    controls: dict[str, tuple[int, ...]]
    relaxed: Float[Tensor, "J 3 3"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "F 3 2"]
    parts: Int[Tensor, " F"]
    iuv: Float[Tensor, "F 3 2"]
    mirror_vertices: Int[Tensor, " V"]
    mirror_faces: Int[Tensor, " F"]
    mirror_joints: Int[Tensor, " J"]
    point_names: tuple[str, ...]  # from `keypoints.POINT_NAMES`
    points: Float[Tensor, "P V"]
    offsets: Float[Tensor, "33 3"]  # from blazepose33's blends to the pose network's points, at rest
    offset_joints: Int[Tensor, " 33"]  # the joint that carries each offset
    proxy_vertices: Int[Tensor, " M"]  # coarse body for silhouettes: some of the vertices,
    proxy_faces: Int[Tensor, "Q 3"]  # and triangles between them
    pose_dirs: Float[Tensor, "N V 3"]  # pose correctives, N = 9 (J - 1); N = 0 if the model has none
    clothes: Float[Tensor, "V 3"] | None = None  # what `dress_body` added to the template

    def __call__(self, body: Body) -> tuple[Float[Tensor, "B V 3"], Float[Tensor, "B J 3"]]:
        """Posed vertices and joints in body space."""
        rest, joints = rest_shape(self.skin, body.shape)
        if len(self.pose_dirs):
            bends = body.pose[:, 1:] - torch.eye(3).to(body.pose)
            rest = rest + torch.einsum("bn,nvx->bvx", bends.flatten(1), self.pose_dirs)
        turns = local_to_global(body.pose, self.skin.parents)
        places = joint_places(turns, joints, self.skin.parents)
        return skin_vertices(self.skin.weights, rest, joints, turns, places), places

    def keypoints(self, name: str) -> Float[Tensor, "K V"]:
        """Vertex blends of a keypoint set; raises ValueError for an unknown name."""
        if name not in KEYPOINT_SETS:
            raise ValueError(f"no keypoint set {name!r}; choose one of {', '.join(KEYPOINT_SETS)}")
        return self.points[[self.point_names.index(point) for point in KEYPOINT_SETS[name]]]

    @property
    def keypoint_offsets(self) -> tuple[Float[Tensor, "33 3"], Int[Tensor, " 33"]]:
        """Offsets in metres (body axes) to add to blazepose33's blends, and the joint whose rotation carries each."""
        return self.offsets, self.offset_joints

    @property
    def regions(self) -> dict[str, Tensor]:
        """Face masks of the head, the upper body, the hands, the lower body and the feet."""
        return {name: torch.isin(self.parts, self.parts.new_tensor(parts)) for name, parts in BODY_REGIONS.items()}

    def to(self, device: torch.device | str) -> "SkinnedBody":
        """The model with its tensors moved to a device."""
        return replace(move_tensors(self, device), skin=move_tensors(self.skin, device))


def move_tensors(bundle: SkinData, device: torch.device | str) -> SkinData:
    """Move a dataclass's tensors to a device."""
    values = {f.name: getattr(bundle, f.name) for f in fields(bundle)}
    moved: dict[str, Any] = {k: v.to(device) for k, v in values.items() if isinstance(v, Tensor)}
    return replace(bundle, **moved)


def rest_shape(skin: Skin, shape: Float[Tensor, "B S"]) -> tuple[Float[Tensor, "B V 3"], Float[Tensor, "B J 3"]]:
    """Vertices and joints of unposed bodies."""
    vertices = torch.addmm(skin.template.reshape(1, -1), shape, skin.shape_dirs.flatten(1))
    joints = torch.addmm(skin.joints.reshape(1, -1), shape, skin.joint_dirs.flatten(1))
    return vertices.view(len(shape), -1, 3), joints.view(len(shape), -1, 3)


def local_to_global(pose: Float[Tensor, "B J 3 3"], parents: Parents) -> Float[Tensor, "B J 3 3"]:
    """Each joint's rotation from rest in body space, from rotations relative to the parents."""
    first, *deeper = joints_by_depth(parents)
    turns, order = [pose[:, first]], [*first]
    above = first
    for level in deeper:
        turns.append(turns[-1][:, [above.index(parents[j]) for j in level]] @ pose[:, level])
        order += level
        above = level
    return torch.cat(turns, dim=1)[:, [order.index(j) for j in range(len(parents))]]


def global_to_local(turns: Float[Tensor, "B J 3 3"], parents: Parents) -> Float[Tensor, "B J 3 3"]:
    """Inverse of `local_to_global`."""
    above = turns[:, [max(p, 0) for p in parents]].mT.clone()
    above[:, [j for j, p in enumerate(parents) if p < 0]] = torch.eye(3).to(turns)
    return above @ turns


def joint_places(
    turns: Float[Tensor, "B J 3 3"], joints: Float[Tensor, "B J 3"], parents: Parents
) -> Float[Tensor, "B J 3"]:
    """Joint positions by forward kinematics, from global rotations and rest positions."""
    above = [max(p, 0) for p in parents]
    bones = (turns[:, above] @ (joints - joints[:, above])[..., None])[..., 0]
    return ancestor_matrix(parents, turns.device, turns.dtype) @ bones + joints[:, :1]


def joint_moves(
    joints: Float[Tensor, "B J 3"], turns: Float[Tensor, "B J 3 3"], places: Float[Tensor, "B J 3"]
) -> Float[Tensor, "B J 3 4"]:
    """Each joint's movement from rest as an affine map, from rest positions, global rotations and posed positions."""
    return torch.cat([turns, places[..., None] - turns @ joints[..., None]], dim=-1)


def skin_vertices(
    weights: Float[Tensor, "V J"],
    rest: Float[Tensor, "B V 3"],
    joints: Float[Tensor, "B J 3"],
    turns: Float[Tensor, "B J 3 3"],
    places: Float[Tensor, "B J 3"],
) -> Float[Tensor, "B V 3"]:
    """Linear blend skinning: transform the rest vertices by their joints' movements, mixed by weight."""
    moves = joint_moves(joints, turns, places)
    mixed = (moves.permute(0, 2, 3, 1).flatten(0, 2) @ weights.mT).view(len(rest), 3, 4, -1)
    x, y, z = rest.unbind(-1)
    moved: Tensor = (
        mixed[:, :, 0] * x[:, None] + mixed[:, :, 1] * y[:, None] + mixed[:, :, 2] * z[:, None] + mixed[:, :, 3]
    )
    return moved.mT


def posed_keypoints(model: SkinnedBody, body: Body, name: str) -> Float[Tensor, "B K 3"]:
    """Keypoints of posed bodies; for blazepose33 with the offsets added, to match the pose network's definition."""
    vertices, _ = model(body)
    points = torch.einsum("kv,bvx->bkx", model.keypoints(name), vertices)
    if name != "blazepose33":
        return points
    carriers = local_to_global(body.pose, model.skin.parents)[:, model.offset_joints]
    return points + (carriers @ model.offsets[..., None])[..., 0]


def mirror_body(model: SkinnedBody, body: Body) -> Body:
    """Mirror a pose: the left arm takes the right arm's rotations."""
    flip = body.pose.new_tensor([-1.0, 1.0, 1.0])
    pose = flip[:, None] * body.pose[:, model.mirror_joints] * flip
    return Body(pose, body.shape)


def joints_by_depth(parents: Parents) -> list[list[int]]:
    """Joints grouped by their number of ancestors."""
    depth: list[int] = []
    for parent in parents:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    return [[j for j, d in enumerate(depth) if d == level] for level in range(max(depth) + 1)]


@lru_cache(maxsize=8)
def ancestor_matrix(parents: Parents, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "J J"]:
    """Matrix with 1 where the column's joint is the row's joint or one of its ancestors."""
    with torch.inference_mode(False):  # cached for later calls, which may need gradients
        rows = torch.eye(len(parents))
        for joint, parent in enumerate(parents):
            if parent >= 0:
                rows[joint] += rows[parent]
        return rows.to(device, dtype)
