"""Evaluate clothes of another on synthetic people, who can truly be dressed in them."""

import torch

from motion_imitate.dress import GARMENTS, dress, missing_garments
from motion_imitate.person import Person
from motion_imitate.types import Motion
from pipelines.evaluate.people_evaluation import PeopleEvaluation, ScoredPerson, mean_view_scores
from pipelines.evaluate.scores import MetricNetworks
from pipelines.evaluate.standing_people import PlainPictures, StandingPeople, draw_plain, score_picture
from pipelines.evaluate.tables import ScoreRow

DRESSED_SHEET_COLUMNS = 10  # of a sheet
UNDRESSED, DRESSED = "own clothes", "dress"


def evaluate_dressed_people(job: PeopleEvaluation) -> list[ScoreRow]:
    """The scores of people in their own clothes, and in the clothes of others, against people who truly wear these."""
    crowd = StandingPeople(job.people)
    coming = (dress_synthetic_person(crowd, number, job.judges) for number in range(job.how.dressed))
    marks = job.collect_scores(coming, "dressed people", job.how.dressed, DRESSED_SHEET_COLUMNS)
    return mean_view_scores("clothes of others", marks)


@torch.no_grad()
def dress_synthetic_person(crowd: StandingPeople, number: int, judges: MetricNetworks) -> ScoredPerson:
    """A synthetic person in the clothes of the next."""
    own, others = 2 * number, 2 * number + 1
    wearer, other, goal = (crowd.make_actor(*each) for each in ((own, own), (others, others), (own, others)))
    scene, far = crowd.sample_scene(wearer, own), crowd.sample_scene(other, others)
    person, giver = crowd.portray(wearer, scene, own), crowd.portray(other, far, others)
    parts = [part for part in GARMENTS if part not in missing_garments(giver)]
    dressed = dress(person, giver, parts) if parts else person
    truth = crowd.render(goal, scene)
    made = {UNDRESSED: draw_as_in_photo(person), DRESSED: draw_as_in_photo(dressed)}
    marks = {row: [score_picture(picture, truth, 0, judges)] for row, picture in made.items()}
    pictures = {"clothes of": crowd.render(other, far), "truth": truth} | made
    return ScoredPerson({row: picture.image for row, picture in pictures.items()}, marks)


def draw_as_in_photo(person: Person) -> PlainPictures:
    """The person as they stand in their photo."""
    source = person.source
    return draw_plain(person, Motion(source.body, source.camera, torch.ones(1), torch.zeros(1)))
