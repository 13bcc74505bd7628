"""Encode a body model with its motion as a binary glTF file."""

import numpy as np
import torch

from motion_imitate.geometry.rotations import matrix_to_quaternion
from motion_imitate.types import BodyModel
from pipelines.gltf import (
    ARRAY_BUFFER,
    AnyArray,
    GltfBuffer,
    NodeTracks,
    animation_channels,
    pack_glb,
    skeleton_nodes,
    skin_of_joints,
)

MAX_INFLUENCES = 8  # joints per vertex; the weights of the strongest are scaled to sum to 1
SKIN_MATERIAL = {
    "pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.7, 0.62, 1], "metallicFactor": 0, "roughnessFactor": 0.8}
}


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
    parents = model.skin.parents
    bones = joints - np.where(np.array(parents)[:, None] >= 0, joints[list(parents)], 0)
    places = np.tile(bones, (len(turns), 1, 1))
    places[:, 0] += root
    tracks = NodeTracks.of(places, matrix_to_quaternion(torch.from_numpy(turns)).numpy())
    document = {
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0, len(joints)]}],
        "nodes": [
            *skeleton_nodes(model.joint_names, parents, tracks),
            {"name": model.name, "mesh": 0, "skin": 0},
        ],
        "materials": [{"name": "skin", "doubleSided": True, **SKIN_MATERIAL}],
        "meshes": [{"name": model.name, "primitives": [mesh_primitive(model, vertices, buffer)]}],
        "skins": [skin_of_joints(joints, buffer)],
        "animations": [{"name": name, **animation_channels(tracks, tracks, seconds, buffer)}],
    }
    return pack_glb(document, buffer)


def mesh_primitive(model: BodyModel, vertices: AnyArray, buffer: GltfBuffer) -> dict[str, object]:
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
    return {"attributes": attributes, "indices": buffer.add_indices(index, len(owner)), "material": 0}


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
