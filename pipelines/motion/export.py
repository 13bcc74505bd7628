"""Convert a motion for other programs: a skeleton as BVH, a skinned mesh as glTF.

Both are in metres, y up; the origin is the ground below the root in the first frame, and the camera looks along -z. The
body has the motion's mean shape. BVH allows only a constant frame rate, so other motions are resampled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.files import write_bytes_atomically
from motion_imitate.geometry.camera import flip_camera_axes
from motion_imitate.motion.file import MotionHeader
from motion_imitate.motion.windows import resample_motion
from motion_imitate.types import Body, BodyModel, Motion
from pipelines.gltf import find_ground
from pipelines.motion.gltf import encode_glb

RATE_TOLERANCE = 0.02  # of a frame; times that differ less from a constant rate count as constant
MAX_FRAME_RATIO = 100  # maximum factor by which resampling may change the number of frames
DoubleArray = NDArray[np.float64]


@dataclass(frozen=True)
class WorldMotion:
    """A body's motion in y-up world space."""

    seconds: DoubleArray  # [T], from 0
    turns: DoubleArray  # [T, J, 3, 3], relative to parents
    root: DoubleArray  # [T, 3]
    joints: DoubleArray  # [J, 3], at rest, the root at the origin
    vertices: DoubleArray  # [V, 3], at rest


def to_world_motion(motion: Motion, model: BodyModel) -> WorldMotion:
    """Convert a motion to y-up world space with one shape, its mean weighted by confidence."""
    trust = motion.confidence.clamp(min=1e-3)[:, None]
    shape = (motion.body.shape * trust).sum(0, keepdim=True) / trust.sum()
    still = torch.eye(3).expand(1, len(model.joint_names), 3, 3)
    vertices, joints = model(Body(still.to(shape), shape))
    root = flip_camera_axes(motion.camera.place)
    ground = find_ground(model, Body(motion.body.pose[:1], shape), motion.camera[:1])
    return WorldMotion(
        seconds=(motion.seconds - motion.seconds[0]).double().numpy(),
        turns=motion.body.pose.double().numpy(),
        root=(root - ground).double().numpy(),
        joints=joints[0].double().numpy(),
        vertices=vertices[0].double().numpy(),
    )


def resample_to_rate(motion: Motion, rate: float) -> Motion:
    """Resample the motion at a constant rate, keeping the first frame."""
    since = (motion.seconds - motion.seconds[0]).double()
    if len(motion) == 1 or (since * rate - torch.arange(len(motion))).abs().max() < RATE_TOLERANCE:
        return motion
    count = int(since[-1] * rate + 0.5) + 1
    if not len(motion) / MAX_FRAME_RATIO <= count <= len(motion) * MAX_FRAME_RATIO:
        raise ValueError(f"{len(motion)} frames in {since[-1]:.2f} s do not match a rate of {rate:g}; correct the rate")
    return resample_motion(motion, motion.seconds[0] + torch.arange(count, dtype=torch.float64) / rate)


def write_gltf(path: Path, motion: Motion, about: MotionHeader, model: BodyModel) -> None:
    """Binary glTF 2.0 (.glb): the skinned mesh, and the motion as an animation at the frames' own times."""
    stage = to_world_motion(motion, model)
    write_bytes_atomically(
        path,
        encode_glb(
            model, stage.vertices, stage.joints, stage.seconds, stage.turns, stage.root, about.title or path.stem
        ),
    )


def write_bvh(path: Path, motion: Motion, about: MotionHeader, model: BodyModel, fingers: bool = True) -> None:
    """BVH with rotations about z, x and y, in degrees; without `fingers` the hands end at the wrists."""
    stage = to_world_motion(resample_to_rate(motion, about.rate), model)
    kept = bvh_joint_order(model, fingers)
    angles = np.stack([to_euler_zxy(stage.turns[:, j]) for j in kept], 1)
    rows = np.concatenate([stage.root + stage.joints[0], angles.reshape(len(angles), -1)], 1)
    lines = ["HIERARCHY", *bvh_hierarchy(model, stage.joints, kept, 0, 0), "MOTION", f"Frames: {len(rows)}"]
    lines += [f"Frame Time: {1 / about.rate:.8f}", *(" ".join(f"{x:.6f}" for x in row) for row in rows)]
    write_bytes_atomically(path, ("\n".join(lines) + "\n").encode())


def bvh_joint_order(model: BodyModel, fingers: bool) -> list[int]:
    """Joints in depth-first order, as a BVH file lists them."""
    parents = model.skin.parents
    ends = () if fingers else (model.controls["wrist_left"][-1], model.controls["wrist_right"][-1])

    def branch(joint: int) -> list[int]:
        below = [] if joint in ends else [child for child, parent in enumerate(parents) if parent == joint]
        return [joint, *(j for child in below for j in branch(child))]

    return branch(0)


def bvh_hierarchy(model: BodyModel, joints: DoubleArray, kept: list[int], joint: int, depth: int) -> list[str]:
    """The HIERARCHY lines of a joint and all below it."""
    parents = model.skin.parents
    offset = joints[joint] - (joints[parents[joint]] if depth else joints[joint])
    below = [child for child in kept if parents[child] == joint]
    inner = "\t" * (depth + 1)
    spin = "Zrotation Xrotation Yrotation"
    lines = [
        "\t" * depth + f"{'JOINT' if depth else 'ROOT'} {model.joint_names[joint].replace(' ', '_')}",
        "\t" * depth + "{",
        inner + "OFFSET " + format_point(offset),
        inner + (f"CHANNELS 3 {spin}" if depth else f"CHANNELS 6 Xposition Yposition Zposition {spin}"),
    ]
    for child in below:
        lines += bvh_hierarchy(model, joints, kept, child, depth + 1)
    if not below:
        lines += [inner + "End Site", inner + "{", inner + "\tOFFSET " + format_point(offset / 2), inner + "}"]
    return [*lines, "\t" * depth + "}"]


def format_point(point: DoubleArray) -> str:
    """Three coordinates as BVH writes them."""
    return " ".join(f"{x:.6f}" for x in point)


def to_euler_zxy(turns: DoubleArray) -> DoubleArray:
    """Degrees [T, 3] about z, x and y of rotations Rz Rx Ry, unwrapped over time."""
    z = np.arctan2(-turns[:, 0, 1], turns[:, 1, 1])
    cos, sin = np.cos(z)[:, None], np.sin(z)[:, None]
    first, second = cos * turns[:, 0] + sin * turns[:, 1], cos * turns[:, 1] - sin * turns[:, 0]  # rows of Rx Ry
    x = np.arctan2(turns[:, 2, 1], second[:, 1])
    y = np.arctan2(first[:, 2], first[:, 0])
    return np.degrees(np.unwrap(np.stack([z, x, y], 1), axis=0))


EXPORT_WRITERS: dict[str, Callable[[Path, Motion, MotionHeader, BodyModel], None]] = {
    "bvh": write_bvh,
    "gltf": write_gltf,
}


def write_export(path: Path, motion: Motion, about: MotionHeader, model: BodyModel, to: str) -> None:
    """Write a motion in the format `to`: bvh or gltf."""
    if to not in EXPORT_WRITERS:
        raise ValueError(f"no export to {to!r}; choose one of {', '.join(EXPORT_WRITERS)}")
    EXPORT_WRITERS[to](path, motion, about, model)
