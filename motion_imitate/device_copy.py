"""Copy objects to a device: tensors and networks within them move, what is there already and the rest is shared."""

from copy import copy, deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

OWN_PACKAGE = __name__.partition(".")[0]

ValueT = TypeVar("ValueT")


def copy_to_device(value: ValueT, device: torch.device | str) -> ValueT:
    """The object with every tensor and network in it on a device: in this package's objects, tuples, lists and
    dictionaries."""
    moved: object = value
    if isinstance(value, Tensor):
        moved = value.to(device)
    elif isinstance(value, nn.Module):
        there = all(tensor.device == torch.device(device) for tensor in value.state_dict().values())
        moved = value if there else deepcopy(value).to(device)
    elif isinstance(value, dict):
        moved = {key: copy_to_device(each, device) for key, each in value.items()}
    elif isinstance(value, tuple | list):
        each = [copy_to_device(one, device) for one in value]
        moved = type(value)(*each) if hasattr(value, "_fields") else type(value)(each)
    elif type(value).__module__.partition(".")[0] == OWN_PACKAGE and hasattr(value, "__dict__"):
        moved = copy(value)
        for name, each in vars(value).items():
            object.__setattr__(moved, name, copy_to_device(each, device))  # it may be frozen
    return moved  # type: ignore[return-value]
