"""Write binary glTF 2.0 files: buffer, skeleton and animation, in metres, y up."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.geometry.camera import flip_camera_axes
from motion_imitate.types import Body, BodyModel, Camera
from pipelines.provenance import software_name

AnyArray = NDArray[Any]
COMPONENT_TYPES = {np.dtype("u1"): 5121, np.dtype("u2"): 5123, np.dtype("u4"): 5125, np.dtype("f4"): 5126}
ACCESSOR_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963  # targets of a buffer view
LEAST_CHANGE = 1e-6  # of a node in an animation; what changes less has no channel


class GltfBuffer:
    """The binary buffer of a glTF file, with its buffer views and accessors."""

    def __init__(self) -> None:
        self.data = b""
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add_bytes(self, raw: bytes, target: int | None = None) -> int:
        """Append bytes and return the index of their buffer view."""
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw)}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += raw + b"\0" * (-len(raw) % 4)
        return len(self.views) - 1

    def add(self, array: AnyArray, target: int | None = None, bounds: bool = False) -> int:
        """Append an array and return the index of its accessor."""
        rows = array.reshape(len(array), -1)
        view = self.add_bytes(np.ascontiguousarray(rows).tobytes(), target)
        kind = {"componentType": COMPONENT_TYPES[array.dtype], "type": ACCESSOR_TYPES[rows.shape[1]]}
        accessor: dict[str, Any] = {"bufferView": view, "count": len(rows), **kind}
        if bounds:
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_indices(self, index: AnyArray, count: int) -> int:
        """Append indices of `count` vertices, as small as they can be."""
        return self.add(index.reshape(-1).astype("u2" if count < 65535 else "u4"), ELEMENT_ARRAY_BUFFER)


@dataclass(frozen=True)
class NodeTracks:
    """Where nodes are over time, relative to their parents."""

    translation: AnyArray  # [T, N, 3]
    rotation: AnyArray  # [T, N, 4], quaternions x, y, z, w
    scale: AnyArray  # [T, N, 3]

    @classmethod
    def of(cls, places: AnyArray, quaternions: AnyArray, scale: AnyArray | None = None) -> "NodeTracks":
        """From quaternions w, x, y, z, of any sign; nodes are not scaled by default."""
        scale = np.ones_like(places) if scale is None else scale
        unit = quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True)
        return cls(places, unflip_quaternions(unit)[..., [1, 2, 3, 0]].clip(-1, 1), scale)


def unflip_quaternions(quaternions: AnyArray) -> AnyArray:
    """Flip signs (q and -q are one rotation) so that each quaternion is close to the one of the frame before."""
    flips = (quaternions[1:] * quaternions[:-1]).sum(-1, keepdims=True) < 0
    sign = np.cumprod(np.where(flips, -1.0, 1.0), axis=0)
    return np.concatenate([quaternions[:1], quaternions[1:] * sign])


def skeleton_nodes(names: Sequence[str], parents: Sequence[int], tracks: NodeTracks) -> list[dict[str, Any]]:
    """One node per joint, as in the first frame."""
    nodes = []
    for joint, name in enumerate(names):
        place, turn, scale = (values[0, joint] for values in (tracks.translation, tracks.rotation, tracks.scale))
        node = {"name": name, "translation": place.tolist(), "rotation": turn.tolist()}
        if (scale != 1).any():
            node["scale"] = scale.tolist()
        below = [child for child, above in enumerate(parents) if above == joint]
        nodes.append({**node, "children": below} if below else node)
    return nodes


def skin_of_joints(joints: AnyArray, buffer: GltfBuffer) -> dict[str, Any]:
    """The skin whose joints are the first nodes, at `joints` [J, 3] and unturned where the mesh is bound."""
    bind = np.tile(np.eye(4), (len(joints), 1, 1))
    bind[:, 3, :3] = -joints  # glTF matrices are column-major
    return {"skeleton": 0, "joints": list(range(len(joints))), "inverseBindMatrices": buffer.add(bind.astype("f4"))}


def animation_channels(tracks: NodeTracks, still: NodeTracks, seconds: AnyArray, buffer: GltfBuffer) -> dict[str, Any]:
    """Samplers and channels: the first node's translation, and whatever else leaves the nodes' own place, that of the
    first frame of `still`."""
    time = buffer.add(seconds.astype("f4"), bounds=True)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    for path in ("translation", "rotation", "scale"):
        values = getattr(tracks, path)
        moving = (abs(values - getattr(still, path)[:1]) > LEAST_CHANGE).any((0, 2))
        moving[0] |= path == "translation"
        for node in np.flatnonzero(moving).tolist():
            channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
            output = buffer.add(values[:, node].astype("f4"))
            samplers.append({"input": time, "interpolation": "LINEAR", "output": output})
    return {"samplers": samplers, "channels": channels}


def find_ground(model: BodyModel, body: Body, camera: Camera) -> Float[Tensor, "3"]:
    """The ground below the root of a body, in camera space with y up and z towards the camera."""
    root = flip_camera_axes(camera.place)[0]
    lowest = model(body)[0][0, :, 1].min()
    return root + torch.stack([torch.zeros_like(lowest), lowest, torch.zeros_like(lowest)])


def pack_glb(document: dict[str, Any], buffer: GltfBuffer, **about: Any) -> bytes:
    """The file's bytes: header, JSON chunk and binary chunk. `about` is added to the asset's properties."""
    document |= {
        "asset": {"version": "2.0", "generator": software_name(), **about},
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
