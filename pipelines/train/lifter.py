"""`motion-imitate train lifter`: train the shipped lifter from recorded motion and synthetic people."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import cos, pi
from pathlib import Path
from time import monotonic

import torch
from torch import Tensor

from motion_imitate import weights
from motion_imitate.estimators.clip import load_body_model
from motion_imitate.estimators.fitter import blazepose_points
from motion_imitate.estimators.lifter import (
    DEPTH_SCALE,
    Lifter,
    LifterConfig,
    LifterGuess,
    PersonFraming,
    lifter_features,
)
from motion_imitate.estimators.rig import Rig
from motion_imitate.estimators.terms import HIP_ROWS
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.synthesis import mocap
from motion_imitate.synthesis.points import LifterBatch, PersonSampler
from motion_imitate.types import BodyModel
from pipelines.reporter import Reporter


@dataclass(frozen=True)
class LifterTraining:
    """Duration, batch size, learning rate and seed."""

    minutes: float = 20
    batch: int = 256
    rate: float = 6e-4
    seed: int = 0


REPORT_SECONDS, SAVE_SECONDS = 10.0, 180.0  # seconds between progress reports, and between saves


@dataclass(frozen=True)
class LifterProgress:
    """How far training has come, and its recent error."""

    steps: int
    done: float  # fraction of the time
    metres: float  # point error on synthetic people, averaged over recent steps

    def __str__(self) -> str:
        return f"{self.steps} steps, {1000 * self.metres:.0f} mm error on synthetic people"


def lifter_loss(
    guess: LifterGuess, framing: PersonFraming, truth: LifterBatch, crowd: PersonSampler, whole: bool
) -> tuple[Tensor, Tensor]:
    """Loss of a guess, and its mean point error in metres.

    `whole` also compares the points that the guess places, in space and in the image.
    """
    root = framing.ray.mT @ truth.state.root
    bend_error = rotation_vector_to_matrix(guess.bends) - rotation_vector_to_matrix(truth.state.bends)
    wrong = 0.3 * bend_error.square().sum((-1, -2)).mean()
    wrong = wrong + (guess.root - root).square().sum((-1, -2)).mean()
    wrong = wrong + 0.1 * (guess.shape - truth.shape).square().mean()
    wrong = wrong + (guess.log_depth - (truth.state.place[:, 2] * framing.size / DEPTH_SCALE).log()).square().mean()
    if not whole:
        return wrong, wrong.new_zeros(())
    shape = torch.nn.functional.pad(guess.shape, (0, len(crowd.points.arm_dirs) - guess.shape.shape[1]))
    at = crowd.rig.place(crowd.points, guess.state(framing), shape)

    def from_hips(x: Tensor) -> Tensor:
        return x - x[:, HIP_ROWS].mean(1, keepdim=True)

    metres = (from_hips(at) - from_hips(truth.points)).norm(dim=-1).mean()
    off = at[..., :2] / at[..., 2:].clamp(min=0.3) - truth.points[..., :2] / truth.points[..., 2:].clamp(min=0.3)
    plane = (off.abs() / framing.size[:, None, None] * truth.weight[..., None]).mean()
    return wrong + 5 * metres + 3 * plane, metres


def lifter_training_step(
    lifter: Lifter, crowd: PersonSampler, optimizer: torch.optim.Optimizer, batch: int
) -> tuple[float, float]:
    """One optimizer step on a fresh batch: the loss, and the point error of the last guess in metres."""
    truth = crowd.draw(batch)
    framing = PersonFraming.of(truth.aim, truth.weight)
    guesses = lifter(lifter_features(truth.aim, truth.weight, truth.world, framing))
    early = 0.3 * sum((lifter_loss(g, framing, truth, crowd, False)[0] for g in guesses[:-1]), torch.zeros(()))
    last, metres = lifter_loss(guesses[-1], framing, truth, crowd, True)
    optimizer.zero_grad()
    (early + last).backward()
    torch.nn.utils.clip_grad_norm_(lifter.parameters(), 1.0)
    optimizer.step()
    return (early + last).item(), metres.item()


def start_lifter_training(
    model: BodyModel, poses: tuple[Tensor, Tensor], how: LifterTraining
) -> tuple[Lifter, PersonSampler, torch.optim.AdamW]:
    """An untrained lifter, the source of its training samples, and its optimizer."""
    torch.manual_seed(how.seed)
    rig = Rig(model)
    lifter = Lifter(LifterConfig())
    crowd = PersonSampler(rig, blazepose_points(rig), poses, lifter.config.shapes, how.seed)
    return lifter, crowd, torch.optim.AdamW(lifter.parameters(), lr=how.rate, weight_decay=1e-4)


def train_lifter_network(
    model: BodyModel, motions: Path, out: Path, how: LifterTraining, tell: Callable[[LifterProgress], None]
) -> LifterProgress:
    """Train until the time is up; save the weights every few minutes and at the end."""
    lifter, crowd, optimizer = start_lifter_training(model, mocap.load_pose_bank(model, motions), how)
    begun = saved = told = monotonic()
    now = LifterProgress(0, 0.0, 0.0)
    while now.done < 1:
        for group in optimizer.param_groups:
            group["lr"] = how.rate * min(1, (now.steps + 1) / 200) * (0.505 + 0.495 * cos(pi * now.done))
        _, metres = lifter_training_step(lifter, crowd, optimizer, how.batch)
        recent = metres if now.steps == 0 else 0.98 * now.metres + 0.02 * metres
        now = LifterProgress(now.steps + 1, (monotonic() - begun) / 60 / how.minutes, recent)
        if monotonic() - told > REPORT_SECONDS:
            tell(now)
            told = monotonic()
        if monotonic() - saved > SAVE_SECONDS:
            save_lifter(out, lifter, model.name)
            saved = monotonic()
    save_lifter(out, lifter, model.name)
    return now


def save_lifter(path: Path, lifter: Lifter, body: str) -> None:
    """Write the weights atomically: an interrupted save leaves the previous file."""
    about = {"model": "lifter", "body": body, "config": asdict(lifter.config)}
    weights.write_weights(path, about, {k: v.half() for k, v in lifter.state_dict().items()})


def run_lifter_training(motions: Path, out: Path, how: LifterTraining, reporter: Reporter) -> None:
    """Run `motion-imitate train lifter`: report progress, then the result."""

    def tell(now: LifterProgress) -> None:
        record = {"progress": "train lifter", "steps": now.steps, "done": round(now.done, 3), "metres": now.metres}
        if not reporter.quiet:
            reporter.write_message(record, f"{now.done:.0%} of the time, {now}")

    torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings
    end = train_lifter_network(load_body_model("anny"), motions, out, how, tell)
    reporter.result({"output": str(out), "steps": end.steps, "metres": end.metres}, f"{out}: {end}")
