"""Banded least squares over a clip: each frame is coupled to two neighbours on either side, and all frames to one
shape."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class NormalEquations:
    """Normal equations of a clip, accumulated term by term.

    The step x and the shape change y solve [H B; B' C] [x; y] = -[g; h]. H has the blocks `diag` on its diagonal, the
    blocks `next` below them (frame t + 1 by frame t) and, below those, the diagonals `after` (frame t + 2 by frame t).
    """

    diag: Float[Tensor, "T D D"]
    next: Float[Tensor, "T D D"]  # the last entry is unused
    after: Float[Tensor, "T D"]  # the last two entries are unused
    gradient: Float[Tensor, "T D"]
    by_shape: Float[Tensor, "T D S"]
    shape: Float[Tensor, "S S"]
    shape_gradient: Float[Tensor, " S"]

    @staticmethod
    def zero(frames: int, size: int, shapes: int) -> "NormalEquations":
        """Empty equations for `frames` frames of `size` pose numbers and `shapes` shape numbers."""

        def empty(*of: int) -> Tensor:
            return torch.zeros(*of, dtype=torch.float64)

        square = empty(frames, size, size)
        per_frame = empty(frames, size), empty(frames, size), empty(frames, size, shapes)
        return NormalEquations(square, square.clone(), *per_frame, empty(shapes, shapes), empty(shapes))

    def add(self, error: Tensor, rate: Tensor, weight: Tensor, shape_rate: Tensor, rows: Tensor | slice) -> None:
        """Add weight * error^2 for errors [T, n] whose derivatives are `rate` [T, n, D] and `shape_rate` [T, n, S]."""
        weighted = rate * weight[..., None]
        self.diag[rows] += weighted.mT @ rate
        self.gradient[rows] += (weighted.mT @ error[..., None])[..., 0]
        self.by_shape[rows] += weighted.mT @ shape_rate
        weighted_shape = (shape_rate * weight[..., None]).flatten(0, 1)
        self.shape.add_(weighted_shape.T @ shape_rate.flatten(0, 1))
        self.shape_gradient.add_(weighted_shape.T @ error.flatten())

    def hold(self, frames: int) -> None:
        """Fix the first `frames` frames where they are."""
        self.diag[:frames] += 1e9 * torch.eye(self.diag.shape[1], dtype=self.diag.dtype)
        self.gradient[:frames] = 0

    def solve(self, damping: float, free: int) -> tuple[Float[Tensor, "T D"], Float[Tensor, " S"]]:
        """The step and the change of the first `free` shape numbers; damping is relative to the diagonal."""
        damped = self.diag + torch.diag_embed(damping * self.diag.diagonal(dim1=1, dim2=2) + 1e-9)
        by_shape = self.by_shape[..., :free]
        right = torch.cat([-self.gradient[..., None], by_shape], -1)
        solved = solve_banded(damped, self.next, self.after, right)
        step, response = solved[..., 0], solved[..., 1:]
        change = torch.zeros_like(self.shape_gradient)
        if free:
            rest = self.shape[:free, :free] + damping * torch.diag_embed(self.shape.diagonal()[:free])
            rest = rest - torch.einsum("tds,tdr->sr", by_shape, response)
            pull = -self.shape_gradient[:free] - torch.einsum("tds,td->s", by_shape, step)
            change[:free] = torch.linalg.solve(rest, pull)
        return step - response @ change[:free], change


def solve_banded(
    diag: Float[Tensor, "T D D"],
    below: Float[Tensor, "T D D"],
    after: Float[Tensor, "T D"],
    right: Float[Tensor, "T D R"],
) -> Float[Tensor, "T D R"]:
    """Solve a symmetric positive definite system coupled to the next frame by blocks and to the one after by diagonals.

    Frames are taken in pairs, which makes the system block tridiagonal: one Cholesky factor per pair, then forward and
    back substitution.
    """
    frames, size = diag.shape[:2]
    if frames % 2:  # an idle frame completes the last pair
        idle = torch.eye(size, dtype=diag.dtype)[None]
        below = torch.cat([below[:-1], torch.zeros_like(idle), torch.zeros_like(idle)])
        after = torch.cat([after[:-2], after.new_zeros(min(3, 1 + frames), size)])[: frames + 1]
        padded = torch.cat([diag, idle]), below, after, torch.cat([right, torch.zeros_like(right[:1])])
        return solve_banded(*padded)[:-1]
    first, second = diag[0::2], diag[1::2]
    within, between = below[0::2], below[1::2]
    block = torch.cat([torch.cat([first, within.mT], -1), torch.cat([within, second], -1)], -2)
    skip = torch.diag_embed(after)
    to_next = torch.cat(
        [torch.cat([skip[0::2], between], -1), torch.cat([torch.zeros_like(between), skip[1::2]], -1)], -2
    )
    pairs = right.reshape(frames // 2, 2 * size, -1)
    factors: list[Tensor] = []
    links: list[Tensor] = []
    forward: list[Tensor] = []
    for n in range(len(block)):
        here, known = block[n], pairs[n]
        if n:
            here = here - links[-1] @ links[-1].mT
            known = known - links[-1] @ forward[-1]
        factor = torch.linalg.cholesky(here)
        factors.append(factor)
        forward.append(torch.linalg.solve_triangular(factor, known, upper=False))
        links.append(torch.linalg.solve_triangular(factor, to_next[n].mT, upper=False).mT)
    out = [torch.linalg.solve_triangular(factors[-1].mT, forward[-1], upper=True)]
    for n in range(len(block) - 2, -1, -1):
        known = forward[n] - links[n].mT @ out[-1]
        out.append(torch.linalg.solve_triangular(factors[n].mT, known, upper=True))
    return torch.stack(out[::-1]).view(right.shape)
