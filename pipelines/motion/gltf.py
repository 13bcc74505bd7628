"""Encode a skinned, animated mesh as a binary glTF 2.0 file."""

import json
import struct
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.geometry.rotations import matrix_to_quaternion
from motion_imitate.types import BodyModel

AnyArray = NDArray[Any]
COMPONENT_TYPES = {np.dtype("u1"): 5121, np.dtype("u2"): 5123, np.dtype("u4"): 5125, np.dtype("f4"): 5126}
ACCESSOR_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963  # targets of a buffer view
MAX_INFLUENCES = 8  # joints per vertex; the weights of the strongest are scaled to sum to 1
MIN_ROTATION_CHANGE = 1e-6
SKIN_MATERIAL = {
    "pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.7, 0.62, 1], "metallicFactor": 0, "roughnessFactor": 0.8}
}


class GltfBuffer:
    """The binary buffer of a glTF file, with its buffer views and accessors."""

    def __init__(self) -> None:
        self.data = b""
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: AnyArray, target: int | None = None, bounds: bool = False) -> int:
        """Append an array and return the index of its accessor."""
        rows = array.reshape(len(array), -1)
        raw = np.ascontiguousarray(rows).tobytes()
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw)}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += raw + b"\0" * (-len(raw) % 4)
        kind = {"componentType": COMPONENT_TYPES[array.dtype], "type": ACCESSOR_TYPES[rows.shape[1]]}
        accessor: dict[str, Any] = {"bufferView": len(self.views) - 1, "count": len(rows), **kind}
        if bounds:
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def encode_glb(
    model: BodyModel,
    vertices: AnyArray,
    joints: AnyArray,
    seconds: AnyArray,
    turns: AnyArray,
    root: AnyArray,
    name: str,
) -> bytes:
    """Encode vertices [V, 3], joints [J, 3] at rest, y up; rotations [T, J, 3, 3] to parents; root [T, 3]."""
    buffer = GltfBuffer()
    count = len(joints)
    quaternions = unflip_quaternions(matrix_to_quaternion(torch.from_numpy(turns)).numpy())[..., [1, 2, 3, 0]]
    bind = np.tile(np.eye(4), (count, 1, 1))
    bind[:, 3, :3] = -joints  # glTF matrices are column-major
    document = {
        "asset": {"version": "2.0", "generator": "motion-imitate"},
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0, count]}],
        "nodes": [*skeleton_nodes(model, joints, quaternions[0], root[0]), {"name": model.name, "mesh": 0, "skin": 0}],
        "materials": [{"name": "skin", "doubleSided": True, **SKIN_MATERIAL}],
        "meshes": [{"name": model.name, "primitives": [mesh_primitive(model, vertices, buffer)]}],
        "skins": [{"skeleton": 0, "joints": list(range(count)), "inverseBindMatrices": buffer.add(bind.astype("f4"))}],
        "animations": [{"name": name, **animation_channels(quaternions, root + joints[0], seconds, buffer)}],
    }
    return pack_glb(document, buffer)


def skeleton_nodes(model: BodyModel, joints: AnyArray, turns: AnyArray, root: AnyArray) -> list[dict[str, Any]]:
    """One node per joint, posed as in the first frame."""
    nodes = []
    for joint, parent in enumerate(model.skin.parents):
        offset = joints[joint] - joints[parent] if parent >= 0 else joints[joint] + root
        node = {"name": model.joint_names[joint], "translation": offset.tolist(), "rotation": turns[joint].tolist()}
        below = [child for child, above in enumerate(model.skin.parents) if above == joint]
        nodes.append({**node, "children": below} if below else node)
    return nodes


def mesh_primitive(model: BodyModel, vertices: AnyArray, buffer: GltfBuffer) -> dict[str, Any]:
    """The mesh primitive; vertices are duplicated along UV seams."""
    faces, uv = model.faces.cpu().numpy(), model.uv.cpu().numpy()
    corners = np.concatenate([faces.reshape(-1, 1), uv.reshape(-1, 2)], 1).astype(np.float64)
    unique, index = np.unique(corners, axis=0, return_inverse=True)
    owner = unique[:, 0].astype(int)
    texture = np.stack([unique[:, 1], 1 - unique[:, 2]], 1)  # v points up here, down in glTF
    attributes = {
        "POSITION": buffer.add(vertices[owner].astype("f4"), ARRAY_BUFFER, bounds=True),
        "NORMAL": buffer.add(area_weighted_normals(vertices, faces)[owner].astype("f4"), ARRAY_BUFFER),
        "TEXCOORD_0": buffer.add(texture.astype("f4"), ARRAY_BUFFER),
    }
    carriers, shares = strongest_influences(model.skin.weights.cpu().numpy())
    for number in range(carriers.shape[1] // 4):
        four = slice(4 * number, 4 * number + 4)
        attributes[f"JOINTS_{number}"] = buffer.add(carriers[owner, four], ARRAY_BUFFER)
        attributes[f"WEIGHTS_{number}"] = buffer.add(shares[owner, four], ARRAY_BUFFER)
    small = "u2" if len(owner) < 65535 else "u4"
    return {
        "attributes": attributes,
        "indices": buffer.add(index.reshape(-1).astype(small), ELEMENT_ARRAY_BUFFER),
        "material": 0,
    }


def strongest_influences(weights: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Joints and weights of each vertex, strongest first, at most MAX_INFLUENCES, padded to a multiple of four."""
    used = min(int((weights > 0).sum(1).max()), MAX_INFLUENCES)
    width = -(-used // 4) * 4
    padded = np.pad(weights, ((0, 0), (0, max(width - weights.shape[1], 0))))
    order = np.argsort(-padded, axis=1, kind="stable")[:, :width]
    share = np.take_along_axis(padded, order, 1)
    carriers = np.where(share > 0, order, 0).astype("u1" if weights.shape[1] <= 256 else "u2")
    return carriers, (share / share.sum(1, keepdims=True)).astype("f4")


def area_weighted_normals(vertices: AnyArray, faces: AnyArray) -> AnyArray:
    """Vertex normals weighted by face area."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, faces[:, corner], np.cross(b - a, c - a))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.maximum(length, 1e-20), [0.0, 1.0, 0.0])


def unflip_quaternions(quaternions: AnyArray) -> AnyArray:
    """Flip signs (q and -q are one rotation) so that each quaternion is close to the one of the frame before."""
    flips = (quaternions[1:] * quaternions[:-1]).sum(-1, keepdims=True) < 0
    sign = np.cumprod(np.where(flips, -1.0, 1.0), axis=0)
    return np.concatenate([quaternions[:1], quaternions[1:] * sign])


def animation_channels(quaternions: AnyArray, root: AnyArray, seconds: AnyArray, buffer: GltfBuffer) -> dict[str, Any]:
    """Samplers and channels: the root's translation, and the rotation of each joint that moves."""
    time = buffer.add(seconds.astype("f4"), bounds=True)
    samplers = [{"input": time, "interpolation": "LINEAR", "output": buffer.add(root.astype("f4"))}]
    channels = [{"sampler": 0, "target": {"node": 0, "path": "translation"}}]
    for joint in np.flatnonzero((abs(quaternions - quaternions[:1]) > MIN_ROTATION_CHANGE).any((0, 2))).tolist():
        output = buffer.add(quaternions[:, joint].astype("f4"))
        channels.append({"sampler": len(samplers), "target": {"node": joint, "path": "rotation"}})
        samplers.append({"input": time, "interpolation": "LINEAR", "output": output})
    return {"samplers": samplers, "channels": channels}


def pack_glb(document: dict[str, Any], buffer: GltfBuffer) -> bytes:
    """The file's bytes: header, JSON chunk and binary chunk."""
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
