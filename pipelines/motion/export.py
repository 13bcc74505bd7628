"""A motion on its body, for other programs: a skeleton as BVH, a skinned mesh as glTF.

Both are in metres, y up, in a world whose origin is the ground beneath the root in the first frame; the camera looked
along its -z. The body has the motion's mean shape. BVH knows only frames of one length: others are interpolated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.files import put
from motion_imitate.geometry.camera import facing
from motion_imitate.motion.file import About
from motion_imitate.motion.windows import at
from motion_imitate.types import Body, BodyModel, Motion
from pipelines.motion.gltf import glb

UNEVEN = 0.02  # of a frame; times that stray less from the rate are taken to be even
MOST = 100  # times as many frames, or as few, that a constant rate may come to
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Staged:
    """One body's motion in a y-up world."""

    seconds: Numbers  # [T], from 0
    turns: Numbers  # [T, J, 3, 3], relative to parents
    root: Numbers  # [T, 3]
    joints: Numbers  # [J, 3], at rest, the root at the origin
    vertices: Numbers  # [V, 3], at rest


def staged(motion: Motion, model: BodyModel) -> Staged:
    trust = motion.confidence.clamp(min=1e-3)[:, None]
    shape = (motion.body.shape * trust).sum(0, keepdim=True) / trust.sum()
    still = torch.eye(3).expand(1, len(model.joint_names), 3, 3)
    vertices, joints = model(Body(still.to(shape), shape))
    root = facing(motion.camera.place)
    standing, _ = model(Body(motion.body.pose[:1], shape))
    ground = torch.stack([root[0, 0], standing[0, :, 1].min() + root[0, 1], root[0, 2]])
    return Staged(
        seconds=(motion.seconds - motion.seconds[0]).double().numpy(),
        turns=motion.body.pose.double().numpy(),
        root=(root - ground).double().numpy(),
        joints=joints[0].double().numpy(),
        vertices=vertices[0].double().numpy(),
    )


def steady(motion: Motion, rate: float) -> Motion:
    """The motion at a constant rate, its first frame kept."""
    since = (motion.seconds - motion.seconds[0]).double()
    if len(motion) == 1 or (since * rate - torch.arange(len(motion))).abs().max() < UNEVEN:
        return motion
    count = int(since[-1] * rate + 0.5) + 1
    if not len(motion) / MOST <= count <= len(motion) * MOST:
        raise ValueError(f"{len(motion)} frames in {since[-1]:.2f} s do not go with a rate of {rate:g}; set it right")
    return at(motion, motion.seconds[0] + torch.arange(count, dtype=torch.float64) / rate)


def write_gltf(path: Path, motion: Motion, about: About, model: BodyModel) -> None:
    """Binary glTF 2.0 (.glb): the mesh with its skin, and the motion as an animation at the frames' own times."""
    stage = staged(motion, model)
    put(
        path, glb(model, stage.vertices, stage.joints, stage.seconds, stage.turns, stage.root, about.title or path.stem)
    )


def write_bvh(path: Path, motion: Motion, about: About, model: BodyModel, fingers: bool = True) -> None:
    """Rotations about z, x and y in turn, in degrees; without `fingers` the hands end at the wrists."""
    stage = staged(steady(motion, about.rate), model)
    kept = bones(model, fingers)
    angles = np.stack([euler(stage.turns[:, j]) for j in kept], 1)
    rows = np.concatenate([stage.root + stage.joints[0], angles.reshape(len(angles), -1)], 1)
    lines = ["HIERARCHY", *hierarchy(model, stage.joints, kept, 0, 0), "MOTION", f"Frames: {len(rows)}"]
    lines += [f"Frame Time: {1 / about.rate:.8f}", *(" ".join(f"{x:.6f}" for x in row) for row in rows)]
    put(path, ("\n".join(lines) + "\n").encode())


def bones(model: BodyModel, fingers: bool) -> list[int]:
    """Joints in the order a BVH file names them: each before its children, branch by branch."""
    parents = model.skin.parents
    ends = () if fingers else (model.controls["wrist_left"][-1], model.controls["wrist_right"][-1])

    def branch(joint: int) -> list[int]:
        below = [] if joint in ends else [child for child, parent in enumerate(parents) if parent == joint]
        return [joint, *(j for child in below for j in branch(child))]

    return branch(0)


def hierarchy(model: BodyModel, joints: Numbers, kept: list[int], joint: int, depth: int) -> list[str]:
    parents = model.skin.parents
    offset = joints[joint] - (joints[parents[joint]] if depth else joints[joint])
    below = [child for child in kept if parents[child] == joint]
    inner = "\t" * (depth + 1)
    spin = "Zrotation Xrotation Yrotation"
    lines = [
        "\t" * depth + f"{'JOINT' if depth else 'ROOT'} {model.joint_names[joint].replace(' ', '_')}",
        "\t" * depth + "{",
        inner + "OFFSET " + triple(offset),
        inner + (f"CHANNELS 3 {spin}" if depth else f"CHANNELS 6 Xposition Yposition Zposition {spin}"),
    ]
    for child in below:
        lines += hierarchy(model, joints, kept, child, depth + 1)
    if not below:
        lines += [inner + "End Site", inner + "{", inner + "\tOFFSET " + triple(offset / 2), inner + "}"]
    return [*lines, "\t" * depth + "}"]


def triple(point: Numbers) -> str:
    return " ".join(f"{x:.6f}" for x in point)


def euler(turns: Numbers) -> Numbers:
    """Degrees [T, 3] about z, x, y of turns that are Rz Rx Ry, without leaps from frame to frame."""
    z = np.arctan2(-turns[:, 0, 1], turns[:, 1, 1])
    cos, sin = np.cos(z)[:, None], np.sin(z)[:, None]
    first, second = cos * turns[:, 0] + sin * turns[:, 1], cos * turns[:, 1] - sin * turns[:, 0]  # rows of Rx Ry
    x = np.arctan2(turns[:, 2, 1], second[:, 1])
    y = np.arctan2(first[:, 2], first[:, 0])
    return np.degrees(np.unwrap(np.stack([z, x, y], 1), axis=0))


EXPORTS: dict[str, Callable[[Path, Motion, About, BodyModel], None]] = {"bvh": write_bvh, "gltf": write_gltf}


def export(path: Path, motion: Motion, about: About, model: BodyModel, to: str) -> None:
    if to not in EXPORTS:
        raise ValueError(f"no export to {to!r}; choose one of {', '.join(EXPORTS)}")
    EXPORTS[to](path, motion, about, model)
