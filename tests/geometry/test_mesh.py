"""Fields over a mesh: what is known holds, what is not lies evenly between."""

import torch
from torch.testing import assert_close

from motion_imitate.geometry.mesh import mesh_edges, solve_vertex_values, vertex_normals

STRIP = torch.tensor([[0, 1, 2], [1, 3, 2]])
LINE = torch.stack([torch.arange(9), torch.arange(1, 10)], 1)


def test_every_edge_is_named_once():
    assert mesh_edges(STRIP).tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]


def test_between_two_known_ends_lies_a_straight_line():
    known, weight = torch.zeros(10, 2), torch.zeros(10)
    known[9], weight[0], weight[9] = torch.tensor([9.0, -18.0]), 1e9, 1e9
    line = torch.arange(10.0)[:, None] * torch.tensor([1.0, -2.0])
    assert_close(solve_vertex_values(LINE, known, weight, torch.ones(9)).float(), line, atol=1e-4, rtol=0)


def test_the_answer_is_the_least_squares_one():
    noise = torch.Generator().manual_seed(0)
    known, weight, stiff = (torch.rand(*s, generator=noise, dtype=torch.float64) for s in ((10, 3), (10,), (9,)))
    step = torch.zeros(9, 10, dtype=torch.float64)
    step[torch.arange(9), LINE[:, 0]], step[torch.arange(9), LINE[:, 1]] = 1, -1
    matrix = torch.diag(weight) + step.mT @ (stiff[:, None] * step)
    assert_close(solve_vertex_values(LINE, known, weight, stiff), torch.linalg.solve(matrix, weight[:, None] * known))


def test_normals_of_a_flat_strip_are_its_own():
    flat = torch.tensor([[0.0, 0, 5], [1, 0, 5], [0, 1, 5], [1, 1, 5]])[None]
    assert_close(vertex_normals(flat, STRIP), torch.tensor([0.0, 0, 1]).expand(1, 4, 3))
