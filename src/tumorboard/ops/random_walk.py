"""Random walker segmentation with priors (after Grady, PAMI 2006 and CVPR 2005): array in, probabilities out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["random_walk"]

Floats = NDArray[np.floating]
_LEAST_WEIGHT = 1e-4


def random_walk(
    image: Floats,
    prior: Floats,
    *,
    spacing: tuple[float, ...],
    contrast: float,
    pull: float | Floats = 0.05,
    fixed: NDArray[np.bool_] | None = None,
    tolerance: float = 1e-3,
) -> NDArray[np.float32]:
    """Probability that a walker who starts at a voxel ends in the foreground, 0 to 1, same shape as `image`.

    Steps between neighbours have the weight exp(-(difference / contrast)²), less over longer distances (spacing²,
    relative to the shortest). At every voxel he stops with a strength `pull` (one number or one per voxel) and then
    ends in the foreground with the probability `prior`; where `fixed` is True he stops at once (seeds, for which the
    prior is 0 or 1). Solved by conjugate gradients: the matrix is symmetric and positive definite.

    image, prior : any number of axes, same shape. contrast : in units of the image, > 0.
    ValueError where shapes differ.
    """
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import LinearOperator, cg

    if image.shape != prior.shape or len(spacing) != image.ndim:
        raise ValueError("image and prior have one shape, and spacing one number per axis")
    weights = _weights(np.asarray(image, np.float64), spacing, contrast)
    stop = np.broadcast_to(np.asarray(pull, np.float64), image.shape)
    if fixed is not None:
        stop = np.where(fixed, 1e3, stop)
    matrix = _laplacian(weights, image.shape) + diags_array(stop.ravel())
    target = (stop * np.asarray(prior, np.float64)).ravel()
    scale = 1.0 / matrix.diagonal()
    jacobi = LinearOperator(matrix.shape, matvec=lambda x: scale * x, dtype=np.float64)
    found, _ = cg(matrix, target, x0=np.asarray(prior, np.float64).ravel(), rtol=tolerance, maxiter=500, M=jacobi)
    return np.clip(found, 0.0, 1.0).reshape(image.shape).astype(np.float32)


def _weights(image: NDArray[np.float64], spacing: tuple[float, ...], contrast: float) -> list[NDArray[np.float64]]:
    """Weights of the steps along each axis."""
    shortest = min(spacing)
    found = []
    for axis, step in enumerate(spacing):
        difference = np.diff(image, axis=axis) / contrast
        found.append(np.maximum(np.exp(-(difference**2)), _LEAST_WEIGHT) * (shortest / step) ** 2)
    return found


def _laplacian(weights: list[NDArray[np.float64]], shape: tuple[int, ...]):  # type: ignore[no-untyped-def]
    """Sparse graph Laplacian of the grid."""
    from scipy.sparse import coo_array

    index = np.arange(int(np.prod(shape))).reshape(shape)
    rows, columns, values = [], [], []
    for axis, weight in enumerate(weights):
        first = np.take(index, range(shape[axis] - 1), axis=axis).ravel()
        second = np.take(index, range(1, shape[axis]), axis=axis).ravel()
        w = weight.ravel()
        rows += [first, second, first, second]
        columns += [second, first, first, second]
        values += [-w, -w, w, w]
    size = index.size
    return coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (size, size)).tocsr()
