"""Drafts of an avatar say where they read the photo; a picture is changed by exactly what is asked for."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.draft import (
    DRAFT_RENDERERS,
    DraftMaker,
    DraftSettings,
    blend_changed_torch,
    coarsen_textures,
    draft_size,
    draw_changed_into,
    find_shown_textures,
    look_up_shown,
)
from motion_imitate.avatar.draw import draw_avatar, draw_avatar_into, render_numba
from motion_imitate.avatar.photo_layers import LAYERS, TRUNK
from motion_imitate.avatar.pose import PosedAvatar, pose_avatar
from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.geometry.view import view_of_body
from motion_imitate.types import Body
from tests.avatar.test_draw import at_depth, avatar_of, closed_sheets, grid_mesh, random_photos, random_scene
from tests.support.demo_person import demo_person
from tests.support.on_gpu import every_kernel

SIZE = (61, 43)
WHOLE = (slice(0, SIZE[0]), slice(0, SIZE[1]))


@pytest.mark.parametrize("scene", [random_scene, closed_sheets])
@pytest.mark.parametrize("seed", range(3))
def test_kernels_agree_with_the_reference(scene, seed):
    avatar, vertices = scene(seed)
    (drawn, reads), (compiled, other) = (
        render(avatar, vertices, SIZE) for render in (DRAFT_RENDERERS["torch"], DRAFT_RENDERERS["numba"])
    )
    assert ((drawn - compiled).abs().amax(-1) <= 1).float().mean() >= 0.999
    same = reads[..., 2] == other[..., 2]
    assert same.float().mean() >= 0.999
    assert ((reads - other).abs().amax(-1)[same] < 1e-3).float().mean() >= 0.999
    assert torch.equal(compiled, render_numba(avatar, vertices, SIZE))
    assert ((other[..., 2] >= 0) >= (compiled[..., 3] > 0)).all()
    assert (other[..., 2] >= 0).float().mean() > 0.5


@every_kernel("render", DRAFT_RENDERERS)
def test_in_the_photos_own_pose_each_pixel_reads_its_own_place(render):
    points, faces = grid_mesh(7, 5, 3)
    photos = random_photos(1, (24, 18), 1)
    photos[..., 3] = 255
    reads = render(avatar_of(points, faces, photos), at_depth(points * 0.5), SIZE)[1]
    rows, columns = (torch.linspace(-1, 1, 2 * side + 1)[1::2] for side in SIZE)
    own = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1) * 2
    inside = own.abs().amax(-1) < 1 - 2 / 18
    assert_close(reads[..., :2][inside], own[inside], atol=1e-3, rtol=0)
    outside = own.abs().amax(-1) > 1 + 4 / min(SIZE)
    assert (reads[outside] == torch.tensor([-2.0, -2, -1])).all()
    assert not render(avatar_of(points, faces, photos), at_depth(points + 9), SIZE)[0].any()


@pytest.mark.parametrize("channels", [3, 4])
def test_without_a_change_the_picture_is_the_avatars_to_the_byte(channels):
    avatar, vertices = random_scene(0)
    picture = random_photos(9, SIZE, 1)[0, ..., :channels].contiguous()
    expected = picture.clone()
    draw_avatar_into(expected, avatar, vertices)
    draw_changed_into(picture, avatar, vertices, WHOLE, torch.zeros(4, 20, 14))
    assert torch.equal(picture, expected)


@pytest.mark.parametrize("channels", [3, 4])
def test_changing_agrees_with_the_reference(channels):
    avatar, vertices = random_scene(3)
    picture = random_photos(9, SIZE, 1)[0, ..., :channels].contiguous()
    expected, before = picture.clone(), picture.clone()
    window = (slice(5, 50), slice(0, 40))
    change = torch.randn(4, 11, 9, generator=torch.Generator().manual_seed(0)) * 0.3
    blend_changed_torch(expected[window], render_numba(avatar, vertices, SIZE)[window], change)
    draw_changed_into(picture, avatar, vertices, window, change)
    assert ((picture.int() - expected.int()).abs().amax(-1) <= 1).float().mean() >= 0.999
    assert torch.equal(picture[:5], before[:5])
    assert torch.equal(picture[:, 40:], before[:, 40:])


def test_colour_and_cover_change_by_what_is_asked_for():
    points, faces = grid_mesh(4, 4, 0)
    photos = torch.tensor([100, 50, 0, 255], dtype=torch.uint8).expand(1, 4, 4, 4).contiguous()
    avatar = avatar_of(points, faces, photos)
    picture = torch.full((*SIZE, 3), 200, dtype=torch.uint8)
    change = torch.tensor([0.2, 0.0, -0.5, -0.2])[:, None, None].expand(4, 8, 6).contiguous()
    draw_changed_into(picture, avatar, at_depth(points), WHOLE, change)
    assert torch.equal(picture, torch.tensor([151 + 40, 50 + 40, 40], dtype=torch.uint8).expand_as(picture))


@pytest.fixture(scope="module")
def person():
    return demo_person()


@pytest.fixture(scope="module")
def maker(person):
    return DraftMaker.of(
        person.appearance.avatars[0], person.model, person.source, DraftSettings(size=128, texture=256)
    )


def draft_of(person, maker, body):
    size = draft_size((slice(0, 640), slice(0, 480)), 128)
    camera = person.source.camera[:1]
    posed = pose_avatar(person.appearance.avatars[0], person.model, body, camera)
    view = view_of_body(person.model, rasterize, body, camera, size)
    return maker.draw(posed._replace(vertices=camera_to_image(posed.vertices, camera)), view)


def test_the_photo_shows_all_of_the_avatar_in_its_own_pose(person, maker):
    draft = draft_of(person, maker, person.source.body[:1])
    assert draft.colour.shape[2:] == (128, 96)
    assert draft.seen[draft.cover > 0].all()
    assert not draft.seen[draft.cover == 0].any()
    assert (draft.position.abs().sum(1)[draft.cover[:, 0] > 0.99] > 0).float().mean() > 0.9
    assert (draft.colour <= draft.cover + 1e-6).all()


def test_a_body_turned_round_shows_what_the_photo_does_not(person, maker):
    pose = person.source.body[:1].pose.clone()
    pose[:, 0] = rotation_vector_to_matrix(torch.tensor([[0.0, torch.pi, 0.0]])) @ pose[:, 0]
    draft = draft_of(person, maker, Body(pose, person.source.body[:1].shape))
    seen = draft.seen[draft.cover > 0.99].mean()
    assert seen < 0.8  # backs of arms and legs are their fronts


def test_the_texture_of_the_back_is_shown_nowhere_and_others_where_they_are(person):
    shown = find_shown_textures(person.appearance.avatars[0], person.model, person.source, 320)
    assert shown.shape[1:] == (320, 240)
    assert not shown[len(LAYERS)].any()
    matte = torch.nn.functional.interpolate(person.source.matte[:1], (320, 240), mode="area")[0, 0]
    assert shown.any(0)[matte > 0.9].float().mean() > 0.99
    reads = torch.tensor([[[[0.0, -0.3, TRUNK], [-0.99, -0.99, TRUNK], [-2.0, -2.0, -1.0]]]])
    assert look_up_shown(shown, reads)[0, 0].tolist() == [True, False, False]


def test_coarse_textures_look_the_same(person):
    avatar = person.appearance.avatars[0]
    coarse = coarsen_textures(avatar, 200)
    assert coarse.photos.shape[1:3] == (avatar.photos.shape[1] // 2, avatar.photos.shape[2] // 2)
    assert torch.equal(coarsen_textures(avatar, 2000).photos, avatar.photos)
    camera = person.source.camera[:1]
    posed = camera_to_image(pose_avatar(avatar, person.model, person.source.body[:1], camera).vertices, camera)[0]
    fine, small = (draw_avatar(one, posed, (320, 240)) for one in (avatar, coarse))
    assert (fine.colour * fine.cover - small.colour * small.cover).abs().mean() < 0.01
    assert (fine.cover - small.cover).abs().mean() < 0.005


def test_a_draft_is_no_larger_than_its_window():
    assert draft_size((slice(10, 110), slice(0, 50)), 256) == (100, 50)
    assert draft_size((slice(0, 1024), slice(100, 612)), 256) == (256, 128)
    assert draft_size((slice(0, 1024), slice(0, 2)), 256) == (256, 8)


def test_drafts_of_a_run_are_those_of_its_frames(person, maker):
    body = person.source.body[:1]
    camera = person.source.camera[:1]
    posed = pose_avatar(person.appearance.avatars[0], person.model, body, camera)
    seen = camera_to_image(posed.vertices, camera)
    both = [posed._replace(vertices=at) for at in (seen, seen * torch.tensor([0.9, 1, 1]))]
    joined = PosedAvatar(*(torch.cat(parts) for parts in zip(*both, strict=True)))
    view = view_of_body(person.model, rasterize, body, camera, (64, 48))
    run = maker.draw(joined, replace(view, raster=view.raster.map(lambda t: t.repeat(2, *[1] * (t.dim() - 1)))))
    for k in range(2):
        alone = maker.draw(both[k], view)
        assert_close(vars(run[k : k + 1]), vars(alone), rtol=0, atol=0)
