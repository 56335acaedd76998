"""The voxel loops of resampling. Imported only by the functions that run them (numba is heavy: docs/adr/0010).

Arrays are C-contiguous with the axes in any agreed order; slabs run along the first output axis.
"""

from __future__ import annotations

import numpy as np

from tumorboard.ops.threads import compiled

__all__ = ["linear_grid", "linear_patch", "linear_points", "nearest_grid", "nearest_points"]


@compiled
def linear_grid(  # type: ignore[no-untyped-def]
    source, low, high, weight, begin, end, fill, out, start, stop
) -> None:
    """Separable linear interpolation: output index n of axis a lies between source indices low[a][n] and
    high[a][n], weight[a][n] of the way; begin[a]..end[a] are the output indices inside the source.

    Rows of the source are blended along the first two axes only as far as an output row needs them.
    """
    low0, low1, low2 = low
    high0, high1, high2 = high
    weight0, weight1, weight2 = weight
    width, columns = source.shape[2], out.shape[2]
    above, below, blend = (np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32))
    for i in range(start, stop):
        if i < begin[0] or i >= end[0]:
            out[i, :, :] = fill
            continue
        plane0, plane1, w0 = low0[i], high0[i], weight0[i]
        row_above, row_below = -1, -1
        for j in range(out.shape[1]):
            if j < begin[1] or j >= end[1]:
                out[i, j, :] = fill
                continue
            a, b, w1 = low1[j], high1[j], weight1[j]
            if row_above != a:
                if row_below == a:
                    above, below = below, above
                    row_below = row_above
                else:
                    for k in range(width):
                        near = np.float32(source[plane0, a, k])
                        above[k] = near + w0 * (np.float32(source[plane1, a, k]) - near)
                row_above = a
            if row_below != b:
                for k in range(width):
                    near = np.float32(source[plane0, b, k])
                    below[k] = near + w0 * (np.float32(source[plane1, b, k]) - near)
                row_below = b
            for k in range(width):
                blend[k] = above[k] + w1 * (below[k] - above[k])
            for k in range(begin[2]):
                out[i, j, k] = fill
            for k in range(begin[2], end[2]):
                near = blend[low2[k]]
                out[i, j, k] = near + weight2[k] * (blend[high2[k]] - near)
            for k in range(end[2], columns):
                out[i, j, k] = fill


@compiled
def nearest_grid(source, index, begin, end, fill, out, start, stop) -> None:  # type: ignore[no-untyped-def]
    """Separable choice: output index n of axis a takes source index index[a][n]."""
    index0, index1, index2 = index
    for i in range(start, stop):
        outside0 = i < begin[0] or i >= end[0]
        for j in range(out.shape[1]):
            if outside0 or j < begin[1] or j >= end[1]:
                out[i, j, :] = fill
                continue
            for k in range(begin[2]):
                out[i, j, k] = fill
            for k in range(begin[2], end[2]):
                out[i, j, k] = source[index0[i], index1[j], index2[k]]
            for k in range(end[2], out.shape[2]):
                out[i, j, k] = fill


@compiled
def _blended(p00, p01, p10, p11, q00, q01, q10, q11, u, v, w):  # type: ignore[no-untyped-def]
    """Between eight voxels, u, v and w of the way along the three axes: the digits say low or high along the first and
    the second, p low and q high along the third."""
    p00 += u * (p10 - p00)
    p01 += u * (p11 - p01)
    q00 += u * (q10 - q00)
    q01 += u * (q11 - q01)
    p00 += v * (p01 - p00)
    q00 += v * (q01 - q00)
    return p00 + w * (q00 - p00)


@compiled
def linear_points(source, step, quanta, fill, out, start, stop) -> int:  # type: ignore[no-untyped-def]
    """Trilinear interpolation at source index step[:, :3] @ (i, j, k) + step[:, 3], rounded to one part in
    `quanta`; how many lay inside."""
    n0, n1, n2 = source.shape
    inside = 0
    for i in range(start, stop):
        for j in range(out.shape[1]):
            x0 = step[0, 0] * i + step[0, 1] * j + step[0, 3]
            y0 = step[1, 0] * i + step[1, 1] * j + step[1, 3]
            z0 = step[2, 0] * i + step[2, 1] * j + step[2, 3]
            for k in range(out.shape[2]):
                x = np.floor((x0 + step[0, 2] * k) * quanta + 0.5) * (1 / quanta)
                y = np.floor((y0 + step[1, 2] * k) * quanta + 0.5) * (1 / quanta)
                z = np.floor((z0 + step[2, 2] * k) * quanta + 0.5) * (1 / quanta)
                if not (-0.5 <= x <= n0 - 0.5 and -0.5 <= y <= n1 - 0.5 and -0.5 <= z <= n2 - 0.5):
                    out[i, j, k] = fill
                    continue
                inside += 1
                x, y, z = min(max(x, 0.0), n0 - 1.0), min(max(y, 0.0), n1 - 1.0), min(max(z, 0.0), n2 - 1.0)
                a, b, c = int(x), int(y), int(z)
                u, v, w = np.float32(x - a), np.float32(y - b), np.float32(z - c)
                d, e, f = a + (u > 0), b + (v > 0), c + (w > 0)
                p00, p01 = np.float32(source[a, b, c]), np.float32(source[a, e, c])
                p10, p11 = np.float32(source[d, b, c]), np.float32(source[d, e, c])
                q00, q01 = np.float32(source[a, b, f]), np.float32(source[a, e, f])
                q10, q11 = np.float32(source[d, b, f]), np.float32(source[d, e, f])
                out[i, j, k] = _blended(p00, p01, p10, p11, q00, q01, q10, q11, u, v, w)
    return inside


@compiled
def nearest_points(source, step, quanta, fill, out, start, stop) -> int:  # type: ignore[no-untyped-def]
    """The voxel whose centre is nearest, half-way cases to the higher index; how many lay inside."""
    n0, n1, n2 = source.shape
    inside = 0
    for i in range(start, stop):
        for j in range(out.shape[1]):
            x0 = step[0, 0] * i + step[0, 1] * j + step[0, 3]
            y0 = step[1, 0] * i + step[1, 1] * j + step[1, 3]
            z0 = step[2, 0] * i + step[2, 1] * j + step[2, 3]
            for k in range(out.shape[2]):
                x = np.floor((x0 + step[0, 2] * k) * quanta + 0.5) * (1 / quanta)
                y = np.floor((y0 + step[1, 2] * k) * quanta + 0.5) * (1 / quanta)
                z = np.floor((z0 + step[2, 2] * k) * quanta + 0.5) * (1 / quanta)
                if not (-0.5 <= x <= n0 - 0.5 and -0.5 <= y <= n1 - 0.5 and -0.5 <= z <= n2 - 0.5):
                    out[i, j, k] = fill
                    continue
                inside += 1
                a = min(max(int(np.floor(x + 0.5)), 0), n0 - 1)
                b = min(max(int(np.floor(y + 0.5)), 0), n1 - 1)
                c = min(max(int(np.floor(z + 0.5)), 0), n2 - 1)
                out[i, j, k] = source[a, b, c]
    return inside


@compiled
def linear_patch(source, step, out) -> None:  # type: ignore[no-untyped-def]
    """Every channel of `source` at source index step[:, :3] @ (i, j, k) + step[:, 3]; 0 beyond the voxels, linear on
    the way there."""
    channels, n0, n1, n2 = source.shape
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            x0 = step[0, 0] * i + step[0, 1] * j + step[0, 3]
            y0 = step[1, 0] * i + step[1, 1] * j + step[1, 3]
            z0 = step[2, 0] * i + step[2, 1] * j + step[2, 3]
            for k in range(out.shape[3]):
                x, y, z = x0 + step[0, 2] * k, y0 + step[1, 2] * k, z0 + step[2, 2] * k
                if not (-1 < x < n0 and -1 < y < n1 and -1 < z < n2):
                    out[:, i, j, k] = 0
                    continue
                a, b, c = int(x + 1) - 1, int(y + 1) - 1, int(z + 1) - 1
                u, v, w = np.float32(x - a), np.float32(y - b), np.float32(z - c)
                if a < 0 or b < 0 or c < 0 or a + 1 >= n0 or b + 1 >= n1 or c + 1 >= n2:
                    for channel in range(channels):
                        out[channel, i, j, k] = _at_edge(source[channel], a, b, c, u, v, w)
                    continue
                for channel in range(channels):
                    p00, p01 = source[channel, a, b, c], source[channel, a, b + 1, c]
                    p10, p11 = source[channel, a + 1, b, c], source[channel, a + 1, b + 1, c]
                    q00, q01 = source[channel, a, b, c + 1], source[channel, a, b + 1, c + 1]
                    q10, q11 = source[channel, a + 1, b, c + 1], source[channel, a + 1, b + 1, c + 1]
                    out[channel, i, j, k] = _blended(p00, p01, p10, p11, q00, q01, q10, q11, u, v, w)


@compiled
def _at_edge(source, a, b, c, u, v, w):  # type: ignore[no-untyped-def]
    """Between the voxels (a, b, c) and (a + 1, b + 1, c + 1), of which those outside are 0."""
    value = np.float32(0)
    for i in range(2):
        for j in range(2):
            for k in range(2):
                if 0 <= a + i < source.shape[0] and 0 <= b + j < source.shape[1] and 0 <= c + k < source.shape[2]:
                    share = (u if i else 1 - u) * (v if j else 1 - v) * (w if k else 1 - w)
                    value += share * source[a + i, b + j, c + k]
    return value
