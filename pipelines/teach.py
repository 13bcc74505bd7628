"""`motion-imitate train retouch`: teaches the retouching networks from made-up people; goes on where it was."""

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
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from motion_imitate import bodies, losses
from motion_imitate.backbones import Backbone, load_backbone
from motion_imitate.compositor import compose
from motion_imitate.estimators.identity import Identity
from motion_imitate.files import put, trouble
from motion_imitate.generators.discriminator import Discriminator
from motion_imitate.generators.liquid_warping import SHAPES, SID, TSF, Heads
from motion_imitate.generators.retouch import Draft, Retouching, changed, framed
from motion_imitate.lessons import Lesson, Teaching, Truth, lesson
from motion_imitate.synthesis.closet import Closet
from motion_imitate.synthesis.held import part_of
from motion_imitate.synthesis.pairs import Casting, Pairs, Sampling
from motion_imitate.synthesis.poses import Framing, Posing
from motion_imitate.types import cat
from motion_imitate.weights import read, write
from pipelines.console import FAILED, OK, Talk
from pipelines.learner import Attempt, Learner, Pace
from pipelines.making_up import MakingUp
from pipelines.motion import maker
from pipelines.output import Refused
from pipelines.run import in_order
from pipelines.teaching import Lessons
from pipelines.watch import check_device

CHECKPOINT, WEIGHTS, LOG, SHEET = "checkpoint.safetensors", "weights.safetensors", "log.jsonl", "sheet.png"
SMOKE = 20  # steps of a trial
VIEWS = 3  # of a lesson, photos and views to draw together
WIDE = 1.5  # times as high as wide pictures of people are
LEAST = 48  # pixels across that a discriminator takes to say anything


@dataclass(frozen=True)
class Weights:
    perceptual: float = 1.0
    colour: float = 4.0
    cover: float = 2.0
    face: float = 2.0
    identity: float = 0.5
    adversarial: float = 0.0


@dataclass(frozen=True)
class Learning:
    pace: Pace = field(default_factory=Pace)
    weights: Weights = field(default_factory=Weights)
    times: int = 2  # that the same lessons are learnt from: they take as long to make
    two: int = 4  # of so many lots of lessons, one has two photos
    least: float = 60.0  # seconds between two checkpoints
    shown: int = 50  # steps between two lines of the log, and two sheets


class Networks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.source, self.target = SID(SHAPES["small"]), TSF(SHAPES["small"])

    def forward(
        self, lessons: list[Lesson], how: Retouching
    ) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 1 H W"]]:
        """Colour and cover of all views, at their own size."""
        features = self.source.features(torch.stack([one.looked.picture for one in lessons]))
        drafts = cat([one.drafts for one in lessons])
        ways = [framed(one.drafts.drawn, one.looked.frame) for one in lessons]
        flows, valid = (torch.cat(parts) for parts in zip(*ways, strict=True))
        heads = self.target(drafts.picture, features, flows, valid)
        made, start = [], 0
        for one in lessons:
            part = slice(start, start := start + len(one.truth))
            drawn = changed(one.drafts, Heads(*(head[part] for head in heads)), how)
            made.append(composed(Draft(one.drafts.picture, drawn), one))
        colour, cover = (torch.cat(parts) for parts in zip(*made, strict=True))
        return colour, cover


def composed(draft: Draft, one: Lesson) -> tuple[Tensor, Tensor]:
    return compose(draft.drawn, one.palette, (draft.picture.shape[2], draft.picture.shape[3]))


def over(made: tuple[Tensor, Tensor], truth: Truth) -> Float[Tensor, "B 3 H W"]:
    colour, cover = made
    return colour * cover + truth.behind * (1 - cover)


@dataclass(frozen=True)
class Mending:
    """To make of drafts what people really look like."""

    eyes: Backbone
    faces: Identity
    weights: Weights = field(default_factory=Weights)
    reach: int = 9  # pixels round the person that count, too
    how: Retouching = field(default_factory=Retouching)

    def attempt(self, networks: Callable[..., tuple[Tensor, Tensor]], lessons: list[Lesson]) -> Attempt:
        made = networks(lessons, self.how)
        truth = cat([one.truth for one in lessons])
        shown = torch.cat([one.drafts.places for one in lessons])
        seen, true = (torch.cat([2 * x - 1, shown], 1) for x in (over(made, truth), truth.image))
        return Attempt(self.wrong(made, lessons), seen, true)

    def wrong(self, made: tuple[Tensor, Tensor], lessons: list[Lesson]) -> dict[str, Tensor]:
        """A number for each view."""
        truth = cat([one.truth for one in lessons])
        started = torch.cat([one.drafts.drawn.cover for one in lessons])
        where = max_pool2d(torch.maximum(truth.matte, started), 2 * self.reach + 1, 1, self.reach)
        picture = over(made, truth)
        size = (picture.shape[2], picture.shape[3])
        return {
            "perceptual": losses.perceptual(self.eyes, picture, truth.image, where),
            "colour": losses.reconstruction(picture, truth.image, where),
            "cover": losses.reconstruction(made[1], truth.matte, where),
            "face": losses.reconstruction(picture, truth.image, losses.inside(truth.face, size)),
            "identity": losses.face_identity(self.faces, picture, truth.image, truth.face),
        }

    def weighed(self, wrong: dict[str, Tensor]) -> Tensor:
        return torch.stack([float(getattr(self.weights, k)) * value.mean() for k, value in wrong.items()]).sum()


def learner_of(learning: Learning, seed: int, device: str = "cpu") -> Learner:
    torch.manual_seed(seed)
    networks = Networks().to(device)
    networks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    critic = Discriminator().to(device) if learning.weights.adversarial else None
    return Learner(networks, critic, learning.pace)


def sampling(how: MakingUp, side: int) -> Sampling:
    """How people are made up, to be drawn from one of their views."""
    closet = Closet(wardrobe=how.makehuman, part=how.part)
    posing = Posing(swap=0.1, loose=0.05, small=0.6)  # as people stand in photos and move in clips
    framing = Framing(whole=0.85, high=(0.75, 0.95), shift=0.02)
    casting = Casting(people=4, each=48)
    return Sampling((side, narrow(side)), VIEWS, how.motions, how.backgrounds, closet, casting, posing, framing)


def narrow(side: int) -> int:
    """Whole people are seldom wide."""
    return 8 * round(side / WIDE / 8)


@lru_cache(maxsize=1)
def pairs(how: Lessons) -> Pairs:
    torch.set_num_threads(1)
    return Pairs(bodies.load(), sampling(how, how.size), how.seed)


def given(how: Lessons, number: int, photos: int) -> bytes:
    return lesson(pairs(how), number, Teaching(photos, retouch=Retouching(size=how.size))).packed()


def lessons(how: Lessons, first: int, learning: Learning) -> Generator[list[Lesson]]:
    """Those of each step, from step `first` on, without end; made by other processes."""
    with ProcessPoolExecutor(how.workers, get_context("spawn")) as pool:

        def asked(lot: int) -> list[Future[bytes]]:
            photos = 2 if lot % learning.two == learning.two - 1 else 1
            numbers = range(lot * how.people, (lot + 1) * how.people)
            return [pool.submit(given, how, number, photos) for number in numbers]

        def told(asked: list[Future[bytes]]) -> list[Lesson]:
            return [Lesson.unpacked(one.result()).to(how.device) for one in asked]

        try:
            lot, done = divmod(first, learning.times)
            for some in in_order(asked, told, count(lot), 1 + -(-how.workers // how.people)):
                yield from repeat(some, learning.times - done)
                done = 0
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def teach(folder: Path, how: Lessons, talk: Talk, learning: Learning = Learning()) -> int:
    """The exit code."""
    if how.smoke:
        if (folder / CHECKPOINT).exists():
            raise Refused(f"{folder} holds a run; give another folder to --smoke")
        how, learning = replace(how, steps=SMOKE), replace(learning, times=SMOKE, pace=replace(learning.pace, warm=1))
    learning = against(learning, how)
    pairs(how)  # whose folders it looks at
    begun = saved = monotonic()
    check_device(how.device)
    eyes: Backbone = load_backbone("efficientnet-lite0").to(how.device)
    subject = Mending(eyes, Identity(how.device), learning.weights)
    learner = learner_of(learning, how.seed, how.device)
    with trouble(folder):
        folder.mkdir(exist_ok=True)
    if (folder / CHECKPOINT).exists():
        about, tensors = read(folder / CHECKPOINT)
        learner.restore(int(about["step"]), tensors)
    elif how.begin is not None:
        learner.begin(read(how.begin)[1])
    torch.set_num_threads(how.threads)
    start, lost = learner.step, list[float]()
    with closing(lessons(how, start, learning)) as coming, closing(steps(learner, coming, subject)) as done:
        for told, some in talk.counted(done, "train", how.steps and how.steps - start):
            lost.append(told["loss"])
            ends = (how.steps and learner.step >= how.steps) or monotonic() - begun > 60 * how.minutes
            if learner.step % learning.shown == 0 or ends:
                note(folder, told, some, learner, subject)
            if monotonic() - saved > learning.least or ends:
                store(folder, learner, how, learning)
                saved = monotonic()
            if ends:
                break
    record = {"output": str(folder / CHECKPOINT), "step": learner.step, "learnt": learner.step - start}
    talk.result(record, f"{folder / CHECKPOINT}: step {learner.step}, {learner.step - start} of them now")
    if how.smoke and not lost[-1] < lost[0]:
        talk.fail(FAILED, f"nothing was learnt: the loss went from {lost[0]:.4f} to {lost[-1]:.4f}")
        return FAILED
    return OK


def against(learning: Learning, how: Lessons) -> Learning:
    """The same, with the discriminator that was asked for."""
    if how.adversarial and narrow(how.size) < LEAST:
        raise Refused(f"pictures of {how.size} pixels are too small for the discriminator; leave --adversarial out")
    weights = replace(learning.weights, adversarial=how.adversarial)
    return replace(learning, weights=weights, pace=replace(learning.pace, after=how.adversarial_after))


def store(folder: Path, learner: Learner, how: Lessons, learning: Learning) -> None:
    """All that it takes to go on; and the weights alone, as they are used."""
    about = {"step": learner.step, "seed": how.seed}
    write(folder / CHECKPOINT, about, learner.stored())
    write(folder / WEIGHTS, about | recipe(folder, how, learning), {k: v.half().cpu() for k, v in learner.mean.items()})


def recipe(folder: Path, how: Lessons, learning: Learning) -> dict[str, Any]:
    """How weights came to be what they are: enough to make them again."""
    log = (folder / LOG).read_text().splitlines() if (folder / LOG).exists() else []
    motions = sorted(how.motions.glob("*.txt")) if how.motions else []
    return {
        "shape": "small",
        "size": how.size,
        "people": how.people,
        "part": how.part,
        "wardrobe": bool(how.makehuman),
        "motions": [path.stem for path in part_of(motions, how.part)],
        "begin": str(how.begin.name) if how.begin else None,
        "learning": asdict(learning),
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
class Step:
    told: dict[str, float]
    lessons: list[Lesson]

    def __iter__(self) -> Iterator[Any]:
        return iter((self.told, self.lessons))

    def __len__(self) -> int:
        return 1


def steps(learner: Learner, coming: Iterator[list[Lesson]], subject: Mending) -> Generator[Step]:
    for some in coming:
        yield Step(learner.learn(some, subject), some)


@torch.no_grad()
def note(folder: Path, told: dict[str, float], some: list[Lesson], learner: Learner, subject: Mending) -> None:
    """A line of the log: what is wrong, and what was before anything is changed; and a sheet."""
    drafts = [composed(one.drafts, one) for one in some]
    before = (torch.cat([x[0] for x in drafts]), torch.cat([x[1] for x in drafts]))
    unchanged = subject.wrong(before, some)
    line = told | {f"unchanged {k}": float(v.mean()) for k, v in unchanged.items()}
    with (folder / LOG).open("a") as log:
        log.write(json.dumps({k: round(v, 5) for k, v in line.items()}) + "\n")
    truth = cat([one.truth for one in some])
    networks = Networks().to(truth.image.device)
    networks.load_state_dict(learner.mean)
    made = over(networks(some, subject.how), truth)
    photo = torch.cat([one.looked.picture[:1, :3].expand(len(one.truth), -1, -1, -1) for one in some])
    rows = torch.cat([photo, over(before, truth), made, truth.image], 3)
    picture = torch.cat(list(rows), 1).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    put(folder / SHEET, cv2.imencode(".png", (picture[..., ::-1] * 255).astype(np.uint8))[1].tobytes())
