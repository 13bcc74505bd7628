"""One optimizer step of the networks and of the discriminator they are trained against.

Learning rate and EMA decay are functions of the step alone, so a checkpoint needs only the step to resume to the bit;
torch's schedulers keep state of their own, and its EMA does not warm up.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import cos, pi
from typing import Any, Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate.training import losses
from pipelines.train.distributed import average_gradients

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
    curve: str = "linear"  # of the decay, or "cosine"
    cpu_bfloat16: bool = False  # autocast to bfloat16 on CPUs that compute in it, too

    def rate_fraction(self, step: int) -> float:
        """The learning rate at a step, as a fraction of `rate`."""
        warm = min(1, (step + 1) / self.warm)
        if self.falls is None:
            return warm
        first, end = self.falls
        done = DECAY_CURVES[self.curve](min(1, max(0, step - first) / (end - first)))
        return warm * (1 - (1 - self.last) * done)


DECAY_CURVES: dict[str, Callable[[float], float]] = {
    "linear": lambda done: done,
    "cosine": lambda done: (1 - cos(pi * done)) / 2,
}


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
    """What networks are trained for."""

    @property
    def weights(self) -> Any:
        """A frozen dataclass of loss weights, for the weights' metadata."""

    def networks(self) -> nn.Module:
        """New, untrained networks."""

    def critic(self) -> nn.Module | None:
        """A new, untrained discriminator, if there is one to train against."""

    def train_step(self, learner: "Learner", samples: SampleT_contra) -> dict[str, float]:
        """Improve the learner's networks on a batch; returns the losses from before, the whole as `loss`."""

    def render_preview(self, networks: Callable[..., Any], samples: SampleT_contra) -> PreviewRows: ...


class AdversarialObjective(Protocol[SampleT_contra]):
    """What one network is trained for, possibly against a discriminator, see `train_against_critic`."""

    def run_networks(self, networks: Callable[..., Any], samples: SampleT_contra) -> ObjectiveOutput: ...

    def weighted_loss(self, wrong: dict[str, Tensor]) -> Float[Tensor, ""]: ...


class NetworkOptimizer:
    """Networks and their Adam optimizer; averages gradients if several processes train together."""

    def __init__(self, net: nn.Module, rate: float, betas: tuple[float, float], cpu_bfloat16: bool = False) -> None:
        self.net, self.rate, self.cpu_bfloat16 = net, rate, cpu_bfloat16
        self.optimizer = torch.optim.Adam(net.parameters(), rate, betas)

    def __call__(self, *given: Any) -> Any:
        with self.autocast():
            return self.net(*given)

    def autocast(self) -> torch.autocast:
        """Autocast to bfloat16 where the network's device supports it."""
        device = next(self.net.parameters()).device.type
        return torch.autocast(device, torch.bfloat16, enabled=bfloat16_supported(device, self.cpu_bfloat16))

    def score_frozen(self, pictures: Float[Tensor, "B I H W"]) -> Float[Tensor, "B ..."]:
        """Score images without training this network: gradients reach only the images."""
        self.net.requires_grad_(False)
        with self.autocast():
            marks: Tensor = self.net(pictures)
        self.net.requires_grad_(True)
        return marks.float()

    def improve(
        self, loss: Float[Tensor, ""], share: float, most: float, parts: Iterable[nn.Module] | None = None
    ) -> None:
        """Take an optimizer step at `share` of the learning rate, of all networks or of some parts alone.

        A step with non-finite gradients is skipped.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * share
        trained = [weight for part in parts or (self.net,) for weight in part.parameters() if weight.requires_grad]
        self.optimizer.zero_grad()
        loss.backward(inputs=trained)
        average_gradients(trained)
        norm = nn.utils.clip_grad_norm_(trained, most)
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


def bfloat16_supported(device: str, on_cpu: bool = False) -> bool:
    """Whether the device computes in bfloat16; CPUs count if `on_cpu`."""
    if device == "cpu":
        return on_cpu and torch.cpu._is_avx512_bf16_supported()
    return device == "cuda" and torch.cuda.is_bf16_supported()


def tensors_under_prefix(tensors: dict[str, Tensor], first: str) -> dict[str, Tensor]:
    """The tensors whose names start with the prefix, without it."""
    return {k.removeprefix(first): v for k, v in tensors.items() if k.startswith(first)}


class Learner:
    """Networks, their discriminator if any, and the EMA of the networks' weights."""

    def __init__(self, networks: nn.Module, critic: nn.Module | None, pace: OptimizerSettings) -> None:
        self.pace, self.step = pace, 0
        self.networks = NetworkOptimizer(networks, pace.rate, pace.betas, pace.cpu_bfloat16)
        self.critic = (
            None if critic is None else NetworkOptimizer(critic, pace.critic_rate, pace.critic_betas, pace.cpu_bfloat16)
        )
        self.mean = {k: v.detach().clone() for k, v in networks.state_dict().items()}  # EMA

    def learn(self, samples: SampleT_contra, subject: Objective[SampleT_contra]) -> dict[str, float]:
        """Take one step; returns the losses from before it."""
        told = {"step": float(self.step)} | subject.train_step(self, samples)
        self.step += 1
        self.update_mean()
        return told

    @torch.no_grad()
    def update_mean(self) -> None:
        """Move the average towards the networks' weights; counters are copied."""
        keep = min(self.pace.steady, self.step / (self.step + 9))
        now = self.networks.net.state_dict()
        real = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.mean[name] for name in real], [now[name] for name in real], 1 - keep)
        for name in now.keys() - set(real):
            self.mean[name].copy_(now[name])

    def improve_networks(self, loss: Float[Tensor, ""], parts: Iterable[nn.Module] | None = None) -> None:
        """One optimizer step of all networks or of some parts alone, at the rate of this step."""
        self.networks.improve(loss, self.pace.rate_fraction(self.step), self.pace.most, parts)

    def improve_critic(self, loss: Float[Tensor, ""]) -> None:
        """One optimizer step of the discriminator, whose warm-up begins with the adversarial loss."""
        assert self.critic is not None
        self.critic.improve(loss, self.pace.rate_fraction(self.step - self.pace.after), self.pace.most)

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


def train_against_critic(
    learner: Learner, subject: AdversarialObjective[SampleT_contra], samples: SampleT_contra
) -> dict[str, float]:
    """One step of the networks, and of the discriminator if there is one. `loss` leaves the adversarial loss out."""
    critic = learner.critic if learner.step >= learner.pace.after else None
    tried = subject.run_networks(learner.networks, samples)
    loss, doubt = subject.weighted_loss(tried.wrong), {}
    told = {"loss": float(loss.detach())}
    if critic is not None:
        doubt = {"adversarial": losses.adversarial_loss(critic.score_frozen(tried.made))}
        loss = loss + subject.weighted_loss(doubt)
    told |= {k: float(v.detach().mean()) for k, v in (tried.wrong | doubt).items()}
    learner.improve_networks(loss)
    if critic is not None:
        true, made = critic(torch.cat([tried.true, tried.made.detach()])).float().chunk(2)
        off = losses.discriminator_loss(true, made).mean()
        learner.improve_critic(off)
        told["critic"] = float(off.detach())
    return told
