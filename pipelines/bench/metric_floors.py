"""What distances of pictures mean: those of the truth to itself, a little out of place or seen small."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.estimators.matte import matte
from motion_imitate.metrics.flow_alignment import carried, inked, longest
from motion_imitate.metrics.images import ssim
from motion_imitate.weights import find
from pipelines.evaluate.compare import LARGE, judges_of
from pipelines.evaluate.scores import Judges, Marks, looks, person_near, with_the_next
from pipelines.evaluate.tables import Row, means, table
from pipelines.motion.estimate import watching
from pipelines.motion.options import Seeing
from pipelines.reporter import Talk

FRAMES = range(5, 45, 5)  # the first that `evaluate` compares
OFF = (0.005, 0.01, 0.015)  # of the person's longer side: how far along each axis what is misplaced is off, as a rule
EVEN = 0.06  # of that side, over which it is off alike
SMALL = 256  # pixels of the longer side of what is seen small
MIDDLE = torch.zeros(33, 2)
QUIET = Talk(quiet=True)


def measure(data: Path | None) -> Iterator[str]:
    """Of every clip in a folder."""
    clips = sorted(data.glob("*.mp4")) if data else [find("demo/clip.mp4")]
    judges = judges_of(Seeing(), QUIET)
    yield table([row for clip in clips for row in floors(clip, judges)])


@torch.no_grad()
def floors(clip: Path, judges: Judges) -> Iterator[Row]:
    each: dict[str, list[Marks]] = {}
    random = np.random.default_rng(0)
    for _, pictures in with_the_next(watching(clip, Seeing(size=LARGE), QUIET.warn), FRAMES):
        seen = person_near(pictures[0], MIDDLE, judges.eyes)
        if seen is None:
            continue
        truth = pictures[:1].float() / 255
        person = matte(truth[0], seen)[None] > 0.5
        for name, picture in worsened(truth, person, random).items():
            alike = {"person_ssim": float(ssim(picture, truth, person))}
            each.setdefault(name, []).append(alike | looks(picture, truth, person, judges.features))
    for name, marks in each.items():
        yield {"clip": clip.stem, "row": name} | means(marks, True)


def worsened(
    truth: Float[Tensor, "1 3 H W"], person: Bool[Tensor, "1 1 H W"], random: np.random.Generator
) -> dict[str, Float[Tensor, "1 3 H W"]]:
    side = longest(person[0, 0].numpy())
    made = {f"{off:.1%} of the height off": misplaced(truth, off * side, EVEN * side, random) for off in OFF}
    scale = min(1.0, SMALL / max(truth.shape[2:]))
    size = [round(n * scale) for n in truth.shape[2:]]
    small = resized(truth, size, mode="area")
    return made | {f"at {SMALL} pixels": resized(small, truth.shape[2:], mode="bilinear", align_corners=False)}


def misplaced(
    picture: Float[Tensor, "1 3 H W"], off: float, even: float, random: np.random.Generator
) -> Float[Tensor, "1 3 H W"]:
    """What it shows, `off` pixels from its place by chance, but what lies within `even` pixels alike."""
    noise = random.standard_normal((*picture.shape[2:], 2)).astype(np.float32)
    away = cv2.GaussianBlur(noise, (0, 0), even)
    moved = carried(inked(picture)[0], np.asarray(away / away.std() * off, np.float32))
    return torch.from_numpy(moved).permute(2, 0, 1)[None]
