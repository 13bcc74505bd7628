"""The shadow of an arm stays while the arm lies where it was in the photo, and goes with it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.avatar import ContactFaces
from motion_imitate.avatar.contact_shadow import NEVER, SHADOW_REACH, clear_contact_shadow, distance_to_arms
from motion_imitate.avatar.layer_mesh import find_joints, layer_alphas
from motion_imitate.avatar.layer_texture import layer_colours
from motion_imitate.avatar.masks import distance_to_edge
from motion_imitate.avatar.photo_layers import ARM_LAYERS, NO_LAYER, TRUNK, cut_photo_layers
from motion_imitate.avatar.pose import LIFT_DISTANCE, lift_contacts, pose_avatar
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body
from tests.support import painted
from tests.support.demo_person import demo_person
from tests.support.parsed_body import parse_body, place


@pytest.fixture(scope="module")
def shaded():
    """A body turned so that an arm is before the trunk, all of one green; beside the arm it is dark."""
    body = place(*painted.standing(1.0))
    layers = cut_photo_layers(*parse_body(body), body, body)
    away = distance_to_arms(layers)
    image = np.full((*away.shape, 3), (0.2, 0.6, 0.3), np.float32)
    image[(away > 0) & (away < SHADOW_REACH[0] * layers.unit)] *= 0.3
    return image, layers, away


def test_cloth_beside_an_arm_takes_the_colour_of_the_cloth_beyond(shaded):
    image, layers, away = shaded
    colours = layer_colours(image, layers, layer_alphas(layers, find_joints(layers, place(*painted.standing(1.0)))), 0)
    cleared = clear_contact_shadow(image, colours, layers, TRUNK)
    beside = layers.seen(TRUNK) & (away > 0) & (away < SHADOW_REACH[0] * layers.unit)
    beside &= distance_to_edge(layers.owner != NO_LAYER) > 3
    assert beside.sum() > 50
    assert colours[beside].mean() < 0.6 * 0.37
    np.testing.assert_allclose(cleared[beside], np.broadcast_to((0.2, 0.6, 0.3), cleared[beside].shape), atol=0.02)
    far = layers.seen(TRUNK) & (away > SHADOW_REACH[1] * layers.unit)
    np.testing.assert_array_equal(cleared[far], colours[far])


def test_a_photo_without_arms_has_no_shadow_to_clear(shaded):
    image, layers, _ = shaded
    armless = replace(layers, owner=np.where(np.isin(layers.owner, ARM_LAYERS), NO_LAYER, layers.owner))
    assert clear_contact_shadow(image, image, armless, TRUNK) is None


@pytest.fixture(scope="module")
def person():
    return demo_person()


def lift_in_pose(person, **angles):
    """How far the shadows are gone when joints turn, in radians about the camera's axis."""
    avatar, body = person.appearance.avatars[0], person.source.body[:1]
    pose = body.pose.clone()
    for control, angle in angles.items():
        joint = person.model.controls[control][0]
        pose[:, joint] = rotation_vector_to_matrix(torch.tensor([[0.0, 0.0, angle]])) @ pose[:, joint]
    posed = pose_avatar(avatar, person.model, Body(pose, body.shape), person.source.camera[:1])
    return posed.lift[0], posed.vertices[0]


def test_shadows_stay_in_the_photos_pose(person):
    lift, vertices = lift_in_pose(person)
    contacts = person.appearance.avatars[0].contacts
    assert len(contacts.faces) > 100
    assert_close(lift, torch.zeros_like(lift))
    near = contacts.distance < NEVER
    apart = (vertices[contacts.vertices] - vertices[contacts.other]).norm(dim=1)
    assert near.sum() > 100
    assert_close(apart[near], contacts.distance[near])


def test_shadows_go_with_the_arm_but_at_the_shoulder(person):
    lift, vertices = lift_in_pose(person, shoulder_left=1.2, shoulder_right=-1.2)
    contacts = person.appearance.avatars[0].contacts
    left = (vertices[contacts.vertices] - vertices[contacts.other]).norm(dim=1) - contacts.distance > LIFT_DISTANCE[1]
    assert left.sum() > 50
    assert (lift[left] == 1).all()
    assert (lift < 0.5).sum() > 50


def test_what_lies_on_an_arm_goes_all_at_once():
    person = demo_person()
    avatar = person.appearance.avatars[0]
    mine = (avatar.layer == ARM_LAYERS[0]).nonzero()[:, 0][:40]
    vertices = torch.zeros(1, len(avatar.rest), 3)
    other = avatar.faces[(avatar.layer == TRUNK).nonzero()[0, 0], 0]
    near, far = avatar.faces[mine[0], 0], avatar.faces[mine[-1], 0]
    assert near != far
    vertices[:, far] = 1.0
    contacts = ContactFaces(
        mine[[0, -1, -1]],
        torch.stack([near, far, far]),
        other.expand(3),
        torch.zeros(3),
        torch.zeros(3, dtype=torch.int64),
        torch.zeros(3),
    )
    assert_close(lift_contacts(replace(avatar, contacts=contacts), vertices), torch.ones(1, 3))
    assert_close(lift_contacts(replace(avatar, contacts=contacts), vertices * 0), torch.zeros(1, 3))


def test_an_avatar_shows_the_colours_of_its_pose(person):
    avatar = person.appearance.avatars[0]
    pose = pose_avatar(avatar, person.model, person.source.body[:1], person.source.camera[:1])
    half = pose._replace(lift=torch.full_like(pose.lift, 0.5)).dress(avatar)
    lift, photo, *_ = half.spread_lift()
    assert set(lift.unique().tolist()) == {0.0, 0.5}
    assert torch.equal(photo[half.contacts.faces], half.contacts.photo)
    others = torch.ones(len(photo), dtype=torch.bool)
    others[torch.cat([half.contacts.faces, half.head.faces])] = False
    assert torch.equal(photo[others], avatar.photo[others])
