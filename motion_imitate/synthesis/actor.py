"""A dressed person prepared for fast rendering: one mesh and one texture atlas."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from motion_imitate.bodies.skinning import SkinnedBody, joint_places, local_to_global
from motion_imitate.geometry.mesh import vertex_normals

MIP_LEVELS = 5  # per texture, each half the size of the one before


@dataclass(frozen=True)
class SurfaceFinish:
    """How a kind of surface reflects light."""

    wrap: tuple[float, float, float] = (0.0, 0.0, 0.0)  # how far light wraps around, per colour channel
    gloss: float = 0.0
    sharp: float = 20.0


FINISHES = {
    "skin": SurfaceFinish((0.3, 0.14, 0.1), 0.035, 14.0),
    "clothes": SurfaceFinish((0.05, 0.05, 0.05), 0.0),
    "shoes": SurfaceFinish((0.0, 0.0, 0.0), 0.05, 24.0),
    "hair": SurfaceFinish((0.2, 0.2, 0.2), 0.018, 16.0),
    "eyes": SurfaceFinish((0.2, 0.2, 0.2), 0.12, 220.0),
    "brows": SurfaceFinish((0.3, 0.2, 0.15), 0.0),
    "lashes": SurfaceFinish((0.3, 0.2, 0.15), 0.0),
}


@dataclass(frozen=True)
class TextureAtlas:
    """Mipmapped textures of all pieces as rows of texels.

    `table` holds the first texel, height and width of each level of each piece.
    """

    texels: UInt8[Tensor, "T 4"]
    table: Int[Tensor, "P L 3"]
    dense: Float[Tensor, " P"]  # texels per metre at the first level


@dataclass(frozen=True)
class Actor:
    """A dressed, unposed person as one skinned mesh."""

    shape: Float[Tensor, " S"]
    parents: tuple[int, ...]
    at: Float[Tensor, "N 3"]  # unposed
    normals: Float[Tensor, "N 3"]
    weights: Float[Tensor, "N J"]
    joints: Float[Tensor, "J 3"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "F 3 2"]  # in texture sides, v upwards
    piece: Int[Tensor, " F"]
    sheer: int  # index of the first transparent face; transparent faces come last
    parts: Int[Tensor, " F"]
    iuv: Float[Tensor, "F 3 2"]
    heap: TextureAtlas
    wrap: Float[Tensor, "P 3"]  # light wrap of each piece, see `SurfaceFinish`
    gloss: Float[Tensor, "P 2"]
    upper: Bool[Tensor, " N"]  # above the knees
    marks: Float[Tensor, "M 3"]  # vertices of keypoints and of the face, unposed
    marks_weights: Float[Tensor, "M J"]

    def to(self, device: torch.device | str) -> "Actor":
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        heap = TextureAtlas(*(getattr(self.heap, f.name).to(device) for f in fields(TextureAtlas)))
        moved: dict[str, Any] = {k: v.to(device) for k, v in values.items() if isinstance(v, Tensor)}
        return replace(self, heap=heap, **moved)


@dataclass(frozen=True)
class MeshLayer:
    """One piece of an actor: skin, a garment, hair or eyes."""

    kind: str
    at: Float[Tensor, "N 3"]
    weights: Float[Tensor, "N J"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "F 3 2"]
    parts: Int[Tensor, " F"]
    iuv: Float[Tensor, "F 3 2"]
    texture: np.ndarray  # uint8 [H, W, 3 or 4]

    @property
    def has_alpha_channel(self) -> bool:
        """Whether the texture has an alpha channel."""
        return self.texture.shape[2] == 4


def assemble_actor(
    body: SkinnedBody,
    shape: Float[Tensor, " S"],
    joints: Tensor,
    layers: Sequence[MeshLayer],
    marks: tuple[Tensor, Tensor],
) -> Actor:
    """Merge the layers into one mesh, transparent layers last."""
    layers = sorted(layers, key=lambda layer: layer.has_alpha_channel)
    starts = np.cumsum([0, *(len(layer.at) for layer in layers)]).tolist()
    faces = torch.cat([layer.faces + start for layer, start in zip(layers, starts, strict=False)])
    at, weights = torch.cat([layer.at for layer in layers]), torch.cat([layer.weights for layer in layers])
    normals = torch.cat([vertex_normals(layer.at[None], layer.faces)[0] for layer in layers])
    used, faces = faces.unique(return_inverse=True)
    finish = [FINISHES.get(layer.kind, SurfaceFinish()) for layer in layers]
    weights = weights[used]
    knee = float(joints[body.joint_names.index("lowerleg01.L"), 1])
    return Actor(
        shape=shape,
        parents=body.skin.parents,
        at=at[used],
        normals=normals[used],
        weights=weights / weights.sum(1, keepdim=True),
        joints=joints,
        faces=faces,
        uv=torch.cat([layer.uv for layer in layers]),
        piece=torch.cat([torch.full((len(layer.faces),), k) for k, layer in enumerate(layers)]),
        sheer=sum(len(layer.faces) for layer in layers if not layer.has_alpha_channel),
        parts=torch.cat([layer.parts for layer in layers]),
        iuv=torch.cat([layer.iuv for layer in layers]),
        heap=pack_texture_atlas(layers),
        wrap=torch.tensor([f.wrap for f in finish]),
        gloss=torch.tensor([(f.gloss, f.sharp) for f in finish]),
        upper=at[used][:, 1] > knee,
        marks=marks[0],
        marks_weights=marks[1],
    )


def pack_texture_atlas(layers: Sequence[MeshLayer]) -> TextureAtlas:
    """Pack the layers' textures and their mip levels into one array."""
    texels, table, dense, start = [], [], [], 0
    for layer in layers:
        picture, rows = layer.texture, []
        dense.append(texel_density(layer))
        if not layer.has_alpha_channel:
            picture = np.concatenate([picture, np.full_like(picture[..., :1], 255)], 2)
        for _ in range(MIP_LEVELS):
            texels.append(picture.reshape(-1, 4))
            rows.append((start, picture.shape[0], picture.shape[1]))
            start += len(texels[-1])
            smaller = (max(picture.shape[1] // 2, 1), max(picture.shape[0] // 2, 1))
            picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
        table.append(rows)
    return TextureAtlas(torch.from_numpy(np.concatenate(texels)), torch.tensor(table), torch.tensor(dense))


def texel_density(layer: MeshLayer) -> float:
    """Texels per metre of surface, averaged over the layer."""
    a, b, c = layer.at[layer.faces].unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1)
    u, v = (layer.uv[:, 1] - layer.uv[:, 0]), (layer.uv[:, 2] - layer.uv[:, 0])
    flat = (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).abs() * layer.texture.shape[0] * layer.texture.shape[1]
    return float((flat.sum() / area.sum().clamp(min=1e-9)).sqrt())


def pose_actor(
    actor: Actor, pose: Float[Tensor, "B J 3 3"]
) -> tuple[Float[Tensor, "B N 3"], Float[Tensor, "B N 3"], Float[Tensor, "B M 3"]]:
    """Vertices, normals (not unit length) and marks in body space."""
    turns = local_to_global(pose, actor.parents)
    joints = actor.joints.expand(len(pose), -1, -1)
    shifts = joint_places(turns, joints, actor.parents) - (turns @ joints[..., None])[..., 0]
    moves = torch.cat([turns, shifts[..., None]], -1).flatten(2)  # [B, J, 12]
    at, normals = apply_bone_transforms(actor.weights @ moves, actor.at, actor.normals)
    marks, _ = apply_bone_transforms(actor.marks_weights @ moves, actor.marks, actor.marks)
    return at, normals, marks


def apply_bone_transforms(moves: Float[Tensor, "B N 12"], at: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
    """Apply one 3x4 transform per vertex to positions and normals."""
    x, y, z, shift = moves.unflatten(2, (3, 4)).unbind(3)
    place = shift + x * at[:, :1] + y * at[:, 1:2] + z * at[:, 2:]
    return place, x * normals[:, :1] + y * normals[:, 1:2] + z * normals[:, 2:]


def nearest_body_faces(
    points: Float[Tensor, "N 3"], at: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], every: int
) -> Int[Tensor, " N"]:
    """For each point, the nearest of every `every`-th face."""
    among = torch.arange(0, len(faces), every)
    middles = at[faces[among]].mean(1)
    return torch.cat([among[torch.cdist(rows, middles).argmin(1)] for rows in points.split(4096)])


def uncovered_faces(faces: Int[Tensor, "F 3"], hidden: Bool[Tensor, " V"]) -> Bool[Tensor, " F"]:
    """Faces with at least one corner that is not hidden."""
    return ~hidden[faces].all(1)
