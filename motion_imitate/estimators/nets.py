"""The shipped networks as functions from an array to arrays, by LiteRT or by torch: one file serves both."""

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

from motion_imitate.estimators.tflite import Graph, Step, read_graph
from motion_imitate.quiet_stderr import hushed
from motion_imitate.weights import MissingWeights, find

Floats = NDArray[np.float32]
Net = Callable[[Floats], list[Floats]]
"""From pictures [B, H, W, C] to the network's outputs, each with B first. Several threads may call it at once."""

ACTIVATIONS: dict[int, Callable[[Tensor], Tensor]] = {0: lambda x: x, 1: F.relu, 3: F.relu6}


def load_net(name: str, device: torch.device | str = "cpu", runtime: str = "auto", threads: int = 1) -> Net:
    """The network of the asset `name`.tflite. "auto" takes LiteRT on the CPU where it is installed, else torch."""
    litert = find_spec("ai_edge_litert") is not None
    on_cpu = torch.device(device).type == "cpu"
    if runtime == "auto":
        runtime = "litert" if litert and on_cpu else "torch"
    path = find(f"{name}.tflite")
    if runtime == "torch":
        return torch_net(path, torch.device(device))
    if runtime != "litert":
        raise ValueError(f"no runtime {runtime!r} for networks; choose auto, litert or torch")
    if not litert or not on_cpu:
        why = "it is not installed (pip install ai-edge-litert)" if on_cpu else f"it runs on the CPU, not on {device}"
        raise ValueError(f"the runtime litert can't be used here: {why}; choose the runtime torch")
    return litert_net(path, threads)


@contextmanager
def sound(path: Path) -> Iterator[None]:
    """A network that cannot be read is a file that is not the one that was shipped."""
    try:
        yield
    except (ValueError, RuntimeError, IndexError, KeyError, struct.error) as error:
        raise MissingWeights(f"the network {path.name} is damaged ({error}); reinstall the program") from None


@cache
def litert_net(path: Path, threads: int) -> Net:
    """An interpreter serves one caller at a time: there are as many as ever called at once. They take long to make,
    and are kept."""
    from ai_edge_litert.interpreter import Interpreter

    idle: list[Any] = []

    def made() -> Any:
        with hushed(b"Created TensorFlow Lite XNNPACK delegate"), sound(path):
            net = Interpreter(model_path=str(path), num_threads=threads)
            net.allocate_tensors()
        return net

    def run(pictures: Floats) -> list[Floats]:
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


def torch_net(path: Path, device: torch.device) -> Net:
    with sound(path):
        net = TorchNet(read_graph(path)).to(device).eval()

    def run(pictures: Floats) -> list[Floats]:
        with torch.inference_mode():
            outputs = net(torch.from_numpy(np.ascontiguousarray(pictures, np.float32)).to(device))
        return [x.float().cpu().numpy() for x in outputs]

    return run


class TorchNet(nn.Module):
    """A .tflite graph as a module. Everything is laid out [B, H, W, C] as in the file; convolutions turn it and back,
    which costs nothing: to them it is the channels-last format."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.runs = [ready(step, graph) for step in graph.steps]
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


Run = Callable[[list[Tensor]], Tensor]


def ready(step: Step, graph: Graph) -> Run:
    if step.operation not in READY:
        raise ValueError(f"the network has an {step.operation}; torch runs only {', '.join(READY)}")
    return READY[step.operation](step, graph)


def convolution(step: Step, graph: Graph) -> Run:
    o, (height, width) = step.options, graph.constants[step.inputs[1]].shape[1:3]
    stride, dilation = (o["stride_y"], o["stride_x"]), (o["dilation_y"], o["dilation_x"])
    reach = ((height - 1) * dilation[0] + 1, (width - 1) * dilation[1] + 1)
    each = step.operation == "convolve_depthwise"
    activation = ACTIVATIONS[o["activation"]]

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
    """Left, right, top, bottom, so that the output has the input's size over the stride, rounded up."""
    out = []
    for size, r, s in ((picture.shape[2], reach[1], stride[1]), (picture.shape[1], reach[0], stride[0])):
        total = max((-(-size // s) - 1) * s + r - size, 0)
        out += [total // 2, total - total // 2]
    return out


def max_pool(step: Step, graph: Graph) -> Run:
    o = step.options
    reach, stride = (o["height"], o["width"]), (o["stride_y"], o["stride_x"])
    activation = ACTIVATIONS[o["activation"]]

    def run(x: list[Tensor]) -> Tensor:
        around = same_padding(x[0], reach, stride) if o["padding"] == 0 else [0, 0, 0, 0]
        picture = F.pad(x[0], [0, 0, *around], value=-torch.inf) if any(around) else x[0]
        return activation(F.max_pool2d(picture.permute(0, 3, 1, 2), reach, stride).permute(0, 2, 3, 1))

    return run


def resize(step: Step, graph: Graph) -> Run:
    """Bilinear, in TensorFlow's three ways of matching pixels."""
    height, width = graph.constants[step.inputs[1]].tolist()
    o = step.options

    def run(x: list[Tensor]) -> Tensor:
        picture = x[0].permute(0, 3, 1, 2)
        if o["align_corners"] or o["half_pixels"]:
            y = F.interpolate(picture, (height, width), mode="bilinear", align_corners=bool(o["align_corners"]))
        else:
            y = stretch(stretch(picture, 2, height), 3, width)
        return y.permute(0, 2, 3, 1)

    return run


def stretch(picture: Tensor, axis: int, size: int) -> Tensor:
    """Bilinear along one axis, where output pixel i lies at input pixel i * input size / output size."""
    now = picture.shape[axis]
    at = torch.arange(size, device=picture.device, dtype=picture.dtype) * (now / size)
    low = at.floor().long()
    part = (at - low).reshape([-1 if a == axis else 1 for a in range(4)])
    high = (low + 1).clamp(max=now - 1)
    return picture.index_select(axis, low) * (1 - part) + picture.index_select(axis, high) * part


def pad(step: Step, graph: Graph) -> Run:
    widths = [int(w) for pair in graph.constants[step.inputs[1]][::-1] for w in pair]
    return lambda x: F.pad(x[0], widths)


def reshape(step: Step, graph: Graph) -> Run:
    shape = graph.shapes[step.output][1:]
    return lambda x: x[0].reshape(len(x[0]), *shape)


def depth_to_space(step: Step, graph: Graph) -> Run:
    block = step.options["block"]

    def run(x: list[Tensor]) -> Tensor:
        b, h, w, c = x[0].shape
        y = x[0].reshape(b, h, w, block, block, c // block**2)
        return y.permute(0, 1, 3, 2, 4, 5).reshape(b, h * block, w * block, c // block**2)

    return run


def add(step: Step, graph: Graph) -> Run:
    activation = ACTIVATIONS[step.options["activation"]]
    return lambda x: activation(x[0] + x[1])


def concatenate(step: Step, graph: Graph) -> Run:
    return lambda x: torch.cat(x, step.options["axis"])


READY: dict[str, Callable[[Step, Graph], Run]] = {
    "add": add,
    "concatenate": concatenate,
    "convolve": convolution,
    "convolve_depthwise": convolution,
    "depth_to_space": depth_to_space,
    "max_pool": max_pool,
    "pad": pad,
    "prelu": lambda step, graph: lambda x: torch.where(x[0] >= 0, x[0], x[0] * x[1]),
    "relu": lambda step, graph: lambda x: F.relu(x[0]),
    "reshape": reshape,
    "resize": resize,
    "sigmoid": lambda step, graph: lambda x: torch.sigmoid(x[0]),
}
