"""Box and event loops compiled by numba (why numba: docs/adr/0010). Imported only by the functions that run them."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def overlaps_of_images(truth, truth_first, boxes, box_first, scores, over_box, threshold, strict, extra, several):
    """Which lesions are found and which boxes find nothing, over all images.

    `truth` (n, 2d) and `boxes` (m, 2d) hold low then high corners, sorted by image; `truth_first` and `box_first`
    (images + 1,) say where each image starts. `over_box`: intersection over the predicted box instead of the union.
    `extra` is added to every side (1 for inclusive pixels). Returns the best score that finds each lesion (n,), -inf
    where none does, and whether a box overlaps no lesion enough (m,).
    """
    d = truth.shape[1] // 2
    found = np.full(len(truth), -np.inf)
    false = np.zeros(len(boxes), np.bool_)
    sizes = np.ones(len(truth))
    for i in range(len(truth)):
        for axis in range(d):
            sizes[i] *= truth[i, d + axis] - truth[i, axis] + extra
    for image in range(len(truth_first) - 1):
        a, b = truth_first[image], truth_first[image + 1]
        for j in range(box_first[image], box_first[image + 1]):
            size = 1.0
            for axis in range(d):
                size *= boxes[j, d + axis] - boxes[j, axis] + extra
            hit, best, best_ratio = False, -1, -1.0
            for i in range(a, b):
                shared = 1.0
                for axis in range(d):
                    low = max(truth[i, axis], boxes[j, axis])
                    high = min(truth[i, d + axis], boxes[j, d + axis])
                    shared *= max(high - low + extra, 0.0)
                if shared <= 0.0:
                    continue
                whole = size if over_box else sizes[i] + size - shared
                goal = threshold * whole
                slack = 1e-12 * max(goal, 1e-300)
                if shared - goal > slack or (not strict and shared - goal >= -slack):
                    hit = True
                    if several:
                        found[i] = max(found[i], scores[j])
                    elif shared / whole > best_ratio:
                        best, best_ratio = i, shared / whole
            if best >= 0:
                found[best] = max(found[best], scores[j])
            false[j] = not hit
    return found, false


@njit(cache=True, nogil=True)
def sensitivities(is_hit, owner, last_of_score, weights, lesions, images, rates, linear, undefined):
    """Sensitivity at each of `rates` (k,) false boxes per image for each row of `weights` (resamples, patients).

    Events (found lesions and false boxes) come by falling score: `is_hit`, `owner` (patient), `last_of_score` (True at
    the last event of one score: the curve has points there only, so that ties have no order). `lesions` and `images`
    (patients,) are counts. Rows without lesions or images are NaN; beyond the curve: its last point, or NaN if
    `undefined`.
    """
    out = np.full((len(weights), len(rates)), np.nan)
    for row in range(len(weights)):
        w = weights[row]
        n_lesions, n_images = 0.0, 0.0
        for p in range(len(w)):
            n_lesions += w[p] * lesions[p]
            n_images += w[p] * images[p]
        if n_lesions <= 0 or n_images <= 0:
            continue
        hits, false, hits_before, false_before, k = 0.0, 0.0, 0.0, 0.0, 0
        for event in range(len(is_hit)):
            if is_hit[event]:
                hits += w[owner[event]]
            else:
                false += w[owner[event]]
            if not last_of_score[event]:
                continue
            while k < len(rates) and false > rates[k] * n_images * (1 + 1e-12):
                value = hits_before
                if linear:
                    value += (hits - hits_before) * (rates[k] * n_images - false_before) / (false - false_before)
                out[row, k] = value / n_lesions
                k += 1
            if k == len(rates):
                break
            hits_before, false_before = hits, false
        while k < len(rates):
            if not undefined or false >= rates[k] * n_images * (1 - 1e-12):
                out[row, k] = hits / n_lesions
            k += 1
    return out
