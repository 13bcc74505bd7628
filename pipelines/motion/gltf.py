"""A skinned, moving mesh as one binary glTF 2.0 file."""

import json
import struct
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.geometry.rotations import to_quaternions
from motion_imitate.types import BodyModel

Array = NDArray[Any]
COMPONENTS = {np.dtype("u1"): 5121, np.dtype("u2"): 5123, np.dtype("u4"): 5125, np.dtype("f4"): 5126}
KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
VERTICES, INDICES = 34962, 34963  # what a buffer view is for
INFLUENCES = 8  # joints that may carry a vertex; the weights of the strongest are scaled to sum to 1
MOVES = 1e-6
SKIN = {"pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.7, 0.62, 1], "metallicFactor": 0, "roughnessFactor": 0.8}}


class Buffer:
    """Arrays laid one after the other, and what glTF wants to know of each."""

    def __init__(self) -> None:
        self.data = b""
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: Array, target: int | None = None, bounds: bool = False) -> int:
        """The number of a new accessor."""
        rows = array.reshape(len(array), -1)
        raw = np.ascontiguousarray(rows).tobytes()
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw)}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += raw + b"\0" * (-len(raw) % 4)
        kind = {"componentType": COMPONENTS[array.dtype], "type": KINDS[rows.shape[1]]}
        accessor: dict[str, Any] = {"bufferView": len(self.views) - 1, "count": len(rows), **kind}
        if bounds:
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def glb(
    model: BodyModel, vertices: Array, joints: Array, seconds: Array, turns: Array, root: Array, name: str
) -> bytes:
    """Vertices [V, 3] and joints [J, 3] at rest, y up; turns [T, J, 3, 3] relative to parents; root [T, 3]."""
    buffer = Buffer()
    count = len(joints)
    quaternions = continuous(to_quaternions(torch.from_numpy(turns)).numpy())[..., [1, 2, 3, 0]]
    bind = np.tile(np.eye(4), (count, 1, 1))
    bind[:, 3, :3] = -joints  # columns come first in glTF
    document = {
        "asset": {"version": "2.0", "generator": "motion-imitate"},
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0, count]}],
        "nodes": [*skeleton(model, joints, quaternions[0], root[0]), {"name": model.name, "mesh": 0, "skin": 0}],
        "materials": [{"name": "skin", "doubleSided": True, **SKIN}],
        "meshes": [{"name": model.name, "primitives": [primitive(model, vertices, buffer)]}],
        "skins": [{"skeleton": 0, "joints": list(range(count)), "inverseBindMatrices": buffer.add(bind.astype("f4"))}],
        "animations": [{"name": name, **animation(quaternions, root + joints[0], seconds, buffer)}],
    }
    return packed(document, buffer)


def skeleton(model: BodyModel, joints: Array, turns: Array, root: Array) -> list[dict[str, Any]]:
    nodes = []
    for joint, parent in enumerate(model.skin.parents):
        offset = joints[joint] - joints[parent] if parent >= 0 else joints[joint] + root
        node = {"name": model.joint_names[joint], "translation": offset.tolist(), "rotation": turns[joint].tolist()}
        below = [child for child, above in enumerate(model.skin.parents) if above == joint]
        nodes.append({**node, "children": below} if below else node)
    return nodes


def primitive(model: BodyModel, vertices: Array, buffer: Buffer) -> dict[str, Any]:
    """The mesh, its vertices doubled where the texture is cut."""
    faces, uv = model.faces.cpu().numpy(), model.uv.cpu().numpy()
    corners = np.concatenate([faces.reshape(-1, 1), uv.reshape(-1, 2)], 1).astype(np.float64)
    unique, index = np.unique(corners, axis=0, return_inverse=True)
    owner = unique[:, 0].astype(int)
    texture = np.stack([unique[:, 1], 1 - unique[:, 2]], 1)  # ours has v upward, glTF downward
    attributes = {
        "POSITION": buffer.add(vertices[owner].astype("f4"), VERTICES, bounds=True),
        "NORMAL": buffer.add(normals(vertices, faces)[owner].astype("f4"), VERTICES),
        "TEXCOORD_0": buffer.add(texture.astype("f4"), VERTICES),
    }
    carriers, shares = influences(model.skin.weights.cpu().numpy())
    for number in range(carriers.shape[1] // 4):
        four = slice(4 * number, 4 * number + 4)
        attributes[f"JOINTS_{number}"] = buffer.add(carriers[owner, four], VERTICES)
        attributes[f"WEIGHTS_{number}"] = buffer.add(shares[owner, four], VERTICES)
    small = "u2" if len(owner) < 65535 else "u4"
    return {"attributes": attributes, "indices": buffer.add(index.reshape(-1).astype(small), INDICES), "material": 0}


def influences(weights: Array) -> tuple[Array, Array]:
    """The joints that carry each vertex, strongest first, and their shares: as many as needed, in fours."""
    used = min(int((weights > 0).sum(1).max()), INFLUENCES)
    width = -(-used // 4) * 4
    padded = np.pad(weights, ((0, 0), (0, max(width - weights.shape[1], 0))))
    order = np.argsort(-padded, axis=1, kind="stable")[:, :width]
    share = np.take_along_axis(padded, order, 1)
    carriers = np.where(share > 0, order, 0).astype("u1" if weights.shape[1] <= 256 else "u2")
    return carriers, (share / share.sum(1, keepdims=True)).astype("f4")


def normals(vertices: Array, faces: Array) -> Array:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, faces[:, corner], np.cross(b - a, c - a))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.maximum(length, 1e-20), [0.0, 1.0, 0.0])


def continuous(quaternions: Array) -> Array:
    """q and -q are one turn; each of the two takes the one nearer to the frame before's."""
    flips = (quaternions[1:] * quaternions[:-1]).sum(-1, keepdims=True) < 0
    sign = np.cumprod(np.where(flips, -1.0, 1.0), axis=0)
    return np.concatenate([quaternions[:1], quaternions[1:] * sign])


def animation(quaternions: Array, root: Array, seconds: Array, buffer: Buffer) -> dict[str, Any]:
    time = buffer.add(seconds.astype("f4"), bounds=True)
    samplers = [{"input": time, "interpolation": "LINEAR", "output": buffer.add(root.astype("f4"))}]
    channels = [{"sampler": 0, "target": {"node": 0, "path": "translation"}}]
    for joint in np.flatnonzero((abs(quaternions - quaternions[:1]) > MOVES).any((0, 2))).tolist():
        output = buffer.add(quaternions[:, joint].astype("f4"))
        channels.append({"sampler": len(samplers), "target": {"node": joint, "path": "rotation"}})
        samplers.append({"input": time, "interpolation": "LINEAR", "output": output})
    return {"samplers": samplers, "channels": channels}


def packed(document: dict[str, Any], buffer: Buffer) -> bytes:
    document |= {
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    chunks = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(buffer.data), b"BIN\0") + buffer.data
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
