"""What a .tflite file says: a graph of operations and its weights. Reads the flatbuffer itself, no schema is needed."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_, 9: np.int8}
OPERATIONS = {  # those that our networks are made of
    0: "add",
    2: "concatenate",
    3: "convolve",
    4: "convolve_depthwise",
    5: "depth_to_space",
    6: "dequantize",
    14: "sigmoid",
    17: "max_pool",
    19: "relu",
    22: "reshape",
    23: "resize",
    34: "pad",
    54: "prelu",
    124: "densify",
}
INDICES: dict[int, type[np.generic]] = {1: np.int32, 2: np.uint16, 3: np.uint8}
WINDOW = ("padding", "stride_x", "stride_y")
OPTIONS: dict[str, tuple[str, ...]] = {  # the fields of each operation's options, in the order of the schema
    "add": ("activation",),
    "concatenate": ("axis", "activation"),
    "convolve": (*WINDOW, "activation", "dilation_x", "dilation_y"),
    "convolve_depthwise": (*WINDOW, "multiplier", "activation", "dilation_x", "dilation_y"),
    "depth_to_space": ("block",),
    "max_pool": (*WINDOW, "width", "height", "activation"),
    "resize": ("", "", "align_corners", "half_pixels"),
}
BYTES = {"padding", "activation", "align_corners", "half_pixels"}  # the others are int32
ONE = {"dilation_x", "dilation_y"}  # default 1, the others 0


@dataclass(frozen=True)
class Step:
    operation: str
    inputs: tuple[int, ...]  # numbers of tensors, -1 for one left out
    output: int
    options: dict[str, int]


@dataclass(frozen=True)
class Graph:
    """Steps in running order. Images are laid out [1, H, W, C]; constants are as in the file, but dense and float32."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: tuple[Step, ...]
    constants: dict[int, Array]
    shapes: dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Table:
    """A flatbuffer's table: numbered fields, each of which may be left out."""

    data: bytes
    at: int

    def where(self, field: int) -> int:
        """Where the field's value stands; 0 if it was left out."""
        names = self.at - self._get("i", self.at)
        if 4 + 2 * field >= self._get("H", names):
            return 0
        step = self._get("H", names + 4 + 2 * field)
        return self.at + step if step else 0

    def _get(self, kind: str, at: int) -> int:
        return int(struct.unpack_from("<" + kind, self.data, at)[0])

    def number(self, field: int, kind: str, default: int = 0) -> int:
        at = self.where(field)
        return self._get(kind, at) if at else default

    def table(self, field: int) -> "Table | None":
        at = self.where(field)
        return Table(self.data, at + self._get("I", at)) if at else None

    def vector(self, field: int, dtype: type[np.generic]) -> Array:
        at = self.where(field)
        if not at:
            return np.zeros(0, dtype)
        at += self._get("I", at)
        return np.frombuffer(self.data, dtype, self._get("I", at), at + 4)

    def tables(self, field: int) -> list["Table"]:
        at = self.where(field)
        if not at:
            return []
        at += self._get("I", at)
        places = range(at + 4, at + 4 + 4 * self._get("I", at), 4)
        return [Table(self.data, p + self._get("I", p)) for p in places]

    def integers(self, field: int) -> tuple[int, ...]:
        return tuple(self.vector(field, np.int32).tolist())


def read_graph(path: Path) -> Graph:
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise ValueError(f"{path} is not a .tflite file; fetch it again, `motion-imitate weights` says from where")
    model = Table(data, struct.unpack_from("<I", data)[0])
    graph, *others = model.tables(2)
    if others:
        raise ValueError(f"{path} has {1 + len(others)} graphs; only files with one are read")
    names = [operation_name(code) for code in model.tables(1)]
    tensors, buffers = graph.tables(0), model.tables(4)
    stored = {i: constant(t, buffers[t.number(2, "I")]) for i, t in enumerate(tensors)}
    constants = {i: value for i, value in stored.items() if value is not None}
    steps = []
    for operator in graph.tables(3):
        step = read_step(operator, names[operator.number(0, "I")])
        if step.operation not in ("dequantize", "densify"):
            steps.append(step)
        elif step.inputs[0] in constants:
            constants[step.output] = constants[step.inputs[0]]
        else:
            raise ValueError(f"{path} computes with half precision or sparse tensors; only its weights may be so")
    shapes = {i: t.integers(0) for i, t in enumerate(tensors)}
    return Graph(graph.integers(1), graph.integers(2), tuple(steps), constants, shapes)


def operation_name(code: Table) -> str:
    number = max(code.number(0, "b"), code.number(3, "i"))
    return OPERATIONS.get(number, f"operation {number}")


def read_step(operator: Table, name: str) -> Step:
    table, options = operator.table(4), {}
    for field, option in enumerate(OPTIONS.get(name, ())):
        default = 1 if option in ONE else 0
        options[option] = table.number(field, "b" if option in BYTES else "i", default) if table else default
    return Step(name, operator.integers(1), operator.integers(2)[0], options)


def constant(tensor: Table, buffer: Table) -> Array | None:
    """The tensor's stored value, if it has one: dense, and in single precision if it is of floats."""
    raw = buffer.vector(0, np.uint8)
    if not len(raw):
        return None
    values: Array = np.frombuffer(raw.tobytes(), DTYPES[tensor.number(1, "b")])
    shape = tensor.integers(0)
    sparsity = tensor.table(6)
    values = dense(values, shape, sparsity) if sparsity else values.reshape(shape)
    return values.astype(np.float32) if values.dtype == np.float16 else values


def dense(values: Array, shape: tuple[int, ...], sparsity: Table) -> Array:
    """Undo TensorFlow Lite's sparse form: a tree with a level for each axis, then for each axis of the blocks."""
    order, blocks, levels = sparsity.integers(0), sparsity.integers(1), sparsity.tables(2)
    at: dict[int, Array] = {}  # axis -> index along it, for each node of the level reached
    nodes = np.zeros(1, np.int64)
    for axis, level in zip(order, levels, strict=True):
        if level.number(0, "b"):
            segments, index = sparse_indices(level, 2), sparse_indices(level, 4)
            parent = np.repeat(np.arange(len(nodes)), np.diff(segments))
        else:
            size = level.number(1, "i")
            parent, index = np.repeat(np.arange(len(nodes)), size), np.tile(np.arange(size), len(nodes))
        at = {a: i[parent] for a, i in at.items()} | {axis: index}
        nodes = np.arange(len(index))
    sizes = {axis: level.number(1, "i") for axis, level in zip(order, levels, strict=True)}
    for i, axis in enumerate(blocks):
        at[axis] = at[axis] * sizes[len(shape) + i] + at[len(shape) + i]
    out = np.zeros(shape, values.dtype)
    out[tuple(at[axis] for axis in range(len(shape)))] = values
    return out


def sparse_indices(level: Table, field: int) -> Array:
    vector = level.table(field + 1)
    if vector is None:
        raise ValueError("a sparse tensor of the .tflite file lacks its indices; fetch the file again")
    return vector.vector(0, INDICES[level.number(field, "B")]).astype(np.int64)
