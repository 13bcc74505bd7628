"""Notice tensors of two devices that meet. The meta device computes nothing, and refuses what must wait for it."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class OneDevice(TorchDispatchMode):
    """Refuses operations on tensors of two devices, except copies, and indices from the CPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, torch.Tensor) and x.dim()]
        indexed = "index" in str(func) and args[0].device.type == "meta"
        assert len({x.device for x in tensors}) < 2 or "copy" in str(func) or indexed, func
        return func(*args, **(kwargs or {}))
