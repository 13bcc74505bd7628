"""Fields over the vertices of a mesh: who is next to whom, and values that are smooth between those that are known."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def edges(faces: Int[Tensor, "F 3"]) -> Int[Tensor, "E 2"]:
    """Pairs of neighbouring vertices, each once."""
    pairs = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(dim=1).values
    return pairs.unique(dim=0)


def between(
    pairs: Int[Tensor, "E 2"],
    known: Float[Tensor, "V C"],
    weight: Float[Tensor, " V"],
    stiff: Float[Tensor, " E"],
    rounds: int = 400,
) -> Float[Tensor, "V C"]:
    """The values x that minimise sum(weight * (x - known)**2) + sum(stiff * (difference along a pair)**2).

    By conjugate gradients; every connected piece needs some weight.
    """
    known, weight, stiff = known.double(), weight.double()[:, None], stiff.double()[:, None]
    one, other = pairs.unbind(1)
    diagonal = weight.clone().index_add_(0, one, stiff).index_add_(0, other, stiff)

    def applied(x: Tensor) -> Tensor:
        pull = stiff * (x[one] - x[other])
        return (weight * x).index_add_(0, one, pull).index_add_(0, other, -pull)

    x = known.clone()
    rest = weight * known - applied(x)
    way = scaled = rest / diagonal
    power = (rest * scaled).sum(0)
    start = power.clone()
    for _ in range(rounds):
        moved = applied(way)
        step = power / (way * moved).sum(0).clamp(min=1e-300)
        x, rest = x + step * way, rest - step * moved
        scaled = rest / diagonal
        before, power = power, (rest * scaled).sum(0)
        if bool((power <= 1e-12 * start).all()):
            break
        way = scaled + power / before.clamp(min=1e-300) * way
    return x


def vertex_normals(at: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "B V 3"]:
    a, b, c = at[:, faces].unbind(2)
    normal = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(at)
    for corner in range(3):
        total.index_add_(1, faces[:, corner], normal)
    return torch.nn.functional.normalize(total, dim=-1)
