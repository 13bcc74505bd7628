"""People who are made up, drawn from one view of them as others show them: all is known about the truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate import bodies
from motion_imitate.compositing.compose import compose, palette
from motion_imitate.generators.load import renderers
from motion_imitate.metrics.images import coverage, ms_ssim, psnr, ssim
from motion_imitate.metrics.motion import overlap
from motion_imitate.synthesis.pairs import Casting, Pairs
from motion_imitate.training.lessons import Scene, scene
from pipelines.evaluate.options import Evaluating, Strangers
from pipelines.evaluate.scores import SHARES, Judges, Marks, looks
from pipelines.evaluate.tables import Row, drawn_up, means
from pipelines.reporter import Talk
from pipelines.synthesize.people import sampling

SIZE = 256  # pixels of a side
COLUMNS = 10  # of a sheet
NAME = "made-up people"


@dataclass(frozen=True)
class View:
    """What was made of one view, and what each is worth."""

    pictures: dict[str, Float[Tensor, "3 H W"]]  # the photo and the truth, too
    marks: dict[str, Marks]

    def __len__(self) -> int:
        return 1


def made_up(how: Evaluating, people: Strangers, page: Path | None, judges: Judges, talk: Talk) -> list[Row]:
    """A row for the photo as it is, and one for each generator."""
    many = replace(sampling(people, SIZE), casting=Casting(people=1, each=1))
    pairs = Pairs(bodies.load(), many, people.seed)
    coming = chain.from_iterable(views(scene(pairs, number), judges, how.weights) for number in range(how.made_up))
    seen = list(talk.counted(islice(coming, how.made_up), NAME, how.made_up))
    if page is not None:
        sheet(seen[:: len(seen) // COLUMNS + 1], page)
    return [{"clip": NAME, "row": row} | means([view.marks[row] for view in seen], True) for row in seen[0].marks]


def sheet(views: Sequence[View], page: Path) -> None:
    rows = {name: [in_bytes(view.pictures[name]) for view in views] for name in views[0].pictures}
    drawn_up(rows, page)


def in_bytes(picture: Float[Tensor, "3 H W"]) -> np.ndarray:
    return np.ascontiguousarray((picture * 255 + 0.5).clamp(0, 255).byte().permute(1, 2, 0).numpy())


@torch.no_grad()
def views(one: Scene, judges: Judges, weights: Path | None = None) -> Iterator[View]:
    truth, size = one.truth, (one.truth.image.shape[2], one.truth.image.shape[3])
    photo, matte = one.source.image[:1], one.source.matte[:1]
    made = {"copy": (photo.expand_as(truth.image), matte.expand_as(truth.matte))}
    shares: dict[str, Float[Tensor, "V 4"]] = {}
    for row, make in renderers(weights).items():
        generator = make(one.model)
        drawn = generator.draw(generator.encode(one.source), one.target)
        colour, cover = compose(drawn, palette(one.source), size)
        made[row] = (colour * cover + truth.behind * (1 - cover), cover)
        shares[row] = coverage(drawn, len(one.source))
    for k in range(len(truth)):
        view = slice(k, k + 1)
        marks = {row: judged(picture[view], cover[view], one, view, judges) for row, (picture, cover) in made.items()}
        for row, share in shares.items():
            marks[row] |= dict(zip(SHARES, share[k].tolist(), strict=True))
        pictures = {"photo": photo[0], "truth": truth.image[k]}
        yield View(pictures | {row: made[row][0][k] for row in shares}, marks)


def judged(
    picture: Float[Tensor, "1 3 H W"], cover: Float[Tensor, "1 1 H W"], one: Scene, view: slice, judges: Judges
) -> Marks:
    goal, person = one.truth.image[view], one.truth.matte[view] > 0.5
    return {
        "person_psnr": float(psnr(picture, goal, person)),
        "person_ssim": float(ssim(picture, goal, person)),
        "person_ms_ssim": float(ms_ssim(picture, goal, person)),
        "outline": overlap(cover[0] > 0.5, person[0]),
        "psnr": float(psnr(picture, goal)),
        "ssim": float(ssim(picture, goal)),
        **looks(picture, goal, person, judges.features),
    }
