import pytest
import torch

from motion_imitate.estimators.banded import NormalEquations, solve_banded

SIZE = 4


def system(frames, seed=0):
    """A random system and the same as one dense matrix."""
    g = torch.Generator().manual_seed(seed)
    diag = torch.randn(frames, SIZE, SIZE, generator=g, dtype=torch.float64)
    diag = diag @ diag.mT + 20 * torch.eye(SIZE)
    below = torch.randn(frames, SIZE, SIZE, generator=g, dtype=torch.float64)
    after = torch.randn(frames, SIZE, generator=g, dtype=torch.float64)
    dense = torch.zeros(frames, SIZE, frames, SIZE, dtype=torch.float64)
    for t in range(frames):
        dense[t, :, t] = diag[t]
        if t + 1 < frames:
            dense[t + 1, :, t], dense[t, :, t + 1] = below[t], below[t].T
        if t + 2 < frames:
            dense[t + 2, :, t] = dense[t, :, t + 2] = torch.diag(after[t])
    return diag, below, after, dense.reshape(frames * SIZE, frames * SIZE)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 8, 11])
def test_banded_solution_is_the_dense_one(frames):
    diag, below, after, dense = system(frames)
    right = torch.randn(frames, SIZE, 3, dtype=torch.float64)
    expected = torch.linalg.solve(dense, right.reshape(-1, 3)).view_as(right)
    torch.testing.assert_close(solve_banded(diag, below, after, right), expected)


def test_a_clip_and_its_shape_are_solved_together():
    """Linear least squares with errors frame by frame and a shape shared by all, against one dense solve."""
    frames, shapes, errors = 5, 3, 9
    g = torch.Generator().manual_seed(1)
    rate = torch.randn(frames, errors, SIZE, generator=g, dtype=torch.float64)
    by_shape = torch.randn(frames, errors, shapes, generator=g, dtype=torch.float64)
    error = torch.randn(frames, errors, generator=g, dtype=torch.float64)
    weight = torch.rand(frames, errors, generator=g, dtype=torch.float64)
    normal = NormalEquations.zero(frames, SIZE, shapes)
    normal.add(error, rate, weight, by_shape, slice(None))
    normal.shape.diagonal().add_(1.0)
    step, change = normal.solve(0.0, shapes)

    whole = torch.zeros(frames * errors + shapes, frames * SIZE + shapes, dtype=torch.float64)
    for t in range(frames):
        whole[t * errors : (t + 1) * errors, t * SIZE : (t + 1) * SIZE] = rate[t]
        whole[t * errors : (t + 1) * errors, frames * SIZE :] = by_shape[t]
    whole[frames * errors :, frames * SIZE :] = torch.eye(shapes)
    root = torch.cat([weight.flatten(), torch.ones(shapes)]).double().sqrt()
    goal = torch.cat([-error.flatten(), torch.zeros(shapes)]).double()
    expected = torch.linalg.lstsq(whole * root[:, None], (goal * root)[:, None]).solution[:, 0]
    torch.testing.assert_close(torch.cat([step.flatten(), change]), expected, atol=1e-5, rtol=1e-5)


def test_held_frames_stay_and_the_others_move():
    normal = NormalEquations.zero(4, SIZE, 0)
    normal.diag.copy_(torch.eye(SIZE).expand(4, -1, -1))
    normal.gradient.fill_(1.0)
    normal.hold(2)
    step, _ = normal.solve(0.0, 0)
    assert step[:2].abs().max() < 1e-8
    torch.testing.assert_close(step[2:], -torch.ones(2, SIZE, dtype=torch.float64))
