"""Cloth cut out of a mesh: edges lie where the cut says, and areas are those of plane geometry."""

import torch
from torch.testing import assert_close

from motion_imitate.geometry.mesh import mesh_edges
from motion_imitate.synthesis.shells import (
    build_dressing_base,
    build_ring_cloth,
    cut_cloth,
    edge_pairs,
    offset_skin,
    reach_by_angle,
)


def sheet(count=9):
    """The unit square, upright, its normal ahead."""
    line = torch.linspace(0, 1, count)
    y, x = torch.meshgrid(line, line, indexing="ij")
    at = torch.stack([x, y, 0 * x], -1).view(-1, 3)
    row, column = torch.meshgrid(torch.arange(count - 1), torch.arange(count - 1), indexing="ij")
    a = (row * count + column).flatten()
    faces = torch.cat([torch.stack([a, a + 1, a + count], 1), torch.stack([a + 1, a + count + 1, a + count], 1)])
    return build_dressing_base(at, torch.ones(len(at), 1), faces, at[faces][..., :2])


def area(at, faces):
    a, b, c = at[faces].unbind(1)
    return torch.linalg.cross(b - a, c - a).norm(dim=1).sum() / 2


def test_a_straight_cut_leaves_the_area_on_its_side():
    base = sheet()
    cut = 0.37 - base.at[:, 0] + 0.2 * base.at[:, 1]
    piece = cut_cloth(base.at, base, cut)
    assert_close(area(piece.at, piece.faces), torch.tensor(0.47), atol=1e-5, rtol=0)
    assert float((0.37 - piece.at[:, 0] + 0.2 * piece.at[:, 1]).min()) > -1e-6
    assert_close(piece.uv, piece.at[piece.faces][..., :2])  # coordinates are cut as places are
    normal = torch.linalg.cross(*[piece.at[piece.faces[:, k]] - piece.at[piece.faces[:, 0]] for k in (1, 2)])
    assert bool((normal[:, 2] > -1e-9).all())  # no face is turned over


def test_what_is_cut_and_what_is_left_make_the_whole():
    base = sheet()
    cut = (base.at - 0.4).norm(dim=1) - 0.41
    both = [cut_cloth(base.at, base, sign * cut) for sign in (1, -1)]
    assert_close(sum(area(p.at, p.faces) for p in both), torch.tensor(1.0), atol=1e-5, rtol=0)


def test_cloth_stands_off_at_least_as_far_as_it_is_told():
    base = sheet()
    at = offset_skin(base, torch.ones(81), torch.full((81,), 0.01), 5)
    assert float(at[:, 2].min()) >= 0.01 - 1e-6
    assert_close(at[:, :2], base.at[:, :2])


def test_neighbours_are_the_meshs_edges():
    base = sheet(4)
    assert_close(edge_pairs(base.faces, 16), mesh_edges(base.faces))


def test_the_girth_of_a_cylinder_is_its_radius_all_round():
    angle = torch.linspace(0, 2 * torch.pi, 200)
    points = torch.stack([0.3 * angle.sin(), 0 * angle, 0.3 * angle.cos()], 1)
    reach = reach_by_angle(points, torch.zeros(2), torch.tensor([0.0]), torch.linspace(0, 6, 7), 0.01)
    assert_close(reach, torch.full((1, 7), 0.3), atol=1e-3, rtol=0)


def test_a_closed_ring_has_no_gap():
    angle = torch.arange(12) * (2 * torch.pi / 12)
    at = torch.stack([torch.stack([angle.sin(), 0 * angle - k, angle.cos()], 1) for k in range(3)])
    piece = build_ring_cloth(at, torch.ones(3, 12, 1), True, 1.0, 1.0, 0)
    pairs = torch.cat([piece.faces[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]).sort(1).values
    _, count = pairs.unique(dim=0, return_counts=True)
    assert sorted(count.unique().tolist()) == [1, 2]
    assert int((count == 1).sum()) == 24  # the upper and the lower rim
