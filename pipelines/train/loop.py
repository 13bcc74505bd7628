"""The training loop: trains on a stream of samples, logs and checkpoints, and resumes an interrupted run."""

import json
import signal
import subprocess
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from motion_imitate.files import raise_output_errors, write_bytes_atomically
from motion_imitate.weights import read_weights, write_weights
from pipelines.device import allow_fast_training
from pipelines.output_path import UsageError
from pipelines.provenance import software_name
from pipelines.reporter import FAILED, OK, Reporter
from pipelines.train.distributed import ProcessRank, any_rank_true
from pipelines.train.optimizer import Learner, Objective, OptimizerSettings, tensors_under_prefix
from pipelines.train.options import RunOptions

SampleT = TypeVar("SampleT")

CHECKPOINT_FILE, WEIGHTS_FILE, LOG_FILE, PREVIEW_FILE = (
    "checkpoint.safetensors",
    "weights.safetensors",
    "log.jsonl",
    "sheet.png",
)
SMOKE_STEPS = 20  # steps of a smoke run
SEED_STRIDE = 1_000_003  # between the random numbers of two seeds


@dataclass(frozen=True)
class LoopSettings:
    """Optimizer settings, and how often the loop saves and logs."""

    pace: OptimizerSettings = field(default_factory=OptimizerSettings)
    least: float = 60.0  # seconds between checkpoints
    shown: int = 50  # steps between log lines, and between previews


@dataclass(frozen=True)
class TrainingTask(Generic[SampleT]):
    """What to train, and on which samples."""

    subject: Objective[SampleT]
    stream: Callable[[int, ProcessRank], Generator[SampleT]]  # batches for each step from a step on, without end
    learning: LoopSettings
    about: dict[str, Any]  # metadata of the weights


def build_learner(
    networks: nn.Module, critic: nn.Module | None, pace: OptimizerSettings, device: str = "cpu"
) -> Learner:
    """A learner of these networks on the device, against the discriminator if there is one."""
    networks.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Learner(networks, None if critic is None else critic.to(device), pace)


def load_or_start_learner(folder: Path, how: RunOptions, task: TrainingTask[SampleT], device: str) -> Learner:
    """The learner of the folder's checkpoint, or a new one, started from `how.begin` if given."""
    torch.manual_seed(how.seed)
    subject = task.subject
    learner = build_learner(subject.networks(), subject.critic(), task.learning.pace, device)
    if (folder / CHECKPOINT_FILE).exists():
        about, tensors = read_weights(folder / CHECKPOINT_FILE)
        check_weights_match(folder, learner, tensors_under_prefix(tensors, "now."))
        learner.restore(int(about["step"]), tensors)
    elif how.begin is not None:
        weights = read_weights(how.begin)[1]
        check_weights_match(how.begin, learner, weights)
        learner.begin(weights)
    return learner


def check_weights_match(path: Path, learner: Learner, weights: dict[str, Tensor]) -> None:
    """Refuse weights whose names or shapes differ from the learner's networks."""
    own = learner.networks.net.state_dict()
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in weights.items()}:
        raise UsageError(
            f"{path} holds other networks than this run trains; give other weights, or the --shape of these"
        )


def smoke_settings(
    folder: Path, how: RunOptions, task: TrainingTask[SampleT]
) -> tuple[RunOptions, TrainingTask[SampleT]]:
    """The settings of a smoke run, whose steps all see the same; refuses a folder that holds a run."""
    if (folder / CHECKPOINT_FILE).exists():
        raise UsageError(f"{folder} already holds a run; give --smoke another folder")

    def repeat_first(first: int, rank: ProcessRank) -> Generator[SampleT]:
        with closing(task.stream(first, rank)) as coming:
            some = next(coming)
        while True:
            yield some

    learning = replace(task.learning, pace=replace(task.learning.pace, warm=1))
    return replace(how, steps=SMOKE_STEPS), replace(task, learning=learning, stream=repeat_first)


def run_training_loop(
    folder: Path, how: RunOptions, task: TrainingTask[SampleT], rank: ProcessRank, reporter: Reporter
) -> int:
    """Train until the time or the steps are up, or until SIGTERM or SIGINT; returns the exit code.

    Of several processes only the first reports and writes.
    """
    if how.smoke:
        how, task = smoke_settings(folder, how, task)
    allow_fast_training(rank.device)
    begin = saved = monotonic()
    learner, learning = load_or_start_learner(folder, how, task, rank.device), task.learning
    with raise_output_errors(folder):
        folder.mkdir(exist_ok=True)
    torch.set_num_threads(how.threads)
    start, lost = learner.step, list[float]()
    reporter = reporter if rank.first else replace(reporter, quiet=True)
    with (
        catch_termination() as terminated,
        closing(task.stream(start, rank)) as coming,
        closing(run_training_steps(learner, coming, task.subject, how.seed)) as done,
    ):
        for step in reporter.track_progress(done, "train", how.steps and how.steps - start):
            lost.append(step.losses["loss"])
            late = any_rank_true(terminated() or monotonic() - begin > 60 * how.minutes, rank.device)
            ends = late or bool(how.steps and learner.step >= how.steps)
            if rank.first and (learner.step % learning.shown == 0 or ends):
                log_training_step(folder, step, learner, task.subject)
            if rank.first and (monotonic() - saved > learning.least or ends):
                save_training_state(folder, learner, how, task)
                saved = monotonic()
            if ends:
                break
    record = {"output": str(folder / CHECKPOINT_FILE), "step": learner.step, "learnt": learner.step - start}
    if rank.first:
        reporter.result(
            record, f"{folder / CHECKPOINT_FILE}: step {learner.step}, {learner.step - start} of them in this run"
        )
    if how.smoke and not lost[-1] < lost[0]:
        reporter.fail(FAILED, f"the loss did not fall: it went from {lost[0]:.4f} to {lost[-1]:.4f}")
        return FAILED
    return OK


@contextmanager
def catch_termination() -> Generator[Callable[[], bool]]:
    """Whether SIGTERM or SIGINT has come; the first does not end the process meanwhile, a second SIGINT does."""
    came = list[int]()

    def note(number: int, _: object) -> None:
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def save_training_state(folder: Path, learner: Learner, how: RunOptions, task: TrainingTask[SampleT]) -> None:
    """Write the checkpoint to resume from, and the averaged weights to use."""
    about = {"step": learner.step, "seed": how.seed}
    write_weights(folder / CHECKPOINT_FILE, about, learner.stored())
    said = about | training_recipe(folder, how, task)
    write_weights(folder / WEIGHTS_FILE, said, {k: v.half().cpu() for k, v in learner.mean.items()})


def training_recipe(folder: Path, how: RunOptions, task: TrainingTask[SampleT]) -> dict[str, Any]:
    """Metadata for the weights: what is needed to train them again."""
    log = (folder / LOG_FILE).read_text().splitlines() if (folder / LOG_FILE).exists() else []
    return {
        **task.about,
        "begin": str(how.begin.name) if how.begin else None,
        "learning": asdict(task.learning),
        "weights": asdict(task.subject.weights),
        "metrics": json.loads(log[-1]) if log else None,
        "made_by": software_name(),
        "commit": git_commit_hash(),
    }


def git_commit_hash() -> str | None:
    """The git commit of this checkout; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


@dataclass(frozen=True)
class TrainingStep(Generic[SampleT]):
    """The losses of a step, and the samples it used."""

    losses: dict[str, float]
    samples: SampleT

    def __len__(self) -> int:
        return 1


def run_training_steps(
    learner: Learner, coming: Generator[SampleT], subject: Objective[SampleT], seed: int
) -> Generator[TrainingStep[SampleT]]:
    """Run one optimizer step for each batch. What is random in a step depends on the seed and its number alone."""
    for some in coming:
        torch.manual_seed((seed * SEED_STRIDE + learner.step) % (1 << 63))
        yield TrainingStep(learner.learn(some, subject), some)


@torch.no_grad()
def log_training_step(folder: Path, step: TrainingStep[SampleT], learner: Learner, subject: Objective[SampleT]) -> None:
    """Append a line to the log, and write a preview of what the averaged weights draw."""
    networks = deepcopy(learner.networks.net).eval()
    networks.load_state_dict(learner.mean)
    shown = subject.render_preview(networks, step.samples)
    line = step.losses | {k: float(v.mean()) for k, v in shown.wrong.items()}
    with (folder / LOG_FILE).open("a") as log:
        log.write(json.dumps({k: round(v, 5) for k, v in line.items()}) + "\n")
    picture = torch.cat(list(shown.rows), 1).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    write_bytes_atomically(
        folder / PREVIEW_FILE, cv2.imencode(".png", (picture[..., ::-1] * 255).astype(np.uint8))[1].tobytes()
    )
