"""The shipped networks as functions from an array to arrays, run by LiteRT or by torch from the same file."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from motion_imitate.estimators.tflite import GraphNode, TfliteGraph, read_tflite_graph
from motion_imitate.quiet_stderr import quiet_stderr
from motion_imitate.weights import MissingWeights, find_asset

NetFloats = NDArray[np.float32]
InferenceNet = Callable[[NetFloats], list[NetFloats]]
"""Maps images [B, H, W, C] to the network's outputs, each with B first. Safe to call from several threads."""

TFLITE_ACTIVATIONS: dict[int, Callable[[Tensor], Tensor]] = {0: lambda x: x, 1: F.relu, 3: F.relu6}


def load_net(name: str, device: torch.device | str = "cpu", runtime: str = "auto", threads: int = 1) -> InferenceNet:
    """Load the network `name`.tflite. "auto" picks LiteRT on the CPU if it is installed, else torch."""
    litert = find_spec("ai_edge_litert") is not None
    on_cpu = torch.device(device).type == "cpu"
    if runtime == "auto":
        runtime = "litert" if litert and on_cpu else "torch"
    path = find_asset(f"{name}.tflite")
    if runtime == "torch":
        return load_torch_net(path, torch.device(device))
    if runtime != "litert":
        raise ValueError(f"no runtime {runtime!r} for networks; choose auto, litert or torch")
    if not litert or not on_cpu:
        why = "it is not installed (pip install ai-edge-litert)" if on_cpu else f"it runs on the CPU, not on {device}"
        raise ValueError(f"the runtime litert can't be used here: {why}; choose the runtime torch")
    return load_litert_net(path, threads)


@contextmanager
def report_damaged_network(path: Path) -> Iterator[None]:
    """Turn errors of reading or building a network into a MissingWeights error that names the file."""
    try:
        yield
    except (ValueError, RuntimeError, IndexError, KeyError, struct.error) as error:
        raise MissingWeights(f"the network {path.name} is damaged ({error}); reinstall the program") from None


@cache
def load_litert_net(path: Path, threads: int) -> InferenceNet:
    """Run a network by LiteRT. Each concurrent caller gets an interpreter of its own; they are slow to build, so idle
    ones are kept."""
    from ai_edge_litert.interpreter import Interpreter

    idle: list[Any] = []

    def made() -> Any:
        with quiet_stderr(b"Created TensorFlow Lite XNNPACK delegate"), report_damaged_network(path):
            net = Interpreter(model_path=str(path), num_threads=threads)
            net.allocate_tensors()
        return net

    def run(pictures: NetFloats) -> list[NetFloats]:
        try:
            net = idle.pop()
        except IndexError:
            net = made()
        at, outputs = net.get_input_details()[0]["index"], [o["index"] for o in net.get_output_details()]
        rows = []
        for picture in pictures:
            net.set_tensor(at, np.ascontiguousarray(picture[None], np.float32))
            net.invoke()
            rows.append([net.get_tensor(o) for o in outputs])
        idle.append(net)
        return [np.concatenate(column) for column in zip(*rows, strict=True)]

    return run


def load_torch_net(path: Path, device: torch.device) -> InferenceNet:
    """Run a network by torch on `device`."""
    with report_damaged_network(path):
        net = TfliteModule(read_tflite_graph(path)).to(device).eval()

    def run(pictures: NetFloats) -> list[NetFloats]:
        with torch.inference_mode():
            outputs = net(torch.from_numpy(np.ascontiguousarray(pictures, np.float32)).to(device))
        return [x.float().cpu().numpy() for x in outputs]

    return run


class TfliteModule(nn.Module):
    """A .tflite graph as a module. Tensors are laid out [B, H, W, C] as in the file; convolutions permute to [B, C, H,
    W] and back, which is free: the result is channels-last memory."""

    def __init__(self, graph: TfliteGraph) -> None:
        super().__init__()
        self.graph = graph
        self.runs = [build_operation(step, graph) for step in graph.steps]
        for number, value in graph.constants.items():
            self.register_buffer(f"c{number}", torch.from_numpy(np.array(value)))
        last = {number: at for at, step in enumerate(graph.steps) for number in step.inputs}
        self.spent = [[n for n in s.inputs if last[n] == at] for at, s in enumerate(graph.steps)]

    def forward(self, pictures: Tensor) -> list[Tensor]:
        known = {number: getattr(self, f"c{number}") for number in self.graph.constants}
        known[self.graph.inputs[0]] = pictures
        for step, run, spent in zip(self.graph.steps, self.runs, self.spent, strict=True):
            known[step.output] = run([known[n] for n in step.inputs if n >= 0])
            for number in spent:
                if number not in self.graph.outputs:
                    del known[number]
        return [known[number] for number in self.graph.outputs]


NodeFunction = Callable[[list[Tensor]], Tensor]


def build_operation(step: GraphNode, graph: TfliteGraph) -> NodeFunction:
    """Build the function of one graph node; raises ValueError for an unsupported operation."""
    if step.operation not in OPERATION_BUILDERS:
        raise ValueError(
            f"the network has an unsupported node, {step.operation}; torch runs only {', '.join(OPERATION_BUILDERS)}"
        )
    return OPERATION_BUILDERS[step.operation](step, graph)


def build_convolution(step: GraphNode, graph: TfliteGraph) -> NodeFunction:
    """Build a convolution, plain or depthwise, with its activation."""
    o, (height, width) = step.options, graph.constants[step.inputs[1]].shape[1:3]
    stride, dilation = (o["stride_y"], o["stride_x"]), (o["dilation_y"], o["dilation_x"])
    reach = ((height - 1) * dilation[0] + 1, (width - 1) * dilation[1] + 1)
    each = step.operation == "convolve_depthwise"
    activation = TFLITE_ACTIVATIONS[o["activation"]]

    def run(x: list[Tensor]) -> Tensor:
        picture, weight = x[:2]
        bias = x[2] if len(x) > 2 else None
        weight = weight.permute(3, 0, 1, 2) if each else weight.permute(0, 3, 1, 2)
        around = same_padding(picture, reach, stride) if o["padding"] == 0 else [0, 0, 0, 0]
        if around[0] != around[1] or around[2] != around[3]:
            picture, around = F.pad(picture, [0, 0, *around]), [0, 0, 0, 0]
        groups = picture.shape[-1] if each else 1
        pad = (around[2], around[0])
        y = F.conv2d(
            picture.permute(0, 3, 1, 2), weight, bias, stride=stride, padding=pad, dilation=dilation, groups=groups
        )
        return activation(y.permute(0, 2, 3, 1))

    return run


def same_padding(picture: Tensor, reach: tuple[int, int], stride: tuple[int, int]) -> list[int]:
    """TensorFlow's SAME padding as left, right, top, bottom."""
    out = []
    for size, r, s in ((picture.shape[2], reach[1], stride[1]), (picture.shape[1], reach[0], stride[0])):
        total = max((-(-size // s) - 1) * s + r - size, 0)
        out += [total // 2, total - total // 2]
    return out


def build_max_pool(step: GraphNode, graph: TfliteGraph) -> NodeFunction:
    o = step.options
    reach, stride = (o["height"], o["width"]), (o["stride_y"], o["stride_x"])
    activation = TFLITE_ACTIVATIONS[o["activation"]]

    def run(x: list[Tensor]) -> Tensor:
        around = same_padding(x[0], reach, stride) if o["padding"] == 0 else [0, 0, 0, 0]
        picture = F.pad(x[0], [0, 0, *around], value=-torch.inf) if any(around) else x[0]
        return activation(F.max_pool2d(picture.permute(0, 3, 1, 2), reach, stride).permute(0, 2, 3, 1))

    return run


def build_resize(step: GraphNode, graph: TfliteGraph) -> NodeFunction:
    """Build a bilinear resize, in any of TensorFlow's three conventions for pixel positions."""
    height, width = graph.constants[step.inputs[1]].tolist()
    o = step.options

    def run(x: list[Tensor]) -> Tensor:
        picture = x[0].permute(0, 3, 1, 2)
        if o["align_corners"] or o["half_pixels"]:
            y = F.interpolate(picture, (height, width), mode="bilinear", align_corners=bool(o["align_corners"]))
        else:
            y = resize_axis(resize_axis(picture, 2, height), 3, width)
        return y.permute(0, 2, 3, 1)

    return run


def resize_axis(picture: Tensor, axis: int, size: int) -> Tensor:
    """Resize bilinearly along one axis; output pixel i samples input position i * input size / output size."""
    now = picture.shape[axis]
    at = torch.arange(size, device=picture.device, dtype=picture.dtype) * (now / size)
    low = at.floor().long()
    part = (at - low).reshape([-1 if a == axis else 1 for a in range(4)])
    high = (low + 1).clamp(max=now - 1)
    return picture.index_select(axis, low) * (1 - part) + picture.index_select(axis, high) * part


def build_pad(step: GraphNode, graph: TfliteGraph) -> NodeFunction:
    widths = [int(w) for pair in graph.constants[step.inputs[1]][::-1] for w in pair]
    return lambda x: F.pad(x[0], widths)


def build_reshape(step: GraphNode, graph: TfliteGraph) -> NodeFunction:
    shape = graph.shapes[step.output][1:]
    return lambda x: x[0].reshape(len(x[0]), *shape)


def build_depth_to_space(step: GraphNode, graph: TfliteGraph) -> NodeFunction:
    """Build the rearrangement of channels into blocks of pixels."""
    block = step.options["block"]

    def run(x: list[Tensor]) -> Tensor:
        b, h, w, c = x[0].shape
        y = x[0].reshape(b, h, w, block, block, c // block**2)
        return y.permute(0, 1, 3, 2, 4, 5).reshape(b, h * block, w * block, c // block**2)

    return run


def build_add(step: GraphNode, graph: TfliteGraph) -> NodeFunction:
    activation = TFLITE_ACTIVATIONS[step.options["activation"]]
    return lambda x: activation(x[0] + x[1])


def build_concatenate(step: GraphNode, graph: TfliteGraph) -> NodeFunction:
    return lambda x: torch.cat(x, step.options["axis"])


OPERATION_BUILDERS: dict[str, Callable[[GraphNode, TfliteGraph], NodeFunction]] = {
    "add": build_add,
    "concatenate": build_concatenate,
    "convolve": build_convolution,
    "convolve_depthwise": build_convolution,
    "depth_to_space": build_depth_to_space,
    "max_pool": build_max_pool,
    "pad": build_pad,
    "prelu": lambda step, graph: lambda x: torch.where(x[0] >= 0, x[0], x[0] * x[1]),
    "relu": lambda step, graph: lambda x: F.relu(x[0]),
    "reshape": build_reshape,
    "resize": build_resize,
    "sigmoid": lambda step, graph: lambda x: torch.sigmoid(x[0]),
}
