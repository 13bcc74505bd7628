"""Hands that a photo hides: not seen in the photo's own pose, in the face's colour once an arm is raised."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.body_hands import DARKEST, SHADE_POWERS, add_body_hands, hand_mesh, skin_colour
from motion_imitate.avatar.body_surface import LIMB_NUMBERS, SIDES
from motion_imitate.avatar.build import assemble_avatar, pack_texture
from motion_imitate.avatar.draw import render_numba, render_torch
from motion_imitate.avatar.flank_texture import find_flanks
from motion_imitate.avatar.layer_mesh import build_layer_mesh, find_joints, layer_alphas
from motion_imitate.avatar.layer_shape import shape_layers
from motion_imitate.avatar.match_colours import find_kind_colours
from motion_imitate.avatar.parsing_net import KIND_NAMES
from motion_imitate.avatar.photo_layers import ARM_LAYERS, FACE, LAYERS, TRUNK, cut_photo_layers
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body
from tests.support import painted
from tests.support.parsed_body import parse_body, place

MODEL = painted.MODEL
CLOTH, SKIN_TONE = (0.1, 0.2, 0.8), (0.7, 0.5, 0.4)


@pytest.fixture(scope="module")
def photo():
    return painted.standing(0.0)


@pytest.fixture(scope="module")
def avatars(photo):
    """A person in blue whose sleeves hide both hands, without hands of the body and with them."""
    body = place(*photo)
    hands = np.isin(body.limbs_of(body.whole_surface), [LIMB_NUMBERS[side]["hand"] for side in SIDES])

    def wear_sleeves(_, kind):
        kind[hands] = KIND_NAMES.index("upper")

    layers = cut_photo_layers(*parse_body(body, wear_sleeves), body, body)
    image = np.where((layers.kind == FACE)[..., None], SKIN_TONE, CLOTH).astype(np.float32)
    joined = find_joints(layers, body)
    alphas = layer_alphas(layers, joined)
    mesh = build_layer_mesh(layers, alphas, joined)
    focal = float(body.camera.focal[0, 1]) * body.size[0] / 2
    shape = shape_layers(mesh, layers, alphas, body, focal)
    flanks = find_flanks(mesh, shape, layers, alphas, body, focal)
    pages = torch.stack([pack_texture(image, alphas[layer]) for layer in (*LAYERS, TRUNK)])
    without = assemble_avatar(
        mesh, shape, flanks, layers, body, photo[0].pose[0], find_kind_colours(image, layers), pages, {}
    )
    assert layers.lost_hands == ARM_LAYERS
    assert_close(skin_colour(image, layers), torch.tensor(SKIN_TONE))
    return without, add_body_hands(without, layers, body, photo[0].shape, skin_colour(image, layers))


def raise_arms(body, angle):
    pose = body.pose.clone()
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        joint = MODEL.controls[f"shoulder_{side}"][0]
        pose[:, joint] = rotation_vector_to_matrix(torch.tensor([[0.0, 0.0, sign * angle]])) @ pose[:, joint]
    return Body(pose, body.shape)


def draw(avatar, body, camera, render=render_numba):
    posed = pose_avatar(avatar, MODEL, body, camera)
    points = camera_to_image(posed.vertices, camera)[0]
    return render(replace(avatar, source=posed.source[0]), points, painted.SIZE)


def hand_pixels(drawn):
    """Where the picture shows skin beside the trunk and below the face."""
    red, blue, alpha = drawn[..., 0], drawn[..., 2], drawn[..., 3]
    skin = (alpha > 250) & (red > blue)
    skin[:, painted.SIZE[1] * 2 // 5 : painted.SIZE[1] * 3 // 5] = False
    return skin


def test_in_the_photos_own_pose_a_hidden_hand_changes_nothing(photo, avatars):
    without, having = (draw(avatar, *photo) for avatar in avatars)
    assert_close(having, without, atol=1e-3, rtol=0)


def test_a_raised_hand_has_the_shades_of_the_face(photo, avatars):
    body, camera = photo
    without, having = (draw(avatar, raise_arms(body, 0.9), camera) for avatar in avatars)
    assert not hand_pixels(without).any()
    shown = hand_pixels(having)
    left, right = shown[:, : shown.shape[1] // 2].sum(), shown[:, shown.shape[1] // 2 :].sum()
    assert min(left, right) > 100
    assert abs(int(left - right)) < 0.1 * left
    colour = having[shown][:, :3] / 255 / torch.tensor(SKIN_TONE)
    assert (colour.median(0).values - 1).abs().max() < 0.15
    assert (colour > DARKEST ** torch.tensor(SHADE_POWERS) - 0.02).float().mean() > 0.98


def test_the_sleeves_end_shrinks_into_the_wrist_when_its_hand_appears(photo, avatars):
    body, camera = photo
    without, having = avatars
    wrist = having.hidden_hands[0].wrist
    share = (without.weights * (without.joints == wrist)).sum(1)
    ends = share > 0.9
    assert ends.sum() > 20
    reach = []
    for avatar in avatars:
        posed = pose_avatar(avatar, MODEL, raise_arms(body, 0.9), camera).vertices[0]
        at = body_to_camera(MODEL(raise_arms(body, 0.9))[1], camera)[0, wrist]
        reach.append((posed[: len(without.rest)][ends] - at).norm(dim=1).max())
    assert reach[0] > 0.1
    assert reach[1] < 0.1 * reach[0]


def test_hands_of_one_frame_do_not_depend_on_the_others(photo, avatars):
    body, camera = photo
    poses = [raise_arms(body, angle).pose for angle in (0.0, 0.1, 0.2, 0.9)]
    bodies = Body(torch.cat(poses), body.shape.expand(4, -1))
    cameras = camera[torch.zeros(4, dtype=torch.int64)]
    together = pose_avatar(avatars[1], MODEL, bodies, cameras).vertices
    for i in range(4):
        alone = pose_avatar(avatars[1], MODEL, bodies[i : i + 1], camera).vertices
        assert_close(alone[0], together[i], atol=1e-5, rtol=0)


def test_kernel_and_reference_draw_the_same_hands(photo, avatars):
    body, camera = photo
    raised = raise_arms(body, 0.9)
    fast, plain = (draw(avatars[1], raised, camera, render) for render in (render_numba, render_torch))
    assert ((fast - plain).abs().amax(-1) > 1).float().mean() < 1e-4


def test_the_right_hand_is_the_mirror_image_of_the_left(photo):
    left, right = (hand_mesh(MODEL, photo[0].shape, side, 0.9) for side in SIDES)
    assert_close(left.at * torch.tensor([-1.0, 1.0, 1.0]), right.at, atol=1e-4, rtol=0)
    assert torch.equal(left.faces, right.faces.flip(1))
    assert_close(left.share, right.share, atol=1e-3, rtol=0)
    assert_close(left.shade, right.shade)
