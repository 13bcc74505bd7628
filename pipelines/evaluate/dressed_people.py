"""Evaluate clothes of another on synthetic people, who can truly be dressed in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from motion_imitate.dress import GARMENTS, dress, missing_garments
from motion_imitate.portray import Person
from motion_imitate.types import Motion
from pipelines.evaluate.options import EvaluationOptions, EvaluationPeopleOptions
from pipelines.evaluate.scores import FrameScores, MetricNetworks
from pipelines.evaluate.standing_people import PlainPictures, StandingPeople, draw_plain, score_picture
from pipelines.evaluate.tables import ScoreRow, mean_scores, picture_to_array, write_labelled_rows
from pipelines.reporter import Reporter

DRESSED_SHEET_COLUMNS = 10  # of a sheet
UNDRESSED, DRESSED = "own clothes", "dress"


@dataclass(frozen=True)
class DressedPerson:
    """The pictures of one person, the photos and the ground truth among them, and the scores of some."""

    pictures: dict[str, PlainPictures]
    marks: dict[str, FrameScores]

    def __len__(self) -> int:
        return 1


def evaluate_dressed_people(
    how: EvaluationOptions,
    people: EvaluationPeopleOptions,
    page: Path | None,
    judges: MetricNetworks,
    reporter: Reporter,
) -> list[ScoreRow]:
    """The scores of people in their own clothes, and in the clothes of others, against people who truly wear these."""
    crowd = StandingPeople(people)
    coming: Iterator[DressedPerson] = (dress_synthetic_person(crowd, number, judges) for number in range(how.dressed))
    marks, shown = list[dict[str, FrameScores]](), list[DressedPerson]()
    for number, one in enumerate(reporter.track_progress(coming, "dressed people", how.dressed)):
        marks.append(one.marks)
        if number % (how.dressed // DRESSED_SHEET_COLUMNS + 1) == 0:
            shown.append(one)
    if page is not None:
        rows = {name: [picture_to_array(one.pictures[name].image[0]) for one in shown] for name in shown[0].pictures}
        write_labelled_rows(rows, page)
    return [
        {"clip": "clothes of others", "row": row} | mean_scores([each[row] for each in marks], True)
        for row in (UNDRESSED, DRESSED)
    ]


@torch.no_grad()
def dress_synthetic_person(crowd: StandingPeople, number: int, judges: MetricNetworks) -> DressedPerson:
    """A synthetic person in the clothes of the next."""
    own, others = 2 * number, 2 * number + 1
    wearer, other, goal = (crowd.make_actor(*each) for each in ((own, own), (others, others), (own, others)))
    scene, far = crowd.sample_scene(wearer, own), crowd.sample_scene(other, others)
    person, giver = crowd.portray(wearer, scene, own), crowd.portray(other, far, others)
    parts = [part for part in GARMENTS if part not in missing_garments(giver)]
    dressed = dress(person, giver, parts) if parts else person
    truth = crowd.render(goal, scene)
    made = {UNDRESSED: draw_as_in_photo(person), DRESSED: draw_as_in_photo(dressed)}
    marks = {row: score_picture(picture, truth, 0, judges) for row, picture in made.items()}
    return DressedPerson({"clothes of": crowd.render(other, far), "truth": truth} | made, marks)


def draw_as_in_photo(person: Person) -> PlainPictures:
    """The person as they stand in their photo."""
    source = person.source
    return draw_plain(person, Motion(source.body, source.camera, torch.ones(1), torch.zeros(1)))
