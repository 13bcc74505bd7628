"""Fields over the vertices of a mesh: who is next to whom, and values that are smooth between those that are known."""

import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor


def edges(faces: Int[Tensor, "F 3"]) -> Int[Tensor, "E 2"]:
    """Pairs of neighbouring vertices, each once."""
    pairs = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(dim=1).values
    count = int(faces.max()) + 1
    number = (pairs[:, 0] * count + pairs[:, 1]).unique()  # far quicker than of rows
    return torch.stack([number // count, number % count], 1)


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
    known, weight, stiff = known.double(), weight.double(), stiff.double()
    one, other = pairs.unbind(1)
    diagonal = weight.clone().index_add_(0, one, stiff).index_add_(0, other, stiff)
    pulls = matrix(pairs, diagonal, stiff)
    weight, diagonal = weight[:, None], diagonal[:, None]
    x = known.clone()
    rest = weight * known - pulls @ x
    way = scaled = rest / diagonal
    power = (rest * scaled).sum(0)
    start = power.clone()
    for _ in range(rounds):
        moved = pulls @ way
        step = power / (way * moved).sum(0).clamp(min=1e-300)
        x, rest = x + step * way, rest - step * moved
        scaled = rest / diagonal
        before, power = power, (rest * scaled).sum(0)
        if bool((power <= 1e-12 * start).all()):
            break
        way = scaled + power / before.clamp(min=1e-300) * way
    return x


def matrix(pairs: Int[Tensor, "E 2"], diagonal: Float[Tensor, " V"], stiff: Float[Tensor, " E"]) -> Tensor:
    """[V, V], sparse and symmetric: the diagonal, and minus how stiff each pair is."""
    own = torch.arange(len(diagonal), device=pairs.device)
    rows = torch.cat([own, pairs[:, 0], pairs[:, 1]])
    columns = torch.cat([own, pairs[:, 1], pairs[:, 0]])
    values = torch.cat([diagonal, -stiff, -stiff])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that rows of a sparse matrix are kept together is said to be new
        size = (len(diagonal), len(diagonal))
        return torch.sparse_coo_tensor(torch.stack([rows, columns]), values, size).coalesce().to_sparse_csr()


def vertex_normals(at: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "B V 3"]:
    a, b, c = at[:, faces].unbind(2)
    normal = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(at)
    for corner in range(3):
        total.index_add_(1, faces[:, corner], normal)
    return torch.nn.functional.normalize(total, dim=-1)
