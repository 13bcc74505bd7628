"""Evaluate renderers on synthetic people: rendered from one view as others show them, with exact ground truth."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate import bodies
from motion_imitate.frame_renderer import FrameRenderer
from motion_imitate.geometry.raster import rasterize
from motion_imitate.metrics.images import ms_ssim, psnr, ssim
from motion_imitate.metrics.motion import mean_mask_iou
from motion_imitate.portray import make_person
from motion_imitate.synthesis.pairs import PeoplePool, SyntheticDataset
from motion_imitate.training.samples import TrainingScene, make_training_scene
from motion_imitate.types import Frames, Motion
from pipelines.evaluate.compare import compared_renderers
from pipelines.evaluate.people_evaluation import PeopleEvaluation, ScoredPerson, mean_view_scores
from pipelines.evaluate.scores import FrameScores, MetricNetworks, appearance_scores
from pipelines.evaluate.tables import ScoreRow
from pipelines.synthesize.people import training_sampling

SYNTHETIC_VIEW_SIZE = 512  # pixels of the height
SYNTHETIC_SHEET_COLUMNS = 10  # of a sheet
SYNTHETIC_CLIP_NAME = "synthetic people"


def evaluate_synthetic_people(job: PeopleEvaluation) -> list[ScoreRow]:
    """The scores of the unchanged photo and of each renderer, one row each."""
    many = replace(training_sampling(job.people, SYNTHETIC_VIEW_SIZE), casting=PeoplePool(people=1, each=1))
    pairs, count = SyntheticDataset(bodies.load_body(), many, job.people.seed), job.how.synthetic
    coming = chain.from_iterable(
        score_scene_views(make_training_scene(pairs, number), job.judges, job.how.renderer_weights)
        for number in range(count)
    )
    marks = job.collect_scores(islice(coming, count), SYNTHETIC_CLIP_NAME, count, SYNTHETIC_SHEET_COLUMNS)
    return mean_view_scores(SYNTHETIC_CLIP_NAME, marks)


@torch.no_grad()
def score_scene_views(
    one: TrainingScene, judges: MetricNetworks, weights: Path | None = None
) -> Iterator[ScoredPerson]:
    """Each view of a scene, rendered by every method and scored."""
    truth = one.truth
    photo, matte = one.source.image[:1], one.source.matte[:1]
    made = {"copy": (photo.expand_as(truth.image), matte.expand_as(truth.matte))}
    made |= {renderer: render_scene_views(one, renderer, weights) for renderer in compared_renderers(weights)}
    for k in range(len(truth)):
        view = slice(k, k + 1)
        marks = {
            row: [score_synthetic_view(picture[view], cover[view], one, view, judges)]
            for row, (picture, cover) in made.items()
        }
        pictures = {"photo": photo, "truth": truth.image[view]}
        yield ScoredPerson(
            pictures | {row: picture[view] for row, (picture, _) in made.items() if row != "copy"}, marks
        )


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
