"""Flanks show what lies inwards of them when they are seen from the side, and the photo in the photo's own pose."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.avatar import THICK_ALPHA, points_to_texels
from motion_imitate.avatar.draw import draw_avatar
from motion_imitate.avatar.photo_layers import ARM_LAYERS, LEG_LAYERS, TRUNK
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from tests.support.demo_person import demo_person


@pytest.fixture(scope="module")
def person():
    return demo_person()


def turned(person, angle):
    """The photo's pose, turned about the vertical."""
    pose = person.source.body[:1].pose.clone()
    pose[:, 0] = rotation_vector_to_matrix(torch.tensor([[0.0, angle, 0.0]])) @ pose[:, 0]
    return replace(person.source.body[:1], pose=pose)


def posed(person, angle):
    return pose_avatar(person.appearance.avatars[0], person.model, turned(person, angle), person.source.camera[:1])


def test_in_the_photos_own_pose_flanks_show_what_the_photo_shows_there(person):
    assert len(person.appearance.avatars[0].flanks.vertices) > 1000
    assert_close(posed(person, 0.0).source[0], person.appearance.avatars[0].source, atol=1e-6, rtol=0)


def test_from_the_side_flanks_show_what_lies_within_the_person(person):
    avatar = person.appearance.avatars[0]
    source, vertices = posed(person, math.pi / 2).source[0], avatar.flanks.vertices
    moved = points_to_texels(source, avatar.photos.shape[1:3]) - points_to_texels(
        avatar.source, avatar.photos.shape[1:3]
    )
    moved = moved.norm(dim=1)
    others = torch.ones(len(source), dtype=torch.bool)
    others[vertices] = False
    assert moved[others].max() == 0
    assert moved[vertices].median() > 3  # texels
    column, row = points_to_texels(source[vertices], avatar.photos.shape[1:3]).round().long().unbind(1)
    assert (avatar.photos[:6, row, column, 3].amax(0) > THICK_ALPHA).float().mean() > 0.98


def test_legs_have_no_flanks(person):
    avatar = person.appearance.avatars[0]
    flank = torch.zeros(len(avatar.rest), dtype=torch.bool)
    flank[avatar.flanks.vertices] = True
    for layer in (TRUNK, *ARM_LAYERS):
        assert flank[avatar.faces[avatar.layer == layer]].any()
    for layer in LEG_LAYERS:
        assert flank[avatar.faces[avatar.layer == layer]].float().mean() < 0.02  # those that the trunk shares


def test_faces_that_are_solid_are_opaque_wherever_their_flanks_may_read(person):
    avatar = person.appearance.avatars[0]
    size = avatar.photos.shape[1:3]
    for angle in (0.5, 1.0, 1.5):
        texels = points_to_texels(posed(person, angle).source[0], size)[avatar.faces[avatar.solid]].mean(1)
        column, row = texels.round().long().unbind(1)
        photo = avatar.photo[avatar.solid]
        assert (avatar.photos[photo, row, column, 3] > THICK_ALPHA).all()


def test_stripes_go_on_round_the_side(person):
    """Seen from the side, a sleeve whose rim is stretched would show one colour per row."""
    size = tuple(person.source.image.shape[2:])

    def spread(source):
        vertices = camera_to_image(posed(person, 1.2).vertices, person.source.camera[:1])[0]
        drawn = draw_avatar(replace(person.appearance.avatars[0], source=source), vertices, size)
        upper = slice(size[0] // 2)  # legs have no flanks
        grey, cover = drawn.colour.mean(0).numpy()[upper], drawn.cover[0].numpy()[upper] > 0.9
        across = np.abs(np.diff(grey, axis=1))[cover[:, 1:] & cover[:, :-1]]
        return across.mean()

    assert spread(posed(person, 1.2).source[0]) > 1.1 * spread(person.appearance.avatars[0].source)
