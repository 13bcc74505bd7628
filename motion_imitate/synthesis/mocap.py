"""Reader of recorded motion in the 27-joint humanoid text format of DeepMimic and PyBullet."""

import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.estimators.rig import BENDS
from motion_imitate.geometry.rotations import matrix_to_rotation_vector, quaternion_to_matrix, rotation_vector_to_matrix
from motion_imitate.synthesis.held_out import HeldOutSplit, select_split
from motion_imitate.types import BodyModel

MOCAP_AXES = torch.tensor(
    [[0, 0, -1.0], [0, 1, 0], [1, 0, 0]], dtype=torch.float64
)  # DeepMimic's: x forward, y up, z right
QUATERNION_COLUMNS = {"root": 4, "chest": 8, "neck": 12, "hip_right": 16, "ankle_right": 21, "shoulder_right": 25}
QUATERNION_COLUMNS |= {"hip_left": 30, "ankle_left": 35, "shoulder_left": 39}
HINGE_COLUMNS = {"knee_right": 20, "elbow_right": 29, "knee_left": 34, "elbow_left": 43}
MOCAP_PARENTS = {"chest": "root", "neck": "chest"}
for _side in ("left", "right"):
    MOCAP_PARENTS |= {f"hip_{_side}": "root", f"knee_{_side}": f"hip_{_side}", f"ankle_{_side}": f"knee_{_side}"}
    MOCAP_PARENTS |= {f"shoulder_{_side}": "chest", f"elbow_{_side}": f"shoulder_{_side}"}
ROW_VALUES = 44  # per frame: duration, root position and the joints above
MAX_FRAME_SECONDS = 60.0  # longest frame in seconds
COLLAR_SHARE = 0.2  # share of an arm's rotation that the collar takes


def read_mocap_rows(path: Path) -> Float[np.ndarray, "N 44"]:
    """The frames of a clip, one per row."""
    try:
        rows = np.array(json.loads(path.read_text())["Frames"], dtype=float)
    except (ValueError, KeyError, TypeError, RecursionError):
        rows = np.empty(0)
    if rows.ndim != 2 or rows.shape[1] != ROW_VALUES or not are_rows_plausible(rows):
        raise ValueError(
            f"{path} is not a humanoid clip in DeepMimic's format (JSON, two or more Frames of {ROW_VALUES} numbers); "
            "remove it from the folder"
        )
    return rows


def are_rows_plausible(rows: Float[np.ndarray, "N 44"]) -> bool:
    """Whether all values are finite, durations are at most MAX_FRAME_SECONDS, and no quaternion is near zero."""
    lasts = rows[:-1, 0]
    turns = np.stack([rows[:, start : start + 4] for start in QUATERNION_COLUMNS.values()])
    moves = bool((np.linalg.norm(turns, axis=-1) > 0.5).all())
    return (
        bool(np.isfinite(rows).all() and (lasts >= 0).all() and lasts.sum() > 0 and lasts.max() <= MAX_FRAME_SECONDS)
        and moves
    )


def read_mocap_clip(path: Path, rate: float = 30.0) -> dict[str, Float[Tensor, "T 3 3"]]:
    """Rotation of every joint from standing with the arms down, in body space, resampled to `rate`."""
    rows = read_mocap_rows(path)
    for start in QUATERNION_COLUMNS.values():  # keep to one hemisphere, so that values can be interpolated
        flips = np.sign((rows[1:, start : start + 4] * rows[:-1, start : start + 4]).sum(1))
        rows[1:, start : start + 4] *= np.cumprod(np.where(flips == 0, 1, flips))[:, None]
    at = np.concatenate([[0], np.cumsum(rows[:-1, 0])])
    when = np.arange(0, at[-1], 1 / rate)
    even = torch.from_numpy(np.stack([np.interp(when, at, column) for column in rows.T], 1))
    local = {name: quaternion_to_matrix(even[:, i : i + 4]) for name, i in QUATERNION_COLUMNS.items()}
    about_z = torch.tensor([0, 0, 1.0], dtype=torch.float64)
    local |= {name: rotation_vector_to_matrix(even[:, i, None] * about_z) for name, i in HINGE_COLUMNS.items()}
    turns = {"root": local["root"]}
    for name, above in MOCAP_PARENTS.items():
        turns[name] = turns[above] @ local[name]
    return {name: MOCAP_AXES @ r @ MOCAP_AXES.T for name, r in turns.items()}


def bend_between(a: Tensor, b: Tensor) -> Float[Tensor, "T 3"]:
    """The rotation vector that takes `a` to `b`, in the frame of `a`."""
    return matrix_to_rotation_vector(a.mT @ b)


def turn_to_hanging(model: BodyModel, above: str, below: str) -> Float[Tensor, "3 3"]:
    """The smallest rotation that takes a limb of the rest pose to hanging straight down."""
    rest = model.skin.joints.double()
    limb = torch.nn.functional.normalize(rest[model.controls[below][0]] - rest[model.controls[above][0]], dim=0)
    axis = torch.linalg.cross(limb, limb.new_tensor([0, -1.0, 0]))
    return rotation_vector_to_matrix(axis / axis.norm().clamp(min=1e-12) * torch.atan2(axis.norm(), -limb[1]))


def mocap_to_bends(model: BodyModel, turns: dict[str, Tensor]) -> tuple[Float[Tensor, "T 3 3"], Float[Tensor, "T C 3"]]:
    """The root's rotation in body space, and the bends that align the model's limbs with the recorded ones."""
    root, chest, neck = turns["root"], turns["chest"], turns["neck"]
    spine, nape = bend_between(root, chest), bend_between(chest, neck)
    found = {"spine_low": 0.6 * spine, "spine_high": 0.4 * spine, "neck": 0.75 * nape, "head": 0.25 * nape}
    for side in ("left", "right"):

        def limb(joint: str, above: str, below: str, side: str = side) -> Tensor:
            return turns[f"{joint}_{side}"] @ turn_to_hanging(model, f"{above}_{side}", f"{below}_{side}")

        upper_arm, forearm = limb("shoulder", "shoulder", "elbow"), limb("elbow", "elbow", "wrist")
        thigh, shin, foot = limb("hip", "hip", "knee"), limb("knee", "knee", "ankle"), turns[f"ankle_{side}"]
        found[f"collar_{side}"] = COLLAR_SHARE * bend_between(chest, upper_arm)
        found[f"shoulder_{side}"] = bend_between(chest @ rotation_vector_to_matrix(found[f"collar_{side}"]), upper_arm)
        found[f"elbow_{side}"] = bend_between(upper_arm, forearm)
        found[f"wrist_{side}"] = torch.zeros_like(spine)
        found[f"hip_{side}"] = bend_between(root, thigh)
        found[f"knee_{side}"] = bend_between(thigh, shin)
        found[f"ankle_{side}"] = bend_between(shin, foot)
    return root, torch.stack([found[name] for name in BENDS], 1)


def mirror_motion(root: Tensor, bent: Tensor) -> tuple[Tensor, Tensor]:
    """The motion with left and right exchanged."""
    swap = {"left": "right", "right": "left"}
    order = [BENDS.index("_".join(swap.get(word, word) for word in name.split("_"))) for name in BENDS]
    across = torch.diag(torch.tensor([-1.0, 1, 1], dtype=root.dtype))
    return across @ root @ across, bent[:, order] * bent.new_tensor([1.0, -1, -1])


def load_pose_bank(
    model: BodyModel, folder: Path, rate: float = 30.0, part: HeldOutSplit = "all"
) -> tuple[Float[Tensor, "N 3 3"], Float[Tensor, "N C 3"]]:
    """All poses of a folder's clips and of their mirror images, concatenated."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not a folder; give a folder of humanoid clips in DeepMimic's format (*.txt)"
        )
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise FileNotFoundError(
            f"no motion files (*.txt) in {folder}; give a folder of humanoid clips in DeepMimic's format"
        )
    clips = [mocap_to_bends(model, read_mocap_clip(path, rate)) for path in select_split(files, part)]
    both = [pair for clip in clips for pair in (clip, mirror_motion(*clip))]
    return torch.cat([r for r, _ in both]), torch.cat([b for _, b in both])
