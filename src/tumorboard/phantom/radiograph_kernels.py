"""Compiled loops of the X-ray projection: where samples of the rays lie, and chords through tubes and blobs.

Samples are (k, j, i): k along the ray, j down the film, i to the right of the film, which is the patient's left.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tumorboard.phantom.kernels import _place

__all__ = ["add_blobs", "add_tube", "met", "ray_places", "to_posed"]

_STILL = np.array([0.0, 0.0, -170.0, -300.0, 0.0, 10.0])  # no head turn, no breathing shift


@njit(cache=True)
def ray_places(size, start, step, depth, view, turn, pivot, scale, tile, warp, lattice):
    """Standard-body coordinates of samples along the rays of a cone beam.

    size (3,): samples i, j, k. start, step (2,): first sample and spacing on the film (mm, right and down). depth (2,):
    distance of the first sample from the film and spacing. view (5,): focus-film distance, +1 PA or -1 AP, y of the
    film, x and z of the central ray. turn (3, 3): world to body about `pivot`. scale: standard millimetres per real
    one. The four samples of every 2 x 2 block of rays are staggered by quarters of a step in depth. Exact on every
    `lattice`-th sample, linear between.
    """
    ni, nj, nk = size
    mi, mj, mk = (ni - 1) // lattice + 2, (nj - 1) // lattice + 2, nk + 2
    coarse = np.empty((3, mk, mj, mi), np.float64)
    for c in range(mk):
        oid = depth[0] + depth[1] * c
        shrink = 1.0 - oid / view[0]
        for b in range(mj):
            pz = view[4] - (start[1] + step[1] * lattice * b) * shrink
            for a in range(mi):
                px = view[3] + (start[0] + step[0] * lattice * a) * shrink
                py = view[2] + view[1] * oid
                dx, dy, dz = px - pivot[0], py - pivot[1], pz - pivot[2]
                qx = turn[0, 0] * dx + turn[0, 1] * dy + turn[0, 2] * dz + pivot[0]
                qy = turn[1, 0] * dx + turn[1, 1] * dy + turn[1, 2] * dz + pivot[1]
                qz = turn[2, 0] * dx + turn[2, 1] * dy + turn[2, 2] * dz + pivot[2]
                x, y, z = _place(qx * scale, qy * scale, qz * scale, tile, warp, _STILL)
                coarse[0, c, b, a], coarse[1, c, b, a], coarse[2, c, b, a] = x, y, z
    out = np.empty((3, nk, nj, ni), np.float32)
    for axis in range(3):
        for k in range(nk):
            for j in range(nj):
                b, fj = j // lattice, (j % lattice) / lattice
                for i in range(ni):
                    a, fi = i // lattice, (i % lattice) / lattice
                    fk = ((j % 2) * 2 + (i + j) % 2) * 0.25
                    near = (coarse[axis, k, b, a] * (1 - fi) + coarse[axis, k, b, a + 1] * fi) * (1 - fj) + (
                        coarse[axis, k, b + 1, a] * (1 - fi) + coarse[axis, k, b + 1, a + 1] * fi
                    ) * fj
                    far = (coarse[axis, k + 1, b, a] * (1 - fi) + coarse[axis, k + 1, b, a + 1] * fi) * (1 - fj) + (
                        coarse[axis, k + 1, b + 1, a] * (1 - fi) + coarse[axis, k + 1, b + 1, a + 1] * fi
                    ) * fj
                    out[axis, k, j, i] = near * (1 - fk) + far * fk
    return out[0], out[1], out[2]


@njit(cache=True)
def to_posed(points, tile, warp):
    """Points (n, 3) of the standard body -> before the smooth warp (four fixed-point steps: below 0.1 mm)."""
    out = points.copy()
    for n in range(points.shape[0]):
        for _ in range(4):
            x, y, z = _place(out[n, 0], out[n, 1], out[n, 2], tile, warp, _STILL)
            out[n, 0] += points[n, 0] - x
            out[n, 1] += points[n, 1] - y
            out[n, 2] += points[n, 2] - z
    return out


@njit(cache=True)
def add_tube(film, ends, wide, high, deep, slant, run, weight):
    """Add `weight` times the chords (mm) through one tube of round cones to `film` (rows down, columns right).

    ends (n, 6): column, row and radius in pixels of both ends. wide, high: stretch of the section across and down the
    film, deep: along the ray, in mm per pixel of radius. slant (n,): 1 / sine of the angle between ray and piece. run
    (n,): pieces of one run overlap where they join (the longest chord counts); runs add up.
    """
    rows, columns = film.shape
    first = 0
    while first < ends.shape[0]:
        last = first
        while last < ends.shape[0] and run[last] == run[first]:
            last += 1
        reach_i, reach_j = 0.0, 0.0
        low_i, low_j, high_i, high_j = 1e9, 1e9, -1e9, -1e9
        for n in range(first, last):
            r = max(ends[n, 2], ends[n, 5])
            reach_i, reach_j = r * wide + 1, r * high + 1
            low_i = min(low_i, min(ends[n, 0], ends[n, 3]) - reach_i)
            high_i = max(high_i, max(ends[n, 0], ends[n, 3]) + reach_i)
            low_j = min(low_j, min(ends[n, 1], ends[n, 4]) - reach_j)
            high_j = max(high_j, max(ends[n, 1], ends[n, 4]) + reach_j)
        i0, i1 = max(0, math.floor(low_i)), min(columns, math.ceil(high_i) + 1)
        j0, j1 = max(0, math.floor(low_j)), min(rows, math.ceil(high_j) + 1)
        if i1 > i0 and j1 > j0:
            most = np.zeros((j1 - j0, i1 - i0))
            for n in range(first, last):
                _piece(most, i0, j0, ends[n], wide, high, deep * slant[n])
            for j in range(j0, j1):
                for i in range(i0, i1):
                    film[j, i] += weight * most[j - j0, i - i0]
        first = last


@njit(cache=True)
def _piece(most, i0, j0, end, wide, high, deep):
    """One cone into the block `most` whose first pixel is (j0, i0); half-pixel softening keeps thin wires visible."""
    rows, columns = most.shape
    r = max(end[2], end[5])
    ai = max(0, math.floor(min(end[0], end[3]) - r * wide - 1) - i0)
    bi = min(columns, math.ceil(max(end[0], end[3]) + r * wide + 1) + 1 - i0)
    aj = max(0, math.floor(min(end[1], end[4]) - r * high - 1) - j0)
    bj = min(rows, math.ceil(max(end[1], end[4]) + r * high + 1) + 1 - j0)
    sx, sy = end[0] / wide, end[1] / high
    vx, vy = end[3] / wide - sx, end[4] / high - sy
    length = vx * vx + vy * vy + 1e-9
    for j in range(aj, bj):
        for i in range(ai, bi):
            wx, wy = (i + i0) / wide - sx, (j + j0) / high - sy
            t = min(1.0, max(0.0, (wx * vx + wy * vy) / length))
            ox, oy = wx - t * vx, wy - t * vy
            radius = end[2] + t * (end[5] - end[2])
            square = ox * ox + oy * oy
            if radius < 0.75:  # thinner than a pixel: its mass in a blurred line
                chord = 2.0 * deep * radius * radius / 0.75 * max(0.0, 1.0 - square / 0.75)
            else:
                chord = 2.0 * deep * math.sqrt(max(0.0, radius * radius - square))
            if chord > most[j, i]:
                most[j, i] = chord


@njit(cache=True)
def add_blobs(film, parts, weight):
    """Add `weight` times the chords (mm) through a union of superquadrics whose axes lie along film and ray (where
    parts overlap the longest chord counts). parts (n, 6): column, row, half width and half height (pixels), half depth
    (mm), exponent."""
    rows, columns = film.shape
    i0 = max(0, math.floor((parts[:, 0] - parts[:, 2]).min()))
    i1 = min(columns, math.ceil((parts[:, 0] + parts[:, 2]).max()) + 1)
    j0 = max(0, math.floor((parts[:, 1] - parts[:, 3]).min()))
    j1 = min(rows, math.ceil((parts[:, 1] + parts[:, 3]).max()) + 1)
    for j in range(j0, j1):
        for i in range(i0, i1):
            most = 0.0
            for n in range(parts.shape[0]):
                power = parts[n, 5]
                rest = (
                    1.0 - abs((i - parts[n, 0]) / parts[n, 2]) ** power - abs((j - parts[n, 1]) / parts[n, 3]) ** power
                )
                if rest > 0:
                    most = max(most, 2.0 * parts[n, 4] * rest ** (1.0 / power))
            film[j, i] += weight * most


@njit(cache=True)
def met(labels):
    """Labels (k, j, i) below 64 -> for every ray (j, i) the labels it meets, as bits."""
    nk, nj, ni = labels.shape
    out = np.zeros((nj, ni), np.uint64)
    for k in range(nk):
        for j in range(nj):
            for i in range(ni):
                out[j, i] |= np.uint64(1) << np.uint64(labels[k, j, i])
    return out
