"""One optimizer step of the networks and of the discriminator they are trained against.

Learning rate and EMA decay are functions of the step alone, so a checkpoint needs only the step to resume to the bit;
torch's schedulers keep state of their own, and its EMA does not warm up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate.training import losses
from pipelines.train.distributed import wrap_distributed

SampleT_contra = TypeVar("SampleT_contra", contravariant=True)


@dataclass(frozen=True)
class OptimizerSettings:
    """Learning rates, warm-up, decay, gradient clipping and EMA."""

    rate: float = 8e-4
    betas: tuple[float, float] = (0.9, 0.99)
    warm: int = 100  # warm-up steps
    most: float = 1.0  # largest gradient norm
    steady: float = 0.999  # final EMA decay of the weights
    critic_rate: float = 2e-4
    critic_betas: tuple[float, float] = (0.5, 0.999)
    after: int = 0  # steps before the adversarial loss starts
    falls: tuple[int, int] | None = None  # first and last step of the rate's decay
    last: float = 0.01  # fraction of the rate that is left after the decay

    def rate_fraction(self, step: int) -> float:
        """The learning rate at a step, as a fraction of `rate`."""
        warm = min(1, (step + 1) / self.warm)
        if self.falls is None:
            return warm
        first, end = self.falls
        return warm * (1 - (1 - self.last) * min(1, max(0, step - first) / (end - first)))


@dataclass(frozen=True)
class ObjectiveOutput:
    """Losses of the networks on a batch, and what the discriminator sees."""

    wrong: dict[str, Float[Tensor, " B"]]
    made: Float[Tensor, "B I H W"]  # discriminator input: the image in [-1, 1], and the surface it should show
    true: Float[Tensor, "B I H W"]


@dataclass(frozen=True)
class PreviewRows:
    """Rows of images for the preview, and losses to log with them."""

    wrong: dict[str, Float[Tensor, " B"]]  # losses to log besides those of the step
    rows: Float[Tensor, "B 3 H W"]


class Objective(Protocol[SampleT_contra]):
    """What networks are trained for. `networks` are those under training, or others of their kind."""

    @property
    def weights(self) -> Any:
        """A frozen dataclass; its `adversarial` weights the adversarial loss, 0 disables it."""

    def networks(self) -> nn.Module:
        """New, untrained networks."""

    def run_networks(self, networks: Callable[..., Any], samples: SampleT_contra) -> ObjectiveOutput: ...

    def weighted_loss(self, wrong: dict[str, Tensor]) -> Float[Tensor, ""]: ...

    def render_preview(self, networks: Callable[..., Any], samples: SampleT_contra) -> PreviewRows: ...


class NetworkOptimizer:
    """A network and its Adam optimizer; averages gradients if several processes train together."""

    def __init__(self, net: nn.Module, rate: float, betas: tuple[float, float]) -> None:
        self.net, self.rate, self.shared = net, rate, wrap_distributed(net)
        self.optimizer = torch.optim.Adam(net.parameters(), rate, betas)

    def __call__(self, *given: Any) -> Any:
        with bfloat16_autocast(self.net):
            return self.shared(*given)

    def score_frozen(self, pictures: Float[Tensor, "B I H W"]) -> Float[Tensor, "B 1 h w"]:
        """Score images without training this network: gradients reach only the images."""
        self.net.requires_grad_(False)
        with bfloat16_autocast(self.net):
            marks: Tensor = self.net(pictures)
        self.net.requires_grad_(True)
        return marks.float()

    def improve(self, loss: Float[Tensor, ""], share: float, most: float) -> None:
        """Take an optimizer step at `share` of the learning rate; a step with non-finite gradients is skipped."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * share
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), most)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()

    def stored(self) -> dict[str, Tensor]:
        """Weights and optimizer state, for a checkpoint."""
        state = self.optimizer.state_dict()["state"]
        moments = {f"adam.{k}.{name}": v for k, entry in state.items() for name, v in entry.items()}
        return {f"now.{k}": v for k, v in self.net.state_dict().items()} | moments

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Load what `stored` returned."""
        self.net.load_state_dict(tensors_under_prefix(tensors, "now."))
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors_under_prefix(tensors, "adam.").items():
            number, _, name = key.partition(".")
            state.setdefault(int(number), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})


def bfloat16_autocast(net: nn.Module) -> torch.autocast:
    """Autocast to bfloat16 where the network's device supports it."""
    device = next(net.parameters()).device.type
    return torch.autocast(device, torch.bfloat16, enabled=bfloat16_supported(device))


def bfloat16_supported(device: str) -> bool:
    """Whether the device trains in bfloat16."""
    return device == "cuda" and torch.cuda.is_bf16_supported()


def tensors_under_prefix(tensors: dict[str, Tensor], first: str) -> dict[str, Tensor]:
    """The tensors whose names start with the prefix, without it."""
    return {k.removeprefix(first): v for k, v in tensors.items() if k.startswith(first)}


class Learner:
    """Networks, their discriminator if any, and the EMA of the networks' weights."""

    def __init__(self, networks: nn.Module, critic: nn.Module | None, pace: OptimizerSettings) -> None:
        self.pace, self.step = pace, 0
        self.networks = NetworkOptimizer(networks, pace.rate, pace.betas)
        self.critic = None if critic is None else NetworkOptimizer(critic, pace.critic_rate, pace.critic_betas)
        self.mean = {k: v.detach().clone() for k, v in networks.state_dict().items()}  # EMA

    def learn(self, samples: SampleT_contra, subject: Objective[SampleT_contra]) -> dict[str, float]:
        """Take one step; returns the losses from before it. `loss` leaves out the adversarial loss."""
        critic = self.critic if self.step >= self.pace.after else None
        tried = subject.run_networks(self.networks, samples)
        loss, doubt = subject.weighted_loss(tried.wrong), {}
        told = {"step": float(self.step), "loss": float(loss.detach())}
        if critic is not None:
            doubt = {"adversarial": losses.adversarial_loss(critic.score_frozen(tried.made))}
            loss = loss + subject.weighted_loss(doubt)
        told |= {k: float(v.detach().mean()) for k, v in (tried.wrong | doubt).items()}
        self.networks.improve(loss, self.pace.rate_fraction(self.step), self.pace.most)
        if critic is not None:
            true, made = critic(torch.cat([tried.true, tried.made.detach()])).float().chunk(2)
            off = losses.discriminator_loss(true, made).mean()
            critic.improve(off, self.pace.rate_fraction(self.step - self.pace.after), self.pace.most)
            told["critic"] = float(off.detach())
        self.step += 1
        keep = min(self.pace.steady, self.step / (self.step + 9))
        with torch.no_grad():
            for name, value in self.networks.net.state_dict().items():
                self.mean[name].lerp_(value, 1 - keep)
        return told

    def begin(self, tensors: dict[str, Tensor]) -> None:
        """Start from given weights, with a new optimizer state."""
        self.networks.net.load_state_dict({k: v.float() for k, v in tensors.items()})
        self.mean = {k: v.clone() for k, v in self.networks.net.state_dict().items()}

    def stored(self) -> dict[str, Tensor]:
        """All state to resume from, on the CPU."""
        every = self.networks.stored() | {f"mean.{k}": v for k, v in self.mean.items()}
        if self.critic is not None:
            every |= {f"critic.{k}": v for k, v in self.critic.stored().items()}
        return {name: value.cpu() for name, value in every.items()}

    def restore(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Load what `stored` returned; a discriminator that it lacks stays untrained."""
        self.step = step
        self.networks.restore(tensors)
        device = next(self.networks.net.parameters()).device
        self.mean = {k: v.to(device) for k, v in tensors_under_prefix(tensors, "mean.").items()}
        if self.critic is not None and (known := tensors_under_prefix(tensors, "critic.")):
            self.critic.restore(known)
