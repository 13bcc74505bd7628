"""A reader of binary glTF files by the rules of the format alone, and what a viewer would draw."""

import json
import struct

import numpy as np
import pytest

TYPES = {5121: "u1", 5123: "u2", 5125: "u4", 5126: "f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def parsed(data: bytes) -> tuple[dict, bytes]:
    """The document and its buffer, after checking the container as the specification has it."""
    magic, version, length = struct.unpack("<4sII", data[:12])
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack("<I4s", data[12:20])
    assert kind == b"JSON"
    assert size % 4 == 0
    document = json.loads(data[20 : 20 + size])
    rest = data[20 + size :]
    size, kind = struct.unpack("<I4s", rest[:8])
    assert kind == b"BIN\0"
    assert size == len(rest) - 8 == document["buffers"][0]["byteLength"]
    return document, rest[8:]


def values(document: dict, buffer: bytes, number: int) -> np.ndarray:
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    raw = buffer[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    return np.frombuffer(raw, "<" + TYPES[accessor["componentType"]]).reshape(-1, WIDTHS[accessor["type"]])


def check_buffer(document: dict, buffer: bytes) -> None:
    """Views follow each other, aligned; accessors have as many rows as they say, within the bounds they say."""
    end = 0
    for view in document["bufferViews"]:
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] >= end
        end = view["byteOffset"] + view["byteLength"]
    assert end <= len(buffer)
    for number, accessor in enumerate(document["accessors"]):
        rows = values(document, buffer, number)
        assert len(rows) == accessor["count"]
        if "min" in accessor:
            assert rows.min(0) == pytest.approx(accessor["min"])
            assert rows.max(0) == pytest.approx(accessor["max"])


def matrix(node: dict) -> np.ndarray:
    x, y, z, w = node["rotation"]
    result = np.eye(4)
    result[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    result[:3, :3] *= node.get("scale", [1, 1, 1])
    result[:3, 3] = node["translation"]
    return result


def joint_matrices(document: dict, buffer: bytes, frame: int | None) -> np.ndarray:
    """Matrices of the skin's joints in a frame of the animation, or as the nodes stand."""
    nodes = [dict(node) for node in document["nodes"]]
    if frame is not None:
        animation = document["animations"][0]
        for channel in animation["channels"]:
            output = values(document, buffer, animation["samplers"][channel["sampler"]]["output"])
            nodes[channel["target"]["node"]][channel["target"]["path"]] = output[frame].astype(float)
    world = {}

    def descend(number: int, above: np.ndarray) -> None:
        world[number] = above @ matrix(nodes[number])
        for child in nodes[number].get("children", []):
            descend(child, world[number])

    skin = document["skins"][0]
    descend(skin["skeleton"], np.eye(4))
    bind = values(document, buffer, skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    return np.stack([world[joint] @ b for joint, b in zip(skin["joints"], bind, strict=True)])


def skinned(document: dict, buffer: bytes, frame: int | None, number: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Where a viewer would draw the vertices of a primitive in one frame, and the triangles' corners."""
    moves = joint_matrices(document, buffer, frame)
    primitive = document["meshes"][0]["primitives"][number]
    attributes = primitive["attributes"]
    rest = values(document, buffer, attributes["POSITION"])
    rest = np.concatenate([rest, np.ones((len(rest), 1))], 1)
    total = np.zeros((len(rest), 4))
    for name in attributes:
        if name.startswith("JOINTS"):
            carriers = values(document, buffer, attributes[name])
            shares = values(document, buffer, attributes[name.replace("JOINTS", "WEIGHTS")])
            for k in range(4):
                total += shares[:, k, None] * (moves[carriers[:, k]] @ rest[..., None])[..., 0]
    return total[:, :3], values(document, buffer, primitive["indices"])[:, 0]
