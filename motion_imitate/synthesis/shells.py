"""Clothes cut out of a body's own skin: which part, how far off, how smooth; and skirts and hair, made of rings.

A cut is a number for each vertex, in metres, positive where there is cloth: edges run straight through faces.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from motion_imitate.geometry.mesh import vertex_normals

FAR = 1.0  # metres: nowhere near an edge


@dataclass(frozen=True)
class Piece:
    """A mesh that hangs on joints, with texture coordinates in metres."""

    at: Float[Tensor, "N 3"]
    weights: Float[Tensor, "N J"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "F 3 2"]
    source: Int[Tensor, " F"]  # the body's face that it lies over


@dataclass(frozen=True)
class Base:
    """An unposed body that is being dressed, from the skin outward."""

    at: Float[Tensor, "V 3"]  # the skin
    outer: Float[Tensor, "V 3"]  # what is outermost so far
    normal: Float[Tensor, "V 3"]  # of the skin
    weights: Float[Tensor, "V J"]
    faces: Int[Tensor, "F 3"]
    pairs: Int[Tensor, "E 2"]
    uv: Float[Tensor, "F 3 2"]  # of cloth: metres along and around


def base_of(at: Float[Tensor, "V 3"], weights: Float[Tensor, "V J"], faces: Tensor, uv: Tensor) -> Base:
    return Base(at, at, vertex_normals(at[None], faces)[0], weights, faces, neighbours(faces, len(at)), uv)


def neighbours(faces: Int[Tensor, "F 3"], count: int) -> Int[Tensor, "E 2"]:
    """`mesh.edges`, quicker: a pair as one number."""
    pairs = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    keys = (pairs.amin(1) * count + pairs.amax(1)).unique()
    return torch.stack([keys // count, keys % count], 1)


def softened(pairs: Int[Tensor, "E 2"], values: Float[Tensor, "V C"], share: float = 0.6) -> Float[Tensor, "V C"]:
    """Each moved towards the mean of its neighbours."""
    both = torch.cat([pairs, pairs.flip(1)])
    total = torch.zeros_like(values).index_add_(0, both[:, 0], values[both[:, 1]])
    count = torch.zeros(len(values), 1).index_add_(0, both[:, 0], torch.ones(len(both), 1))
    return values + share * (total / count.clamp(min=1) - values)


def stood_off(
    base: Base, cut: Float[Tensor, " V"], off: Float[Tensor, " V"], smooth: int, free: bool = False
) -> Float[Tensor, "V 3"]:
    """The skin pushed outward, smoothed, and kept at least `off` outside what is worn below.

    Unless it is `free` to, nothing moves along the skin: edges of cuts stay straight.
    """
    pairs = base.pairs[(cut > -0.05)[base.pairs].any(1)]
    out = base.outer + off[:, None] * base.normal
    for _ in range(smooth):
        out = softened(pairs, out)
        short = off - ((out - base.outer) * base.normal).sum(1)
        out = out + short.clamp(min=0)[:, None] * base.normal
    if free:
        return out
    return base.outer + ((out - base.outer) * base.normal).sum(1, keepdim=True) * base.normal


def cut_out(
    at: Float[Tensor, "V 3"], base: Base, cut: Float[Tensor, " V"], uv: Float[Tensor, "F 3 2"] | None = None
) -> Piece:
    """The part of a mesh over the skin where the cut is positive; faces across its edge are divided there."""
    uv = base.uv if uv is None else uv
    value = cut[base.faces]
    count = (value > 0).sum(1)
    whole = count == 3
    corners = [base.faces[whole]]
    places, weights, uvs, source = [at], [base.weights], [uv[whole]], [whole.nonzero()[:, 0]]
    start = len(at)
    for inside in (1, 2):
        which = (count == inside).nonzero()[:, 0]
        odd = (value[which] > 0) == (inside == 1)  # the one corner unlike the others comes first
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
    return packed(Piece(torch.cat(places), torch.cat(weights), torch.cat(corners), torch.cat(uvs), torch.cat(source)))


def packed(piece: Piece) -> Piece:
    """Without the vertices of no face."""
    used, faces = piece.faces.unique(return_inverse=True)
    return Piece(piece.at[used], piece.weights[used], faces, piece.uv, piece.source)


def rings(
    at: Float[Tensor, "R A 3"], weights: Float[Tensor, "R A J"], closed: bool, around: float, along: float, source: int
) -> Piece:
    """A cloth of rings, each of points about an axis; `around` and `along` are its lengths in metres."""
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
    return Piece(at.flatten(0, 1), weights.flatten(0, 1), faces, uv, torch.full((len(faces),), source))


def girth(
    points: Float[Tensor, "N 3"],
    middle: Float[Tensor, "2"],
    heights: Float[Tensor, " R"],
    angles: Float[Tensor, " A"],
    slab: float,
) -> Float[Tensor, "R A"]:
    """How far points at each height reach from an upright axis, in each direction (0: ahead, then to the left)."""
    ways = torch.stack([angles.sin(), angles.cos()], 0)
    out = []
    for height in heights:
        near = points[(points[:, 1] - height).abs() < slab][:, [0, 2]] - middle
        reach = near @ ways  # [n, A]
        out.append(reach.amax(0) if len(near) else torch.zeros(len(angles)))
    return torch.stack(out)


def unrolled(
    at: Float[Tensor, "V 3"], faces: Tensor, parts: Tensor, iuv: Float[Tensor, "F 3 2"]
) -> Float[Tensor, "F 3 2"]:
    """The body's part coordinates in metres: v is a part's length times its v, u its width times u about the middle."""
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


def pushed(points: Float[Tensor, "N 3"], centre: Float[Tensor, "3"], off: Float[Tensor, " N"]) -> Float[Tensor, "N 3"]:
    """Points moved away from a centre."""
    return points + off[:, None] * normalize(points - centre, dim=1)
