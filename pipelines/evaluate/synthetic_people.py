"""Evaluate renderers on synthetic people: rendered from one view as others show them, with exact ground truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate import bodies
from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import FrameRenderer
from motion_imitate.metrics.images import ms_ssim, psnr, ssim
from motion_imitate.metrics.motion import mean_mask_iou
from motion_imitate.portray import make_person
from motion_imitate.synthesis.pairs import PeoplePool, SyntheticDataset
from motion_imitate.training.samples import TrainingScene, make_training_scene
from motion_imitate.types import Frames, Motion
from pipelines.evaluate.compare import compared_renderers
from pipelines.evaluate.options import EvaluationOptions, EvaluationPeopleOptions
from pipelines.evaluate.scores import FrameScores, MetricNetworks, appearance_scores
from pipelines.evaluate.tables import ScoreRow, mean_scores, picture_to_array, write_labelled_rows
from pipelines.reporter import Reporter
from pipelines.synthesize.people import training_sampling

SYNTHETIC_VIEW_SIZE = 512  # pixels of the height
SYNTHETIC_SHEET_COLUMNS = 10  # of a sheet
SYNTHETIC_CLIP_NAME = "synthetic people"


@dataclass(frozen=True)
class ScoredView:
    """The rendered pictures of one view, and their scores."""

    pictures: dict[str, Float[Tensor, "3 H W"]]  # including the photo and the ground truth
    marks: dict[str, FrameScores]

    def __len__(self) -> int:
        return 1


def evaluate_synthetic_people(
    how: EvaluationOptions,
    people: EvaluationPeopleOptions,
    page: Path | None,
    judges: MetricNetworks,
    reporter: Reporter,
) -> list[ScoreRow]:
    """The scores of the unchanged photo and of each renderer, one row each."""
    many = replace(training_sampling(people, SYNTHETIC_VIEW_SIZE), casting=PeoplePool(people=1, each=1))
    pairs = SyntheticDataset(bodies.load_body(), many, people.seed)
    coming = chain.from_iterable(
        score_scene_views(make_training_scene(pairs, number), judges, how.renderer_weights)
        for number in range(how.synthetic)
    )
    seen = list(reporter.track_progress(islice(coming, how.synthetic), SYNTHETIC_CLIP_NAME, how.synthetic))
    if page is not None:
        write_synthetic_sheet(seen[:: len(seen) // SYNTHETIC_SHEET_COLUMNS + 1], page)
    return [
        {"clip": SYNTHETIC_CLIP_NAME, "row": row} | mean_scores([view.marks[row] for view in seen], True)
        for row in seen[0].marks
    ]


def write_synthetic_sheet(views: Sequence[ScoredView], page: Path) -> None:
    """Write the pictures as a PNG: a row per method, a column per view."""
    rows = {name: [picture_to_array(view.pictures[name]) for view in views] for name in views[0].pictures}
    write_labelled_rows(rows, page)


@torch.no_grad()
def score_scene_views(one: TrainingScene, judges: MetricNetworks, weights: Path | None = None) -> Iterator[ScoredView]:
    """Each view of a scene, rendered by every method and scored."""
    truth = one.truth
    photo, matte = one.source.image[:1], one.source.matte[:1]
    made = {"copy": (photo.expand_as(truth.image), matte.expand_as(truth.matte))}
    made |= {renderer: render_scene_views(one, renderer, weights) for renderer in compared_renderers(weights)}
    for k in range(len(truth)):
        view = slice(k, k + 1)
        marks = {
            row: score_synthetic_view(picture[view], cover[view], one, view, judges)
            for row, (picture, cover) in made.items()
        }
        pictures = {"photo": photo[0], "truth": truth.image[k]}
        yield ScoredView(pictures | {row: picture[k] for row, (picture, _) in made.items() if row != "copy"}, marks)


def render_scene_views(
    one: TrainingScene, renderer: str, weights: Path | None
) -> tuple[Float[Tensor, "V 3 H W"], Float[Tensor, "V 1 H W"]]:
    """The views of a scene over their backgrounds, and the cover."""
    render = FrameRenderer(make_person(one.source, one.model, renderer, weights), rasterize)
    truth, seconds = one.truth, torch.zeros(len(one.truth))
    clear = torch.zeros(len(truth), 4, *truth.image.shape[2:], dtype=torch.uint8)
    motion = Motion(one.body, one.camera, torch.ones(len(truth)), seconds)
    colour, cover = (render((Frames(clear, seconds), motion)).data.float() / 255).split([3, 1], 1)
    return colour * cover + truth.behind * (1 - cover), cover


def score_synthetic_view(
    picture: Float[Tensor, "1 3 H W"],
    cover: Float[Tensor, "1 1 H W"],
    one: TrainingScene,
    view: slice,
    judges: MetricNetworks,
) -> FrameScores:
    """The scores of a rendered view and its matte against the ground truth."""
    goal, person = one.truth.image[view], one.truth.matte[view] > 0.5
    return {
        "person_psnr": float(psnr(picture, goal, person)),
        "person_ssim": float(ssim(picture, goal, person)),
        "person_ms_ssim": float(ms_ssim(picture, goal, person)),
        "outline": mean_mask_iou(cover[0] > 0.5, person[0]),
        "psnr": float(psnr(picture, goal)),
        "ssim": float(ssim(picture, goal)),
        **appearance_scores(picture, goal, person, judges.features),
    }
