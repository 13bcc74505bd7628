"""Networks that learn, and the discriminator that they may learn against: all that a step changes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate.training import losses
from pipelines.train.distributed import shared

L = TypeVar("L", contravariant=True)


@dataclass(frozen=True)
class Pace:
    rate: float = 8e-4
    betas: tuple[float, float] = (0.9, 0.99)
    warm: int = 100  # steps over which the rate comes to that
    most: float = 1.0  # norm of gradients
    steady: float = 0.999  # of the mean of the weights, at last
    critic_rate: float = 2e-4
    critic_betas: tuple[float, float] = (0.5, 0.999)
    after: int = 0  # steps before the discriminator has a say
    falls: tuple[int, int] | None = None  # the steps between which the rate comes down
    last: float = 0.01  # of the rate, after that

    def share(self, step: int) -> float:
        """Of the rate."""
        warm = min(1, (step + 1) / self.warm)
        if self.falls is None:
            return warm
        first, end = self.falls
        return warm * (1 - (1 - self.last) * min(1, max(0, step - first) / (end - first)))


@dataclass(frozen=True)
class Attempt:
    """What networks make of lessons."""

    wrong: dict[str, Float[Tensor, " B"]]
    made: Float[Tensor, "B I H W"]  # as a discriminator sees it: in [-1, 1], and what it is to show
    true: Float[Tensor, "B I H W"]


@dataclass(frozen=True)
class Shown:
    """To look at."""

    wrong: dict[str, Float[Tensor, " B"]]  # besides what an attempt tells
    rows: Float[Tensor, "B 3 H W"]


class Subject(Protocol[L]):
    """What is taught. `networks` are those that learn, or others of their kind."""

    @property
    def weights(self) -> Any:
        """A frozen dataclass; its `adversarial` is what a discriminator counts, 0 if there is none."""

    def networks(self) -> nn.Module:
        """New ones."""

    def attempt(self, networks: Callable[..., Any], lessons: L) -> Attempt: ...

    def weighed(self, wrong: dict[str, Tensor]) -> Float[Tensor, ""]: ...

    def shown(self, networks: Callable[..., Any], lessons: L) -> Shown: ...


class Pupil:
    """A network and its Adam; one of several alike, if several processes learn together."""

    def __init__(self, net: nn.Module, rate: float, betas: tuple[float, float]) -> None:
        self.net, self.rate, self.shared = net, rate, shared(net)
        self.optimizer = torch.optim.Adam(net.parameters(), rate, betas)

    def __call__(self, *given: Any) -> Any:
        with quickly(self.net):
            return self.shared(*given)

    def mark(self, pictures: Float[Tensor, "B I H W"]) -> Float[Tensor, "B 1 h w"]:
        """What it says as it is: it learns nothing from that itself."""
        self.net.requires_grad_(False)
        with quickly(self.net):
            marks: Tensor = self.net(pictures)
        self.net.requires_grad_(True)
        return marks.float()

    def improve(self, loss: Float[Tensor, ""], share: float, most: float) -> None:
        """A step at that share of the rate; one that is not finite is left out."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * share
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), most)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()

    def stored(self) -> dict[str, Tensor]:
        state = self.optimizer.state_dict()["state"]
        moments = {f"adam.{k}.{name}": v for k, entry in state.items() for name, v in entry.items()}
        return {f"now.{k}": v for k, v in self.net.state_dict().items()} | moments

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self.net.load_state_dict(under(tensors, "now."))
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in under(tensors, "adam.").items():
            number, _, name = key.partition(".")
            state.setdefault(int(number), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})


def quickly(net: nn.Module) -> torch.autocast:
    """In bfloat16 where that is quick."""
    device = next(net.parameters()).device.type
    return torch.autocast(device, torch.bfloat16, enabled=halved(device))


def halved(device: str) -> bool:
    return device == "cuda" and torch.cuda.is_bf16_supported()


def under(tensors: dict[str, Tensor], first: str) -> dict[str, Tensor]:
    return {k.removeprefix(first): v for k, v in tensors.items() if k.startswith(first)}


class Learner:
    def __init__(self, networks: nn.Module, critic: nn.Module | None, pace: Pace) -> None:
        self.pace, self.step = pace, 0
        self.networks = Pupil(networks, pace.rate, pace.betas)
        self.critic = None if critic is None else Pupil(critic, pace.critic_rate, pace.critic_betas)
        self.mean = {k: v.detach().clone() for k, v in networks.state_dict().items()}  # lately

    def learn(self, lessons: L, subject: Subject[L]) -> dict[str, float]:
        """From lessons; what was wrong, before. The discriminator, which learns too, is left out of the loss told."""
        critic = self.critic if self.step >= self.pace.after else None
        tried = subject.attempt(self.networks, lessons)
        loss, doubt = subject.weighed(tried.wrong), {}
        told = {"step": float(self.step), "loss": float(loss.detach())}
        if critic is not None:
            doubt = {"adversarial": losses.adversarial(critic.mark(tried.made))}
            loss = loss + subject.weighed(doubt)
        told |= {k: float(v.detach().mean()) for k, v in (tried.wrong | doubt).items()}
        self.networks.improve(loss, self.pace.share(self.step), self.pace.most)
        if critic is not None:
            true, made = critic(torch.cat([tried.true, tried.made.detach()])).float().chunk(2)
            off = losses.discriminate(true, made).mean()
            critic.improve(off, self.pace.share(self.step - self.pace.after), self.pace.most)
            told["critic"] = float(off.detach())
        self.step += 1
        keep = min(self.pace.steady, self.step / (self.step + 9))
        with torch.no_grad():
            for name, value in self.networks.net.state_dict().items():
                self.mean[name].lerp_(value, 1 - keep)
        return told

    def begin(self, tensors: dict[str, Tensor]) -> None:
        """With weights that somebody else has learnt; what became of their errors is not known."""
        self.networks.net.load_state_dict({k: v.float() for k, v in tensors.items()})
        self.mean = {k: v.clone() for k, v in self.networks.net.state_dict().items()}

    def stored(self) -> dict[str, Tensor]:
        every = self.networks.stored() | {f"mean.{k}": v for k, v in self.mean.items()}
        if self.critic is not None:
            every |= {f"critic.{k}": v for k, v in self.critic.stored().items()}
        return {name: value.cpu() for name, value in every.items()}

    def restore(self, step: int, tensors: dict[str, Tensor]) -> None:
        """A discriminator that was not there yet begins with nothing."""
        self.step = step
        self.networks.restore(tensors)
        device = next(self.networks.net.parameters()).device
        self.mean = {k: v.to(device) for k, v in under(tensors, "mean.").items()}
        if self.critic is not None and (known := under(tensors, "critic.")):
            self.critic.restore(known)
