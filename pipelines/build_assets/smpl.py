"""Other people's files made ours. The only place where anything is unpickled, and then only plain arrays are."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from motion_imitate.bodies import stored
from motion_imitate.bodies.smpl import JOINTS, build

SHAPES = 10  # shape numbers kept of SMPL's up to 300
FOREIGN = ("chumpy", "scipy")  # packages whose objects are read as plain records, without the packages
WHERE = "https://smpl.is.tue.mpg.de"


def smpl(source: Path, out: Path) -> None:
    """A body model from SMPL's own .pkl or .npz."""
    parts = checked(contents(source), source)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(a, np.float32)) for name, a in parts.items()}
    model = build(
        template=tensors["v_template"],
        shape_dirs=tensors["shapedirs"].permute(2, 0, 1)[:SHAPES],
        pose_dirs=tensors["posedirs"].permute(2, 0, 1),
        regressor=tensors["J_regressor"],
        weights=tensors["weights"],
        parents=(-1, *(int(p) for p in parts["kintree_table"][0][1:])),
        faces=torch.from_numpy(parts["f"].astype(np.int64)),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    stored.save(out, model, {"from": source.name, "licence": f"SMPL's own, see {WHERE}; not to be passed on"})


def contents(source: Path) -> dict[str, Any]:
    """SMPL's arrays in a file, by name."""
    if not source.exists():
        raise FileNotFoundError(f"no file {source}; get SMPL_NEUTRAL.pkl from {WHERE}")
    return arrays_of(source) if source.suffix == ".npz" else unpickled(source)


def arrays_of(source: Path) -> dict[str, Any]:
    try:
        with np.load(source, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name in SHAPE}
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{source} is not an .npz of plain arrays ({error}); convert the .pkl instead") from None


class Record:
    """An object of a package that is not asked for: its state is kept, none of its code exists here."""

    def __new__(cls, *_: Any) -> "Record":
        return object.__new__(cls)

    def __init__(self, *_: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


def rebuilt(cls: Any, base: Any, state: Any) -> Record:
    """What Python 2 pickles call for objects, for records alone."""
    if cls is not Record:
        raise pickle.UnpicklingError("an object that is no array")
    return Record()


def encoded(text: str, encoding: str = "latin1") -> bytes:
    """How Python 3 writes bytes for Python 2."""
    return text.encode("latin1")


NUMPY = {"_reconstruct": np.empty(0).__reduce__()[0], "scalar": np.float64(0).__reduce__()[0]}
ALLOWED: dict[tuple[str, str], Any] = {
    **{("numpy.core.multiarray", name): value for name, value in NUMPY.items()},
    **{("numpy._core.multiarray", name): value for name, value in NUMPY.items()},
    **{("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype, ("_codecs", "encode"): encoded},
    **{("copy_reg", "_reconstructor"): rebuilt, ("copyreg", "_reconstructor"): rebuilt},
    **{("__builtin__", "object"): object, ("builtins", "object"): object},
}


class Unpickler(pickle.Unpickler):
    """Knows arrays and records; whatever else a file names is refused before it is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        if module.split(".")[0] in FOREIGN:
            return Record
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def unpickled(source: Path) -> dict[str, Any]:
    try:
        with source.open("rb") as file:
            found = Unpickler(file, encoding="latin1").load()
        return {name: plain(found[name]) for name in SHAPE if name in found}
    except Exception as error:  # a hostile or broken file may raise anything
        raise ValueError(
            f"{source} is not a file of plain arrays and was not loaded ({error}); get SMPL_NEUTRAL.pkl from {WHERE}"
        ) from None


def plain(value: Any) -> Any:
    """Arrays out of records of chumpy and scipy."""
    if not isinstance(value, Record):
        return value
    state = value.state
    if "indptr" in state:
        return dense(state)
    if "idxs" in state:  # chumpy's selection of another array's elements
        return plain(state["a"]).ravel()[plain(state["idxs"])].reshape(state["preferred_shape"])
    return plain(state.get("x"))


def dense(state: dict[str, Any]) -> np.ndarray[Any, Any]:
    """A compressed sparse matrix, by columns or by rows."""
    rows, columns = state.get("_shape") or state["shape"]
    matrix = np.zeros((rows, columns))
    runs = np.repeat(np.arange(len(state["indptr"]) - 1), np.diff(state["indptr"]))
    at = (state["indices"], runs) if len(state["indptr"]) == columns + 1 else (runs, state["indices"])
    np.add.at(matrix, at, state["data"])
    return matrix


SHAPE = {  # of V vertices, J joints, F faces; None is free
    "v_template": ("V", 3),
    "shapedirs": ("V", 3, None),
    "posedirs": ("V", 3, 9 * (len(JOINTS) - 1)),
    "J_regressor": (len(JOINTS), "V"),
    "weights": ("V", len(JOINTS)),
    "kintree_table": (2, len(JOINTS)),
    "f": (None, 3),
}


def checked(arrays: dict[str, Any], source: Path) -> dict[str, np.ndarray[Any, Any]]:
    """SMPL's arrays, all there, of numbers, of shapes that fit each other; every joint after its parent."""
    count = len(arrays["v_template"]) if is_numbers(arrays.get("v_template")) else None
    for name, shape in SHAPE.items():
        wanted = tuple(count if n == "V" else n for n in shape)
        given = arrays[name].shape if is_numbers(arrays.get(name)) else ()
        if len(given) != len(wanted) or any(w not in (None, g) for w, g in zip(wanted, given, strict=True)):
            raise ValueError(
                f"{source} has {name} of shape {given}, SMPL has {wanted}; get SMPL_NEUTRAL.pkl from {WHERE}"
            )
    above = arrays["kintree_table"][0][1:]
    if any(not 0 <= p <= j for j, p in enumerate(above)) or not 0 <= arrays["f"].min() <= arrays["f"].max() < count:
        raise ValueError(f"{source} names joints or vertices that it has not; get SMPL_NEUTRAL.pkl from {WHERE}")
    return arrays


def is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu"
