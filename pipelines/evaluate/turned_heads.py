"""Evaluate faces on synthetic people who turn their heads: photographed from the front, with exact ground truth."""

from collections.abc import Sequence
from dataclasses import replace
from math import isnan, nan

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies.skinning import posed_keypoints
from motion_imitate.estimators.face import FaceNets, align_faces
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.geometry.camera import project_points
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.metrics.images import face_distance
from motion_imitate.person import Person, turn_faces_by_drn
from motion_imitate.types import Body, BodyModel, Motion
from pipelines.evaluate.people_evaluation import PeopleEvaluation, ScoredPerson, ViewScores
from pipelines.evaluate.scores import FrameScores, MetricNetworks
from pipelines.evaluate.standing_people import StandingPeople, draw_plain
from pipelines.evaluate.tables import ScoreRow, mean_scores

HEAD_TURNS = (30.0, 45.0, 60.0)  # degrees, to either side
SIGNED_TURNS = tuple(sign * turn for turn in HEAD_TURNS for sign in (-1, 1))
DRN_ROW = "face by drn"
HEADS_SHEET_PEOPLE = 6  # on a sheet


def evaluate_turned_heads(job: PeopleEvaluation) -> list[ScoreRow]:
    """The scores of each way to draw the face at each turn of the head, one row each: means over the views in which the
    truth shows a face."""
    crowd = StandingPeople(job.people)
    coming = (turn_synthetic_head(crowd, number, job.judges) for number in range(job.how.heads))
    return mean_turn_scores(job.collect_scores(coming, "turned heads", job.how.heads, HEADS_SHEET_PEOPLE))


def mean_turn_scores(marks: Sequence[ViewScores]) -> list[ScoreRow]:
    """The mean scores at each turn, of both sides, over the views in which the truth shows a face."""
    rows: list[ScoreRow] = []
    for turn in HEAD_TURNS:
        views = [view for view, signed in enumerate(SIGNED_TURNS) if abs(signed) == turn]
        for row in marks[0]:
            shown = [each[row][view] for each in marks for view in views if not isnan(each[row][view]["face"])]
            rows.append({"clip": f"head turned by {turn:.0f} degrees", "row": row} | mean_scores(shown, True))
    return rows


@torch.no_grad()
def turn_synthetic_head(crowd: StandingPeople, number: int, judges: MetricNetworks) -> ScoredPerson:
    """The views of a synthetic person with the head turned, drawn from one photo, and the scores of the faces."""
    actor = crowd.make_actor(number, number)
    scene = crowd.sample_scene(actor, number)
    person = crowd.portray(actor, scene, number)
    truth = crowd.render(actor, replace(scene, body=turn_head(person.model, scene.body)))
    motion = head_motion(person)
    made = {
        row: draw_plain(one, motion).image
        for row, one in ((AVATAR_RENDERER, person), (DRN_ROW, turn_faces_by_drn(person)))
    }
    points = project_points(posed_keypoints(crowd.body, motion.body, "blazepose33"), motion.camera)[..., :2]
    marks = {row: compare_turned_faces(image, truth.image, points, judges.faces) for row, image in made.items()}
    return ScoredPerson({"truth": truth.image} | made, marks)


def turn_head(model: BodyModel, body: Body) -> Body:
    """A body with the head turned to each side in turn."""
    turned = body.map(lambda values: values.expand(len(SIGNED_TURNS), *values.shape[1:]).clone())
    angles = torch.deg2rad(torch.tensor(SIGNED_TURNS))[:, None] * torch.tensor([0.0, 1.0, 0.0])
    turned.pose[:, model.controls["head"][0]] @= rotation_vector_to_matrix(angles)
    return turned


def head_motion(person: Person) -> Motion:
    """The person in the photo's pose with the head turned, as a motion."""
    count = len(SIGNED_TURNS)
    camera = person.source.camera[:1].map(lambda values: values.expand(count, *values.shape[1:]))
    body = turn_head(person.model, person.source.body[:1])
    return Motion(body, camera, torch.ones(count), torch.arange(count) / 25)


def compare_turned_faces(
    made: Float[Tensor, "V 3 H W"],
    truth: Float[Tensor, "V 3 H W"],
    points: Float[Tensor, "V 33 2"],
    faces: FaceNets | None,
) -> list[FrameScores]:
    """Whether the detector finds the face of each view, and its distance from the truth's; NaN if that shows none."""
    scores: list[FrameScores] = []
    for picture, goal, at in zip(made, truth, points, strict=True):
        face = None if faces is None else faces.find(goal, at)
        if faces is None or face is None:
            scores.append({"face": nan, "shows_face": nan})
            continue
        cut = align_faces(torch.stack([picture, goal]), face.points.expand(2, -1, -1))
        apart = float(face_distance(faces.identity, cut[:1], cut[1:]))
        scores.append({"face": apart, "shows_face": float(faces.find(picture, at) is not None)})
    return scores
