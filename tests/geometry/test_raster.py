"""What each pixel sees: known answers, no holes, and implementations that agree to the pixel."""

from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch.testing import assert_close

from motion_imitate.geometry import raster
from motion_imitate.geometry.camera import NEAR_PLANE, camera_to_image, default_intrinsics
from motion_imitate.geometry.flow import interpolate_on_raster
from motion_imitate.geometry.raster import RASTERIZERS, face_weights_and_depth, rasterize, rasterize_torch, to_pixels
from motion_imitate.geometry.raster_numba import compile_kernel
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Camera, Raster
from tests.support.on_gpu import every_kernel
from tests.support.torus import torus

SQUARE = torch.tensor([[[-1.0, -1, 2], [1, -1, 2], [1, 1, 2]], [[-1, -1, 2], [1, 1, 2], [-1, 1, 2]]])[None]
every = every_kernel("draw", RASTERIZERS)
ON_CPU = RASTERIZERS["torch"], RASTERIZERS["numba"]


def centres(size: tuple[int, int]) -> Tensor:
    """The image points of all pixels, by the rule `grid_sample` keeps."""
    y, x = ((torch.arange(n) + 0.5) * 2 / n - 1 for n in size)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def tori(count: int, size: tuple[int, int], rings: int = 160, sides: int = 80) -> tuple[Tensor, Tensor]:
    """A torus tumbling in front of a camera: its corners in camera space, and as the rasterisers take them."""
    vertices, faces = torus(rings, sides)
    turns = rotation_vector_to_matrix(torch.randn(count, 3, generator=torch.Generator().manual_seed(5)) * 2)
    points = vertices @ turns.mT + torch.tensor([0.1, 0.0, 3.0])
    focal, centre = default_intrinsics(size, count)
    seen = camera_to_image(points, Camera(focal, centre, torch.zeros(count, 3)))
    return points[:, faces], seen[:, faces]


def assert_agree(a: Raster, b: Raster) -> None:
    assert torch.equal(a.face, b.face)
    assert_close(a.weights, b.weights, rtol=0, atol=1e-5)
    assert_close(a.depth, b.depth, rtol=1e-5, atol=0)


ROUND = st.integers(-8, 8).map(lambda n: n / 4)  # many faces that touch, coincide or have no area
PLACES = st.one_of(ROUND, st.floats(-2, 2, width=32), st.floats(-(2.0**100), 2.0**100, width=32))
DEPTHS = st.one_of(st.integers(-1, 3).map(float), st.floats(0, 100, width=32), st.just(float("inf")))


@st.composite
def soups(draw: st.DrawFn) -> Tensor:
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 12)), 3)
    places = draw(arrays(np.float32, (*shape, 2), elements=PLACES))
    depths = draw(arrays(np.float32, (*shape, 1), elements=DEPTHS))
    return torch.from_numpy(np.concatenate([places, depths], -1))


@settings(deadline=None, max_examples=200)
@given(soups(), st.integers(1, 21), st.integers(1, 21))
def test_implementations_agree_on_any_faces(corners, height, width):
    agree = [draw(corners, (height, width)) for draw in ON_CPU]
    assert_agree(*agree)
    assert agree[0].weights.isfinite().all()


@pytest.mark.parametrize("size", [(128, 128), (90, 161)])
def test_implementations_agree_on_a_mesh(size):
    _, corners = tori(3, size)
    assert corners.shape[1] > 20_000
    first, second = (draw(corners, size) for draw in ON_CPU)
    assert_agree(first, second)
    assert 0.1 < (first.face >= 0).float().mean() < 0.9


@every
def test_two_faces_share_a_square_between_them(draw):
    """The upper right half is the first's, and so is the diagonal, which both hold."""
    seen = draw(SQUARE, (5, 5))
    assert torch.equal(seen.face[0], torch.ones(5, 5, dtype=torch.int64).tril(-1))
    x, y = ((centres((5, 5)) + 1) / 2).unbind(-1)
    upper = torch.stack([1 - x, x - y, y], -1)
    lower = torch.stack([1 - y, x, y - x], -1)
    assert_close(seen.weights[0], torch.where((seen.face[0] == 0)[..., None], upper, lower))
    assert_close(seen.depth, torch.full((1, 5, 5), 2.0))


@every
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_no_pixel_falls_between_faces(draw, seed):
    """A crumpled grid that goes past the picture on all sides leaves no hole, wherever its corners lie."""
    n = 12
    lines = torch.linspace(-1.2, 1.2, n)
    grid = torch.stack([*torch.meshgrid(lines, lines, indexing="xy"), torch.ones(n, n)], -1)
    noise = torch.rand(n, n, 3, generator=torch.Generator().manual_seed(seed)) - 0.5
    grid = grid + noise * torch.tensor([0.2, 0.2, 0.5])
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    faces = torch.cat([torch.stack([a, b, c], -2), torch.stack([a, c, d], -2)]).flatten(0, 1)
    assert (draw(faces[None], (61, 47)).face >= 0).all()


@every
def test_weights_tell_where_in_space_a_pixel_looks(draw):
    """The point that the weights blend lies at the depth told, and projects to the pixel's own centre."""
    size = (96, 128)
    points, corners = tori(2, size, 24, 12)
    seen = draw(corners, size)
    point = interpolate_on_raster(points, seen)
    hit = seen.face >= 0
    assert_close(point[..., 2][hit], seen.depth[hit])
    focal, centre = default_intrinsics(size, 2)
    again = camera_to_image(point.flatten(1, 2), Camera(focal, centre, torch.zeros(2, 3))).view_as(point)
    assert_close(again[..., :2][hit], centres(size).expand(2, -1, -1, -1)[hit], rtol=0, atol=1e-5)
    assert (seen.weights[hit] >= 0).all()
    assert (seen.weights[~hit] == 0).all()
    assert seen.depth[~hit].isinf().all()


@every
def test_the_nearer_face_wins_and_of_equals_the_first(draw):
    far, near = SQUARE[:, :1], SQUARE[:, :1] * torch.tensor([1.0, 1.0, 0.5])
    assert (draw(torch.cat([far, near, far, near], 1), (8, 8)).face.unique() == torch.tensor([-1, 1])).all()
    assert (draw(torch.cat([near, far, near, far], 1), (8, 8)).face.unique() == torch.tensor([-1, 0])).all()


@every
def test_faces_that_cross_are_cut_where_they_meet(draw):
    left_near = SQUARE.clone()
    left_near[..., 2] = 2 + 1.5 * SQUARE[..., 0]  # 0.5 to 3.5: in image points not straight, but nearer left of x = 0
    right_near = left_near.clone()
    right_near[..., 2] = 2 - 1.5 * SQUARE[..., 0]
    face = draw(torch.cat([left_near, right_near], 1), (16, 16)).face[0]
    assert ((face < 2) == (torch.arange(16) < 8)).all()


@every
def test_both_sides_show(draw):
    seen, turned = (draw(c, (9, 7)) for c in (SQUARE, SQUARE.flip(2)))
    assert torch.equal(seen.face, turned.face)
    assert_close(seen.weights, turned.weights.flip(-1))


@every
@pytest.mark.parametrize("bad", [0.0, -1.0, NEAR_PLANE / 2, float("nan"), float("inf")])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_faces_too_near_or_nowhere_are_left_out(draw, bad, axis):
    if axis < 2 and abs(bad) <= 1:
        bad = bad * torch.inf if bad else float("nan")
    corners = SQUARE.clone()
    corners[0, 0, 1, axis] = bad
    assert draw(corners, (6, 6)).face.unique().tolist() == [-1, 1]


@every
def test_nothing_to_draw_and_nobody_to_draw_it_for(draw):
    assert (draw(torch.zeros(2, 0, 3, 3), (4, 6)).face == -1).all()
    assert draw(torch.zeros(0, 5, 3, 3), (4, 6)).weights.shape == (0, 4, 6, 3)
    lines = SQUARE[:, :, [0, 1, 1]]
    assert (draw(lines, (5, 5)).face == -1).all()


@every
def test_each_of_a_batch_is_drawn_alone(draw):
    _, corners = tori(3, (40, 50), 20, 10)
    together = draw(corners, (40, 50))
    for i in range(3):
        assert_agree(together[i : i + 1], draw(corners[i : i + 1], (40, 50)))


def test_how_much_is_looked_at_together_changes_nothing(monkeypatch):
    _, corners = tori(2, (40, 50), 20, 10)
    whole = rasterize_torch(corners, (40, 50))
    monkeypatch.setattr(raster, "PAIRS_PER_CHUNK", 97)
    assert_agree(whole, rasterize_torch(corners, (40, 50)))


@every
def test_gradients_are_the_slopes(draw):
    """Of weights and depth by the corners, one face over the whole picture, against finite differences."""
    face = torch.tensor([[[[-3.0, -2, 1.5], [4, -2.5, 2], [0.5, 5, 3]]]], dtype=torch.float64, requires_grad=True)

    def seen(corners: Tensor) -> tuple[Tensor, Tensor]:
        drawn = draw(corners, (3, 4))
        return drawn.weights, drawn.depth

    assert (seen(face)[1] < torch.inf).all()
    assert torch.autograd.gradcheck(seen, (face,))


@every
def test_gradients_pull_a_shape_into_place(draw):
    """Depth alone says how far a torus was moved away, and descent finds it."""
    _, corners = tori(1, (32, 32), 20, 10)
    truth = draw(corners, (32, 32))
    shift = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=0.05)
    away = torch.tensor([0.0, 0.0, 1.0])
    for _ in range(80):
        seen = draw(corners + (0.3 + shift) * away, (32, 32))
        both = (seen.face >= 0) & (truth.face >= 0)
        loss = (seen.depth[both] - truth.depth[both]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert abs(shift.item() + 0.3) < 0.01


def test_weights_of_known_faces_are_those_that_were_drawn():
    _, corners = tori(2, (40, 50), 20, 10)
    seen = rasterize(corners, (40, 50))
    weights, depth = face_weights_and_depth(corners, seen.face, (40, 50))
    assert_agree(seen, Raster(seen.face, weights, depth))


def test_pixels_start_at_the_corner_of_the_picture():
    corners = torch.tensor([[-1.0, -1, 3], [1, 1, 4], [0, 0, 5]])
    assert_close(to_pixels(corners, (4, 6)), torch.tensor([[0.0, 0, 3], [6, 4, 4], [3, 2, 5]]))


def test_what_cannot_be_kept_on_disk_is_compiled_all_the_same():
    """As in an install that can't be written to: numba refuses to keep code that has no file."""
    homeless: dict[str, Any] = {}
    exec(compile("def twice(x): return 2 * x", "<nowhere>", "exec"), homeless)
    with pytest.raises(RuntimeError):
        numba.njit(homeless["twice"], cache=True)
    assert compile_kernel(homeless["twice"])(3.5) == 7


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_sees_the_same():
    _, corners = tori(8, (256, 256))
    here, there = rasterize(corners, (256, 256)), rasterize(corners.to("cuda"), (256, 256)).to("cpu")
    same = here.face == there.face
    assert same.float().mean() > 0.999
    assert_close(here.weights[same], there.weights[same], rtol=0, atol=1e-5)
