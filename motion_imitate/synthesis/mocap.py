"""Recorded motion as the bends of a body: reads the 27-joint humanoid text format of DeepMimic and PyBullet."""

import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from kornia.geometry.conversions import axis_angle_to_rotation_matrix, quaternion_to_rotation_matrix
from torch import Tensor

from motion_imitate.estimators.rig import BENDS, turn, turned_by
from motion_imitate.synthesis.held_out import Part, part_of
from motion_imitate.types import BodyModel

AXES = torch.tensor(
    [[0, 0, -1.0], [0, 1, 0], [1, 0, 0]], dtype=torch.float64
)  # theirs: x forward, y up, z to the right
QUATERNIONS = {"root": 4, "chest": 8, "neck": 12, "hip_right": 16, "ankle_right": 21, "shoulder_right": 25}
QUATERNIONS |= {"hip_left": 30, "ankle_left": 35, "shoulder_left": 39}
HINGES = {"knee_right": 20, "elbow_right": 29, "knee_left": 34, "elbow_left": 43}
UNDER = {"chest": "root", "neck": "chest"}
for _side in ("left", "right"):
    UNDER |= {f"hip_{_side}": "root", f"knee_{_side}": f"hip_{_side}", f"ankle_{_side}": f"knee_{_side}"}
    UNDER |= {f"shoulder_{_side}": "chest", f"elbow_{_side}": f"shoulder_{_side}"}
NUMBERS = 44  # of a frame: how long it lasts, the root's place, and the above
LONG = 60.0  # seconds of a frame at most
COLLAR = 0.2  # of a raised arm's turn, how much the collar takes


def recorded(path: Path) -> Float[np.ndarray, "N 44"]:
    """The numbers of a file, a frame a row."""
    try:
        rows = np.array(json.loads(path.read_text())["Frames"], dtype=float)
    except (ValueError, KeyError, TypeError, RecursionError):
        rows = np.empty(0)
    if rows.ndim != 2 or rows.shape[1] != NUMBERS or not sensible(rows):
        raise ValueError(
            f"{path} is not a humanoid clip in DeepMimic's format (JSON, two or more Frames of {NUMBERS} numbers); "
            "take it out of the folder"
        )
    return rows


def sensible(rows: Float[np.ndarray, "N 44"]) -> bool:
    """Whether every number is finite, frames last up to LONG seconds, and quaternions turn something."""
    lasts = rows[:-1, 0]
    turns = np.stack([rows[:, start : start + 4] for start in QUATERNIONS.values()])
    moves = bool((np.linalg.norm(turns, axis=-1) > 0.5).all())
    return bool(np.isfinite(rows).all() and (lasts >= 0).all() and lasts.sum() > 0 and lasts.max() <= LONG) and moves


def read(path: Path, rate: float = 30.0) -> dict[str, Float[Tensor, "T 3 3"]]:
    """Every joint's turn from standing with the arms down, in body space, and the root's."""
    rows = recorded(path)
    for start in QUATERNIONS.values():  # the same hemisphere all along, so that what is between two can be interpolated
        flips = np.sign((rows[1:, start : start + 4] * rows[:-1, start : start + 4]).sum(1))
        rows[1:, start : start + 4] *= np.cumprod(np.where(flips == 0, 1, flips))[:, None]
    at = np.concatenate([[0], np.cumsum(rows[:-1, 0])])
    when = np.arange(0, at[-1], 1 / rate)
    even = torch.from_numpy(np.stack([np.interp(when, at, column) for column in rows.T], 1))
    local = {name: quaternion_to_rotation_matrix(even[:, i : i + 4]) for name, i in QUATERNIONS.items()}
    about_z = torch.tensor([0, 0, 1.0], dtype=torch.float64)
    local |= {name: axis_angle_to_rotation_matrix(even[:, i, None] * about_z) for name, i in HINGES.items()}
    turns = {"root": local["root"]}
    for name, above in UNDER.items():
        turns[name] = turns[above] @ local[name]
    return {name: AXES @ r @ AXES.T for name, r in turns.items()}


def between(a: Tensor, b: Tensor) -> Float[Tensor, "T 3"]:
    return turned_by(a.mT @ b)


def lowered(model: BodyModel, above: str, below: str) -> Float[Tensor, "3 3"]:
    """The least turn that takes a limb of the rest pose to hanging straight down."""
    rest = model.skin.joints.double()
    limb = torch.nn.functional.normalize(rest[model.controls[below][0]] - rest[model.controls[above][0]], dim=0)
    axis = torch.linalg.cross(limb, limb.new_tensor([0, -1.0, 0]))
    return turn(axis / axis.norm().clamp(min=1e-12) * torch.atan2(axis.norm(), -limb[1]))


def bends(model: BodyModel, turns: dict[str, Tensor]) -> tuple[Float[Tensor, "T 3 3"], Float[Tensor, "T C 3"]]:
    """The root's turn in body space, and the bends of BENDS, that put the model's limbs where the record's are."""
    root, chest, neck = turns["root"], turns["chest"], turns["neck"]
    spine, nape = between(root, chest), between(chest, neck)
    found = {"spine_low": 0.6 * spine, "spine_high": 0.4 * spine, "neck": 0.75 * nape, "head": 0.25 * nape}
    for side in ("left", "right"):

        def limb(joint: str, above: str, below: str, side: str = side) -> Tensor:
            return turns[f"{joint}_{side}"] @ lowered(model, f"{above}_{side}", f"{below}_{side}")

        upper_arm, forearm = limb("shoulder", "shoulder", "elbow"), limb("elbow", "elbow", "wrist")
        thigh, shin, foot = limb("hip", "hip", "knee"), limb("knee", "knee", "ankle"), turns[f"ankle_{side}"]
        found[f"collar_{side}"] = COLLAR * between(chest, upper_arm)
        found[f"shoulder_{side}"] = between(chest @ turn(found[f"collar_{side}"]), upper_arm)
        found[f"elbow_{side}"] = between(upper_arm, forearm)
        found[f"wrist_{side}"] = torch.zeros_like(spine)
        found[f"hip_{side}"] = between(root, thigh)
        found[f"knee_{side}"] = between(thigh, shin)
        found[f"ankle_{side}"] = between(shin, foot)
    return root, torch.stack([found[name] for name in BENDS], 1)


def mirrored(root: Tensor, bent: Tensor) -> tuple[Tensor, Tensor]:
    """The same motion in a mirror: left and right change sides."""
    swap = {"left": "right", "right": "left"}
    order = [BENDS.index("_".join(swap.get(word, word) for word in name.split("_"))) for name in BENDS]
    across = torch.diag(torch.tensor([-1.0, 1, 1], dtype=root.dtype))
    return across @ root @ across, bent[:, order] * bent.new_tensor([1.0, -1, -1])


def library(
    model: BodyModel, folder: Path, rate: float = 30.0, part: Part = "all"
) -> tuple[Float[Tensor, "N 3 3"], Float[Tensor, "N C 3"]]:
    """The clips of a folder, and their mirror images, as one heap of poses."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give one of humanoid clips in DeepMimic's format (*.txt)")
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise FileNotFoundError(
            f"no motion files (*.txt) in {folder}; give a folder of humanoid clips in DeepMimic's format"
        )
    clips = [bends(model, read(path, rate)) for path in part_of(files, part)]
    both = [pair for clip in clips for pair in (clip, mirrored(*clip))]
    return torch.cat([r for r, _ in both]), torch.cat([b for _, b in both])
