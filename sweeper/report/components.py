"""Many numbers per sample in three dimensions."""

from __future__ import annotations

import numpy as np

_DIMENSIONS = 3
_NOISE = 1e-12


def principal_components(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first three principal components and the share of the variance of each.

    The sign of a component is such that its largest value is positive.

    Args:
        rows: Shape `(samples, values)`.

    Returns:
        Coordinates of shape `(samples, 3)`, and shares of shape `(3,)`: zeros where no variance is left, NaN
        in rows with values that are not finite.
    """
    coordinates = np.full((len(rows), _DIMENSIONS), np.nan)
    is_finite = np.isfinite(rows).all(axis=1)
    finite = rows[is_finite]
    shares = np.zeros(_DIMENSIONS)
    if not len(finite):
        return coordinates, shares
    largest = float(np.abs(finite).max()) or 1.0
    centred = finite / largest
    centred -= centred.mean(axis=0)
    coordinates[is_finite] = 0
    total = float((centred**2).sum())
    if total <= _NOISE * centred.size:
        return coordinates, shares
    is_wide = centred.shape[1] > len(centred)
    values, vectors = np.linalg.eigh(centred @ centred.T if is_wide else centred.T @ centred)
    values, vectors = values[::-1][:_DIMENSIONS], vectors[:, ::-1][:, :_DIMENSIONS]
    count = int((values > _NOISE * values[0]).sum())
    values, vectors = values[:count], vectors[:, :count]
    scores = vectors * np.sqrt(values) if is_wide else centred @ vectors
    signs = np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(count)])
    coordinates[np.flatnonzero(is_finite)[:, None], np.arange(count)] = scores * signs * largest
    shares[:count] = values / total
    return coordinates, shares
