"""A dressed person made ready to be drawn often: one mesh, its textures in one heap, and what it stands for."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from motion_imitate.bodies.skinning import Skinned, joint_places, local_to_global
from motion_imitate.geometry.mesh import vertex_normals
from motion_imitate.synthesis.light import FINISHES, Finish

LEVELS = 5  # of a texture, each half as large as the one before


@dataclass(frozen=True)
class Heap:
    """Textures as rows of texels; where each level of each begins, and how high and wide it is."""

    texels: UInt8[Tensor, "T 4"]
    table: Int[Tensor, "P L 3"]
    dense: Float[Tensor, " P"]  # texels to a metre of the first level


@dataclass(frozen=True)
class Actor:
    shape: Float[Tensor, " S"]
    parents: tuple[int, ...]
    at: Float[Tensor, "N 3"]  # unposed
    normals: Float[Tensor, "N 3"]
    weights: Float[Tensor, "N J"]
    joints: Float[Tensor, "J 3"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "F 3 2"]  # 1 is a texture's side, v upwards
    piece: Int[Tensor, " F"]
    sheer: int  # the first face whose texture has holes: such faces come last
    parts: Int[Tensor, " F"]
    iuv: Float[Tensor, "F 3 2"]
    heap: Heap
    wrap: Float[Tensor, "P 3"]  # how each piece takes light, see `light.Finish`
    gloss: Float[Tensor, "P 2"]
    upper: Bool[Tensor, " N"]  # above the knees
    marks: Float[Tensor, "M 3"]  # keypoints and corners of the face, unposed
    marks_weights: Float[Tensor, "M J"]

    def to(self, device: torch.device | str) -> "Actor":
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        heap = Heap(*(getattr(self.heap, f.name).to(device) for f in fields(Heap)))
        moved: dict[str, Any] = {k: v.to(device) for k, v in values.items() if isinstance(v, Tensor)}
        return replace(self, heap=heap, **moved)


@dataclass(frozen=True)
class Layer:
    """A mesh that an actor is put together from."""

    kind: str
    at: Float[Tensor, "N 3"]
    weights: Float[Tensor, "N J"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "F 3 2"]
    parts: Int[Tensor, " F"]
    iuv: Float[Tensor, "F 3 2"]
    texture: np.ndarray  # uint8 [H, W, 3 or 4]

    @property
    def holed(self) -> bool:
        return self.texture.shape[2] == 4


def assembled(
    body: Skinned, shape: Float[Tensor, " S"], joints: Tensor, layers: Sequence[Layer], marks: tuple[Tensor, Tensor]
) -> Actor:
    layers = sorted(layers, key=lambda layer: layer.holed)
    starts = np.cumsum([0, *(len(layer.at) for layer in layers)]).tolist()
    faces = torch.cat([layer.faces + start for layer, start in zip(layers, starts, strict=False)])
    at, weights = torch.cat([layer.at for layer in layers]), torch.cat([layer.weights for layer in layers])
    normals = torch.cat([vertex_normals(layer.at[None], layer.faces)[0] for layer in layers])
    used, faces = faces.unique(return_inverse=True)
    finish = [FINISHES.get(layer.kind, Finish()) for layer in layers]
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
        sheer=sum(len(layer.faces) for layer in layers if not layer.holed),
        parts=torch.cat([layer.parts for layer in layers]),
        iuv=torch.cat([layer.iuv for layer in layers]),
        heap=heaped(layers),
        wrap=torch.tensor([f.wrap for f in finish]),
        gloss=torch.tensor([(f.gloss, f.sharp) for f in finish]),
        upper=at[used][:, 1] > knee,
        marks=marks[0],
        marks_weights=marks[1],
    )


def heaped(layers: Sequence[Layer]) -> Heap:
    texels, table, dense, start = [], [], [], 0
    for layer in layers:
        picture, rows = layer.texture, []
        dense.append(density(layer))
        if not layer.holed:
            picture = np.concatenate([picture, np.full_like(picture[..., :1], 255)], 2)
        for _ in range(LEVELS):
            texels.append(picture.reshape(-1, 4))
            rows.append((start, picture.shape[0], picture.shape[1]))
            start += len(texels[-1])
            smaller = (max(picture.shape[1] // 2, 1), max(picture.shape[0] // 2, 1))
            picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
        table.append(rows)
    return Heap(torch.from_numpy(np.concatenate(texels)), torch.tensor(table), torch.tensor(dense))


def density(layer: Layer) -> float:
    """Texels to a metre, in the middle of the faces."""
    a, b, c = layer.at[layer.faces].unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1)
    u, v = (layer.uv[:, 1] - layer.uv[:, 0]), (layer.uv[:, 2] - layer.uv[:, 0])
    flat = (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).abs() * layer.texture.shape[0] * layer.texture.shape[1]
    return float((flat.sum() / area.sum().clamp(min=1e-9)).sqrt())


def posed(
    actor: Actor, pose: Float[Tensor, "B J 3 3"]
) -> tuple[Float[Tensor, "B N 3"], Float[Tensor, "B N 3"], Float[Tensor, "B M 3"]]:
    """Vertices, normals (not of unit length) and marks in body space."""
    turns = local_to_global(pose, actor.parents)
    joints = actor.joints.expand(len(pose), -1, -1)
    shifts = joint_places(turns, joints, actor.parents) - (turns @ joints[..., None])[..., 0]
    moves = torch.cat([turns, shifts[..., None]], -1).flatten(2)  # [B, J, 12]
    at, normals = carried(actor.weights @ moves, actor.at, actor.normals)
    marks, _ = carried(actor.marks_weights @ moves, actor.marks, actor.marks)
    return at, normals, marks


def carried(moves: Float[Tensor, "B N 12"], at: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
    x, y, z, shift = moves.unflatten(2, (3, 4)).unbind(3)
    place = shift + x * at[:, :1] + y * at[:, 1:2] + z * at[:, 2:]
    return place, x * normals[:, :1] + y * normals[:, 1:2] + z * normals[:, 2:]


def nearest_faces(
    points: Float[Tensor, "N 3"], at: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], every: int
) -> Int[Tensor, " N"]:
    """For each point about the nearest of a body's faces, among some of them."""
    among = torch.arange(0, len(faces), every)
    middles = at[faces[among]].mean(1)
    return torch.cat([among[torch.cdist(rows, middles).argmin(1)] for rows in points.split(4096)])


def seen_faces(faces: Int[Tensor, "F 3"], hidden: Bool[Tensor, " V"]) -> Bool[Tensor, " F"]:
    return ~hidden[faces].all(1)
