"""The body's hands: unseen in the photo's own pose, there once a hand turns, or comes out of its sleeve."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.avatar import HAND_MOVES
from motion_imitate.avatar.body_hands import (
    DARKEST,
    SHADE_POWERS,
    add_body_hands,
    hand_mesh,
    skin_colour,
)
from motion_imitate.avatar.body_surface import LIMB_NUMBERS, SIDES, joint_descendants
from motion_imitate.avatar.build import assemble_avatar
from motion_imitate.avatar.draw import render_numba, render_torch
from motion_imitate.avatar.flank_texture import find_flanks
from motion_imitate.avatar.layer_mesh import build_layer_mesh, find_joints, layer_alphas
from motion_imitate.avatar.layer_shape import shape_layers
from motion_imitate.avatar.match_colours import find_kind_colours
from motion_imitate.avatar.parsing_net import KIND_NAMES
from motion_imitate.avatar.photo_layers import ARM_LAYERS, FACE, LAYERS, SKIN, TRUNK, cut_photo_layers
from motion_imitate.avatar.pose import avatar_moves, pose_avatar
from motion_imitate.avatar.texture_pages import pack_texture
from motion_imitate.bodies.skinning import local_to_global
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


def build(photo, parsed_kind):
    """A person in blue without hands of the body and with them, and the photo's layers."""
    body = place(*photo)
    hands = np.isin(body.limbs_of(body.whole_surface), [LIMB_NUMBERS[side]["hand"] for side in SIDES])

    def paint_hands(_, kind):
        kind[hands] = KIND_NAMES.index(parsed_kind)

    layers = cut_photo_layers(*parse_body(body, paint_hands), body, body)
    image = np.where(np.isin(layers.kind, (FACE, SKIN))[..., None], SKIN_TONE, CLOTH).astype(np.float32)
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
    assert_close(skin_colour(image, layers), torch.tensor(SKIN_TONE))
    return (without, add_body_hands(without, layers, body, photo[0].shape, image, {})), layers


@pytest.fixture(scope="module")
def avatars(photo):
    """A person whose sleeves hide both hands."""
    both, layers = build(photo, "upper")
    assert layers.lost_hands == ARM_LAYERS
    return both


@pytest.fixture(scope="module")
def bare(photo):
    """A person whose hands are seen."""
    both, layers = build(photo, "skin")
    assert layers.lost_hands == ()
    return both


def raise_arms(body, angle):
    pose = body.pose.clone()
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        joint = MODEL.controls[f"shoulder_{side}"][0]
        pose[:, joint] = rotation_vector_to_matrix(torch.tensor([[0.0, 0.0, sign * angle]])) @ pose[:, joint]
    return Body(pose, body.shape)


def turn_hands(body, angle):
    """The hands turned about the arm's axis, palms to the front or to the back."""
    pose = body.pose.clone()
    for side in SIDES:
        hand, forearm = MODEL.controls[f"wrist_{side}"][0], MODEL.controls[f"elbow_{side}"][0]
        places = MODEL(body)[1][0]
        axis = torch.nn.functional.normalize(places[hand] - places[forearm], dim=0)
        turns = local_to_global(body.pose, MODEL.skin.parents)[0]
        own = turns[hand].T @ axis
        pose[:, hand] = pose[:, hand] @ rotation_vector_to_matrix(angle * own[None])
    return Body(pose, body.shape)


def draw(avatar, body, camera, render=render_numba):
    posed = pose_avatar(avatar, MODEL, body, camera)
    points = camera_to_image(posed.vertices, camera)[0]
    return render(posed.dress(avatar), points, painted.SIZE)


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
    wrist = having.body_hands[0].wrist
    share = (without.weights * (without.joints == wrist)).sum(1)
    ends = share > 0.9
    assert ends.sum() > 20
    reach = []
    for avatar in avatars:
        posed = pose_avatar(avatar, MODEL, raise_arms(body, 0.9), camera).vertices[0]
        at = body_to_camera(MODEL(raise_arms(body, 0.9))[1], camera)[0, wrist]
        reach.append((posed[: len(without.rest)][ends] - at).norm(dim=1).quantile(0.9))
    assert reach[0] > 0.1
    assert reach[1] < 0.1 * reach[0]


@pytest.mark.parametrize("angle", [0.0, 0.2])
def test_a_hand_that_faces_the_camera_as_in_the_photo_is_the_photos(photo, bare, angle):
    body, camera = photo
    without, having = (draw(avatar, turn_hands(body, angle), camera) for avatar in bare)
    assert_close(having, without, atol=1e-3, rtol=0)


@pytest.mark.parametrize("angle", [-1.6, -0.8, 0.8, 1.6])
def test_a_turned_hand_is_the_bodys_own(photo, bare, angle):
    body, camera = photo
    turned = turn_hands(body, angle)
    having = bare[1]
    posed = pose_avatar(having, MODEL, turned, camera).vertices[0]
    for side, hand in zip(SIDES, having.body_hands, strict=True):
        at, places = (body_to_camera(points, camera)[0] for points in MODEL(turned))
        wrist = places[hand.wrist]
        first = len(MODEL.skin.parents) + HAND_MOVES * having.body_hands.index(hand)
        mine = ((having.joints == first) * having.weights).sum(1) > 0.99
        fingers = at[(MODEL.skin.weights[:, joint_descendants(MODEL, hand.wrist)].sum(1) > 0.99)]
        near = torch.cdist(posed[mine], fingers).amin(1)
        assert mine.sum() > 50
        assert near.median() < 0.015, side  # the body's fingers are straight, the hand's relaxed
        gone = torch.isin(having.joints, torch.arange(first + 2, first + HAND_MOVES))
        gone = (gone * having.weights).sum(1) > 0.999
        assert gone.sum() > 20
        assert (posed[gone] - wrist).norm(dim=1).max() < 0.01


def test_an_arm_ends_at_its_cuff_once_its_hand_has_turned(photo, bare):
    body, camera = photo
    having = bare[1]
    still, turned = (pose_avatar(having, MODEL, turn_hands(body, angle), camera).dress(having) for angle in (0.0, 1.6))
    assert torch.equal(still.photo, having.photo)
    assert set(having.cuffs.hand.tolist()) == {0, 1}
    assert torch.equal(turned.photo[having.cuffs.faces], having.cuffs.photo)
    assert (having.photos[having.cuffs.photo.unique(), ..., 3] < having.photos[list(ARM_LAYERS), ..., 3]).any()
    assert not having.solid[having.cuffs.faces].any()


def test_one_of_both_hands_has_its_full_size_while_it_turns(photo, bare):
    body, having = photo[0], bare[1]
    parents = MODEL.skin.parents
    sizes = []
    for angle in np.linspace(0.2, 1.0, 9):
        moves = avatar_moves(having, MODEL, turn_hands(body, float(angle))).joints[0, len(parents) :, :, :3]
        sizes.append(torch.linalg.det(moves).clamp(min=0) ** (1 / 3))
    own, photos = torch.stack(sizes)[:, 0], torch.stack(sizes)[:, 2]
    assert_close(torch.maximum(own, photos), torch.ones(len(own)), atol=1e-3, rtol=0)
    assert own[0] < 0.1 < 0.9 < own[-1]
    assert photos[-1] < 0.1 < 0.9 < photos[0]


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
