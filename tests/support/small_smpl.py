"""A file in SMPL's format that owes nothing to SMPL: a coarse Anny with 24 joints and made-up directions."""

from pathlib import Path

import numpy as np
import torch

from motion_imitate import bodies
from motion_imitate.bodies.smpl import SMPL_JOINTS
from pipelines.build_assets import smpl as convert

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
ANNY = {  # the joint of Anny's that is nearest in meaning, on the left
    **{
        "pelvis": "root",
        "spine1": "spine05",
        "spine2": "spine03",
        "spine3": "spine02",
        "neck": "neck01",
        "head": "head",
    },
    **{"hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot", "foot": "toe1-1", "collar": "clavicle"},
    **{"shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist", "hand": "finger3-1"},
}


def arrays() -> dict[str, np.ndarray]:
    body, generator = bodies.load_body("anny"), torch.Generator().manual_seed(0)
    vertices = body.skin.template[body.proxy_vertices] + torch.tensor([0.0, 0.3, 0.02])  # not at the root, as SMPL
    own = torch.tensor([body.joint_names.index(theirs(joint)) for joint in SMPL_JOINTS])
    places = body.skin.joints[own] + torch.tensor([0.0, 0.3, 0.02])
    near = torch.cdist(places, vertices)
    regressor = torch.where(near <= near.topk(12, largest=False).values[:, -1:], (-near / 0.05).exp(), 0.0)
    weights = torch.zeros(len(vertices), len(SMPL_JOINTS))
    for joint in range(len(body.joint_names)):
        weights[:, carrier(joint, own.tolist(), body.skin.parents)] += body.skin.weights[body.proxy_vertices, joint]
    random = torch.randn(3, len(vertices), 10, generator=generator).permute(1, 0, 2)
    return {
        "v_template": vertices.double().numpy(),
        "shapedirs": 0.01 * random.double().numpy(),
        "posedirs": 0.01 * torch.randn(len(vertices), 3, 207, generator=generator).double().numpy(),
        "J_regressor": (regressor / regressor.sum(1, keepdim=True)).double().numpy(),
        "weights": weights.double().numpy(),
        "kintree_table": np.array([PARENTS, range(24)], np.int64).astype(np.uint32),
        "f": body.proxy_faces.numpy().astype(np.uint32),
    }


def theirs(joint: str) -> str:
    side = {"left": ".L", "right": ".R"}.get(joint.split("_")[0], "")
    return ANNY[joint.split("_")[-1]] + side


def carrier(joint: int, own: list[int], parents: tuple[int, ...]) -> int:
    """The nearest of our joints at or above one of Anny's."""
    while joint not in own:
        joint = parents[joint]
    return own.index(joint)


def converted(folder: Path) -> Path:
    """As a user gets it: the arrays as .npz, through `convert`."""
    np.savez(folder / "small.npz", **arrays())
    convert.convert_smpl_file(folder / "small.npz", folder / "smpl.safetensors")
    return folder / "smpl.safetensors"
