"""Evaluate novel views on synthetic people: of a photo from the front, seen from the sides and from behind."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Bool
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, ContactFaces, HeadFaces, TurningVertices, find_solid_faces
from motion_imitate.avatar.layer_order import COVERED_LEG
from motion_imitate.avatar.masks import distance_to_edge, spread_colours
from motion_imitate.bodies.skinning import SkinnedBody, posed_keypoints
from motion_imitate.estimators.face import FaceNets
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.motion.turntable import turn_person
from motion_imitate.portray import AvatarAppearance, Person
from motion_imitate.types import Motion
from pipelines.evaluate.options import EvaluationOptions, EvaluationPeopleOptions
from pipelines.evaluate.scores import FrameScores, MetricNetworks
from pipelines.evaluate.standing_people import PlainPictures, StandingPeople, draw_plain, score_picture
from pipelines.evaluate.tables import ScoreRow, mean_scores, picture_to_array, write_labelled_rows
from pipelines.reporter import Reporter

COMPARED_AZIMUTHS = (0.0, 90.0, 135.0, 180.0)  # degrees; 0 is the photo's view, 180 the back
SMEARED_RIM = (1.5, 0.012)  # pixels, and share of the height, from the outline: colours that are smeared over the back
TURNED_SHEET_PEOPLE = 5  # on a sheet


@dataclass(frozen=True)
class TurnedPerson:
    """The views of one person by each method, the ground truth among them, and their scores."""

    views: dict[str, PlainPictures]
    marks: dict[str, list[FrameScores]]  # one per view

    def __len__(self) -> int:
        return 1


def evaluate_turned_people(
    how: EvaluationOptions,
    people: EvaluationPeopleOptions,
    page: Path | None,
    judges: MetricNetworks,
    reporter: Reporter,
) -> list[ScoreRow]:
    """The scores of each method at each azimuth, one row each."""
    crowd = StandingPeople(people)
    coming = (turn_synthetic_person(crowd, number, judges) for number in range(how.turned))
    marks, shown = list[dict[str, list[FrameScores]]](), list[TurnedPerson]()
    for number, one in enumerate(reporter.track_progress(coming, "turned people", how.turned)):
        marks.append(one.marks)
        if number % (how.turned // TURNED_SHEET_PEOPLE + 1) == 0:
            shown.append(one)
    if page is not None:
        write_turned_sheet(shown, page)
    return [
        {"clip": f"seen from {azimuth:.0f} degrees", "row": row}
        | mean_scores([each[row][view] for each in marks], True)
        for view, azimuth in enumerate(COMPARED_AZIMUTHS)
        for row in COMPLETIONS
    ]


@torch.no_grad()
def turn_synthetic_person(crowd: StandingPeople, number: int, judges: MetricNetworks) -> TurnedPerson:
    """The views of a synthetic person, drawn from one photo, and their scores."""
    actor = crowd.make_actor(number, number)
    scene = crowd.sample_scene(actor, number)
    person = crowd.portray(actor, scene, number)
    motion = next(turn_person(scene.body, scene.camera, COMPARED_AZIMUTHS))
    truth = crowd.render(actor, replace(scene, body=motion.body))
    views = {"truth": truth} | {row: draw_plain(change(person), motion) for row, change in COMPLETIONS.items()}
    marks = {
        row: [score_turned_view(made, truth, person, motion, view, judges) for view in range(len(motion))]
        for row, made in views.items()
        if row != "truth"
    }
    return TurnedPerson(views, marks)


def score_turned_view(
    made: PlainPictures, truth: PlainPictures, person: Person, motion: Motion, view: int, judges: MetricNetworks
) -> FrameScores:
    """The scores of a view; `shows_face` tells whether the face detector finds a face in it."""
    shows = nan
    if judges.faces is not None:
        shows = float(shows_face(made.image[view], person, motion[view : view + 1], judges.faces))
    return score_picture(made, truth, view, judges) | {"shows_face": shows}


def shows_face(picture: Tensor, person: Person, motion: Motion, faces: FaceNets) -> bool:
    """Whether there is a face where the head is."""
    model = cast(SkinnedBody, person.model)
    points = body_to_camera(posed_keypoints(model, motion.body, "blazepose33"), motion.camera)
    return faces.find(picture, camera_to_image(points, motion.camera)[0, :, :2]) is not None


def repeat_front(person: Person) -> Person:
    """The person with the front's colours on the back, and stretched over the sides."""
    return change_avatar(person, front_for_back)


def smear_front(person: Person) -> Person:
    """The person with the outline's colours smeared over the back, and stretched over the sides."""
    return change_avatar(person, smear_outline)


def change_avatar(person: Person, change: Callable[[Avatar], Avatar]) -> Person:
    """The person with another avatar."""
    looks = cast(AvatarAppearance, person.appearance)
    return replace(person, appearance=AvatarAppearance(tuple(change(avatar) for avatar in looks.avatars)))


def front_and_back(avatar: Avatar) -> tuple[Bool[Tensor, " F"], Bool[Tensor, " F"]]:
    """The faces of the fronts and of the backs of the photo's layers."""
    solid = (avatar.thick & (avatar.layer <= COVERED_LEG)).nonzero()[:, 0]
    sheets = torch.zeros(2, len(avatar.faces), dtype=torch.bool)
    for sheet, half in zip(sheets, solid.view(2, -1), strict=True):
        sheet[half] = True
    return sheets[0], sheets[1]


def front_for_back(avatar: Avatar) -> Avatar:
    """The avatar with the front's colours on the back, and nothing that turning changes."""
    front, back = front_and_back(avatar)
    photo = avatar.photo.clone()
    photo[back] = photo[front]
    plain = replace(
        avatar, photo=photo, flanks=TurningVertices.none(), head=HeadFaces.none(), contacts=ContactFaces.none()
    )
    return replace(
        plain, solid=find_solid_faces(plain.source[None], plain.faces, plain.photo, plain.thick, plain.photos)
    )


def smear_outline(avatar: Avatar) -> Avatar:
    """The avatar with a back in the colours of its outline, spread inwards."""
    plain = front_for_back(avatar)
    _, back = front_and_back(plain)
    photo, pages = plain.photo.clone(), [plain.photos]
    for page in photo[back].unique().tolist():
        colours, alpha = (
            plane.numpy() for plane in (plain.photos[page, ..., :3].float() / 255, plain.photos[page, ..., 3])
        )
        near, far = SMEARED_RIM[0], SMEARED_RIM[1] * len(alpha)
        depth = distance_to_edge(alpha > 127)
        spread = torch.from_numpy(spread_colours(colours, (depth > near) & (depth < near + far)))
        smeared = plain.photos[page].clone()
        smeared[..., :3] = (spread * 255 + 0.5).to(torch.uint8)
        photo[back & (plain.photo == page)] = len(plain.photos) + len(pages) - 1
        pages.append(smeared[None])
    return replace(plain, photo=photo, photos=torch.cat(pages))


COMPLETIONS: dict[str, Callable[[Person], Person]] = {
    "smeared": smear_front,
    "front for back": repeat_front,
    AVATAR_RENDERER: lambda person: person,
}  # how what the photo does not show is coloured


def write_turned_sheet(people: list[TurnedPerson], page: Path) -> None:
    """Write the pictures as a PNG: a row per method, the views of one person after the other."""
    rows = {
        name: [picture_to_array(picture) for one in people for picture in one.views[name].image]
        for name in people[0].views
    }
    write_labelled_rows(rows, page)
