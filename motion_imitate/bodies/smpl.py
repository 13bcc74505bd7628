"""The SMPL body, for users with a licence: `motion-imitate convert smpl FILE` converts its published file."""

import os
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.bodies import mirror, stored
from motion_imitate.bodies.coarse import coarsen_mesh
from motion_imitate.bodies.keypoints import PAIRED_POINTS, POINT_NAMES
from motion_imitate.bodies.parts import LIMB_GROUPS, LimbAxis, build_part_map, part_atlas_uv
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.types import Skin
from motion_imitate.weights import MissingWeights

SMPL_FILE = "smpl.safetensors"
SMPL_JOINTS = (
    *("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle"),
    *("spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hand", "right_hand"),
)
SMPL_SPINE = {"spine_low": ("spine1", "spine2"), "spine_high": ("spine3",), "neck": ("neck",), "head": ("head",)}
SMPL_LIMBS = ("collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
SMPL_JOINT_GROUPS = {  # joint names without the side; all others belong to the torso
    **{"head": "head", "neck": "head", "shoulder": "upperarm", "elbow": "forearm", "wrist": "hand", "hand": "hand"},
    **{"hip": "thigh", "knee": "shin", "ankle": "foot", "foot": "foot"},
}
SMPL_LIMB_AXES = {
    "torso": ("pelvis", "neck"),
    "head": ("neck", "head"),
    "upperarm": ("left_shoulder", "left_elbow"),
    "forearm": ("left_elbow", "left_wrist"),
    "hand": ("left_wrist", "left_hand"),
    "thigh": ("left_hip", "left_knee"),
    "shin": ("left_knee", "left_ankle"),
    "foot": ("left_ankle", "left_foot"),
}
SMPL_VERTEX_COUNT = 6890  # vertices of the published SMPL; the indices below are on its left side or midline
SMPL_POINT_VERTICES = {"nose": 332, "eye": 2800, "ear": 583, "heel": 3387, "foot_index": 3216}
SMPL_POINT_OFFSETS = {  # points without an SMPL joint: reference, group, offset in metres to the vertex
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
PROXY_VERTEX_COUNT = 620  # vertices of the coarse body


def user_data_folder() -> Path:
    """Folder for the user's own files: MOTION_IMITATE_HOME if set, else ~/.local/share/motion-imitate."""
    given = os.environ.get("MOTION_IMITATE_HOME")
    try:
        return Path(given) if given else Path.home() / ".local/share/motion-imitate"
    except RuntimeError:
        raise MissingWeights("no home folder to store files in; set MOTION_IMITATE_HOME to a folder") from None


def load_smpl() -> SkinnedBody:
    """Load the converted SMPL body; raises MissingWeights with instructions if it is not there."""
    path = user_data_folder() / SMPL_FILE
    if not path.exists():
        raise MissingWeights(
            f"no SMPL body at {path}; get SMPL_NEUTRAL.pkl from https://smpl.is.tue.mpg.de (it asks for a licence), "
            "then run `motion-imitate convert smpl SMPL_NEUTRAL.pkl`"
        )
    return stored.read_body_file(path)


def build_smpl(
    template: Float[Tensor, "V 3"],
    shape_dirs: Float[Tensor, "S V 3"],
    pose_dirs: Float[Tensor, "N V 3"],
    regressor: Float[Tensor, "J V"],
    weights: Float[Tensor, "V J"],
    parents: tuple[int, ...],
    faces: Int[Tensor, "F 3"],
) -> SkinnedBody:
    """Build the body model from the contents of SMPL's file, with the root joint moved to the origin."""
    root = regressor[0] @ template
    skin = Skin(
        template=template - root,
        shape_dirs=shape_dirs - (regressor[:1] @ shape_dirs),
        joints=regressor @ template - root,
        joint_dirs=regressor @ shape_dirs - regressor[:1] @ shape_dirs,
        weights=weights,
        parents=parents,
    )
    groups = tuple(
        SMPL_JOINT_GROUPS.get(name.removeprefix("left_").removeprefix("right_"), "torso") for name in SMPL_JOINTS
    )
    numbers, iuv = build_part_map(skin, faces, groups, smpl_limb_axes(skin.joints))
    pair = mirror.match_mirror_points(skin.template)
    owner = torch.tensor([LIMB_GROUPS.index(g) for g in groups])[weights.argmax(1)]
    proxy_vertices, proxy_faces = coarsen_mesh(skin.template, faces, weights.argmax(1), PROXY_VERTEX_COUNT)
    return SkinnedBody(
        name="smpl",
        skin=skin,
        joint_names=SMPL_JOINTS,
        controls=smpl_controls(),
        relaxed=torch.eye(3).repeat(len(SMPL_JOINTS), 1, 1),
        faces=faces,
        uv=part_atlas_uv(numbers, iuv),
        parts=numbers,
        iuv=iuv,
        mirror_vertices=pair,
        mirror_faces=mirror.match_mirror_faces(faces, skin.template, pair),
        mirror_joints=mirror.match_mirror_joints(SMPL_JOINTS, "left", "right"),
        point_names=POINT_NAMES,
        points=smpl_point_blends(skin, regressor, owner, pair),
        offsets=torch.zeros(33, 3),
        offset_joints=torch.zeros(33, dtype=torch.long),
        proxy_vertices=proxy_vertices,
        proxy_faces=proxy_faces,
        pose_dirs=pose_dirs,
    )


def smpl_controls() -> dict[str, tuple[int, ...]]:
    """Map each named control to its joint indices."""
    bends = {name: tuple(SMPL_JOINTS.index(j) for j in joints) for name, joints in SMPL_SPINE.items()}
    return bends | {
        f"{limb}_{side}": (SMPL_JOINTS.index(f"{side}_{limb}"),) for side in ("left", "right") for limb in SMPL_LIMBS
    }


def smpl_limb_axes(joints: Float[Tensor, "J 3"]) -> dict[str, LimbAxis]:
    """Start and end of each left limb, for `parts.build_part_map`."""
    ends = {
        name: (joints[SMPL_JOINTS.index(a)], joints[SMPL_JOINTS.index(b)]) for name, (a, b) in SMPL_LIMB_AXES.items()
    }
    neck, head = ends["head"]
    return ends | {"head": (neck, head + torch.tensor([0.0, 0.2, 0.0]))}


def smpl_point_blends(
    skin: Skin, regressor: Float[Tensor, "J V"], owner: Int[Tensor, " V"], pair: Int[Tensor, " V"]
) -> Float[Tensor, "P V"]:
    """Vertex blend of each of POINT_NAMES: SMPL's joint regressor where it has the joint, single vertices elsewhere."""
    joints = dict(zip(SMPL_JOINTS, regressor, strict=True))
    count = len(skin.template)
    found = {name.removeprefix("left_"): row for name, row in joints.items() if not name.startswith("right_")}
    for name, (beside, group, shift) in SMPL_POINT_OFFSETS.items():
        place = found[beside] @ skin.template + torch.tensor(shift)
        away = (skin.template - place).norm(dim=1)
        there = int(torch.where(owner == LIMB_GROUPS.index(group), away, torch.inf).argmin())
        found[name] = one_hot_row(SMPL_POINT_VERTICES.get(name, there) if count == SMPL_VERTEX_COUNT else there, count)
    points = {"nose": (found["nose"] + found["nose"][pair]) / 2}
    for name in PAIRED_POINTS:
        right = joints.get(f"right_{name}", found[name][pair])
        points |= {f"{name}_left": found[name], f"{name}_right": right}
    points["neck"] = (points["shoulder_left"] + points["shoulder_right"]) / 2
    return torch.stack([points[name] for name in POINT_NAMES])


def one_hot_row(vertex: int, count: int) -> Float[Tensor, " V"]:
    """A blend that selects one vertex."""
    row = torch.zeros(count)
    row[vertex] = 1
    return row
