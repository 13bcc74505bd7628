"""`motion-imitate evaluate`: a clip's own frame serves as the photo, its motion drives it, its frames are the truth."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from motion_imitate.generators.load import trained
from motion_imitate.types import Motion
from pipelines.evaluate.compare import LARGE, Way, driven, judges_of, photo_of, ways_of
from pipelines.evaluate.options import Evaluating, Strangers
from pipelines.evaluate.scores import Judges, Marks, Sample, judged, samples
from pipelines.evaluate.tables import Row, Tile, given, means, places, sheet
from pipelines.motion.estimate import Nobody, watching
from pipelines.motion.options import Seeing
from pipelines.output_path import Refused
from pipelines.reporter import Talk

AHEAD = 24  # frames looked at beyond the last that is compared, for the fit's sake
COLUMNS = 6  # of a sheet


def evaluate(
    clips: list[Path],
    how: Evaluating,
    people: Strangers,
    seeing: Seeing,
    out: Path | None,
    overwrite: bool,
    talk: Talk,
) -> None:
    jobs = [*((clip, clip) for clip in clips), *how.pair]
    if not jobs and not how.made_up:
        raise Refused("nothing to evaluate; give clips, two of one scene (--pair FIRST SECOND), or --made-up COUNT")
    if how.weights is not None:
        trained(how.weights)  # what cannot be read is said first
    pages = places(jobs, how.made_up > 0, out, how.sheet, overwrite)
    seeing = replace(seeing, size=seeing.size or LARGE)
    judges = judges_of(seeing, talk)
    rows: list[Row] = []
    for (first, second), page in zip(jobs, pages[: len(jobs)], strict=True):
        rows += compared(first, second, how, seeing, page, judges, talk)
    if how.made_up:
        from pipelines.evaluate.synthetic_people import made_up  # which takes long to import

        rows += made_up(how, people, pages[-1], judges, talk)
    given(rows, how, out, talk)


def compared(
    first: Path, second: Path, how: Evaluating, seeing: Seeing, page: Path | None, judges: Judges, talk: Talk
) -> list[Row]:
    """A row for each way to make the second clip out of one frame of the first."""
    alone = first == second
    photo = photo_of(first, how.source_frame, seeing, talk)
    what = watching(second, seeing, talk.warn)
    last = (how.frames + 1) * how.every  # one more, for the photo's own
    motion, points = driven(what, last + AHEAD, photo)
    wanted = [t for t in range(0, min(last, len(motion) - 1), how.every) if motion.confidence[t] > 0]
    wanted = [t for t in wanted if not alone or t != how.source_frame][: how.frames]
    truth = samples(what, wanted, points, judges.eyes) if wanted else iter(())
    name = first.stem if alone else f"{first.stem} to {second.stem}"
    counted = talk.counted(truth, name, len(wanted))
    shown = set(wanted[:: len(wanted) // COLUMNS + 1])
    marks, kept = measured(counted, ways_of(photo, what.size, how.weights), motion, judges, shown)
    if not kept:
        raise Nobody(f"no frame of {second} can be compared; give a clip with a person, or another --every")
    if page is not None:
        sheet(kept, page)
    return [{"clip": name, "row": row} | means(each, whole=alone) for row, each in marks.items()]


def measured(
    truth: Iterable[Sample], ways: dict[str, Way], motion: Motion, judges: Judges, shown: set[int]
) -> tuple[dict[str, list[Marks]], list[Tile]]:
    """What each way is worth in each frame; and the pictures of some."""
    marks: dict[str, list[Marks]] = {row: [] for row in ways}
    kept: list[Tile] = []
    for sample in truth:
        at = motion[sample.frame : sample.frame + 2]
        made = {row: way.stage(at) for row, way in ways.items()}
        for row, way in ways.items():
            marks[row].append(judged(made[row], sample, judges) | way.shares(at[:1]))
        if sample.frame in shown or not kept:
            kept.append(Tile(sample, {row: pictures[0] for row, pictures in made.items()}))
    return marks, kept
