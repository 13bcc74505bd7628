"""Compiled per-face and per-pixel loops of the body overlay."""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.geometry.raster_numba import Floats, Ints, compile_kernel

Bytes = NDArray[np.uint8]


@compile_kernel
def normals_and_front(points: Floats, faces: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """Vertex normals [V, 3] of points in camera space, and which faces face the camera."""
    normals = np.zeros_like(points)
    front = np.empty(len(faces), np.bool_)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        front[f] = nx * points[a, 0] + ny * points[a, 1] + nz * points[a, 2] < 0
        for v in (a, b, c):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(len(points)):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + np.float32(1e-20)
        normals[v, 0] /= length
        normals[v, 1] /= length
        normals[v, 2] /= length
    return normals, front


@compile_kernel
def find_depth_edges(depth: Floats, nearest: Floats, step: float, edge: Bytes, body: Bytes) -> None:
    """Set `edge` to 255 where a neighbour is nearer by more than `step`, and `body` to 255 on the body and its
    edges."""
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            edge[y, x] = 255 if depth[y, x] - nearest[y, x] > step else 0
            body[y, x] = 255 if depth[y, x] - nearest[y, x] > step or depth[y, x] < np.inf else 0


@compile_kernel
def blend_shaded_body(
    window: Bytes,
    face: Ints,
    weights: Floats,
    triangles: Ints,
    colours: Floats,
    cover: Bytes,
    line: Bytes,
    ink: Floats,
    opacity: float,
) -> None:
    """Blend interpolated vertex colours into the window [h, w, 3], and `ink` on lines and where `cover` extends beyond
    the body."""
    height, width = face.shape
    alpha, part = np.float32(opacity / 255), np.float32(1 / 255)
    for y in range(height):
        for x in range(width):
            if cover[y, x] == 0:
                continue
            f, mix = face[y, x], np.float32(cover[y, x]) * alpha
            dark = np.float32(line[y, x]) * part if f >= 0 else np.float32(1)
            a, b, c = (triangles[f, 0], triangles[f, 1], triangles[f, 2]) if f >= 0 else (0, 0, 0)
            u, v, w = weights[y, x, 0], weights[y, x, 1], weights[y, x, 2]
            for i in range(3):
                lit = colours[a, i] * u + colours[b, i] * v + colours[c, i] * w
                old = np.float32(window[y, x, i])
                window[y, x, i] = np.uint8(old + (lit + (ink[i] - lit) * dark - old) * mix + np.float32(0.5))
