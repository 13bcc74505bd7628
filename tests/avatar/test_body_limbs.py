"""A limb that the photo hides is the body's own, in the colours that the photo shows of it or of the other side's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from motion_imitate.avatar.avatar import ContactFaces, HeadFaces
from motion_imitate.avatar.body_limbs import (
    add_body_limbs,
    complete_parts,
    drop_layers,
    find_body_limbs,
    read_part_colours,
)
from motion_imitate.avatar.draw import draw_avatar
from motion_imitate.avatar.photo_layers import ARM_LEFT, ARM_RIGHT, LEG_LEFT, TRUNK, cut_photo_layers
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.bodies.parts import PART_NUMBERS
from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body
from tests.support import painted
from tests.support.demo_person import demo_person
from tests.support.parsed_body import parse_body, place

RED, GREY = np.array([0.9, 0.1, 0.1], np.float32), np.array([0.5, 0.5, 0.5], np.float32)


@pytest.fixture(scope="module")
def standing():
    body = place(*painted.standing(0.0))
    return body, cut_photo_layers(*parse_body(body), body, body)


def coloured(layers):
    """A photo whose right arm is red, and all else grey."""
    return np.where((layers.owner == ARM_RIGHT)[..., None], RED, GREY).astype(np.float32)


def test_a_person_who_stands_with_arms_apart_needs_none(standing):
    body, layers = standing
    assert find_body_limbs(layers, body) == ()


def test_a_hidden_arm_and_a_leg_that_points_at_the_camera_are_found(standing):
    body, layers = standing
    hidden = replace(layers, owner=np.where(layers.owner == ARM_LEFT, TRUNK, layers.owner))
    assert find_body_limbs(hidden, body) == (ARM_LEFT,)
    photo, camera = painted.standing(0.0)
    pose = photo.pose.clone()
    pose[:, painted.MODEL.controls["hip_left"][0]] = rotation_vector_to_matrix(torch.tensor([-1.5, 0.0, 0.0]))
    kicking = place(Body(pose, photo.shape), camera)
    assert LEG_LEFT in find_body_limbs(cut_photo_layers(*parse_body(kicking), kicking, kicking), kicking)


def test_a_hidden_arm_gets_the_other_ones_colours(standing):
    body, layers = standing
    hidden = replace(layers, owner=np.where(layers.owner == ARM_LEFT, TRUNK, layers.owner))
    atlas = complete_parts(*read_part_colours(hidden, body, coloured(layers)))
    for group in ("upperarm", "forearm"):
        for side in (0, 1):
            for half in (0, 1):
                middle = atlas[PART_NUMBERS[group][half][side] - 1][10:-10, 10:-10]
                assert np.abs(middle - RED).max() < 0.1
    assert np.abs(atlas[PART_NUMBERS["thigh"][0][0] - 1] - GREY).max() < 0.1


def test_an_added_arm_is_where_the_bodys_arm_is():
    person = demo_person()
    (avatar,) = person.appearance.avatars
    source, size = person.source, tuple(person.source.image.shape[2:])
    body = place(source.body[:1], source.camera[:1], size)
    layers = cut_photo_layers(*parse_body(body), body, body)
    emptied = {name: getattr(avatar, name)[:0] for name in ("faces", "photo", "layer", "thick", "solid")}
    none = replace(avatar, **emptied, contacts=ContactFaces.none(), head=HeadFaces.none())
    arm = add_body_limbs(none, [ARM_LEFT], layers, body, source.body.shape[:1], coloured(layers), None)
    posed = pose_avatar(arm, person.model, source.body[:1], source.camera[:1])
    drawn = draw_avatar(arm, camera_to_image(posed.vertices, source.camera[:1])[0], size).cover[0].numpy() > 0.5
    truth = layers.owner == ARM_LEFT
    assert (drawn & truth).sum() > 0.7 * (drawn | truth).sum()


def test_dropped_layers_have_no_mesh_and_no_lost_hand(standing):
    _, layers = standing
    dropped = drop_layers(replace(layers, lost_hands=(ARM_LEFT, ARM_RIGHT)), [ARM_LEFT])
    assert not dropped.region[ARM_LEFT].any()
    assert dropped.region[ARM_RIGHT].any()
    assert dropped.lost_hands == (ARM_RIGHT,)
