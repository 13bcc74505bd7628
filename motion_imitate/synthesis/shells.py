"""Garments cut from a body's skin, offset and smoothed; skirts and hair built of rings.

A cut is a signed distance in metres for each vertex, positive where there is cloth. Its edges run straight through
faces.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from motion_imitate.geometry.mesh import vertex_normals

FAR_FROM_EDGE = 1.0  # metres: a cut value far from any edge


@dataclass(frozen=True)
class ClothPiece:
    """A skinned mesh with texture coordinates in metres."""

    at: Float[Tensor, "N 3"]
    weights: Float[Tensor, "N J"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "F 3 2"]
    source: Int[Tensor, " F"]  # the body face underneath


@dataclass(frozen=True)
class DressingBase:
    """An unposed body being dressed, from the skin outwards."""

    at: Float[Tensor, "V 3"]  # the skin
    outer: Float[Tensor, "V 3"]  # outermost surface so far
    normal: Float[Tensor, "V 3"]  # of the skin
    weights: Float[Tensor, "V J"]
    faces: Int[Tensor, "F 3"]
    pairs: Int[Tensor, "E 2"]
    uv: Float[Tensor, "F 3 2"]  # of the cloth, metres along and around


def build_dressing_base(
    at: Float[Tensor, "V 3"], weights: Float[Tensor, "V J"], faces: Tensor, uv: Tensor
) -> DressingBase:
    """The bare body, before any clothes."""
    return DressingBase(at, at, vertex_normals(at[None], faces)[0], weights, faces, edge_pairs(faces, len(at)), uv)


def edge_pairs(faces: Int[Tensor, "F 3"], count: int) -> Int[Tensor, "E 2"]:
    """Edges as vertex pairs: `mesh.edges`, but faster."""
    pairs = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    keys = (pairs.amin(1) * count + pairs.amax(1)).unique()
    return torch.stack([keys // count, keys % count], 1)


def smooth_over_edges(
    pairs: Int[Tensor, "E 2"], values: Float[Tensor, "V C"], share: float = 0.6
) -> Float[Tensor, "V C"]:
    """Values moved towards the mean of their neighbours."""
    both = torch.cat([pairs, pairs.flip(1)])
    total = torch.zeros_like(values).index_add_(0, both[:, 0], values[both[:, 1]])
    count = torch.zeros(len(values), 1).index_add_(0, both[:, 0], torch.ones(len(both), 1))
    return values + share * (total / count.clamp(min=1) - values)


def offset_skin(
    base: DressingBase, cut: Float[Tensor, " V"], off: Float[Tensor, " V"], smooth: int, free: bool = False
) -> Float[Tensor, "V 3"]:
    """The skin pushed outwards, smoothed, and kept at least `off` outside the clothes below.

    Unless `free`, vertices move only along the normal, so that the edges of cuts stay straight.
    """
    pairs = base.pairs[(cut > -0.05)[base.pairs].any(1)]
    out = base.outer + off[:, None] * base.normal
    for _ in range(smooth):
        out = smooth_over_edges(pairs, out)
        short = off - ((out - base.outer) * base.normal).sum(1)
        out = out + short.clamp(min=0)[:, None] * base.normal
    if free:
        return out
    return base.outer + ((out - base.outer) * base.normal).sum(1, keepdim=True) * base.normal


def cut_cloth(
    at: Float[Tensor, "V 3"], base: DressingBase, cut: Float[Tensor, " V"], uv: Float[Tensor, "F 3 2"] | None = None
) -> ClothPiece:
    """The part of a mesh over the skin where the cut is positive; faces across the edge are split."""
    uv = base.uv if uv is None else uv
    value = cut[base.faces]
    count = (value > 0).sum(1)
    whole = count == 3
    corners = [base.faces[whole]]
    places, weights, uvs, source = [at], [base.weights], [uv[whole]], [whole.nonzero()[:, 0]]
    start = len(at)
    for inside in (1, 2):
        which = (count == inside).nonzero()[:, 0]
        odd = (value[which] > 0) == (inside == 1)  # the corner on the other side of the edge comes first
        order = (odd.float().argmax(1)[:, None] + torch.arange(3)) % 3
        face, text = base.faces[which].gather(1, order), uv[which].gather(1, order[..., None].expand(-1, -1, 2))
        v = value[which].gather(1, order)
        part = (v[:, :1] / (v[:, :1] - v[:, 1:])).clamp(0, 1)[..., None]  # from the first corner to the others
        places.append((at[face[:, :1]] * (1 - part) + at[face[:, 1:]] * part).flatten(0, 1))
        weights.append((base.weights[face[:, :1]] * (1 - part) + base.weights[face[:, 1:]] * part).flatten(0, 1))
        edge = text[:, :1] * (1 - part) + text[:, 1:] * part
        fresh = start + torch.arange(2 * len(which)).view(-1, 2)
        start += 2 * len(which)
        if inside == 1:
            corners.append(torch.stack([face[:, 0], fresh[:, 0], fresh[:, 1]], 1))
            uvs.append(torch.stack([text[:, 0], edge[:, 0], edge[:, 1]], 1))
            source.append(which)
        else:
            corners.append(torch.stack([fresh[:, 0], face[:, 1], face[:, 2]], 1))
            corners.append(torch.stack([fresh[:, 0], face[:, 2], fresh[:, 1]], 1))
            uvs.append(torch.stack([edge[:, 0], text[:, 1], text[:, 2]], 1))
            uvs.append(torch.stack([edge[:, 0], text[:, 2], edge[:, 1]], 1))
            source += [which, which]
    return drop_unused_vertices(
        ClothPiece(torch.cat(places), torch.cat(weights), torch.cat(corners), torch.cat(uvs), torch.cat(source))
    )


def drop_unused_vertices(piece: ClothPiece) -> ClothPiece:
    """The piece without unused vertices."""
    used, faces = piece.faces.unique(return_inverse=True)
    return ClothPiece(piece.at[used], piece.weights[used], faces, piece.uv, piece.source)


def build_ring_cloth(
    at: Float[Tensor, "R A 3"], weights: Float[Tensor, "R A J"], closed: bool, around: float, along: float, source: int
) -> ClothPiece:
    """A cloth of rings of points; `around` and `along` are its lengths in metres."""
    count, turns = at.shape[:2]
    row, column = torch.meshgrid(torch.arange(count - 1), torch.arange(turns if closed else turns - 1), indexing="ij")
    a, b = row.flatten() * turns + column.flatten(), row.flatten() * turns + (column.flatten() + 1) % turns
    faces = torch.cat([torch.stack([a, a + turns, b], 1), torch.stack([b, a + turns, b + turns], 1)])
    u, v = column.flatten() / turns * around, -row.flatten() / count * along
    du, dv = around / turns, -along / count

    def corner(i: int, j: int) -> Tensor:
        return torch.stack([u + i * du, v + j * dv], 1)

    first = torch.stack([corner(0, 0), corner(0, 1), corner(1, 0)], 1)
    second = torch.stack([corner(1, 0), corner(0, 1), corner(1, 1)], 1)
    uv = torch.cat([first, second])
    return ClothPiece(at.flatten(0, 1), weights.flatten(0, 1), faces, uv, torch.full((len(faces),), source))


def reach_by_angle(
    points: Float[Tensor, "N 3"],
    middle: Float[Tensor, "2"],
    heights: Float[Tensor, " R"],
    angles: Float[Tensor, " A"],
    slab: float,
) -> Float[Tensor, "R A"]:
    """How far the points near each height reach from a vertical axis, by angle (0 is ahead, then to the left)."""
    ways = torch.stack([angles.sin(), angles.cos()], 0)
    out = []
    for height in heights:
        near = points[(points[:, 1] - height).abs() < slab][:, [0, 2]] - middle
        reach = near @ ways  # [n, A]
        out.append(reach.amax(0) if len(near) else torch.zeros(len(angles)))
    return torch.stack(out)


def part_uv_in_metres(
    at: Float[Tensor, "V 3"], faces: Tensor, parts: Tensor, iuv: Float[Tensor, "F 3 2"]
) -> Float[Tensor, "F 3 2"]:
    """Part coordinates in metres: v scaled by the part's length, u by its width, both from the middle."""
    corners = at[faces]
    uv = iuv - 0.5
    for part in parts.unique().tolist():
        mine = parts == part
        span = corners[mine].flatten(0, 1)
        long = float((span.amax(0) - span.amin(0)).norm())
        area = (
            float(
                torch.linalg.cross(corners[mine, 1] - corners[mine, 0], corners[mine, 2] - corners[mine, 0])
                .norm(dim=1)
                .sum()
            )
            / 2
        )
        uv[mine] = uv[mine] * torch.tensor([area / max(long, 1e-6) * 1.1, long])
    return uv


def push_from_centre(
    points: Float[Tensor, "N 3"], centre: Float[Tensor, "3"], off: Float[Tensor, " N"]
) -> Float[Tensor, "N 3"]:
    """The points moved away from the centre by `off`."""
    return points + off[:, None] * normalize(points - centre, dim=1)
