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


@dataclass(frozen=True)
class LifterTraining:
    minutes: float = 20
    batch: int = 256
    rate: float = 6e-4
    seed: int = 0


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


def train_lifter(
    model: BodyModel, motions: Path, out: Path, how: LifterTraining, tell: Callable[[str], None]
) -> Lifter:
    """Train until the time is up, writing the weights every few minutes."""
    torch.manual_seed(how.seed)
    rig = Rig(model)
    lifter = Lifter(LifterConfig())
    crowd = Crowd(rig, network_points(rig), mocap.library(model, motions), lifter.config.shapes, how.seed)
    optimizer = torch.optim.AdamW(lifter.parameters(), lr=how.rate, weight_decay=1e-4)
    begun, saved, steps, recent = monotonic(), monotonic(), 0, 0.0
    while (done := (monotonic() - begun) / 60 / how.minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = how.rate * min(1, (steps + 1) / 200) * (0.505 + 0.495 * cos(pi * done))
        truth = crowd.draw(how.batch)
        framing = Framing.of(truth.aim, truth.weight)
        guesses = lifter(features(truth.aim, truth.weight, truth.world, framing))
        total = 0.3 * sum((loss(g, framing, truth, crowd, False)[0] for g in guesses[:-1]), torch.zeros(()))
        last, metres = loss(guesses[-1], framing, truth, crowd, True)
        optimizer.zero_grad()
        (total + last).backward()
        torch.nn.utils.clip_grad_norm_(lifter.parameters(), 1.0)
        optimizer.step()
        steps += 1
        recent = metres.item() if steps == 1 else 0.98 * recent + 0.02 * metres.item()
        if steps % 200 == 0:
            tell(f"{steps} steps, {done:.0%} of the time, {1000 * recent:.1f} mm from made-up people")
        if monotonic() - saved > 180:
            save(out, lifter, model.name)
            saved = monotonic()
    save(out, lifter, model.name)
    return lifter


def save(path: Path, lifter: Lifter, body: str) -> None:
    about = {"model": "lifter", "body": body, "config": asdict(lifter.config)}
    weights.write(path, about, {k: v.half() for k, v in lifter.state_dict().items()})
