"""Compiled loops over voxels: place, signed distance, painting.

All arrays are (k, j, i), C order: the transpose of a NIfTI array, so that slices are contiguous. Lengths are
millimetres of the *standard body* (1,750 mm tall; see `phantom.frame`). No fast-math: the same seed gives
the same bytes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["blob_distance", "body_places", "loft_distance", "paint", "tube_distance"]


@njit(cache=True, inline="always")
def _tile(tile, x, y, z):
    """Periodic noise tile sampled at (x, y, z) in cells, trilinear."""
    n = tile.shape[0]
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    ax, ay, az = x - fx, y - fy, z - fz
    x0, y0, z0 = int(fx) % n, int(fy) % n, int(fz) % n
    x1, y1, z1 = (x0 + 1) % n, (y0 + 1) % n, (z0 + 1) % n
    c00 = tile[z0, y0, x0] * (1 - ax) + tile[z0, y0, x1] * ax
    c01 = tile[z0, y1, x0] * (1 - ax) + tile[z0, y1, x1] * ax
    c10 = tile[z1, y0, x0] * (1 - ax) + tile[z1, y0, x1] * ax
    c11 = tile[z1, y1, x0] * (1 - ax) + tile[z1, y1, x1] * ax
    return (c00 * (1 - ay) + c01 * ay) * (1 - az) + (c10 * (1 - ay) + c11 * ay) * az


@njit(cache=True)
def _place(px, py, pz, tile, warp, bends):
    """One point of the posed body -> standard body: head turn, breathing, smooth warp."""
    turn, tilt, top, bottom, breath, pivot = bends
    if pz > bottom:  # the head turns and nods on the neck
        t = min(1.0, (pz - bottom) / (top - bottom))
        t = t * t * (3 - 2 * t)
        ca, sa = math.cos(turn * t), math.sin(turn * t)
        qx, qy = px, py - pivot
        px, py = ca * qx - sa * qy, sa * qx + ca * qy + pivot
        ct, st = math.cos(tilt * t), math.sin(tilt * t)
        qz = pz - bottom
        px, pz = ct * px - st * qz, bottom + st * px + ct * qz
    pz += breath * math.exp(-(((pz + 480.0) / 90.0) ** 2))
    sx = warp[0, 0] * _tile(
        tile, px * warp[0, 1] + warp[0, 2], py * warp[0, 1] + warp[0, 3], pz * warp[0, 1] + warp[0, 4]
    )
    sy = warp[1, 0] * _tile(
        tile, px * warp[1, 1] + warp[1, 2], py * warp[1, 1] + warp[1, 3], pz * warp[1, 1] + warp[1, 4]
    )
    sz = warp[2, 0] * _tile(
        tile, px * warp[2, 1] + warp[2, 2], py * warp[2, 1] + warp[2, 3], pz * warp[2, 1] + warp[2, 4]
    )
    return px + sx, py + sy, pz + sz


@njit(cache=True)
def body_places(matrix, shape, steps, tile, warp, bends):
    """Standard-body coordinates of every voxel centre: exact on a lattice of every `steps` (i, j, k) voxels, linear
    between, since warps are smooth over many centimetres.

    matrix (3, 4): voxel (i, j, k) -> millimetres of the posed body. warp (3, 5): amplitude, cells per mm and
    offsets of the
    smooth displacement of each axis. bends (6,): head turn and tilt in radians, the two heights between which they fade
    in, breathing shift in mm at the diaphragm, pivot y.
    """
    ni, nj, nk = shape
    mi, mj, mk = (ni - 1) // steps[0] + 2, (nj - 1) // steps[1] + 2, (nk - 1) // steps[2] + 2
    lattice = np.empty((3, mk, mj, mi), np.float64)
    for c in range(mk):
        for b in range(mj):
            for a in range(mi):
                i, j, k = a * steps[0], b * steps[1], c * steps[2]
                px = matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k + matrix[0, 3]
                py = matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k + matrix[1, 3]
                pz = matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k + matrix[2, 3]
                x0, y0, z0 = _place(px, py, pz, tile, warp, bends)
                lattice[0, c, b, a], lattice[1, c, b, a], lattice[2, c, b, a] = x0, y0, z0
    out = np.empty((3, nk, nj, ni), np.float32)
    row = np.empty(mi, np.float64)
    for axis in range(3):
        for k in range(nk):
            c, fk = k // steps[2], (k % steps[2]) / steps[2]
            for j in range(nj):
                b, fj = j // steps[1], (j % steps[1]) / steps[1]
                for a in range(mi):
                    near = lattice[axis, c, b, a] * (1 - fj) + lattice[axis, c, b + 1, a] * fj
                    far = lattice[axis, c + 1, b, a] * (1 - fj) + lattice[axis, c + 1, b + 1, a] * fj
                    row[a] = near * (1 - fk) + far * fk
                for i in range(ni):
                    a, fi = i // steps[0], (i % steps[0]) / steps[0]
                    out[axis, k, j, i] = row[a] * (1 - fi) + row[a + 1] * fi
    return out[0], out[1], out[2]


@njit(cache=True, inline="always")
def _power(u, n):
    """|u|^n without the general power for the exponents that anatomy uses."""
    a = abs(u)
    if n == 2.0:
        return a * a
    if n == 3.0:
        return a * a * a
    if n == 4.0:
        return a * a * a * a
    if n == 2.5:
        return a * a * math.sqrt(a)
    return a**n


@njit(cache=True)
def _superquadric(px, py, pz, part, reach):
    """First-order signed distance to one superquadric: (rho - 1) / |grad rho|; further out than `reach`, where
    nothing is painted, the distance to its box instead."""
    dx, dy, dz = px - part[0], py - part[1], pz - part[2]
    a = part[6] * dx + part[7] * dy + part[8] * dz
    b = part[9] * dx + part[10] * dy + part[11] * dz
    c = part[12] * dx + part[13] * dy + part[14] * dz
    outside = max(abs(a) - part[3], abs(b) - part[4], abs(c) - part[5])
    if outside > reach:
        return outside
    u, v, w = a / part[3], b / part[4], c / part[5]
    n = part[15]
    if n == 2.0:
        rho = math.sqrt(u * u + v * v + w * w)
        if rho < 1e-4:
            return -min(part[3], part[4], part[5])
        gu, gv, gw = u / part[3], v / part[4], w / part[5]
        return rho * (rho - 1.0) / math.sqrt(gu * gu + gv * gv + gw * gw)
    pu, pv, pw = _power(u, n), _power(v, n), _power(w, n)
    total = pu + pv + pw
    if total < 1e-8:
        return -min(part[3], part[4], part[5])
    rho = total ** (1.0 / n)
    gu = pu / (abs(a) + 1e-9)
    gv = pv / (abs(b) + 1e-9)
    gw = pw / (abs(c) + 1e-9)
    gradient = math.sqrt(gu * gu + gv * gv + gw * gw) * rho / total
    return (rho - 1.0) / gradient


@njit(cache=True)
def blob_distance(x, y, z, box, parts, blend, reach, d):
    """Smooth union of superquadrics over the voxel box (k0, k1, j0, j1, i0, i1), into d."""
    k0, k1, j0, j1, i0, i1 = box
    for k in range(k0, k1):
        for j in range(j0, j1):
            for i in range(i0, i1):
                px, py, pz = x[k, j, i], y[k, j, i], z[k, j, i]
                best = _superquadric(px, py, pz, parts[0], reach + blend)
                for m in range(1, parts.shape[0]):
                    other = _superquadric(px, py, pz, parts[m], reach + blend)
                    h = blend - abs(best - other)
                    best = min(best, other)
                    if h > 0:
                        best -= h * h / (4 * blend)
                d[k - k0, j - j0, i - i0] = best


@njit(cache=True)
def tube_distance(x, y, z, box, segments, stretch, boxes, reach, d):
    """Union of round cones; segment rows are x0 y0 z0 r0 x1 y1 z1 r1, each in its own voxel box of `boxes`.

    stretch (3,): axes are divided by it first (flattened tubes such as ribs and plates); the distance is scaled by
    the smallest of the three.
    """
    k0, k1, j0, j1, i0, i1 = box
    d[:, :, :] = 1e6
    ax, ay, az = 1.0 / stretch[0], 1.0 / stretch[1], 1.0 / stretch[2]
    scale = min(stretch[0], stretch[1], stretch[2])
    for m in range(segments.shape[0]):
        sx, sy, sz, r0 = segments[m, 0] * ax, segments[m, 1] * ay, segments[m, 2] * az, segments[m, 3]
        ex, ey, ez, r1 = segments[m, 4] * ax, segments[m, 5] * ay, segments[m, 6] * az, segments[m, 7]
        vx, vy, vz = ex - sx, ey - sy, ez - sz
        length = vx * vx + vy * vy + vz * vz + 1e-9
        far = (max(r0, r1) + max(reach, 0.0) / scale) ** 2
        for k in range(max(k0, boxes[m, 0]), min(k1, boxes[m, 1])):
            for j in range(max(j0, boxes[m, 2]), min(j1, boxes[m, 3])):
                for i in range(max(i0, boxes[m, 4]), min(i1, boxes[m, 5])):
                    wx, wy, wz = x[k, j, i] * ax - sx, y[k, j, i] * ay - sy, z[k, j, i] * az - sz
                    t = (wx * vx + wy * vy + wz * vz) / length
                    t = min(1.0, max(0.0, t))
                    ox, oy, oz = wx - t * vx, wy - t * vy, wz - t * vz
                    square = ox * ox + oy * oy + oz * oz
                    if square > far:
                        continue
                    near = (math.sqrt(square) - (r0 + t * (r1 - r0))) * scale
                    if near < d[k - k0, j - j0, i - i0]:
                        d[k - k0, j - j0, i - i0] = near


@njit(cache=True)
def loft_distance(x, y, z, box, z_low, step, rows, reach, d):
    """Stack of superelliptic sections; rows (n, 5) are cx, cy, half width, half depth, exponent from z_low upwards."""
    k0, k1, j0, j1, i0, i1 = box
    last = rows.shape[0] - 1
    for k in range(k0, k1):
        for j in range(j0, j1):
            for i in range(i0, i1):
                pz = z[k, j, i]
                t = (pz - z_low) / step
                m = min(max(math.floor(t), 0), last - 1)
                f = min(max(t - m, 0.0), 1.0)
                a = rows[m, 2] * (1 - f) + rows[m + 1, 2] * f
                b = rows[m, 3] * (1 - f) + rows[m + 1, 3] * f
                n = rows[m, 4]
                px = x[k, j, i] - (rows[m, 0] * (1 - f) + rows[m + 1, 0] * f)
                py = y[k, j, i] - (rows[m, 1] * (1 - f) + rows[m + 1, 1] * f)
                outside = max(abs(px) - a, abs(py) - b, pz - (z_low + last * step), z_low - pz)
                if outside > reach:
                    d[k - k0, j - j0, i - i0] = outside
                    continue
                pu, pv = _power(px / a, n), _power(py / b, n)
                total = pu + pv
                if total < 0.03:  # the middle: how far in does not matter
                    near = -0.4 * min(a, b)
                else:
                    rho = total ** (1.0 / n)
                    gu = pu / (abs(px) + 1e-9)
                    gv = pv / (abs(py) + 1e-9)
                    near = (rho - 1.0) / (math.sqrt(gu * gu + gv * gv) * rho / total)
                near = max(near, pz - (z_low + last * step), z_low - pz)
                d[k - k0, j - j0, i - i0] = near


@njit(cache=True)
def paint(
    d,
    x,
    y,
    z,
    box,
    tile,
    offset,
    grow,
    rough,
    rough_scale,
    planes,
    ramp,
    value,
    texture,
    texture_scale,
    texture_offset,
    slope,
    out,
    labels,
    label,
    label_grow,
    label_rough,
):
    """Lay one solid over what is there: occupancy-weighted values, and its label where the centre lies inside.

    d is the signed distance over the box; `ramp` one voxel: occupancy falls from 1 to 0 over it. planes (m, 4)
    cut the solid (n . p <= c stays). slope: change of the value per mm towards the back.
    """
    k0, k1, j0, j1, i0, i1 = box
    reach = 3.5 * rough + 3.5 * label_rough + ramp + abs(label_grow)
    for k in range(k0, k1):
        for j in range(j0, j1):
            for i in range(i0, i1):
                near = d[k - k0, j - j0, i - i0] - grow
                if near > reach:
                    continue
                px, py, pz = x[k, j, i], y[k, j, i], z[k, j, i]
                for m in range(planes.shape[0]):
                    near = max(near, planes[m, 0] * px + planes[m, 1] * py + planes[m, 2] * pz - planes[m, 3])
                if near > reach:
                    continue
                if rough > 0 and near > -reach:
                    near += rough * _tile(
                        tile, px * rough_scale + offset[0], py * rough_scale + offset[1], pz * rough_scale + offset[2]
                    )
                if label > 0:
                    drawn = near - label_grow
                    if label_rough > 0:
                        drawn += label_rough * _tile(
                            tile, px * 0.3 + offset[2], py * 0.3 + offset[0], pz * 0.3 + offset[1]
                        )
                    if drawn < 0:
                        labels[k, j, i] = label
                occupancy = 0.5 - near / ramp
                if occupancy <= 0:
                    continue
                occupancy = min(occupancy, 1.0)
                colour = value + slope * py
                if texture != 0.0:
                    colour += texture * _tile(
                        tile,
                        px * texture_scale + texture_offset[1],
                        py * texture_scale + texture_offset[2],
                        pz * texture_scale + texture_offset[0],
                    )
                out[k, j, i] += occupancy * (colour - out[k, j, i])
