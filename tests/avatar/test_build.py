"""An avatar built from the demo photo: it is the photo, and it moves in one piece."""

import cv2
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.avatar import HAND_MOVES, THICK_ALPHA, points_to_texels
from motion_imitate.avatar.draw import draw_avatar
from motion_imitate.avatar.layer_mesh import build_layer_mesh, find_joints, layer_alphas
from motion_imitate.avatar.layer_order import COVERED_LEG, LAYER_BIAS, find_covered_legs
from motion_imitate.avatar.parsing_net import KIND_NAMES, LAYER_NAMES
from motion_imitate.avatar.photo_layers import LEG_LAYERS, cut_photo_layers
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.person import make_avatars
from motion_imitate.types import Body
from tests.support import painted
from tests.support.demo_person import demo_person
from tests.support.parsed_body import parse_body, place

LEAST_HOLE = 2e-4  # of the person's area
PHOTO_PSNR = 60.0  # decibels; nothing is resampled
CUT_PSNR = 36.0  # with the pixels along cuts, which mix the colours of two layers


@pytest.fixture(scope="module")
def person():
    return demo_person()


def project_vertices(person, body, camera):
    posed = pose_avatar(person.appearance.avatars[0], person.model, body, camera)
    return camera_to_image(posed.vertices, camera)[0]


def photo_vertices(person):
    return project_vertices(person, person.source.body[:1], person.source.camera[:1])


def photo_size(person):
    return tuple(person.source.image.shape[2:])


def raised(person, body, joint):
    """How much higher a joint is than in the photo, in metres."""
    (_, now), (_, before) = (person.model(b) for b in (body, person.source.body[:1]))
    return float((now - before)[0, person.model.controls[joint][0], 1])


def bend(person, turns):
    """The photo's body with turns, in radians about camera axes, added to named joints."""
    pose = person.source.body[:1].pose.clone()
    for control, turn in turns.items():
        joint = person.model.controls[control][0]
        pose[:, joint] = rotation_vector_to_matrix(torch.tensor([turn])) @ pose[:, joint]
    return Body(pose, person.source.body[:1].shape)


def test_the_weights_of_each_vertex_sum_to_one_and_are_finite(person):
    avatar = person.appearance.avatars[0]
    assert avatar.weights.isfinite().all()
    assert (avatar.weights >= 0).all()
    assert_close(avatar.weights.sum(1), torch.ones(len(avatar.weights)))
    assert avatar.rest.isfinite().all()
    assert (avatar.joints < len(person.model.joint_names) + HAND_MOVES * len(avatar.body_hands)).all()
    assert (avatar.faces < len(avatar.rest)).all()
    assert torch.equal(avatar.faces.unique(), torch.arange(len(avatar.rest)))  # no vertex is unused


def test_posed_with_the_photos_body_every_vertex_is_where_the_photo_shows_it(person):
    size = photo_size(person)
    avatar = person.appearance.avatars[0]
    shown = avatar.faces[avatar.layer < len(avatar.bias) - len(avatar.body_hands)].unique()
    points, source = photo_vertices(person)[shown, :2], avatar.source[shown]
    assert (points_to_texels(points, size) - points_to_texels(source, size)).abs().max() < 0.05


def test_drawn_in_the_photos_own_pose_the_avatar_is_the_photo(person):
    avatar, size = person.appearance.avatars[0], photo_size(person)
    drawn = draw_avatar(avatar, photo_vertices(person), size)
    matte = person.source.matte[0, 0].numpy()
    solid = avatar.photos[: len(avatar.bias), ..., 3].numpy() > 200  # the layers, without what else there is
    cuts = cv2.dilate(count_borders(solid), np.ones((3, 3), np.uint8)) > 0
    inside = torch.from_numpy((cv2.erode((matte > 0.98).astype(np.uint8), np.ones((3, 3))) > 0) & ~cuts)
    assert inside.sum() > 0.5 * (matte > 0.5).sum()
    error = (drawn.colour - person.source.image[0]).square().mean(0)
    assert -10 * error[inside].mean().log10() >= PHOTO_PSNR
    assert -10 * error[torch.from_numpy(matte > 0.98)].mean().log10() >= CUT_PSNR
    assert drawn.cover[0][inside].min() > 0.99


def count_borders(masks):
    """1 at the pixels on the rim of a mask."""
    kernel = np.ones((3, 3), np.uint8)
    rims = [cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, kernel) for mask in masks]
    return np.max(rims, axis=0)


def test_the_cover_is_the_matte(person):
    cover = draw_avatar(person.appearance.avatars[0], photo_vertices(person), photo_size(person)).cover[0]
    matte = person.source.matte[0, 0]
    assert (cover - matte).abs().mean() < 0.004
    assert not cover[cv2.dilate((matte > 0.01).numpy().astype(np.uint8), np.ones((9, 9))) == 0].any()


POSES = {
    "arms-raised-a-little": {"shoulder_left": [0.0, 0.0, 0.6], "shoulder_right": [0.0, 0.0, -0.6]},
    "one-arm-raised-high": {"shoulder_left": [0.0, 0.0, 1.8]},
    "a-leg-lifted": {"hip_left": [-0.7, 0.0, 0.0], "knee_left": [0.6, 0.0, 0.0]},
}


@pytest.mark.parametrize("turns", POSES.values(), ids=POSES)
def test_joined_layers_leave_no_hole_inside_the_persons_outline(person, turns):
    body, camera = bend(person, turns), person.source.camera[:1]
    tip = {"shoulder_left": "wrist_left", "shoulder_right": "wrist_right", "hip_left": "ankle_left"}
    assert all(raised(person, body, tip[joint]) > 0.05 for joint in turns if joint in tip)
    vertices = project_vertices(person, body, camera)
    cover = draw_avatar(person.appearance.avatars[0], vertices, photo_size(person)).cover[0].numpy()
    still = draw_avatar(person.appearance.avatars[0], photo_vertices(person), photo_size(person)).cover[0].numpy()
    assert np.abs(cover - still).mean() > 0.005  # the limb has moved
    count, _, stats, _ = cv2.connectedComponentsWithStats((cover < 0.5).astype(np.uint8), connectivity=4)
    area = stats[1:, cv2.CC_STAT_AREA] if count > 1 else np.zeros(1, int)
    holes = np.sort(area)[:-1]  # the largest is the background
    assert np.sort(stats[1:, cv2.CC_STAT_LEFT])[0] == 0
    assert (holes <= LEAST_HOLE * (cover > 0.5).sum()).all(), holes


def test_layers_that_are_joined_share_vertices_and_arms_do_not(person):
    avatar = person.appearance.avatars[0]
    used = [set(avatar.faces[avatar.layer == layer].flatten().tolist()) for layer in range(len(avatar.bias))]
    trunk, arms, legs = used[0], used[1:3], used[3:5]
    for limb in (*arms, *legs):
        assert limb & trunk
    assert not arms[0] & arms[1]
    assert not (arms[0] | arms[1]) & (legs[0] | legs[1]) - trunk


def test_textures_are_opaque_under_solid_faces(person):
    avatar, size = person.appearance.avatars[0], photo_size(person)
    assert avatar.solid.float().mean() > 0.5
    corners = points_to_texels(avatar.source, size)[avatar.faces[avatar.solid]]
    column, row = corners.mean(1).round().long().unbind(1)
    assert avatar.photos[avatar.photo[avatar.solid], row, column, 3].min() > THICK_ALPHA


def test_building_twice_gives_the_same_avatar(person):
    first, second = (make_avatars(person.source, person.model)[0] for _ in range(2))
    parts = ("flanks", "rim", "contacts", "cuffs", "head")
    for one, two in ((first, second), *((getattr(first, part), getattr(second, part)) for part in parts)):
        alike = [{name: value for name, value in vars(each).items() if name not in parts} for each in (one, two)]
        assert_close(*alike, atol=0, rtol=0, equal_nan=True)


def test_legs_that_a_skirt_covers_are_drawn_behind_it():
    body = place(*painted.standing(0.0))
    hips = [body.joint_pixel(f"hip_{side}")[1] for side in ("left", "right")]
    knees = [body.joint_pixel(f"knee_{side}")[1] for side in ("left", "right")]

    def wear_skirt(layer, kind):
        rows = np.arange(len(layer))[:, None]
        covered = (rows > np.mean(hips)) & (rows < np.mean(knees)) & (layer >= LAYER_NAMES.index("leg_left"))
        layer[covered], kind[covered] = LAYER_NAMES.index("skirt"), KIND_NAMES.index("lower")

    layers = cut_photo_layers(*parse_body(body, wear_skirt), body, body)
    joined = find_joints(layers, body)
    mesh = build_layer_mesh(layers, layer_alphas(layers, joined), joined)
    covered = find_covered_legs(mesh, layers)
    height = mesh.points[mesh.faces].mean(1)[:, 1]
    legs = np.isin(mesh.layer, LEG_LAYERS)
    assert covered.sum() > 20
    assert not covered[~legs].any()
    assert not covered[height > np.mean(knees) + 2 * mesh.cell].any()
    assert LAYER_BIAS[COVERED_LEG] < min(LAYER_BIAS[:COVERED_LEG])
