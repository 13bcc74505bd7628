"""Convert SMPL files. This is the only place where anything is unpickled, and only plain arrays are accepted."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from motion_imitate.bodies import stored
from motion_imitate.bodies.smpl import SMPL_JOINTS, build_smpl

SMPL_SHAPE_COUNT = 10  # shape numbers kept, of SMPL's up to 300
RECORD_PACKAGES = ("chumpy", "scipy")  # packages whose objects are read as records, without importing the packages
SMPL_URL = "https://smpl.is.tue.mpg.de"


def convert_smpl_file(source: Path, out: Path) -> None:
    """Convert SMPL's own .pkl or .npz to a body model file."""
    parts = check_smpl_arrays(read_smpl_arrays(source), source)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(a, np.float32)) for name, a in parts.items()}
    model = build_smpl(
        template=tensors["v_template"],
        shape_dirs=tensors["shapedirs"].permute(2, 0, 1)[:SMPL_SHAPE_COUNT],
        pose_dirs=tensors["posedirs"].permute(2, 0, 1),
        regressor=tensors["J_regressor"],
        weights=tensors["weights"],
        parents=(-1, *(int(p) for p in parts["kintree_table"][0][1:])),
        faces=torch.from_numpy(parts["f"].astype(np.int64)),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    stored.write_body_file(
        out, model, {"from": source.name, "licence": f"SMPL's own, see {SMPL_URL}; not to be passed on"}
    )


def read_smpl_arrays(source: Path) -> dict[str, Any]:
    """SMPL's arrays in a file, by name."""
    if not source.exists():
        raise FileNotFoundError(f"no file {source}; get SMPL_NEUTRAL.pkl from {SMPL_URL}")
    return read_npz_arrays(source) if source.suffix == ".npz" else unpickle_smpl_arrays(source)


def read_npz_arrays(source: Path) -> dict[str, Any]:
    """SMPL's arrays in an .npz file."""
    try:
        with np.load(source, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name in SMPL_ARRAY_SHAPES}
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{source} is not an .npz of plain arrays ({error}); convert the .pkl instead") from None


class PickledRecord:
    """Stands in for an object of a foreign package: keeps its state and runs none of its code."""

    def __new__(cls, *_: Any) -> "PickledRecord":
        return object.__new__(cls)

    def __init__(self, *_: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


def rebuild_record(cls: Any, base: Any, state: Any) -> PickledRecord:
    """Stands in for `copyreg._reconstructor`, which Python 2 pickles call; accepts records only."""
    if cls is not PickledRecord:
        raise pickle.UnpicklingError("an object that is not an array")
    return PickledRecord()


def encode_latin1(text: str, encoding: str = "latin1") -> bytes:
    """Stands in for `codecs.encode`, by which Python 3 pickles bytes for Python 2."""
    return text.encode("latin1")


NUMPY_CONSTRUCTORS = {"_reconstruct": np.empty(0).__reduce__()[0], "scalar": np.float64(0).__reduce__()[0]}
ALLOWED_GLOBALS: dict[tuple[str, str], Any] = {
    **{("numpy.core.multiarray", name): value for name, value in NUMPY_CONSTRUCTORS.items()},
    **{("numpy._core.multiarray", name): value for name, value in NUMPY_CONSTRUCTORS.items()},
    **{("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype, ("_codecs", "encode"): encode_latin1},
    **{("copy_reg", "_reconstructor"): rebuild_record, ("copyreg", "_reconstructor"): rebuild_record},
    **{("__builtin__", "object"): object, ("builtins", "object"): object},
}


class ArrayUnpickler(pickle.Unpickler):
    """Accepts arrays and records; refuses any other name in the file before it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ALLOWED_GLOBALS:
            return ALLOWED_GLOBALS[module, name]
        if module.split(".")[0] in RECORD_PACKAGES:
            return PickledRecord
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def unpickle_smpl_arrays(source: Path) -> dict[str, Any]:
    """SMPL's arrays in a pickle file."""
    try:
        with source.open("rb") as file:
            found = ArrayUnpickler(file, encoding="latin1").load()
        return {name: record_to_array(found[name]) for name in SMPL_ARRAY_SHAPES if name in found}
    except Exception as error:  # a hostile or broken file may raise anything
        raise ValueError(
            f"{source} is not a file of plain arrays and was not loaded ({error}); get SMPL_NEUTRAL.pkl from {SMPL_URL}"
        ) from None


def record_to_array(value: Any) -> Any:
    """The array inside a record of chumpy or scipy."""
    if not isinstance(value, PickledRecord):
        return value
    state = value.state
    if "indptr" in state:
        return sparse_record_to_dense(state)
    if "idxs" in state:  # a chumpy selection of another array's elements
        return record_to_array(state["a"]).ravel()[record_to_array(state["idxs"])].reshape(state["preferred_shape"])
    return record_to_array(state.get("x"))


def sparse_record_to_dense(state: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The dense matrix of a compressed sparse one, by columns or by rows."""
    rows, columns = state.get("_shape") or state["shape"]
    matrix = np.zeros((rows, columns))
    runs = np.repeat(np.arange(len(state["indptr"]) - 1), np.diff(state["indptr"]))
    at = (state["indices"], runs) if len(state["indptr"]) == columns + 1 else (runs, state["indices"])
    np.add.at(matrix, at, state["data"])
    return matrix


SMPL_ARRAY_SHAPES = {  # V is the number of vertices; None matches any size
    "v_template": ("V", 3),
    "shapedirs": ("V", 3, None),
    "posedirs": ("V", 3, 9 * (len(SMPL_JOINTS) - 1)),
    "J_regressor": (len(SMPL_JOINTS), "V"),
    "weights": ("V", len(SMPL_JOINTS)),
    "kintree_table": (2, len(SMPL_JOINTS)),
    "f": (None, 3),
}


def check_smpl_arrays(arrays: dict[str, Any], source: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays, once verified to be complete, numeric, of matching shapes, and with every joint after its parent."""
    count = len(arrays["v_template"]) if is_numeric_array(arrays.get("v_template")) else None
    for name, shape in SMPL_ARRAY_SHAPES.items():
        wanted = tuple(count if n == "V" else n for n in shape)
        given = arrays[name].shape if is_numeric_array(arrays.get(name)) else ()
        if len(given) != len(wanted) or any(w not in (None, g) for w, g in zip(wanted, given, strict=True)):
            raise ValueError(
                f"{source} has {name} of shape {given}; it must be {wanted}; get SMPL_NEUTRAL.pkl from {SMPL_URL}"
            )
    above = arrays["kintree_table"][0][1:]
    if any(not 0 <= p <= j for j, p in enumerate(above)) or not 0 <= arrays["f"].min() <= arrays["f"].max() < count:
        raise ValueError(f"{source} refers to joints or vertices that it lacks; get SMPL_NEUTRAL.pkl from {SMPL_URL}")
    return arrays


def is_numeric_array(value: Any) -> bool:
    """Whether the value is an array of integers or floats."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu"
