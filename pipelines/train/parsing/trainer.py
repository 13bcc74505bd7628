"""The training step of the human parsing network, and the files of weights it writes."""

from contextlib import nullcontext
from copy import deepcopy
from math import cos, pi
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from motion_imitate import weights
from motion_imitate.avatar.parsing_net import ParsingNet, split_parsing_outputs, write_parsing_net
from motion_imitate.synthesis.photo_damage import ParsingSamples
from motion_imitate.training.parsing_losses import measure_parsing_losses
from motion_imitate.training.parsing_trunk import load_imagenet_trunk
from pipelines.train.parsing.options import ParsingTrainOptions

WEIGHTS_FILE, CHECKPOINT_FILE = "weights.safetensors", "checkpoint.safetensors"


class WeightAverage:
    """An exponential moving average (EMA) of the weights."""

    def __init__(self, net: ParsingNet, keep: float) -> None:
        self.net, self.keep, self.steps = deepcopy(net).eval().requires_grad_(False), keep, 0
        pairs = zip(self.net.state_dict().values(), net.state_dict().values(), strict=True)
        self.pairs = [pair for pair in pairs if pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the network's weights."""
        self.steps += 1
        keep = min(self.keep, (1 + self.steps) / (10 + self.steps))
        own, new = zip(*self.pairs, strict=True)
        torch._foreach_lerp_(own, new, 1 - keep)


class ParsingTrainer:
    """The network, its optimizer and the average of its weights."""

    def __init__(self, how: ParsingTrainOptions) -> None:
        self.how, self.step = how, 0
        torch.manual_seed(how.seed)
        self.net = ParsingNet()
        if how.begin:
            self.net.load_state_dict(weights.read_weights(how.begin)[1])
        else:
            load_imagenet_trunk(self.net)
        self.net.to(how.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = WeightAverage(self.net, how.mean)
        trained = [p for name, p in self.net.named_parameters() if name.startswith(("stem", "blocks"))]
        fresh = [p for name, p in self.net.named_parameters() if not name.startswith(("stem", "blocks"))]
        groups = [{"params": trained, "by": how.trunk_rate}, {"params": fresh, "by": 1.0}]
        self.optimiser = torch.optim.AdamW(
            groups, how.rate, (0.9, 0.99), weight_decay=how.decay, fused=how.device.startswith("cuda")
        )

    def train_step(self, samples: ParsingSamples, done: float) -> dict[str, Tensor]:
        """One step; `done` is the share of the time that has passed. Gradients that are not finite count as zero."""
        how = self.how
        rate = how.rate * min(1.0, (self.step + 1) / how.warm) * (0.5 + 0.5 * cos(pi * min(done, 1))) + 1e-6
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["by"]
        self.net.train()
        seen = samples.inputs.stack_channels().contiguous(memory_format=torch.channels_last)
        with autocast_on_cuda(how.device):
            out = self.net(seen)
        losses = measure_parsing_losses(split_parsing_outputs(out.float()), samples, how.weights)
        self.optimiser.zero_grad(set_to_none=True)
        losses["loss"].backward()
        for parameter in self.net.parameters():
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.mean.update()
        self.step += 1
        return losses

    def save_weights(self, out: Path, about: dict[str, Any]) -> None:
        """Write the averaged weights, folded for inference and as a checkpoint to continue from."""
        about_run = about | {"step": self.step}
        write_parsing_net(out / WEIGHTS_FILE, deepcopy(self.mean.net), about_run)
        tensors = {name: shrink_to_bfloat16(value) for name, value in self.mean.net.state_dict().items()}
        weights.write_weights(out / CHECKPOINT_FILE, about_run, tensors)


def shrink_to_bfloat16(value: Tensor) -> Tensor:
    """A tensor on the CPU; weights of convolutions in bfloat16."""
    value = value.detach().cpu()
    return value.bfloat16() if value.is_floating_point() and value.dim() > 1 else value


def autocast_on_cuda(device: str) -> Any:
    """Autocast to bfloat16 on a GPU, nothing on a CPU."""
    return torch.autocast("cuda", torch.bfloat16) if device.startswith("cuda") else nullcontext()
