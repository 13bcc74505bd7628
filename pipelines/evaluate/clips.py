"""`motion-imitate evaluate`: a clip drives a photo taken from it; its own frames are the ground truth."""

from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from motion_imitate.estimators.clip import NobodyInClip
from motion_imitate.generators.load import load_trained_networks
from motion_imitate.types import Motion
from pipelines.evaluate.compare import (
    COMPARED_SIZE,
    RenderingMethod,
    load_metric_networks,
    read_reference_person,
    rendering_methods,
    retarget_clip_motion,
)
from pipelines.evaluate.options import EvaluationOptions, EvaluationPeopleOptions
from pipelines.evaluate.people_evaluation import PeopleEvaluation
from pipelines.evaluate.scores import (
    FrameScores,
    GroundTruthFrame,
    MetricNetworks,
    find_ground_truth_frames,
    score_clip_frame,
)
from pipelines.evaluate.tables import (
    ScoreRow,
    SheetTile,
    mean_scores,
    plan_sheet_paths,
    write_clip_sheet,
    write_evaluation,
)
from pipelines.motion.estimate import open_input_clip
from pipelines.motion.options import EstimationOptions
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter

FIT_LOOKAHEAD = 24  # frames estimated beyond the last one compared, for the fit
CLIP_SHEET_COLUMNS = 6  # of a sheet
SYNTHETIC_EVALUATORS = {  # by the name of the sheet: the option with the number of people, and module:function
    "synthetic_people": ("synthetic", "pipelines.evaluate.synthetic_people:evaluate_synthetic_people"),
    "turned_people": ("turned", "pipelines.evaluate.turned_people:evaluate_turned_people"),
    "dressed_people": ("dressed", "pipelines.evaluate.dressed_people:evaluate_dressed_people"),
    "turned_heads": ("heads", "pipelines.evaluate.turned_heads:evaluate_turned_heads"),
}


def evaluate_clips(
    clips: list[Path],
    how: EvaluationOptions,
    people: EvaluationPeopleOptions,
    estimation: EstimationOptions,
    out: Path | None,
    overwrite: bool,
    reporter: Reporter,
) -> None:
    """Evaluate every renderer on the clips, the pairs and synthetic people, and write the results."""
    jobs = [*((clip, clip) for clip in clips), *how.pair]
    made_up = {name: evaluator for name, (count, evaluator) in SYNTHETIC_EVALUATORS.items() if getattr(how, count)}
    if not jobs and not made_up:
        raise UsageError(
            "nothing to evaluate; give clips, two of one scene (--pair FIRST SECOND), --synthetic COUNT, "
            "--turned COUNT, --dressed COUNT or --heads COUNT"
        )
    if how.renderer_weights is not None:
        load_trained_networks(how.renderer_weights)  # report unreadable weights first
    pages = plan_sheet_paths(jobs, list(made_up), out, how.sheet, overwrite)
    estimation = replace(estimation, size=estimation.size or COMPARED_SIZE)
    judges = load_metric_networks(estimation, reporter)
    rows: list[ScoreRow] = []
    for (first, second), page in zip(jobs, pages[: len(jobs)], strict=True):
        rows += compare_clip_pair(first, second, how, estimation, page, judges, reporter)
    for evaluator, page in zip(made_up.values(), pages[len(jobs) :], strict=True):
        module, _, function = evaluator.partition(":")
        rows += getattr(import_module(module), function)(PeopleEvaluation(how, people, page, judges, reporter))
    write_evaluation(rows, how, out, reporter)


def compare_clip_pair(
    first: Path,
    second: Path,
    how: EvaluationOptions,
    estimation: EstimationOptions,
    page: Path | None,
    judges: MetricNetworks,
    reporter: Reporter,
) -> list[ScoreRow]:
    """Scores of each method that renders the second clip from one frame of the first, one row per method."""
    alone = first == second
    photo = read_reference_person(first, how.source_frame, estimation, reporter)
    opened = open_input_clip(second, estimation, reporter.warn)
    last = (how.frames + 1) * how.every  # one more, because the photo's own frame is skipped
    motion, points = retarget_clip_motion(opened, last + FIT_LOOKAHEAD, photo)
    wanted = [t for t in range(0, min(last, len(motion) - 1), how.every) if motion.confidence[t] > 0]
    wanted = [t for t in wanted if not alone or t != how.source_frame][: how.frames]
    truth = find_ground_truth_frames(opened, wanted, points, judges.eyes) if wanted else iter(())
    name = first.stem if alone else f"{first.stem} to {second.stem}"
    counted = reporter.track_progress(truth, name, len(wanted))
    shown = set(wanted[:: len(wanted) // CLIP_SHEET_COLUMNS + 1])
    marks, kept = score_clip_samples(
        counted, rendering_methods(photo, opened.size, how.renderer_weights, opened.how.device), motion, judges, shown
    )
    if not kept:
        raise NobodyInClip(f"no frame of {second} can be compared; give a clip with a person, or another --every")
    if page is not None:
        write_clip_sheet(kept, page)
    return [{"clip": name, "row": row} | mean_scores(each, whole=alone) for row, each in marks.items()]


def score_clip_samples(
    truth: Iterable[GroundTruthFrame],
    ways: dict[str, RenderingMethod],
    motion: Motion,
    judges: MetricNetworks,
    shown: set[int],
) -> tuple[dict[str, list[FrameScores]], list[SheetTile]]:
    """The scores of each method in each frame, and the pictures of some frames."""
    marks: dict[str, list[FrameScores]] = {row: [] for row in ways}
    kept: list[SheetTile] = []
    for sample in truth:
        at = motion[sample.frame : sample.frame + 2]
        made = {row: render(at) for row, render in ways.items()}
        for row, pictures in made.items():
            marks[row].append(score_clip_frame(pictures, sample, judges))
        if sample.frame in shown or not kept:
            kept.append(SheetTile(sample, {row: pictures[0] for row, pictures in made.items()}))
    return marks, kept
