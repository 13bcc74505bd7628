"""The head fades to its texture all round when it turns, and is the photo in the photo's pose."""

import math

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.draw import draw_avatar
from motion_imitate.avatar.photo_layers import FACE, HAIR, TRUNK
from motion_imitate.avatar.portable import show_back_of_head
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body
from tests.support.demo_person import demo_person

SIZE = (320, 180)


@pytest.fixture(scope="module")
def person():
    return demo_person()


def pose_turned(person, degrees):
    """The posed avatar, with the whole body turned about the vertical."""
    avatar, body = person.appearance.avatars[0], person.source.body[:1]
    pose = body.pose.clone()
    turn = rotation_vector_to_matrix(torch.tensor([[0.0, math.radians(degrees), 0.0]]))
    pose[:, 0] = turn @ pose[:, 0]
    return pose_avatar(avatar, person.model, Body(pose, body.shape), person.source.camera[:1])


@pytest.mark.parametrize(("degrees", "lift"), [(0, 0), (1, 0), (40, 1), (-90, 1), (180, 1)])
def test_the_head_fades_as_it_turns(person, degrees, lift):
    assert_close(pose_turned(person, degrees).head_lift, torch.tensor([float(lift)]))


def test_no_face_is_on_the_back_of_the_head(person):
    avatar, posed = person.appearance.avatars[0], pose_turned(person, 180)
    assert len(avatar.head.faces) > 100
    seen = camera_to_image(posed.vertices, person.source.camera[:1])[0]
    drawn = draw_avatar(posed.dress(avatar), seen, SIZE)
    head = seen[avatar.faces[avatar.head.faces].unique(), :2]
    (left, top), (right, bottom) = head.amin(0), head.amax(0)
    rows = slice(int((top + 1) * SIZE[0] / 2), int((0.4 * top + 0.6 * bottom + 2 * 0.5) * SIZE[0] / 2))
    columns = slice(int((left + 1) * SIZE[1] / 2), int((right + 1) * SIZE[1] / 2))
    colour, cover = drawn.colour[:, rows, columns], drawn.cover[0, rows, columns] > 0.95
    hair, face = (avatar.kind_colours[kind][:, None] for kind in (HAIR, FACE))
    pixels = colour[:, cover]
    nearer = (pixels - hair).norm(dim=0) < (pixels - face).norm(dim=0)
    assert nearer.float().mean() > 0.9


def test_no_face_of_the_crown_keeps_the_colours_of_the_back(person):
    avatar = person.appearance.avatars[0]
    top = avatar.rest[:, 1].topk(200).indices
    crown = torch.isin(avatar.faces, top).all(1) & (avatar.photo != TRUNK)
    assert crown.any()
    assert torch.isin(crown.nonzero()[:, 0], avatar.head.faces).all()


def test_a_portable_head_has_its_back_without_turning(person):
    avatar = person.appearance.avatars[0]
    portable = show_back_of_head(avatar)
    assert len(portable.head.faces) == 0
    reads = portable.photo == avatar.head.photo
    assert 50 < reads.sum() <= len(avatar.head.faces)
    assert not reads[avatar.photo == TRUNK].any()
    slots = {int(face): k for k, face in enumerate(avatar.head.faces)}
    chosen = [slots[int(face)] for face in reads.nonzero()[:, 0]]
    assert_close(portable.source[portable.faces[reads]], avatar.head.source[chosen])
    assert_close(portable.rest[portable.faces], avatar.rest[avatar.faces])
