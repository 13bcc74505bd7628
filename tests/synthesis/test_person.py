"""A made-up person is the body, and what they wear goes where it goes."""

import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.bodies.anny import turn
from motion_imitate.synthesis.person import EYEBALLS, Tuck, Worn, dress, sample, tucked
from motion_imitate.synthesis.wardrobe import Garment, Material, whole
from motion_imitate.types import Body

GREY = torch.full((4, 2, 2), 0.5)
SKIN = torch.cat([GREY[:3], torch.ones(1, 2, 2)])


@pytest.fixture(scope="module")
def body():
    return bodies.load("anny")


def patch(body, count=40, offset=(0.0, 0.0, 0.0), hides=()):
    """The first faces of the body, as cloth over them."""
    mesh = whole(body)
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
        material=Material(),
    )


def some_body(body, count=2):
    random = torch.Generator().manual_seed(3)
    turns = turn(0.4 * torch.randn(count * len(body.joint_names), 3, generator=random)).view(count, -1, 3, 3)
    return Body(turns, torch.randn(1, len(body.skin.shape_dirs), generator=random).expand(count, -1))


def test_the_naked_person_is_the_body_in_every_pose(body):
    posed = some_body(body)
    person = dress(body, posed.shape[0], SKIN, [])
    assert_close(person(posed.pose), body(posed)[0])
    assert torch.equal(person.faces, body.faces)


def test_cloth_on_the_skin_stays_on_the_skin_in_every_pose(body):
    posed = some_body(body)
    person = dress(body, posed.shape[0], SKIN, [Worn("hair", patch(body), SKIN)])
    at = person(posed.pose)
    count = len(body.skin.template)
    assert_close(at[:, count:], at[:, body.faces[:40].flatten()])
    assert person.faces[person.piece == 1].min() == count
    assert person.kinds == ("skin", "hair")


def test_skin_under_cloth_is_drawn_in_and_other_skin_is_not(body):
    at = body.skin.template
    how = Tuck(near=0.02, sink=0.004)
    moved = (tucked(at, body.faces, at[:1], how) - at).norm(dim=1)
    assert_close(moved[0], torch.tensor(0.004))
    away = (at - at[0]).norm(dim=1)
    assert moved[away > 0.0201].max() == 0
    assert moved.max() < 0.0041


def test_faces_are_hidden_where_all_their_corners_are(body):
    first = whole(body).places[body.faces[0]].tolist()
    count = len(body.faces)

    def left(hides):
        person = dress(body, torch.zeros(20), SKIN, [Worn("hair", patch(body, hides=hides), SKIN)])
        return int((person.piece == 0).sum())

    assert left(first[:2]) == count
    assert left(first) == count - 1


def test_painted_eyes_take_the_place_of_the_bodys_own(body):
    person = dress(body, torch.zeros(20), SKIN, [Worn("eyes", patch(body), SKIN)])
    skin = person.faces[person.piece == 0]
    assert skin.max() < EYEBALLS
    assert (body.faces >= EYEBALLS).any()
    sight = body.skin.weights[EYEBALLS:, [body.joint_names.index(f"eye.{side}") for side in "LR"]]
    assert sight.sum(1).min() > 0.9


def test_only_pieces_with_holes_are_sheer(body):
    wear = [Worn("hair", patch(body), GREY), Worn("shoes", patch(body), SKIN)]
    person = dress(body, torch.zeros(20), SKIN, wear)
    assert person.sheer[person.piece == 1].all()
    assert not person.sheer[person.piece != 1].any()


def test_textures_are_read_with_v_upwards_and_repeat():
    texture = torch.arange(4.0).view(1, 2, 2)
    uv = torch.tensor([[0.25, 0.75], [0.75, 0.75], [0.25, 0.25], [0.75, 0.25], [1.25, -0.75]])
    assert_close(sample(texture, uv)[:, 0], torch.tensor([0.0, 1, 2, 3, 2]))
