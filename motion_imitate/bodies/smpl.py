"""SMPL, for those who have a licence for it: `motion-imitate convert smpl FILE` makes our file of theirs."""

import os
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.bodies import mirror, stored
from motion_imitate.bodies.coarse import coarse
from motion_imitate.bodies.keypoints import NAMES, PAIRED
from motion_imitate.bodies.parts import GROUPS, Axis, atlas, part_map
from motion_imitate.bodies.skinning import Skinned
from motion_imitate.types import Skin
from motion_imitate.weights import MissingWeights

FILE = "smpl.safetensors"
JOINTS = (
    *("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle"),
    *("spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hand", "right_hand"),
)
SPINE = {"spine_low": ("spine1", "spine2"), "spine_high": ("spine3",), "neck": ("neck",), "head": ("head",)}
LIMBS = ("collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
GROUP = {  # of joints whose side is left out; the others belong to the torso
    **{"head": "head", "neck": "head", "shoulder": "upperarm", "elbow": "forearm", "wrist": "hand", "hand": "hand"},
    **{"hip": "thigh", "knee": "shin", "ankle": "foot", "foot": "foot"},
}
AXES = {
    "torso": ("pelvis", "neck"),
    "head": ("neck", "head"),
    "upperarm": ("left_shoulder", "left_elbow"),
    "forearm": ("left_elbow", "left_wrist"),
    "hand": ("left_wrist", "left_hand"),
    "thigh": ("left_hip", "left_knee"),
    "shin": ("left_knee", "left_ankle"),
    "foot": ("left_ankle", "left_foot"),
}
WHOLE = 6890  # vertices of SMPL as published; these are some of its left side and middle
VERTICES = {"nose": 332, "eye": 2800, "ear": 583, "heel": 3387, "foot_index": 3216}
NEAR = {  # points beside others, in metres: from what, in which group, and where to look for the nearest vertex
    "nose": ("head", "head", (0.0, 0.03, 0.15)),
    "eye": ("nose", "head", (0.032, 0.035, -0.025)),
    "eye_inner": ("eye", "head", (-0.016, 0.0, 0.004)),
    "eye_outer": ("eye", "head", (0.016, 0.0, 0.002)),
    "ear": ("nose", "head", (0.075, 0.02, -0.105)),
    "mouth": ("nose", "head", (0.026, -0.045, -0.02)),
    "index": ("hand", "hand", (-0.01, 0.0, 0.03)),
    "pinky": ("hand", "hand", (-0.01, 0.0, -0.035)),
    "thumb": ("hand", "hand", (-0.03, -0.01, 0.05)),
    "heel": ("ankle", "foot", (0.0, -0.08, -0.08)),
    "foot_index": ("ankle", "foot", (0.0, -0.08, 0.2)),
}
PROXY = 620  # vertices of the coarse body


def home() -> Path:
    """Where a user's own files are kept."""
    given = os.environ.get("MOTION_IMITATE_HOME")
    try:
        return Path(given) if given else Path.home() / ".local/share/motion-imitate"
    except RuntimeError:
        raise MissingWeights("there is no home folder to keep files in; set MOTION_IMITATE_HOME to one") from None


def load() -> Skinned:
    path = home() / FILE
    if not path.exists():
        raise MissingWeights(
            f"no SMPL body at {path}; get SMPL_NEUTRAL.pkl from https://smpl.is.tue.mpg.de (a licence is asked for), "
            "then run `motion-imitate convert smpl SMPL_NEUTRAL.pkl`"
        )
    return stored.load(path)


def build(
    template: Float[Tensor, "V 3"],
    shape_dirs: Float[Tensor, "S V 3"],
    pose_dirs: Float[Tensor, "N V 3"],
    regressor: Float[Tensor, "J V"],
    weights: Float[Tensor, "V J"],
    parents: tuple[int, ...],
    faces: Int[Tensor, "F 3"],
) -> Skinned:
    """The body model, from what SMPL's files hold; its root joint is moved to the origin."""
    root = regressor[0] @ template
    skin = Skin(
        template=template - root,
        shape_dirs=shape_dirs - (regressor[:1] @ shape_dirs),
        joints=regressor @ template - root,
        joint_dirs=regressor @ shape_dirs - regressor[:1] @ shape_dirs,
        weights=weights,
        parents=parents,
    )
    groups = tuple(GROUP.get(name.removeprefix("left_").removeprefix("right_"), "torso") for name in JOINTS)
    numbers, iuv = part_map(skin, faces, groups, axes(skin.joints))
    pair = mirror.twins(skin.template)
    owner = torch.tensor([GROUPS.index(g) for g in groups])[weights.argmax(1)]
    proxy_vertices, proxy_faces = coarse(skin.template, faces, weights.argmax(1), PROXY)
    return Skinned(
        name="smpl",
        skin=skin,
        joint_names=JOINTS,
        controls=controls(),
        relaxed=torch.eye(3).repeat(len(JOINTS), 1, 1),
        faces=faces,
        uv=atlas(numbers, iuv),
        parts=numbers,
        iuv=iuv,
        mirror_vertices=pair,
        mirror_faces=mirror.twin_faces(faces, skin.template, pair),
        mirror_joints=mirror.twin_joints(JOINTS, "left", "right"),
        point_names=NAMES,
        points=named_points(skin, regressor, owner, pair),
        offsets=torch.zeros(33, 3),
        offset_joints=torch.zeros(33, dtype=torch.long),
        proxy_vertices=proxy_vertices,
        proxy_faces=proxy_faces,
        pose_dirs=pose_dirs,
    )


def controls() -> dict[str, tuple[int, ...]]:
    """The named bends, as joints."""
    bends = {name: tuple(JOINTS.index(j) for j in joints) for name, joints in SPINE.items()}
    return bends | {f"{limb}_{side}": (JOINTS.index(f"{side}_{limb}"),) for side in ("left", "right") for limb in LIMBS}


def axes(joints: Float[Tensor, "J 3"]) -> dict[str, Axis]:
    """Where the left limbs run, for `parts.part_map`."""
    ends = {name: (joints[JOINTS.index(a)], joints[JOINTS.index(b)]) for name, (a, b) in AXES.items()}
    neck, head = ends["head"]
    return ends | {"head": (neck, head + torch.tensor([0.0, 0.2, 0.0]))}


def named_points(
    skin: Skin, regressor: Float[Tensor, "J V"], owner: Int[Tensor, " V"], pair: Int[Tensor, " V"]
) -> Float[Tensor, "P V"]:
    """Blends of vertices, in the order of NAMES: SMPL's joints where it has them, single vertices elsewhere."""
    joints = dict(zip(JOINTS, regressor, strict=True))
    count = len(skin.template)
    found = {name.removeprefix("left_"): row for name, row in joints.items() if not name.startswith("right_")}
    for name, (beside, group, shift) in NEAR.items():
        place = found[beside] @ skin.template + torch.tensor(shift)
        away = (skin.template - place).norm(dim=1)
        there = int(torch.where(owner == GROUPS.index(group), away, torch.inf).argmin())
        found[name] = one(VERTICES.get(name, there) if count == WHOLE else there, count)
    points = {"nose": (found["nose"] + found["nose"][pair]) / 2}
    for name in PAIRED:
        right = joints.get(f"right_{name}", found[name][pair])
        points |= {f"{name}_left": found[name], f"{name}_right": right}
    points["neck"] = (points["shoulder_left"] + points["shoulder_right"]) / 2
    return torch.stack([points[name] for name in NAMES])


def one(vertex: int, count: int) -> Float[Tensor, " V"]:
    row = torch.zeros(count)
    row[vertex] = 1
    return row
