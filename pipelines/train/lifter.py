"""Training what the project ships: the lifter, from recorded motion and made-up people."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import cos, pi
from pathlib import Path
from time import monotonic

import torch
from torch import Tensor

from motion_imitate import weights
from motion_imitate.estimators.fitter import network_points
from motion_imitate.estimators.lifter import DEPTH, Framing, Guess, Lifter, LifterConfig, features
from motion_imitate.estimators.rig import Rig, turn
from motion_imitate.estimators.terms import HIPS
from motion_imitate.synthesis import mocap
from motion_imitate.synthesis.points import Crowd, Sample
from motion_imitate.types import BodyModel
from pipelines.motion.estimate import body_model
from pipelines.reporter import Talk


@dataclass(frozen=True)
class LifterTraining:
    minutes: float = 20
    batch: int = 256
    rate: float = 6e-4
    seed: int = 0


TELL, SAVE = 10.0, 180.0  # seconds from one word of progress, or one saving of the weights, to the next


@dataclass(frozen=True)
class Progress:
    steps: int
    done: float  # of the time
    metres: float  # from made-up people, on average over recent steps

    def __str__(self) -> str:
        return f"{self.steps} steps, {1000 * self.metres:.0f} mm from made-up people"


def loss(guess: Guess, framing: Framing, truth: Sample, crowd: Crowd, whole: bool) -> tuple[Tensor, Tensor]:
    """How wrong a guess is, and by how many metres; `whole` looks at where its points come out, too."""
    root = framing.ray.mT @ truth.state.root
    wrong = 0.3 * (turn(guess.bends) - turn(truth.state.bends)).square().sum((-1, -2)).mean()
    wrong = wrong + (guess.root - root).square().sum((-1, -2)).mean()
    wrong = wrong + 0.1 * (guess.shape - truth.shape).square().mean()
    wrong = wrong + (guess.log_depth - (truth.state.place[:, 2] * framing.size / DEPTH).log()).square().mean()
    if not whole:
        return wrong, wrong.new_zeros(())
    shape = torch.nn.functional.pad(guess.shape, (0, len(crowd.points.arm_dirs) - guess.shape.shape[1]))
    at = crowd.rig.place(crowd.points, guess.state(framing), shape)

    def from_hips(x: Tensor) -> Tensor:
        return x - x[:, HIPS].mean(1, keepdim=True)

    metres = (from_hips(at) - from_hips(truth.points)).norm(dim=-1).mean()
    off = at[..., :2] / at[..., 2:].clamp(min=0.3) - truth.points[..., :2] / truth.points[..., 2:].clamp(min=0.3)
    plane = (off.abs() / framing.size[:, None, None] * truth.weight[..., None]).mean()
    return wrong + 5 * metres + 3 * plane, metres


def step(lifter: Lifter, crowd: Crowd, optimizer: torch.optim.Optimizer, batch: int) -> tuple[float, float]:
    """Learn from a few more people: the loss, and how far from the truth the last guess's points were, in metres."""
    truth = crowd.draw(batch)
    framing = Framing.of(truth.aim, truth.weight)
    guesses = lifter(features(truth.aim, truth.weight, truth.world, framing))
    early = 0.3 * sum((loss(g, framing, truth, crowd, False)[0] for g in guesses[:-1]), torch.zeros(()))
    last, metres = loss(guesses[-1], framing, truth, crowd, True)
    optimizer.zero_grad()
    (early + last).backward()
    torch.nn.utils.clip_grad_norm_(lifter.parameters(), 1.0)
    optimizer.step()
    return (early + last).item(), metres.item()


def begin(
    model: BodyModel, poses: tuple[Tensor, Tensor], how: LifterTraining
) -> tuple[Lifter, Crowd, torch.optim.AdamW]:
    """An untrained lifter, whom it learns from, and by what."""
    torch.manual_seed(how.seed)
    rig = Rig(model)
    lifter = Lifter(LifterConfig())
    crowd = Crowd(rig, network_points(rig), poses, lifter.config.shapes, how.seed)
    return lifter, crowd, torch.optim.AdamW(lifter.parameters(), lr=how.rate, weight_decay=1e-4)


def train_lifter(
    model: BodyModel, motions: Path, out: Path, how: LifterTraining, tell: Callable[[Progress], None]
) -> Progress:
    """Train until the time is up, writing the weights every few minutes and at the end."""
    lifter, crowd, optimizer = begin(model, mocap.library(model, motions), how)
    begun = saved = told = monotonic()
    now = Progress(0, 0.0, 0.0)
    while now.done < 1:
        for group in optimizer.param_groups:
            group["lr"] = how.rate * min(1, (now.steps + 1) / 200) * (0.505 + 0.495 * cos(pi * now.done))
        _, metres = step(lifter, crowd, optimizer, how.batch)
        recent = metres if now.steps == 0 else 0.98 * now.metres + 0.02 * metres
        now = Progress(now.steps + 1, (monotonic() - begun) / 60 / how.minutes, recent)
        if monotonic() - told > TELL:
            tell(now)
            told = monotonic()
        if monotonic() - saved > SAVE:
            save(out, lifter, model.name)
            saved = monotonic()
    save(out, lifter, model.name)
    return now


def save(path: Path, lifter: Lifter, body: str) -> None:
    """Whole or not at all: who is interrupted keeps what was saved before."""
    about = {"model": "lifter", "body": body, "config": asdict(lifter.config)}
    weights.write(path, about, {k: v.half() for k, v in lifter.state_dict().items()})


def lifter_command(motions: Path, out: Path, how: LifterTraining, talk: Talk) -> None:
    """`motion-imitate train lifter`."""

    def tell(now: Progress) -> None:
        record = {"progress": "train lifter", "steps": now.steps, "done": round(now.done, 3), "metres": now.metres}
        if not talk.quiet:
            talk.aside(record, f"{now.done:.0%} of the time, {now}")

    torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings
    end = train_lifter(body_model("anny"), motions, out, how, tell)
    talk.result({"output": str(out), "steps": end.steps, "metres": end.metres}, f"{out}: {end}")
