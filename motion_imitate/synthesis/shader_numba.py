"""Numba kernels of `shader.shade_samples` and `shader.resolve_pixels`, in float32 on the CPU."""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.geometry.raster_numba import Floats, Ints, compile_kernel, inline_kernel

ZERO, ONE, HALF = np.float32(0), np.float32(1), np.float32(0.5)
ByteArray = NDArray[np.uint8]
TONE_TABLE_SIZE = 4096  # entries of the table from light to image values
TONE_TABLE_MAX = np.float32(4.0)  # brightest light in the table


@inline_kernel
def blocked_share_numba(
    x: np.float32, y: np.float32, z: np.float32, axes: Floats, middle: Floats, reach: np.float32, depth: Floats
) -> np.float32:
    """`lamp.ShadowMap.blocked_share` for one point of one view."""
    size = depth.shape[0]
    x, y, z = x - middle[0], y - middle[1], z - middle[2]
    across = ((axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z) / reach + ONE) * np.float32(size / 2) - HALF
    down = ((axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z) / reach + ONE) * np.float32(size / 2) - HALF
    away = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z - np.float32(0.01)
    low_x, low_y = np.floor(across), np.floor(down)
    u, v = across - low_x, down - low_y
    i, j = min(max(int(low_x), 0), size - 2), min(max(int(low_y), 0), size - 2)
    a = ONE if depth[j, i] < away else ZERO
    b = ONE if depth[j, i + 1] < away else ZERO
    c = ONE if depth[j + 1, i] < away else ZERO
    d = ONE if depth[j + 1, i + 1] < away else ZERO
    return (a * (ONE - u) + b * u) * (ONE - v) + (c * (ONE - u) + d * u) * v


@compile_kernel
def resolve_pixels_numba(glow: Floats, cover: Floats, colour: Floats, alpha: Floats) -> None:
    """`shader.average_samples`: samples [B, h, w, 3] and [B, h, w] to pixels [B, 3, H, W] and [B, H, W]."""
    batch, height, width = alpha.shape
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                share, red, green, blue = ZERO, ZERO, ZERO, ZERO
                for y in range(3):
                    for x in range(3):
                        part = cover[b, 2 * i + y, 2 * j + x]
                        if part > ZERO:
                            weight = (HALF if y == 1 else HALF * HALF) * (HALF if x == 1 else HALF * HALF)
                            share += weight * part
                            red += weight * glow[b, 2 * i + y, 2 * j + x, 0]
                            green += weight * glow[b, 2 * i + y, 2 * j + x, 1]
                            blue += weight * glow[b, 2 * i + y, 2 * j + x, 2]
                alpha[b, i, j] = share
                colour[b, 0, i, j], colour[b, 1, i, j], colour[b, 2, i, j] = red, green, blue


@compile_kernel
def shade_samples_numba(
    shadow: float, lift: float,
    views: Ints, which: Ints, weights: Floats, at: Floats, normals: Floats, faces: Ints, uv: Floats, piece: Ints,
    table: Ints, level: Ints, texels: ByteArray, linear: Floats, shown: Floats, wrap: Floats, gloss: Floats,
    light: Floats, axes: Floats, middle: Floats, reach: Floats, depth: Floats, glow: Floats, alpha: Floats,
) -> None:  # fmt: skip
    """Fill glow [P, 3] and alpha [P].

    Rows of `light`: direction of the key light, half vector, key colour, sky, floor.
    """
    for p in range(len(which)):
        b, f = views[p], which[p]
        w0, w1, w2 = weights[p, 0], weights[p, 1], weights[p, 2]
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x = w0 * at[b, i, 0] + w1 * at[b, j, 0] + w2 * at[b, k, 0]
        y = w0 * at[b, i, 1] + w1 * at[b, j, 1] + w2 * at[b, k, 1]
        z = w0 * at[b, i, 2] + w1 * at[b, j, 2] + w2 * at[b, k, 2]
        nx = w0 * normals[b, i, 0] + w1 * normals[b, j, 0] + w2 * normals[b, k, 0]
        ny = w0 * normals[b, i, 1] + w1 * normals[b, j, 1] + w2 * normals[b, k, 1]
        nz = w0 * normals[b, i, 2] + w1 * normals[b, j, 2] + w2 * normals[b, k, 2]
        scale = ONE / max(np.sqrt(nx * nx + ny * ny + nz * nz), np.float32(1e-12))
        if nx * x + ny * y + nz * z > ZERO:
            scale = -scale
        nx, ny, nz = nx * scale, ny * scale, nz * scale
        n = piece[f]
        u = w0 * uv[f, 0, 0] + w1 * uv[f, 1, 0] + w2 * uv[f, 2, 0]
        v = w0 * uv[f, 0, 1] + w1 * uv[f, 1, 1] + w2 * uv[f, 2, 1]
        start, height, width = table[n, level[b, n], 0], table[n, level[b, n], 1], table[n, level[b, n], 2]
        column = min(int((u - np.floor(u)) * np.float32(width)), width - 1)
        row = min(int((ONE - (v - np.floor(v))) * np.float32(height)), height - 1)
        texel = start + row * width + column
        facing = nx * light[0, 0] + ny * light[0, 1] + nz * light[0, 2]
        free = ONE
        if shadow > 0:
            lx, ly, lz = x + np.float32(lift) * nx, y + np.float32(lift) * ny, z + np.float32(lift) * nz
            free = ONE - np.float32(shadow) * blocked_share_numba(lx, ly, lz, axes, middle[b], reach[b], depth[b])
        glint = ZERO
        if facing > ZERO and gloss[n, 0] > ZERO:
            half = max(nx * light[1, 0] + ny * light[1, 1] + nz * light[1, 2], ZERO)
            glint = gloss[n, 0] * (gloss[n, 1] + np.float32(8)) / np.float32(8) * half ** gloss[n, 1] * free
        up = HALF - HALF * ny
        for c in range(3):
            key = max((facing + wrap[n, c]) / (ONE + wrap[n, c]), ZERO) * free
            incoming = key * light[2, c] + up * light[3, c] + (ONE - up) * light[4, c]
            value = linear[texels[texel, c]] * incoming + glint * light[2, c]
            step = min(value, TONE_TABLE_MAX) * np.float32((TONE_TABLE_SIZE - 1) / TONE_TABLE_MAX)
            lower = min(int(step), TONE_TABLE_SIZE - 2)
            part = step - np.float32(lower)
            glow[p, c] = shown[lower] + part * (shown[lower + 1] - shown[lower])
        alpha[p] = np.float32(texels[texel, 3]) / np.float32(255)
