"""Flat strips along outlines: as the photo shows them in its own pose, folded into the outline from the side."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.avatar import RimVertices
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body
from tests.support.demo_person import demo_person


def pose_turned(angle, folding=True):
    person = demo_person()
    avatar = person.appearance.avatars[0]
    body, camera = person.source.body[:1], person.source.camera[:1]
    pose = body.pose.clone()
    pose[:, 0] = rotation_vector_to_matrix(torch.tensor([[0.0, angle, 0.0]])) @ pose[:, 0]
    shown = avatar if folding else replace(avatar, rim=RimVertices.none())
    return avatar, pose_avatar(shown, person.model, Body(pose, body.shape), camera).vertices[0]


@pytest.mark.parametrize("angle", [0.0, 0.1])
def test_strips_stay_while_they_are_seen_as_in_the_photo(angle):
    assert_close(pose_turned(angle)[1], pose_turned(angle, folding=False)[1], atol=0, rtol=0)


@pytest.mark.parametrize("angle", [1.2, -1.6])
def test_from_the_side_strips_have_no_width(angle):
    avatar, vertices = pose_turned(angle)
    edges, outline = avatar.rim.vertices, avatar.rim.outline
    assert len(edges) > 300
    assert_close(vertices[edges], vertices[outline], atol=1e-6, rtol=0)


def test_the_edges_of_strips_are_only_theirs():
    avatar, vertices = pose_turned(0.0)
    strips = ~avatar.thick
    of_strips = avatar.faces[strips].unique()
    assert torch.isin(avatar.rim.vertices, of_strips).all()
    assert not torch.isin(avatar.rim.vertices, avatar.faces[~strips]).any()
    assert not torch.isin(avatar.rim.outline, avatar.rim.vertices).any()
    away = (vertices[avatar.rim.vertices] - vertices[avatar.rim.outline]).norm(dim=1)
    assert away.median() < 0.02
