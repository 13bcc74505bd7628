"""A motion as a file of plain arrays: extracted once, edited with numpy, replayed. docs/motion-file.md lists them."""

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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

from motion_imitate.files import OutputError, replaced, trouble
from motion_imitate.geometry.rotations import from_quaternions, to_quaternions
from motion_imitate.motion.disk_rows import STRETCH, Rows, stretches
from motion_imitate.types import Body, BodyModel, Camera, Motion, cat

FORMAT = 1
LARGEST = 4 << 30  # bytes a file may unpack to
MOVES = 1e-6  # a joint whose quaternion changes less is stored once
WHOLE = 0.5  # quaternions may be so much shorter or longer than 1, as averaging leaves them; they are made whole again
LAYOUT: dict[
    str, tuple[str, tuple[str | int, ...]]
] = {  # name: (numpy kinds, axes); T frames, J joints of the model, M of them that move, 1T one row or one a frame
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
}
RATES = (0.001, 10_000)
METRIC = ("focal", "centre", "place", "shape")
FAR = 1e6  # of those; a body farther away, or stranger, cannot be computed with
OPTIONAL = ("title", "origin", "keypoints")

LARGE = ("rotations", "keypoints")  # which memory need not hold
Arrays = dict[str, Any]  # numpy's, or Rows
Small = dict[str, NDArray[Any]]


class BadMotion(ValueError):
    """A file that is not a motion, or not one for this body."""


@dataclass(frozen=True)
class About:
    """What a motion file says besides the motion."""

    model: str  # name of the body model
    joints: tuple[str, ...]  # of that model, all, in its order
    size: tuple[int, int]  # height and width of the pictures it was seen in
    rate: float  # frames a second; `seconds` has the exact times
    title: str = ""
    origin: str = ""  # what made it, from what


def save(path: Path, motion: Motion | Iterable[Motion], about: About, keypoints: Rows | None = None) -> None:
    """Whole or not at all; a motion may come in runs. `keypoints` are image x, image y and visibility, for whoever
    opens the file; they may come while the motion does."""
    turns, runs = Rows(), list[Small]()
    for run in [motion] if isinstance(motion, Motion) else motion:
        if len(run):
            runs.append(brought(run, about, turns))
    if not runs:
        raise BadMotion("a motion without frames can't be saved; give one of at least one frame")
    arrays = written(runs, turns, about)
    if keypoints:
        arrays["keypoints"] = keypoints
    checked(arrays, "the motion to save")
    with replaced(path) as part, trouble(path), zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in arrays.items():
            packed(file, name, array)


def packed(file: zipfile.ZipFile, name: str, array: NDArray[Any] | Rows) -> None:
    with file.open(f"{name}.npy", "w", force_zip64=True) as member:
        if isinstance(array, Rows):
            kind = dtype_to_descr(array.dtype)
            write_array_header_1_0(member, {"descr": kind, "fortran_order": False, "shape": array.shape})
            for some in stretches(array):
                member.write(some.tobytes())
        else:
            write_array(member, array, allow_pickle=False)


def brought(run: Motion, about: About, turns: Rows) -> Small:
    """A run as it is stored, a row a frame; its turns, which are many, are put with the others."""
    if len(about.joints) != run.body.pose.shape[1]:
        raise BadMotion(f"{len(about.joints)} joint names for {run.body.pose.shape[1]} joints; name every joint once")
    for some in torch.split(run.body.pose.detach().cpu(), STRETCH):
        turns.append(to_quaternions(some.double()))
    metric = {"focal": run.camera.focal, "centre": run.camera.centre, "place": run.camera.place}
    return {
        "seconds": run.seconds.detach().cpu().numpy(),  # in the precision it has
        "confidence": plain(run.confidence),
        "shape": plain(run.body.shape),
        **{name: plain(value) for name, value in metric.items()},
    }


def written(runs: Sequence[Small], turns: Rows, about: About) -> Arrays:
    rows = {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}
    first, rotations = turns[:1], Rows()
    ever = np.zeros(turns.shape[1], bool)
    for some in stretches(turns):
        ever |= (np.abs(same_side(some, first) - first) > MOVES).any((0, 2))
    moving = np.flatnonzero(ever)
    for some in stretches(turns):
        rotations.append(some[:, moving])
    return {
        "format": np.array(FORMAT),
        "model": np.array(about.model),
        "joints": np.array(about.joints),
        "size": np.array(about.size),
        "rate": np.array(float(about.rate)),
        "title": np.array(about.title),
        "origin": np.array(about.origin),
        **{name: once(row) if name in ("focal", "centre", "shape") else row for name, row in rows.items()},
        "pose": first[0],
        "moving": moving,
        "rotations": rotations,
    }


def plain(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy().astype(np.float32)


def once(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows[:1] if (rows == rows[:1]).all() else rows


def same_side(turns: NDArray[np.float32], first: NDArray[np.float32]) -> NDArray[np.float32]:
    """q and -q are one turn; of the two, the one nearer to the first frame's."""
    flipped = (turns * first).sum(-1, keepdims=True) < 0
    return np.where(flipped, -turns, turns)


def load(path: Path, model: BodyModel | None = None) -> tuple[Motion, About]:
    """The motion in a file; if a model is given, one of that model."""
    runs, about, _ = stream(path, model)
    return cat(list(runs)), about


def stream(path: Path, model: BodyModel | None = None) -> tuple[Iterator[Motion], About, int]:
    """The same in runs, of which little takes room at a time, and the number of frames."""
    arrays = opened(path)
    checked(arrays, str(path))
    about = About(
        model=str(arrays["model"]),
        joints=tuple(str(name) for name in arrays["joints"]),
        size=(int(arrays["size"][0]), int(arrays["size"][1])),
        rate=float(arrays["rate"]),
        title=str(arrays.get("title", "")),
        origin=str(arrays.get("origin", "")),
    )
    if model is not None:
        fits(about, arrays, model, path)
    count = len(arrays["seconds"])
    runs = (read(arrays, slice(k, min(k + STRETCH, count))) for k in range(0, count, STRETCH))
    return runs, about, count


def opened(path: Path) -> Arrays:
    if not path.is_file():
        raise BadMotion(f"no motion file at {path}; `motion-imitate motion extract CLIP -o {path.name}` makes one")
    try:
        with zipfile.ZipFile(path) as file:
            size = sum(member.file_size for member in file.infolist())
            if size > LARGEST:
                raise BadMotion(f"{path} unpacks to {size >> 20} MiB; a motion file may hold {LARGEST >> 20}")
            names = [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]
            return {name: unpacked(file, name) for name in names}
    except (BadMotion, OutputError):
        raise
    except PermissionError:
        raise BadMotion(f"{path} may not be read; give yourself the right to, or copy it") from None
    except Exception as error:
        raise BadMotion(
            f"{path} is damaged or no .npz of plain arrays ({brief(error)}); extract the motion again"
        ) from None


def unpacked(file: zipfile.ZipFile, name: str) -> NDArray[Any] | Rows:
    heads = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}
    with file.open(f"{name}.npy") as member:
        shape, columns_first, kind = heads[read_magic(member)](member)
        if name in LARGE and shape and not columns_first and not kind.hasobject:
            rows, size = Rows(kind), kind.itemsize * prod(shape[1:])
            for k in range(0, max(1, shape[0]), STRETCH):
                some = (min(STRETCH, shape[0] - k), *shape[1:])
                rows.append(np.ndarray(some, kind, member.read(some[0] * size)))
            return rows
        member.seek(0)
        whole: NDArray[Any] = read_array(member, allow_pickle=False)
        return whole


def brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]


def checked(arrays: Arrays, what: str) -> None:
    """Every array there, of its kind and shape, finite, and telling of a motion that can be."""
    found: dict[str, int] = {}
    for name, (kinds, axes) in LAYOUT.items():
        if name not in arrays and name in OPTIONAL:
            continue
        if name not in arrays:
            raise BadMotion(f"{what} has no array {name!r}; docs/motion-file.md lists what a motion file holds")
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != len(axes):
            raise BadMotion(f"{what}: {name} is {array.dtype} {list(array.shape)}; it must be {wording(name)}")
        for axis, length in zip(axes, array.shape, strict=True):
            if not agrees(axis, length, found):
                raise BadMotion(
                    f"{what}: {name} has shape {list(array.shape)}; it must be {wording(name)}, as elsewhere"
                )
        if array.dtype.kind == "f" and not all(np.isfinite(some).all() for some in parts(array)):
            raise BadMotion(f"{what}: {name} holds NaN or infinity; every number must be finite")
    sensible(arrays, what)


def agrees(axis: str | int, length: int, found: dict[str, int]) -> bool:
    if isinstance(axis, int):
        return length == axis
    if axis == "1T":
        return length in (1, found["T"])
    return found.setdefault(axis, length) == length


def wording(name: str) -> str:
    kinds, axes = LAYOUT[name]
    kind = {"iu": "integers", "U": "text", "iuf": "numbers"}[kinds]
    return f"{kind} [{', '.join(str(axis).replace('1T', '1 or T') for axis in axes)}]"


def sensible(arrays: Arrays, what: str) -> None:
    moving, seconds = arrays["moving"].astype(int), arrays["seconds"]
    turns = (some.astype(np.float64) for name in ("pose", "rotations") for some in parts(arrays[name]))
    faults = {
        f"format {arrays['format']}; this version reads format {FORMAT}": int(arrays["format"]) != FORMAT,
        "no frames; give at least one": len(seconds) == 0,
        "seconds that do not grow; each must be later than the one before": bool((np.diff(seconds) <= 0).any()),
        f"a rate outside {RATES[0]} to {RATES[1]} frames a second": not RATES[0] <= arrays["rate"] <= RATES[1],
        f"numbers beyond {FAR:.0e}": any((np.abs(arrays[name]) > FAR).any() for name in METRIC),
        "a size that is not above 0 pixels": not (arrays["size"] > 0).all(),
        "a focal length that is not above 0": not (arrays["focal"] > 0).all(),
        "confidence outside 0 to 1": not ((arrays["confidence"] >= 0) & (arrays["confidence"] <= 1)).all(),
        f"moving joints outside 0 to {len(arrays['joints']) - 1} or named twice": len(set(moving)) < len(moving)
        or not set(moving) <= set(range(len(arrays["joints"]))),
        "quaternions far from unit length": any(
            (abs(np.linalg.norm(some, axis=-1) - 1) > WHOLE).any() for some in turns
        ),
    }
    for fault, there in faults.items():
        if there:
            raise BadMotion(f"{what} has {fault}")


def parts(array: NDArray[Any] | Rows) -> Iterator[NDArray[Any]]:
    return stretches(array) if isinstance(array, Rows) else iter([array])


def fits(about: About, arrays: Arrays, model: BodyModel, path: Path) -> None:
    if about.model != model.name:
        raise BadMotion(f"{path} moves the body {about.model!r}, not {model.name!r}; load it with --body {about.model}")
    numbers = model.skin.shape_dirs.shape[0]
    if about.joints != model.joint_names or arrays["shape"].shape[1] != numbers:
        raise BadMotion(
            f"{path} was made with another version of the body {model.name!r}: its joints are others, or in another "
            f"order, or its shape has other than {numbers} numbers; extract it again"
        )


def read(arrays: Arrays, rows: slice) -> Motion:
    """Some frames."""
    count = rows.stop - rows.start

    def tensor(name: str) -> Tensor:
        given = arrays[name]
        whole = LAYOUT[name][1][0] == "1T" and len(given) == 1
        values = torch.from_numpy(np.ascontiguousarray(given if whole else given[rows], dtype=np.float32))
        return values.expand(count, -1).clone() if whole else values.clone()

    pose = np.repeat(arrays["pose"][None].astype(np.float64), count, 0)
    pose[:, arrays["moving"].astype(int)] = arrays["rotations"][rows]
    seconds = arrays["seconds"][rows]
    seconds = seconds.astype(np.float32 if seconds.dtype.itemsize < 8 else np.float64)
    camera = Camera(tensor("focal"), tensor("centre"), tensor("place"))
    body = Body(from_quaternions(torch.from_numpy(pose)).float(), tensor("shape"))
    return Motion(body, camera, tensor("confidence"), torch.from_numpy(seconds))
