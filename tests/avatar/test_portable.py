"""An avatar for renderers that know nothing but textured, skinned meshes."""

from dataclasses import replace

import torch

from motion_imitate.avatar.draw import draw_avatar
from motion_imitate.avatar.layer_order import COVERED_LEG
from motion_imitate.avatar.photo_layers import ARM_LEFT, LEG_LEFT
from motion_imitate.avatar.portable import FEW_JOINTS, drop_covered_legs, make_portable
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.geometry.camera import camera_to_image
from tests.support.demo_person import demo_person


def demo_photo():
    person = demo_person()
    source = person.source
    return person.appearance.avatars[0], person.model, source.body[:1], source.camera[:1], source.image.shape[2:]


def drawn(avatar, model, body, camera, size):
    posed = pose_avatar(avatar, model, body, camera)
    return draw_avatar(posed.dress(avatar), camera_to_image(posed.vertices, camera)[0], tuple(size))


def test_the_photo_looks_the_same_by_depth_alone():
    avatar, *photo = demo_photo()
    plain = make_portable(avatar, *photo)
    assert not plain.bias.any()
    assert plain.joints.shape[1] == FEW_JOINTS
    assert torch.allclose(plain.weights.sum(1), torch.ones(len(plain.weights)))
    truth, biased_away = drawn(avatar, *photo), drawn(replace(avatar, bias=torch.zeros_like(avatar.bias)), *photo)
    shown = drawn(plain, *photo)
    assert (shown.cover - truth.cover).abs().mean() < 1e-3
    both = (shown.cover[0] > 0.99) & (truth.cover[0] > 0.99)
    change, without = (
        ((((one.colour - truth.colour).abs().amax(0) > 0.1) & both).sum()) for one in (shown, biased_away)
    )
    assert change < 0.6 * without


def test_layers_share_no_vertices():
    avatar, *photo = demo_photo()
    plain = make_portable(avatar, *photo)
    arm = plain.faces[plain.layer == ARM_LEFT].unique()
    assert len(arm) > 100
    assert not torch.isin(plain.faces[plain.layer != ARM_LEFT], arm).any()


def test_a_leg_beneath_a_skirt_ends_just_above_its_hem():
    avatar = demo_photo()[0]
    leg = avatar.layer == LEG_LEFT
    height = avatar.rest[avatar.faces][:, :, 1].mean(1)
    hem = height[leg].median()
    covered = leg & (height > hem)
    kept = drop_covered_legs(replace(avatar, layer=torch.where(covered, COVERED_LEG, avatar.layer)))
    left = kept.layer == COVERED_LEG
    assert (kept.layer != COVERED_LEG).sum() == (~covered).sum()
    assert 0 < left.sum() < 0.5 * covered.sum()
