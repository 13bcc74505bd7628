"""Read a .tflite file, without a flatbuffer schema, as a graph of operations and its weights.

The schema comes with LiteRT, and torch runs the networks where LiteRT is not.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TfliteArray = NDArray[Any]

TENSOR_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_, 9: np.int8}
OPERATION_NAMES = {  # those that the shipped networks use
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
SPARSE_INDEX_DTYPES: dict[int, type[np.generic]] = {1: np.int32, 2: np.uint16, 3: np.uint8}
WINDOW_OPTIONS = ("padding", "stride_x", "stride_y")
OPERATION_OPTIONS: dict[str, tuple[str, ...]] = {  # the option fields of each operation, in schema order
    "add": ("activation",),
    "concatenate": ("axis", "activation"),
    "convolve": (*WINDOW_OPTIONS, "activation", "dilation_x", "dilation_y"),
    "convolve_depthwise": (*WINDOW_OPTIONS, "multiplier", "activation", "dilation_x", "dilation_y"),
    "depth_to_space": ("block",),
    "max_pool": (*WINDOW_OPTIONS, "width", "height", "activation"),
    "resize": ("", "", "align_corners", "half_pixels"),
}
BYTE_OPTIONS = {"padding", "activation", "align_corners", "half_pixels"}  # the other options are int32
ONE_BY_DEFAULT = {"dilation_x", "dilation_y"}  # these default to 1, the others to 0


@dataclass(frozen=True)
class GraphNode:
    """One operation of a graph."""

    operation: str
    inputs: tuple[int, ...]  # tensor numbers, -1 for an absent one
    output: int
    options: dict[str, int]


@dataclass(frozen=True)
class TfliteGraph:
    """Operations in the order they run. Images are laid out [1, H, W, C]; constants are made dense, half floats
    float32."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: tuple[GraphNode, ...]
    constants: dict[int, TfliteArray]
    shapes: dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class FlatbufferTable:
    """A flatbuffer table: numbered fields, each of which may be absent."""

    data: bytes
    at: int

    def where(self, field: int) -> int:
        """The offset of a field's value; 0 if the field is absent."""
        names = self.at - self._get("i", self.at)
        if 4 + 2 * field >= self._get("H", names):
            return 0
        step = self._get("H", names + 4 + 2 * field)
        return self.at + step if step else 0

    def _get(self, kind: str, at: int) -> int:
        return int(struct.unpack_from("<" + kind, self.data, at)[0])

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """A scalar field of the struct type `kind`, or `default` if it is absent."""
        at = self.where(field)
        return self._get(kind, at) if at else default

    def table(self, field: int) -> "FlatbufferTable | None":
        """A field that is a table, or None if it is absent."""
        at = self.where(field)
        return FlatbufferTable(self.data, at + self._get("I", at)) if at else None

    def vector(self, field: int, dtype: type[np.generic]) -> TfliteArray:
        """A field that is a vector of numbers; empty if it is absent."""
        at = self.where(field)
        if not at:
            return np.zeros(0, dtype)
        at += self._get("I", at)
        return np.frombuffer(self.data, dtype, self._get("I", at), at + 4)

    def tables(self, field: int) -> list["FlatbufferTable"]:
        """A field that is a vector of tables; empty if it is absent."""
        at = self.where(field)
        if not at:
            return []
        at += self._get("I", at)
        places = range(at + 4, at + 4 + 4 * self._get("I", at), 4)
        return [FlatbufferTable(self.data, p + self._get("I", p)) for p in places]

    def integers(self, field: int) -> tuple[int, ...]:
        """A field that is a vector of 32-bit integers."""
        return tuple(self.vector(field, np.int32).tolist())


def read_tflite_graph(path: Path) -> TfliteGraph:
    """Read the only graph of a .tflite file; raises ValueError for a file of another kind."""
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise ValueError(f"{path} is not a .tflite file; fetch it again (`motion-imitate weights` lists the sources)")
    model = FlatbufferTable(data, struct.unpack_from("<I", data)[0])
    graph, *others = model.tables(2)
    if others:
        raise ValueError(f"{path} has {1 + len(others)} graphs; only files with one are read")
    names = [operation_name(code) for code in model.tables(1)]
    tensors, buffers = graph.tables(0), model.tables(4)
    stored = {i: read_tensor_constant(t, buffers[t.number(2, "I")]) for i, t in enumerate(tensors)}
    constants = {i: value for i, value in stored.items() if value is not None}
    steps = []
    for operator in graph.tables(3):
        step = read_graph_node(operator, names[operator.number(0, "I")])
        if step.operation not in ("dequantize", "densify"):
            steps.append(step)
        elif step.inputs[0] in constants:
            constants[step.output] = constants[step.inputs[0]]
        else:
            raise ValueError(f"{path} computes with half precision or sparse tensors; only weights may be stored so")
    shapes = {i: t.integers(0) for i, t in enumerate(tensors)}
    return TfliteGraph(graph.integers(1), graph.integers(2), tuple(steps), constants, shapes)


def operation_name(code: FlatbufferTable) -> str:
    """The name of an operator code, or `operation N` for an unknown one."""
    number = max(code.number(0, "b"), code.number(3, "i"))
    return OPERATION_NAMES.get(number, f"operation {number}")


def read_graph_node(operator: FlatbufferTable, name: str) -> GraphNode:
    """Read an operation's inputs, output and options."""
    table, options = operator.table(4), {}
    for field, option in enumerate(OPERATION_OPTIONS.get(name, ())):
        default = 1 if option in ONE_BY_DEFAULT else 0
        options[option] = table.number(field, "b" if option in BYTE_OPTIONS else "i", default) if table else default
    return GraphNode(name, operator.integers(1), operator.integers(2)[0], options)


def read_tensor_constant(tensor: FlatbufferTable, buffer: FlatbufferTable) -> TfliteArray | None:
    """A tensor's stored value, dense and with half floats as float32; None if it has none."""
    raw = buffer.vector(0, np.uint8)
    if not len(raw):
        return None
    values: TfliteArray = np.frombuffer(raw.tobytes(), TENSOR_DTYPES[tensor.number(1, "b")])
    shape = tensor.integers(0)
    sparsity = tensor.table(6)
    values = densify_tensor(values, shape, sparsity) if sparsity else values.reshape(shape)
    return values.astype(np.float32) if values.dtype == np.float16 else values


def densify_tensor(values: TfliteArray, shape: tuple[int, ...], sparsity: FlatbufferTable) -> TfliteArray:
    """Expand TensorFlow Lite's sparse format: a tree with one level per axis, then one per axis of the blocks."""
    order, blocks, levels = sparsity.integers(0), sparsity.integers(1), sparsity.tables(2)
    at: dict[int, TfliteArray] = {}  # axis -> index along it, for each node of the level reached
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


def sparse_indices(level: FlatbufferTable, field: int) -> TfliteArray:
    """The indices of a sparse level, whose type the file gives beside them."""
    vector = level.table(field + 1)
    if vector is None:
        raise ValueError("a sparse tensor of the .tflite file lacks its indices; fetch the file again")
    return vector.vector(0, SPARSE_INDEX_DTYPES[level.number(field, "B")]).astype(np.int64)
