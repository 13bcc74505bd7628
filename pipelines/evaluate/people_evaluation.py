"""What the evaluations of synthetic people share: their inputs, and what they collect of each person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from pipelines.evaluate.options import EvaluationOptions, EvaluationPeopleOptions
from pipelines.evaluate.scores import FrameScores, MetricNetworks
from pipelines.evaluate.tables import ScoreRow, mean_scores, picture_to_array, write_labelled_rows
from pipelines.reporter import Reporter

ViewScores = dict[str, list[FrameScores]]  # of each method, one per view


@dataclass(frozen=True)
class ScoredPerson:
    """The pictures of one synthetic person, by each method and the ground truth, and the methods' scores."""

    pictures: dict[str, Float[Tensor, "V 3 H W"]]
    marks: ViewScores

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True)
class PeopleEvaluation:
    """An evaluation of synthetic people."""

    how: EvaluationOptions
    people: EvaluationPeopleOptions
    page: Path | None  # of the sheet
    judges: MetricNetworks
    reporter: Reporter

    def collect_scores(self, coming: Iterable[ScoredPerson], name: str, count: int, shown: int) -> list[ViewScores]:
        """The scores of so many people; at most `shown` of them are on the sheet."""
        marks, kept = list[ViewScores](), list[ScoredPerson]()
        for number, one in enumerate(self.reporter.track_progress(coming, name, count)):
            marks.append(one.marks)
            if number % (count // shown + 1) == 0:
                kept.append(one)
        if self.page is not None:
            rows = {
                row: [picture_to_array(picture) for one in kept for picture in one.pictures[row]]
                for row in kept[0].pictures
            }
            write_labelled_rows(rows, self.page)
        return marks


def mean_view_scores(clip: str, marks: Sequence[ViewScores], view: int = 0) -> list[ScoreRow]:
    """The mean scores of a view over all people, a row for each method."""
    return [{"clip": clip, "row": row} | mean_scores([each[row][view] for each in marks], True) for row in marks[0]]
