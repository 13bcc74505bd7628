"""That an avatar moves with the joints of its body."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.body_surface import joint_descendants, rigid_hand_weights
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.bodies import load_body
from motion_imitate.bodies.skinning import local_to_global, rest_shape
from motion_imitate.geometry.camera import body_to_camera
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body, Camera

MODEL = load_body("anny")
SHOWN = slice(0, None, 9)  # the vertices of the body of which avatars are made here


def random_body(seed: int) -> tuple[Body, Camera]:
    """One body in a random pose."""
    generator = torch.Generator().manual_seed(seed)
    turns = 0.4 * torch.randn(len(MODEL.skin.parents), 3, generator=generator)
    shape = torch.randn(1, len(MODEL.skin.shape_dirs), generator=torch.Generator().manual_seed(0))
    place = torch.randn(1, 3, generator=generator)
    return Body(rotation_vector_to_matrix(turns)[None], shape), Camera(torch.ones(1, 2), torch.zeros(1, 2), place)


def avatar_of_body(body: Body) -> Avatar:
    """Vertices of the body as an avatar, whose photo shows that pose."""
    weights, joints = MODEL.skin.weights[SHOWN].topk(8)
    rest = rest_shape(MODEL.skin, body.shape)[0][0, SHOWN]
    none = torch.zeros(0, dtype=torch.int64)
    return Avatar(
        rest=rest,
        joints=joints,
        weights=weights,
        source=rest[:, :2],
        faces=none.view(0, 3),
        photo=none,
        layer=none,
        bias=torch.zeros(1),
        thick=none.bool(),
        solid=none.bool(),
        photo_turns=local_to_global(body.pose, MODEL.skin.parents)[0],
        photo_places=MODEL(body)[1][0],
        photo_pose=body.pose[0],
        photo_view=torch.tensor([0.0, 0.0, -1.0]),
        kind_colours=torch.full((1, 3), torch.nan),
        photos=torch.zeros(1, 1, 1, 4, dtype=torch.uint8),
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_an_avatar_made_of_the_body_is_where_the_body_is_in_the_photos_pose(seed):
    body, camera = random_body(seed)
    avatar = avatar_of_body(body)
    assert_close(avatar.weights.sum(1), torch.ones(len(avatar.rest)))  # no vertex of this body has more joints
    posed = pose_avatar(avatar, MODEL, body, camera).vertices
    assert_close(posed, body_to_camera(MODEL(body)[0][:, SHOWN], camera), atol=1e-5, rtol=0)


def test_only_forearms_and_hands_of_an_avatar_differ_from_the_body_in_another_pose():
    (photo, _), (body, camera) = random_body(0), random_body(1)
    avatar = avatar_of_body(photo)
    elbows = [MODEL.controls[f"elbow_{side}"][0] for side in ("left", "right")]
    lower = [joint for elbow in elbows for joint in joint_descendants(MODEL, elbow)]
    free = MODEL.skin.weights[SHOWN][:, lower].sum(1) == 0
    posed, truth = pose_avatar(avatar, MODEL, body, camera).vertices, body_to_camera(MODEL(body)[0][:, SHOWN], camera)
    assert_close(posed[:, free], truth[:, free], atol=1e-5, rtol=0)
    assert not torch.allclose(posed[:, ~free], truth[:, ~free], atol=0.01)


def test_a_hand_that_turns_about_its_own_axis_keeps_the_side_that_the_photo_shows():
    body, camera = random_body(0)
    body = Body(MODEL.relaxed[None], body.shape)
    weights, joints = rigid_hand_weights(MODEL)[SHOWN].topk(8)
    avatar = replace(avatar_of_body(body), weights=weights, joints=joints)
    turned = body.pose.clone()
    wrist = MODEL.controls["wrist_left"][0]
    fingers = [joint for joint, parent in enumerate(MODEL.skin.parents) if parent == wrist]
    places = MODEL(body)[1][0]
    axis = torch.nn.functional.normalize(places[fingers[len(fingers) // 2]] - places[wrist], dim=0)
    hold = local_to_global(body.pose, MODEL.skin.parents)[0, MODEL.skin.parents[wrist]]
    turned[0, wrist] = hold.mT @ rotation_vector_to_matrix(1.2 * axis) @ hold @ turned[0, wrist]
    posed = pose_avatar(avatar, MODEL, Body(turned, body.shape), camera).vertices
    assert_close(posed, pose_avatar(avatar, MODEL, body, camera).vertices, atol=2e-3, rtol=0)
    assert not torch.allclose(MODEL(Body(turned, body.shape))[0], MODEL(body)[0], atol=0.01)
