"""Edges, normals and smooth per-vertex values of a mesh."""

import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor

with warnings.catch_warnings():  # torch warns of sparse matrices at the first one; filters are shared by all threads
    warnings.simplefilter("ignore", UserWarning)
    torch.sparse_coo_tensor(torch.zeros(2, 1), torch.ones(1), (1, 1)).to_sparse_csr()


SOLVED = 1e-10  # of the squared residual that conjugate gradients begin with


def mesh_edges(faces: Int[Tensor, "F 3"]) -> Int[Tensor, "E 2"]:
    """Pairs of neighbouring vertices, each pair once."""
    pairs = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(dim=1).values
    count = int(faces.max()) + 1
    number = (pairs[:, 0] * count + pairs[:, 1]).unique()  # much faster than unique(dim=0)
    return torch.stack([number // count, number % count], 1)


def solve_vertex_values(
    pairs: Int[Tensor, "E 2"],
    known: Float[Tensor, "V C"],
    weight: Float[Tensor, " V"],
    stiff: Float[Tensor, " E"],
    rounds: int = 400,
) -> Float[Tensor, "V C"]:
    """Solve for the values x that minimise sum(weight * (x - known)**2) + sum(stiff * (difference along an edge)**2).

    Uses conjugate gradients. Every connected component needs some weight.
    """
    known, weight, stiff = known.double(), weight.double(), stiff.double()
    one, other = pairs.unbind(1)
    diagonal = weight.clone().index_add_(0, one, stiff).index_add_(0, other, stiff)
    pulls = stiffness_matrix(pairs, diagonal, stiff)
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
        if bool((power <= SOLVED * start).all()):
            break
        way = scaled + power / before.clamp(min=1e-300) * way
    return x


def stiffness_matrix(pairs: Int[Tensor, "E 2"], diagonal: Float[Tensor, " V"], stiff: Float[Tensor, " E"]) -> Tensor:
    """Sparse symmetric [V, V] matrix with the given diagonal and minus the stiffness of each edge."""
    own = torch.arange(len(diagonal), device=pairs.device)
    rows = torch.cat([own, pairs[:, 0], pairs[:, 1]])
    columns = torch.cat([own, pairs[:, 1], pairs[:, 0]])
    values = torch.cat([diagonal, -stiff, -stiff])
    size = (len(diagonal), len(diagonal))
    return torch.sparse_coo_tensor(torch.stack([rows, columns]), values, size).coalesce().to_sparse_csr()


def vertex_normals(at: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "B V 3"]:
    """Unit vertex normals, averaged over the adjacent faces by area."""
    a, b, c = at[:, faces].unbind(2)
    normal = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(at)
    for corner in range(3):
        total.index_add_(1, faces[:, corner], normal)
    return torch.nn.functional.normalize(total, dim=-1)


def volume_centroids(at: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "B 3"]:
    """Centroids of the volume that a closed mesh encloses: the centre of mass at constant density."""
    centroids = []
    for plane in at.mT.contiguous():  # mesh by mesh, and coordinates apart: what is read stays in the cache
        a, b, c = (plane.index_select(1, corner) for corner in faces.unbind(1))
        volume = (a * torch.linalg.cross(b, c, dim=0)).sum(0)
        centroids.append((a + b + c) @ volume / (4 * volume.sum()))
    return torch.stack(centroids)
