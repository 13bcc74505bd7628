"""Save a skinned body as a small file: sparse matrices and narrow number types."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from motion_imitate import weights
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.types import Skin

INT16_STEPS = 32767  # quantization steps of [0, 1] in int16
INDEX_FIELDS = (
    *("faces", "parts", "mirror_vertices", "mirror_faces", "mirror_joints"),
    *("offset_joints", "proxy_vertices", "proxy_faces"),
)
HEADER_FIELDS = ("name", "joint_names", "controls", "point_names")


def write_body_file(
    path: Path, model: SkinnedBody, made: dict[str, Any], precision: torch.dtype = torch.float32
) -> None:
    """Write a body model. made: provenance, for people to read. precision: of the shape and pose directions."""
    skin = model.skin
    corners, index = torch.unique(model.uv.reshape(-1, 2), dim=0, return_inverse=True)
    tensors = {
        **{name: narrow_integers(getattr(model, name)) for name in INDEX_FIELDS},
        **{"template": skin.template, "joints": skin.joints, "joint_dirs": skin.joint_dirs},
        **{"shape_dirs": skin.shape_dirs.to(precision), "pose_dirs": model.pose_dirs.to(precision)},
        **{"relaxed": model.relaxed, "offsets": model.offsets},
        **{"uv": quantize_to_int16(corners), "uv_index": narrow_integers(index), "iuv": quantize_to_int16(model.iuv)},
        **pack_sparse_matrix("weights", skin.weights),
        **pack_sparse_matrix("points", model.points),
    }
    about = {name: getattr(model, name) for name in HEADER_FIELDS} | {"parents": skin.parents, "made": made}
    weights.write_weights(path, about, tensors)


def read_body_file(path: Path) -> SkinnedBody:
    """Read a body model written by `write_body_file`."""
    about, stored = weights.read_weights(path)
    size = len(stored["template"])
    skin = Skin(
        template=stored["template"],
        shape_dirs=stored["shape_dirs"].float(),
        joints=stored["joints"],
        joint_dirs=stored["joint_dirs"],
        weights=normalize_matrix_rows(unpack_sparse_matrix("weights", stored, (size, len(stored["joints"])))),
        parents=tuple(about["parents"]),
    )
    return SkinnedBody(
        name=about["name"],
        skin=skin,
        joint_names=tuple(about["joint_names"]),
        controls={name: tuple(joints) for name, joints in about["controls"].items()},
        point_names=tuple(about["point_names"]),
        points=normalize_matrix_rows(unpack_sparse_matrix("points", stored, (len(about["point_names"]), size))),
        uv=(stored["uv"].float() / INT16_STEPS)[stored["uv_index"].long()].view(-1, 3, 2),
        iuv=stored["iuv"].float() / INT16_STEPS,
        relaxed=stored["relaxed"],
        offsets=stored["offsets"],
        pose_dirs=stored["pose_dirs"].float(),
        **{name: stored[name].long() for name in INDEX_FIELDS},
    )


def narrow_integers(index: Int[Tensor, "*n"]) -> Integer[Tensor, "*n"]:
    """Convert to the smallest integer type that holds the values."""
    top = int(index.max()) if index.numel() else 0
    return index.to(torch.uint8 if top < 256 else torch.int16 if top < 32768 else torch.int32)


def quantize_to_int16(values: Float[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    """Quantize values in [0, 1] to int16."""
    return (values * INT16_STEPS).round().to(torch.int16)


def pack_sparse_matrix(name: str, matrix: Float[Tensor, "N M"]) -> dict[str, Tensor]:
    """Rows, columns and values of the non-zero entries, under names that start with `name`."""
    rows, columns = matrix.nonzero().unbind(1)
    values = matrix[rows, columns]
    return {
        f"{name}.rows": narrow_integers(rows),
        f"{name}.columns": narrow_integers(columns),
        f"{name}.values": values,
    }


def unpack_sparse_matrix(name: str, stored: dict[str, Tensor], shape: tuple[int, int]) -> Float[Tensor, "N M"]:
    """The dense matrix that `pack_sparse_matrix` stored."""
    matrix = torch.zeros(shape)
    matrix[stored[f"{name}.rows"].long(), stored[f"{name}.columns"].long()] = stored[f"{name}.values"]
    return matrix


def normalize_matrix_rows(matrix: Float[Tensor, "N M"]) -> Float[Tensor, "N M"]:
    """Scale each row to sum to 1."""
    return matrix / matrix.sum(1, keepdim=True)
