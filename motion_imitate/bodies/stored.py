"""A skinned body as a small file: sparse, and as narrow as its exactness allows."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from motion_imitate import weights
from motion_imitate.bodies.skinning import Skinned
from motion_imitate.types import Skin

FINE = 32767  # steps in [0, 1] of numbers kept as int16
INDICES = (
    *("faces", "parts", "mirror_vertices", "mirror_faces", "mirror_joints"),
    *("offset_joints", "proxy_vertices", "proxy_faces"),
)
ABOUT = ("name", "joint_names", "controls", "point_names")


def save(path: Path, model: Skinned, made: dict[str, Any], precision: torch.dtype = torch.float32) -> None:
    """made: how the file came to be, for people to read. precision: of the directions that vertices move in."""
    skin = model.skin
    corners, index = torch.unique(model.uv.reshape(-1, 2), dim=0, return_inverse=True)
    tensors = {
        **{name: narrow(getattr(model, name)) for name in INDICES},
        **{"template": skin.template, "joints": skin.joints, "joint_dirs": skin.joint_dirs},
        **{"shape_dirs": skin.shape_dirs.to(precision), "pose_dirs": model.pose_dirs.to(precision)},
        **{"relaxed": model.relaxed, "offsets": model.offsets},
        **{"uv": fine(corners), "uv_index": narrow(index), "iuv": fine(model.iuv)},
        **sparse("weights", skin.weights),
        **sparse("points", model.points),
    }
    about = {name: getattr(model, name) for name in ABOUT} | {"parents": skin.parents, "made": made}
    weights.write(path, about, tensors)


def load(path: Path) -> Skinned:
    about, stored = weights.read(path)
    size = len(stored["template"])
    skin = Skin(
        template=stored["template"],
        shape_dirs=stored["shape_dirs"].float(),
        joints=stored["joints"],
        joint_dirs=stored["joint_dirs"],
        weights=normal(dense("weights", stored, (size, len(stored["joints"])))),
        parents=tuple(about["parents"]),
    )
    return Skinned(
        name=about["name"],
        skin=skin,
        joint_names=tuple(about["joint_names"]),
        controls={name: tuple(joints) for name, joints in about["controls"].items()},
        point_names=tuple(about["point_names"]),
        points=normal(dense("points", stored, (len(about["point_names"]), size))),
        uv=(stored["uv"].float() / FINE)[stored["uv_index"].long()].view(-1, 3, 2),
        iuv=stored["iuv"].float() / FINE,
        relaxed=stored["relaxed"],
        offsets=stored["offsets"],
        pose_dirs=stored["pose_dirs"].float(),
        **{name: stored[name].long() for name in INDICES},
    )


def narrow(index: Int[Tensor, "*n"]) -> Integer[Tensor, "*n"]:
    """The smallest integers that hold these."""
    top = int(index.max()) if index.numel() else 0
    return index.to(torch.uint8 if top < 256 else torch.int16 if top < 32768 else torch.int32)


def fine(values: Float[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    return (values * FINE).round().to(torch.int16)


def sparse(name: str, matrix: Float[Tensor, "N M"]) -> dict[str, Tensor]:
    rows, columns = matrix.nonzero().unbind(1)
    values = matrix[rows, columns]
    return {f"{name}.rows": narrow(rows), f"{name}.columns": narrow(columns), f"{name}.values": values}


def dense(name: str, stored: dict[str, Tensor], shape: tuple[int, int]) -> Float[Tensor, "N M"]:
    matrix = torch.zeros(shape)
    matrix[stored[f"{name}.rows"].long(), stored[f"{name}.columns"].long()] = stored[f"{name}.values"]
    return matrix


def normal(matrix: Float[Tensor, "N M"]) -> Float[Tensor, "N M"]:
    return matrix / matrix.sum(1, keepdim=True)
