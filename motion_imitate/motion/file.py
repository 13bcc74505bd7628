"""Save and load a motion as an .npz of plain arrays, which numpy can edit. docs/motion-file.md lists them."""

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import (
    dtype_to_descr,
    read_array,
    read_array_header_1_0,
    read_array_header_2_0,
    read_magic,
    write_array,
    write_array_header_1_0,
)
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.files import OutputError, raise_output_errors, write_atomically
from motion_imitate.geometry.rotations import matrix_to_quaternion, quaternion_to_matrix
from motion_imitate.motion.disk_rows import CHUNK_ROWS, DiskArray, iter_row_chunks
from motion_imitate.types import Body, BodyModel, Camera, Motion, cat_batched

MOTION_FORMAT = 1
MAX_MOTION_BYTES = 4 << 30  # bytes; maximum uncompressed size
MOVING_THRESHOLD = 1e-6  # a joint whose quaternion changes less is stored once
UNIT_TOLERANCE = 0.5  # tolerated deviation of quaternions from unit length; they are normalized when read
ARRAY_LAYOUT: dict[
    str, tuple[str, tuple[str | int, ...]]
] = {  # name: (numpy kinds, axes); T frames, J joints of the model, M moving joints, 1T one row or one per frame
    "format": ("iu", ()),
    "model": ("U", ()),
    "joints": ("U", ("J",)),
    "size": ("iu", (2,)),
    "rate": ("iuf", ()),
    "title": ("U", ()),
    "origin": ("U", ()),
    "seconds": ("iuf", ("T",)),
    "confidence": ("iuf", ("T",)),
    "focal": ("iuf", ("1T", 2)),
    "centre": ("iuf", ("1T", 2)),
    "place": ("iuf", ("1T", 3)),
    "shape": ("iuf", ("1T", "S")),
    "pose": ("iuf", ("J", 4)),
    "moving": ("iu", ("M",)),
    "rotations": ("iuf", ("T", "M", 4)),
    "keypoints": ("iuf", ("T", "K", 3)),
    "shot": ("iu", ("T",)),
}
MOTION_RATE_RANGE = (0.001, 10_000)
METRIC_ARRAYS = ("focal", "centre", "place", "shape")
MAX_METRIC_VALUE = 1e6  # maximum magnitude of those
OPTIONAL_ARRAYS = ("title", "origin", "keypoints", "shot")

DISK_ARRAY_NAMES = ("rotations", "keypoints")  # kept on disk, not in memory
MotionArrays = dict[str, Any]  # numpy arrays, or DiskArray
RunArrays = dict[str, NDArray[Any]]


class BadMotion(ValueError):
    """The file is not a motion, or not one for this body model."""


@dataclass(frozen=True)
class MotionHeader:
    """What a motion file stores besides the motion."""

    model: str  # name of the body model
    joints: tuple[str, ...]  # all joints of the model, in its order
    size: tuple[int, int]  # height and width of the frames it was estimated from
    rate: float  # frames per second; `seconds` holds the exact times
    title: str = ""
    origin: str = ""  # provenance: the program and its input


def save_motion(
    path: Path, motion: Motion | Iterable[Motion], about: MotionHeader, keypoints: DiskArray | None = None
) -> None:
    """Write a motion, or its runs as they arrive, to a file; after an error no partial file is left.

    `keypoints` are image x, image y and visibility per frame, for readers of the file; they may be appended while the
    runs arrive.
    """
    turns, runs = DiskArray(), list[RunArrays]()
    for run in [motion] if isinstance(motion, Motion) else motion:
        if len(run):
            runs.append(pack_motion_run(run, about, turns))
    if not runs:
        raise BadMotion("a motion without frames can't be saved; give at least one frame")
    arrays = assemble_motion_arrays(runs, turns, about)
    if keypoints:
        arrays["keypoints"] = keypoints
    check_motion_arrays(arrays, "the motion to save")
    with (
        write_atomically(path) as part,
        raise_output_errors(path),
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file,
    ):
        for name, array in arrays.items():
            write_array_member(file, name, array)


def write_array_member(file: zipfile.ZipFile, name: str, array: NDArray[Any] | DiskArray) -> None:
    """Write one array to the .npz, in chunks if it is on disk."""
    with file.open(f"{name}.npy", "w", force_zip64=True) as member:
        if isinstance(array, DiskArray):
            kind = dtype_to_descr(array.dtype)
            write_array_header_1_0(member, {"descr": kind, "fortran_order": False, "shape": array.shape})
            for some in iter_row_chunks(array):
                member.write(some.tobytes())
        else:
            write_array(member, array, allow_pickle=False)


def pack_motion_run(run: Motion, about: MotionHeader, turns: DiskArray) -> RunArrays:
    """Arrays of one run, one row per frame. Rotations are appended to `turns`, which is kept on disk."""
    if len(about.joints) != run.body.pose.shape[1]:
        raise BadMotion(f"{len(about.joints)} joint names for {run.body.pose.shape[1]} joints; name every joint once")
    for some in torch.split(run.body.pose.detach().cpu(), CHUNK_ROWS):
        turns.append(matrix_to_quaternion(some.double()))
    metric = {"focal": run.camera.focal, "centre": run.camera.centre, "place": run.camera.place}
    return {
        "seconds": run.seconds.detach().cpu().numpy(),  # at its own precision
        "confidence": to_float32_array(run.confidence),
        "shot": run.shot.detach().cpu().numpy(),
        "shape": to_float32_array(run.body.shape),
        **{name: to_float32_array(value) for name, value in metric.items()},
    }


def assemble_motion_arrays(runs: Sequence[RunArrays], turns: DiskArray, about: MotionHeader) -> MotionArrays:
    """Assemble the file's arrays from all runs. Joints that never move are stored once, and so are constant rows."""
    rows = {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}
    if not rows["shot"].any():
        del rows["shot"]
    first, rotations = turns[:1], DiskArray()
    ever = np.zeros(turns.shape[1], bool)
    for some in iter_row_chunks(turns):
        ever |= (np.abs(align_quaternion_signs(some, first) - first) > MOVING_THRESHOLD).any((0, 2))
    moving = np.flatnonzero(ever)
    for some in iter_row_chunks(turns):
        rotations.append(some[:, moving])
    return {
        "format": np.array(MOTION_FORMAT),
        "model": np.array(about.model),
        "joints": np.array(about.joints),
        "size": np.array(about.size),
        "rate": np.array(float(about.rate)),
        "title": np.array(about.title),
        "origin": np.array(about.origin),
        **{
            name: collapse_constant_rows(row) if name in ("focal", "centre", "shape") else row
            for name, row in rows.items()
        },
        "pose": first[0],
        "moving": moving,
        "rotations": rotations,
    }


def to_float32_array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy().astype(np.float32)


def collapse_constant_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep only the first row if all rows are equal."""
    return rows[:1] if (rows == rows[:1]).all() else rows


def align_quaternion_signs(turns: NDArray[np.float32], first: NDArray[np.float32]) -> NDArray[np.float32]:
    """Flip quaternions to the sign nearer to the first frame's: q and -q are the same rotation."""
    flipped = (turns * first).sum(-1, keepdims=True) < 0
    return np.where(flipped, -turns, turns)


def load_motion(path: Path, model: BodyModel | None = None) -> tuple[Motion, MotionHeader]:
    """Read a motion file; if `model` is given, the motion must be one of that body model."""
    runs, about, _ = stream_motion(path, model)
    return cat_batched(list(runs)), about


def stream_motion(path: Path, model: BodyModel | None = None) -> tuple[Iterator[Motion], MotionHeader, int]:
    """Read a motion file in runs that take little memory; also returns the number of frames."""
    arrays = open_motion_arrays(path)
    check_motion_arrays(arrays, str(path))
    about = MotionHeader(
        model=str(arrays["model"]),
        joints=tuple(str(name) for name in arrays["joints"]),
        size=(int(arrays["size"][0]), int(arrays["size"][1])),
        rate=float(arrays["rate"]),
        title=str(arrays.get("title", "")),
        origin=str(arrays.get("origin", "")),
    )
    if model is not None:
        check_body_match(about, arrays, model, path)
    count = len(arrays["seconds"])
    runs = (read_motion_rows(arrays, slice(k, min(k + CHUNK_ROWS, count))) for k in range(0, count, CHUNK_ROWS))
    return runs, about, count


def open_motion_arrays(path: Path) -> MotionArrays:
    """Read the arrays of an .npz; raises BadMotion if it is missing, too large, damaged or holds Python objects."""
    if not path.is_file():
        raise BadMotion(f"no motion file at {path}; `motion-imitate motion extract CLIP -o {path.name}` makes one")
    try:
        with zipfile.ZipFile(path) as file:
            size = sum(member.file_size for member in file.infolist())
            if size > MAX_MOTION_BYTES:
                raise BadMotion(
                    f"{path} unpacks to {size >> 20} MiB, over the limit of {MAX_MOTION_BYTES >> 20}; shorten it"
                )
            names = [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]
            return {name: read_array_member(file, name) for name in names}
    except (BadMotion, OutputError):
        raise
    except PermissionError:
        raise BadMotion(f"{path} may not be read; change its permissions, or copy it") from None
    except Exception as error:
        raise BadMotion(
            f"{path} is damaged or not an .npz of plain arrays ({first_error_line(error)}); extract the motion again"
        ) from None


def read_array_member(file: zipfile.ZipFile, name: str) -> NDArray[Any] | DiskArray:
    """Read one array; large ones are copied to disk in chunks."""
    heads = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}
    with file.open(f"{name}.npy") as member:
        shape, columns_first, kind = heads[read_magic(member)](member)
        if name in DISK_ARRAY_NAMES and shape and not columns_first and not kind.hasobject:
            rows, size = DiskArray(kind), kind.itemsize * prod(shape[1:])
            for k in range(0, max(1, shape[0]), CHUNK_ROWS):
                some = (min(CHUNK_ROWS, shape[0] - k), *shape[1:])
                rows.append(np.ndarray(some, kind, member.read(some[0] * size)))
            return rows
        member.seek(0)
        whole: NDArray[Any] = read_array(member, allow_pickle=False)
        return whole


def first_error_line(error: Exception) -> str:
    """The first line of an error's message, shortened."""
    return (str(error).splitlines() or [type(error).__name__])[0][:100]


def check_motion_arrays(arrays: MotionArrays, what: str) -> None:
    """Raise BadMotion unless every required array is there, has the right type and shape, and holds valid values."""
    found: dict[str, int] = {}
    for name, (kinds, axes) in ARRAY_LAYOUT.items():
        if name not in arrays and name in OPTIONAL_ARRAYS:
            continue
        if name not in arrays:
            raise BadMotion(f"{what} has no array {name!r}; docs/motion-file.md lists the arrays of a motion file")
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != len(axes):
            raise BadMotion(
                f"{what}: {name} is {array.dtype} {list(array.shape)}; it must be {describe_array_layout(name)}"
            )
        for axis, length in zip(axes, array.shape, strict=True):
            if not axis_length_agrees(axis, length, found):
                raise BadMotion(
                    f"{what}: {name} has shape {list(array.shape)}; "
                    f"it must be {describe_array_layout(name)} and agree with the other arrays"
                )
        if array.dtype.kind == "f" and not all(np.isfinite(some).all() for some in iter_array_chunks(array)):
            raise BadMotion(f"{what}: {name} holds NaN or infinity; every number must be finite")
    check_motion_values(arrays, what)


def axis_length_agrees(axis: str | int, length: int, found: dict[str, int]) -> bool:
    """Whether an axis has the required length; a named axis takes its length from the first array that has it."""
    if isinstance(axis, int):
        return length == axis
    if axis == "1T":
        return length in (1, found["T"])
    return found.setdefault(axis, length) == length


def describe_array_layout(name: str) -> str:
    """An array's required type and shape as text, for error messages."""
    kinds, axes = ARRAY_LAYOUT[name]
    kind = {"iu": "integers", "U": "text", "iuf": "numbers"}[kinds]
    return f"{kind} [{', '.join(str(axis).replace('1T', '1 or T') for axis in axes)}]"


def check_motion_values(arrays: MotionArrays, what: str) -> None:
    """Raise BadMotion if the values cannot be those of a motion."""
    moving, seconds = arrays["moving"].astype(int), arrays["seconds"]
    turns = (some.astype(np.float64) for name in ("pose", "rotations") for some in iter_array_chunks(arrays[name]))
    faults = {
        f"format {arrays['format']}; this version reads format {MOTION_FORMAT}": int(arrays["format"]) != MOTION_FORMAT,
        "no frames; give at least one": len(seconds) == 0,
        "seconds that do not increase; each must be later than the one before": bool((np.diff(seconds) <= 0).any()),
        f"a rate outside {MOTION_RATE_RANGE[0]} to {MOTION_RATE_RANGE[1]} frames per second": not MOTION_RATE_RANGE[0]
        <= arrays["rate"]
        <= MOTION_RATE_RANGE[1],
        f"numbers beyond {MAX_METRIC_VALUE:.0e}": any(
            (np.abs(arrays[name]) > MAX_METRIC_VALUE).any() for name in METRIC_ARRAYS
        ),
        "a size that is not above 0 pixels": not (arrays["size"] > 0).all(),
        "a focal length that is not above 0": not (arrays["focal"] > 0).all(),
        "confidence outside 0 to 1": not ((arrays["confidence"] >= 0) & (arrays["confidence"] <= 1)).all(),
        f"moving joints outside 0 to {len(arrays['joints']) - 1} or named twice": len(set(moving)) < len(moving)
        or not set(moving) <= set(range(len(arrays["joints"]))),
        "quaternions far from unit length": any(
            (abs(np.linalg.norm(some, axis=-1) - 1) > UNIT_TOLERANCE).any() for some in turns
        ),
    }
    for fault, there in faults.items():
        if there:
            raise BadMotion(f"{what} has {fault}")


def iter_array_chunks(array: NDArray[Any] | DiskArray) -> Iterator[NDArray[Any]]:
    """The array in chunks if it is on disk, otherwise whole."""
    return iter_row_chunks(array) if isinstance(array, DiskArray) else iter([array])


def check_body_match(about: MotionHeader, arrays: MotionArrays, model: BodyModel, path: Path) -> None:
    """Raise BadMotion if the file's motion is not one of this body model."""
    if about.model != model.name:
        raise BadMotion(
            f"{path} is a motion of the body {about.model!r}, not {model.name!r}; load it with --body {about.model}"
        )
    numbers = model.skin.shape_dirs.shape[0]
    if about.joints != model.joint_names or arrays["shape"].shape[1] != numbers:
        raise BadMotion(
            f"{path} was made with another version of the body {model.name!r}: its joints or their order differ, "
            f"or its shape does not have {numbers} numbers; extract it again"
        )


def read_motion_rows(arrays: MotionArrays, rows: slice) -> Motion:
    """Build the motion of a slice of frames."""
    count = rows.stop - rows.start

    def tensor(name: str) -> Tensor:
        given = arrays[name]
        whole = ARRAY_LAYOUT[name][1][0] == "1T" and len(given) == 1
        values = torch.from_numpy(np.ascontiguousarray(given if whole else given[rows], dtype=np.float32))
        return values.expand(count, -1).clone() if whole else values.clone()

    pose = np.repeat(arrays["pose"][None].astype(np.float64), count, 0)
    pose[:, arrays["moving"].astype(int)] = arrays["rotations"][rows]
    seconds = arrays["seconds"][rows]
    seconds = seconds.astype(np.float32 if seconds.dtype.itemsize < 8 else np.float64)
    camera = Camera(tensor("focal"), tensor("centre"), tensor("place"))
    body = Body(quaternion_to_matrix(torch.from_numpy(pose)).float(), tensor("shape"))
    motion = Motion(body, camera, tensor("confidence"), torch.from_numpy(seconds))
    shot = arrays.get("shot")
    return motion if shot is None else replace(motion, shot=torch.from_numpy(shot[rows].astype(np.int64)))
