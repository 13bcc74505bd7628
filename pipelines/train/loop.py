"""How networks are taught from made-up people: lessons are made beside, what is learnt is kept; a run goes on where it
was."""

import json
import subprocess
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from itertools import count, repeat
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from motion_imitate import bodies
from motion_imitate.files import put, trouble
from motion_imitate.generators.discriminator import Discriminator
from motion_imitate.synthesis.held_out import part_of
from motion_imitate.synthesis.pairs import Pairs
from motion_imitate.weights import read, write
from pipelines.output_path import Refused
from pipelines.provenance import maker
from pipelines.reporter import FAILED, OK, Talk
from pipelines.streaming.threads import in_order
from pipelines.synthesize.people import narrow, sampling
from pipelines.train.distributed import Rank, one_of_us
from pipelines.train.optimizer import Learner, Pace, Subject, under
from pipelines.train.options import Lessons

L = TypeVar("L")

CHECKPOINT, WEIGHTS, LOG, SHEET = "checkpoint.safetensors", "weights.safetensors", "log.jsonl", "sheet.png"
SMOKE = 20  # steps of a trial
LEAST = 48  # pixels across that a discriminator takes to say anything


@dataclass(frozen=True)
class Learning:
    pace: Pace = field(default_factory=Pace)
    times: int = 2  # that the same lessons are learnt from: they take as long to make
    least: float = 60.0  # seconds between two checkpoints
    shown: int = 50  # steps between two lines of the log, and two sheets


@dataclass(frozen=True)
class Course(Generic[L]):
    """What is taught, and from which lessons."""

    subject: Subject[L]
    given: Callable[[int, int], bytes]  # the lesson of a lot and a number; called in other processes
    taken: Callable[[list[bytes]], L]  # some of them, to learn from at once
    learning: Learning
    about: dict[str, Any]  # what weights say of themselves


@lru_cache(maxsize=1)
def pairs(how: Lessons, views: int = 3) -> Pairs:
    torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings
    return Pairs(bodies.load(), sampling(how, how.size, views), how.seed)


def learner_of(networks: nn.Module, critic: bool, pace: Pace, device: str = "cpu") -> Learner:
    networks.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Learner(networks, Discriminator().to(device) if critic else None, pace)


def begun(folder: Path, how: Lessons, course: Course[L], device: str) -> Learner:
    """What learns: as it was when it stopped, or new."""
    if course.subject.weights.adversarial and narrow(how.size) < LEAST:
        raise Refused(f"pictures of {how.size} pixels are too small for a discriminator; give a --size of 72 or more")
    torch.manual_seed(how.seed)
    subject = course.subject
    learner = learner_of(subject.networks(), subject.weights.adversarial > 0, course.learning.pace, device)
    if (folder / CHECKPOINT).exists():
        about, tensors = read(folder / CHECKPOINT)
        suits(folder, learner, under(tensors, "now."))
        learner.restore(int(about["step"]), tensors)
    elif how.begin is not None:
        weights = read(how.begin)[1]
        suits(how.begin, learner, weights)
        learner.begin(weights)
    return learner


def suits(path: Path, learner: Learner, weights: dict[str, Tensor]) -> None:
    own = learner.networks.net.state_dict()
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in weights.items()}:
        raise Refused(f"{path} holds other networks than are to learn; give another, or their --shape")


def lessons(how: Lessons, course: Course[L], first: int, rank: Rank) -> Generator[L]:
    """Those of each step, from step `first` on, without end; made by other processes."""
    with ProcessPoolExecutor(how.workers, get_context("spawn")) as pool:

        def asked(lot: int) -> list[Future[bytes]]:
            start = (lot * rank.count + rank.number) * how.people
            return [pool.submit(course.given, lot, number) for number in range(start, start + how.people)]

        def told(asked: list[Future[bytes]]) -> L:
            return course.taken([one.result() for one in asked])

        try:
            lot, done = divmod(first, course.learning.times)
            for some in in_order(asked, told, count(lot), 1 + -(-how.workers // how.people)):
                yield from repeat(some, course.learning.times - done)
                done = 0
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def tried(folder: Path, how: Lessons, learning: Learning) -> tuple[Lessons, Learning]:
    """The settings of a trial."""
    if (folder / CHECKPOINT).exists():
        raise Refused(f"{folder} holds a run; give another folder to --smoke")
    return replace(how, steps=SMOKE), replace(learning, times=SMOKE, pace=replace(learning.pace, warm=1))


def teach(folder: Path, how: Lessons, course: Course[L], rank: Rank, talk: Talk) -> int:
    """The exit code. Of processes that learn together the first alone speaks and writes."""
    if how.smoke:
        how, learning = tried(folder, how, course.learning)
        course = replace(course, learning=learning)
    begin = saved = monotonic()
    learner, learning = begun(folder, how, course, rank.device), course.learning
    with trouble(folder):
        folder.mkdir(exist_ok=True)
    torch.set_num_threads(how.threads)
    start, lost = learner.step, list[float]()
    talk = talk if rank.first else replace(talk, quiet=True)
    with (
        closing(lessons(how, course, start, rank)) as coming,
        closing(steps(learner, coming, course.subject)) as done,
    ):
        for step in talk.counted(done, "train", how.steps and how.steps - start):
            lost.append(step.told["loss"])
            late = one_of_us(monotonic() - begin > 60 * how.minutes, rank.device)
            ends = late or bool(how.steps and learner.step >= how.steps)
            if rank.first and (learner.step % learning.shown == 0 or ends):
                note(folder, step, learner, course.subject)
            if rank.first and (monotonic() - saved > learning.least or ends):
                store(folder, learner, how, course)
                saved = monotonic()
            if ends:
                break
    record = {"output": str(folder / CHECKPOINT), "step": learner.step, "learnt": learner.step - start}
    if rank.first:
        talk.result(record, f"{folder / CHECKPOINT}: step {learner.step}, {learner.step - start} of them now")
    if how.smoke and not lost[-1] < lost[0]:
        talk.fail(FAILED, f"nothing was learnt: the loss went from {lost[0]:.4f} to {lost[-1]:.4f}")
        return FAILED
    return OK


def store(folder: Path, learner: Learner, how: Lessons, course: Course[L]) -> None:
    """All that it takes to go on; and the weights alone, as they are used."""
    about = {"step": learner.step, "seed": how.seed}
    write(folder / CHECKPOINT, about, learner.stored())
    said = about | recipe(folder, how, course)
    write(folder / WEIGHTS, said, {k: v.half().cpu() for k, v in learner.mean.items()})


def recipe(folder: Path, how: Lessons, course: Course[L]) -> dict[str, Any]:
    """How weights came to be what they are: enough to make them again."""
    log = (folder / LOG).read_text().splitlines() if (folder / LOG).exists() else []
    motions = sorted(how.motions.glob("*.txt")) if how.motions else []
    return {
        **course.about,
        "size": how.size,
        "people": how.people,
        "part": how.part,
        "wardrobe": bool(how.makehuman),
        "motions": [path.stem for path in part_of(motions, how.part)],
        "begin": str(how.begin.name) if how.begin else None,
        "learning": asdict(course.learning),
        "weights": asdict(course.subject.weights),
        "metrics": json.loads(log[-1]) if log else None,
        "made_by": maker(),
        "commit": commit(),
    }


def commit() -> str | None:
    """Of the checkout that this is run from, if it is one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


@dataclass(frozen=True)
class Step(Generic[L]):
    told: dict[str, float]
    lessons: L

    def __len__(self) -> int:
        return 1


def steps(learner: Learner, coming: Iterator[L], subject: Subject[L]) -> Generator[Step[L]]:
    for some in coming:
        yield Step(learner.learn(some, subject), some)


@torch.no_grad()
def note(folder: Path, step: Step[L], learner: Learner, subject: Subject[L]) -> None:
    """A line of the log, and a sheet of what the mean of the weights makes."""
    networks = subject.networks().to(next(learner.networks.net.parameters()).device)
    networks.load_state_dict(learner.mean)
    shown = subject.shown(networks, step.lessons)
    line = step.told | {k: float(v.mean()) for k, v in shown.wrong.items()}
    with (folder / LOG).open("a") as log:
        log.write(json.dumps({k: round(v, 5) for k, v in line.items()}) + "\n")
    picture = torch.cat(list(shown.rows), 1).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    put(folder / SHEET, cv2.imencode(".png", (picture[..., ::-1] * 255).astype(np.uint8))[1].tobytes())
