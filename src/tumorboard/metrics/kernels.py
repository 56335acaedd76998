"""Voxel loops compiled by numba (why numba: docs/adr/0010). Imported only by the functions that run them.

All take C-contiguous uint8 label maps. `first` and `last` (rows, columns) bound the foreground of either map on
every line of the last axis, so that later passes leave empty lines out.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def scan(reference, prediction):
    """Joint counts of both maps' values (256, 256; the pair 0, 0 is left out), and the foreground bounds of
    every line: `first` (size of the axis where there is none) and `last` (-1)."""
    a, b, c = reference.shape
    flat_r, flat_p = reference.reshape(-1), prediction.reshape(-1)
    joint = np.zeros((256, 256), np.int64)
    first = np.full(a * b, c, np.int32)
    last = np.full(a * b, -1, np.int32)
    blocks = flat_r.size // 8
    words_r, words_p = flat_r[: blocks * 8].view(np.uint64), flat_p[: blocks * 8].view(np.uint64)
    for block in range(blocks + 1):
        if block < blocks and words_r[block] == 0 and words_p[block] == 0:
            continue
        start = block * 8
        line, k = start // c, start % c
        for index in range(start, min(start + 8, flat_r.size)):
            r, p = flat_r[index], flat_p[index]
            if r != 0 or p != 0:
                joint[r, p] += 1
                if k < first[line]:
                    first[line] = k
                if k > last[line]:
                    last[line] = k
            k += 1
            if k == c:
                k = 0
                line += 1
    return joint, first.reshape((a, b)), last.reshape((a, b))


@njit(cache=True, nogil=True)
def border_voxels(labels, first, last, offsets):
    """Voxels of each label with one of six neighbours of another value (the map has an empty rim).

    `offsets` (257,) gives each value's place in the output, from its voxel count. Returns coordinates
    (foreground voxels, 3) of which the first `found[value]` after `offsets[value]` are filled.
    """
    a, b, _ = labels.shape
    points = np.empty((offsets[256], 3), np.int32)
    found = np.zeros(256, np.int64)
    for i in range(1, a - 1):
        for j in range(1, b - 1):
            for k in range(first[i, j], last[i, j] + 1):
                value = labels[i, j, k]
                if value == 0:
                    continue
                if (
                    labels[i, j, k - 1] != value
                    or labels[i, j, k + 1] != value
                    or labels[i, j - 1, k] != value
                    or labels[i, j + 1, k] != value
                    or labels[i - 1, j, k] != value
                    or labels[i + 1, j, k] != value
                ):
                    place = offsets[value] + found[value]
                    points[place, 0], points[place, 1], points[place, 2] = i, j, k
                    found[value] += 1
    return points, found


@njit(cache=True, nogil=True)
def surface_elements(labels, first, last, value):
    """Corners between voxels whose 2x2x2 neighbourhood is neither empty nor full of `value`.

    Corner (i, j, k) lies between voxels (i-1..i, j-1..j, k-1..k) (the map has an empty rim). Returns coordinates
    (n, 3) and neighbourhood codes (n,): bit 4*di + 2*dj + dk stands for voxel (i-1+di, j-1+dj, k-1+dk).
    """
    a, b, _ = labels.shape
    capacity = 4096
    points = np.empty((capacity, 3), np.int32)
    codes = np.empty(capacity, np.uint8)
    n = 0
    for i in range(1, a):
        for j in range(1, b):
            low = min(min(first[i - 1, j - 1], first[i - 1, j]), min(first[i, j - 1], first[i, j]))
            high = max(max(last[i - 1, j - 1], last[i - 1, j]), max(last[i, j - 1], last[i, j]))
            if high < low:
                continue
            before = 0
            for k in range(low, high + 2):
                here = 0
                if labels[i - 1, j - 1, k] == value:
                    here |= 1
                if labels[i - 1, j, k] == value:
                    here |= 4
                if labels[i, j - 1, k] == value:
                    here |= 16
                if labels[i, j, k] == value:
                    here |= 64
                code = before | (here << 1)
                before = here
                if code == 0 or code == 255:
                    continue
                if n == capacity:
                    capacity *= 2
                    points = np.concatenate((points, np.empty_like(points)))
                    codes = np.concatenate((codes, np.empty_like(codes)))
                points[n, 0], points[n, 1], points[n, 2] = i, j, k
                codes[n] = code
                n += 1
    return points[:n], codes[:n]


@njit(cache=True, nogil=True)
def component_runs(labels_r, labels_p, parts_r, parts_p, first, last, count_r, count_p):
    """Sizes, values and overlaps of connected components.

    Returns sizes (count + 1,) and label values (count + 1,) of both sides' components, and the runs of voxels
    along lines that lie in component x of one and y of the other side: arrays x, y, length.
    """
    size_r, size_p = np.zeros(count_r + 1, np.int64), np.zeros(count_p + 1, np.int64)
    value_r, value_p = np.zeros(count_r + 1, np.uint8), np.zeros(count_p + 1, np.uint8)
    capacity = 4096
    runs = np.empty((capacity, 3), np.int64)
    n = 0
    for i in range(labels_r.shape[0]):
        for j in range(labels_r.shape[1]):
            open_r, open_p = 0, 0
            for k in range(first[i, j], last[i, j] + 1):
                r, p = np.int64(parts_r[i, j, k]), np.int64(parts_p[i, j, k])
                if r > 0:
                    size_r[r] += 1
                    value_r[r] = labels_r[i, j, k]
                if p > 0:
                    size_p[p] += 1
                    value_p[p] = labels_p[i, j, k]
                if r == 0 or p == 0:
                    open_r, open_p = 0, 0
                    continue
                if r == open_r and p == open_p:
                    runs[n - 1, 2] += 1
                    continue
                if n == capacity:
                    capacity *= 2
                    runs = np.concatenate((runs, np.empty_like(runs)))
                runs[n, 0], runs[n, 1], runs[n, 2] = r, p, 1
                open_r, open_p = r, p
                n += 1
    return size_r, size_p, value_r, value_p, runs[:n]


@njit(cache=True, nogil=True)
def concordance_counts(order, event, time, rank, ranks):
    """Per patient (n, 3): among those known to outlive the patient's event, how many have a lower score, an equal
    score, and how many there are; zeros for the censored. `order` sorts by time; `rank` (n,) is the dense rank of
    the score from 1, higher = expected to fail earlier; a Fenwick tree counts those who outlived each event."""
    counts = np.zeros((len(order), 3), np.int64)
    tree = np.zeros(ranks + 1, np.int64)
    equal = np.zeros(ranks + 1, np.int64)
    waiting = 0
    stop = len(order)
    while stop > 0:
        start = stop - 1
        while start > 0 and time[order[start - 1]] == time[order[stop - 1]]:
            start -= 1
        for kind in range(3):  # censored enter, events look back, events enter
            for place in range(start, stop):
                who = order[place]
                if kind == 1:
                    if not event[who]:
                        continue
                    node = rank[who] - 1
                    while node > 0:
                        counts[who, 0] += tree[node]
                        node &= node - 1
                    counts[who, 1] = equal[rank[who]]
                    counts[who, 2] = waiting
                elif event[who] == (kind == 2):
                    equal[rank[who]] += 1
                    waiting += 1
                    node = rank[who]
                    while node <= ranks:
                        tree[node] += 1
                        node += node & -node
        stop = start
    return counts


@njit(cache=True, nogil=True)
def brier_sums(event, time, predicted, grid, g_inverse, steps_at, steps, drop_included):
    """Sum over patients (m,) of what each adds to the Brier score at each horizon of the ascending `grid`: `predicted`
    (n, m) squared over G once an event has come, else its distance from 1 squared times `g_inverse` (m,). G is 1 before
    `steps_at` (k,), `steps` (k + 1) after each of them; at a step itself after the drop if `drop_included`."""
    out = np.zeros(len(grid))
    m = len(grid)
    buckets = 4096  # of equal width, each with the first step in it: a search in a bucket is short
    origin = steps_at[0] if len(steps_at) else 0.0
    width = (steps_at[-1] - origin) / buckets if len(steps_at) > 1 else 1.0
    start = np.searchsorted(steps_at, origin + width * np.arange(buckets + 1))
    for i in range(len(time)):
        t, past = time[i], 0
        while past < m and grid[past] < t:
            out[past] += (1.0 - predicted[i, past]) ** 2 * g_inverse[past]
            past += 1
        if event[i] and past < m:
            low, high = 0, len(steps_at)
            bucket = (t - origin) / width
            if 1 <= bucket < buckets - 1:  # one bucket to spare on both sides for rounding
                low, high = start[int(bucket) - 1], start[int(bucket) + 2] if bucket < buckets - 2 else high
            while low < high:
                middle = (low + high) // 2
                if steps_at[middle] < t or (drop_included and steps_at[middle] == t):
                    low = middle + 1
                else:
                    high = middle
            if steps[low] > 0:
                weight = 1.0 / steps[low]
                for j in range(past, m):
                    out[j] += weight * predicted[i, j] ** 2
    return out


@njit(cache=True, nogil=True)
def nearest_around(points, goals, corner, shape, steps, distance_mm):
    """Distance from each lattice point (n, 3) to the nearest of `goals` (m, 3), looked for at the places `steps`
    (k, 3), sorted by their distance (k,); infinite where none of them is a goal. All points and goals lie in the
    box that starts at `corner` with `shape`, at least as far from its faces as the longest step."""
    row, plane = shape[2], shape[1] * shape[2]
    marked = np.zeros(shape[0] * plane, np.uint8)
    for m in range(len(goals)):
        i, j, k = goals[m, 0] - corner[0], goals[m, 1] - corner[1], goals[m, 2] - corner[2]
        marked[i * plane + j * row + k] = 1
    away = np.empty(len(steps), np.int64)
    for s in range(len(steps)):
        away[s] = steps[s, 0] * plane + steps[s, 1] * row + steps[s, 2]
    found_mm = np.empty(len(points), np.float64)
    for n in range(len(points)):
        i, j, k = points[n, 0] - corner[0], points[n, 1] - corner[1], points[n, 2] - corner[2]
        here = i * plane + j * row + k
        found_mm[n] = np.inf
        for s in range(len(away)):
            if marked[here + away[s]]:
                found_mm[n] = distance_mm[s]
                break
    return found_mm
