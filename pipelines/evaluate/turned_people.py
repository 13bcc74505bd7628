"""Evaluate novel views on synthetic people: of a photo from the front, seen from the sides and from behind."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import cast

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, ContactFaces, HeadFaces, TurningVertices, find_solid_faces
from motion_imitate.avatar.body_surface import place_body
from motion_imitate.avatar.build import parse_person
from motion_imitate.avatar.layer_order import COVERED_LEG
from motion_imitate.avatar.masks import distance_to_edge, spread_colours
from motion_imitate.avatar.parsing_net import load_parsing_net
from motion_imitate.bodies.dress import undress_body
from motion_imitate.bodies.skinning import SkinnedBody, posed_keypoints
from motion_imitate.estimators.face import FaceNets
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.metrics.images import mean_class_iou
from motion_imitate.motion.turntable import turn_person
from motion_imitate.person import AvatarAppearance, Person
from motion_imitate.types import BodyModel, Motion
from pipelines.evaluate.people_evaluation import PeopleEvaluation, ScoredPerson, mean_view_scores
from pipelines.evaluate.scores import FrameScores, MetricNetworks
from pipelines.evaluate.standing_people import PlainPictures, StandingPeople, draw_plain, score_picture
from pipelines.evaluate.tables import ScoreRow

COMPARED_AZIMUTHS = (0.0, 90.0, 135.0, 180.0)  # degrees; 0 is the photo's view, 180 the back
SMEARED_RIM = (1.5, 0.012)  # pixels, and share of the height, from the outline: colours that are smeared over the back
TURNED_SHEET_PEOPLE = 5  # on a sheet


def evaluate_turned_people(job: PeopleEvaluation) -> list[ScoreRow]:
    """The scores of each method at each azimuth, one row each."""
    crowd = StandingPeople(job.people)
    coming = (turn_synthetic_person(crowd, number, job.judges) for number in range(job.how.turned))
    marks = job.collect_scores(coming, "turned people", job.how.turned, TURNED_SHEET_PEOPLE)
    rows = [
        mean_view_scores(f"seen from {azimuth:.0f} degrees", marks, view)
        for view, azimuth in enumerate(COMPARED_AZIMUTHS)
    ]
    return [*chain.from_iterable(rows)]


@torch.no_grad()
def turn_synthetic_person(crowd: StandingPeople, number: int, judges: MetricNetworks) -> ScoredPerson:
    """The views of a synthetic person, drawn from one photo, and their scores."""
    actor = crowd.make_actor(number, number)
    scene = crowd.sample_scene(actor, number)
    person = crowd.portray(actor, scene, number)
    motion = next(turn_person(scene.body, scene.camera, COMPARED_AZIMUTHS))
    truth = crowd.render(actor, replace(scene, body=motion.body))
    kinds = parse_views(truth, person, motion)
    made = {row: draw_plain(change(person), motion) for row, change in COMPLETIONS.items()}
    marks = {row: score_turned_views(pictures, truth, kinds, person, motion, judges) for row, pictures in made.items()}
    return ScoredPerson({row: pictures.image for row, pictures in ({"truth": truth} | made).items()}, marks)


def score_turned_views(
    made: PlainPictures,
    truth: PlainPictures,
    kinds: list[Int[Tensor, "H W"]],
    person: Person,
    motion: Motion,
    judges: MetricNetworks,
) -> list[FrameScores]:
    """The scores of all views. `kinds` are the truth's, and compared where both show the person; `shows_face` tells
    whether the face detector finds a face."""
    marks = []
    for view, own in enumerate(parse_views(made, person, motion)):
        both = ((made.cover[view] > 0.5) & (truth.cover[view] > 0.5))[0]
        extra = {"kinds": float(mean_class_iou(own, kinds[view], both))}
        if judges.faces is not None:
            extra["shows_face"] = float(shows_face(made.image[view], person, motion[view : view + 1], judges.faces))
        marks.append(score_picture(made, truth, view, judges) | extra)
    return marks


def parse_views(pictures: PlainPictures, person: Person, motion: Motion) -> list[Int[Tensor, "H W"]]:
    """The kind of thing that the parsing network sees in each pixel of each view: hair, face, skin or a garment."""
    bare, net = undress_body(cast(SkinnedBody, person.model)), load_parsing_net()
    size = (pictures.image.shape[2], pictures.image.shape[3])
    seen = []
    for view, (image, cover) in enumerate(zip(pictures.image, pictures.cover, strict=True)):
        at = motion[view : view + 1]
        parsed = parse_person(net, image, cover, place_body(cast(BodyModel, bare), at.body, at.camera, size))
        seen.append(parsed.kind[1:].argmax(0))  # not the background
    return seen


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
