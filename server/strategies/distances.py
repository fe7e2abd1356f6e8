"""Squared distances between all updates, in blocks of phones: the basis of Krum's and Bulyan's scores.

|a - b|^2 = |a|^2 + |b|^2 - 2 a.b in float64, the products in blocks and chunks of fixed size and on one BLAS
thread: so the number of cores cannot change a bit, nor which phone is selected. At most one chunk of
coordinates of all phones is held in float64.
"""

from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

_PHONES = 512  # per block
_COORDINATES = 1024  # per chunk


def blocks(updates: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields, block by block, a slice of the k phones and their distances (block, k) float64 to all k.

    updates: (k, C, D + 1) float32. Distances are at least 0, a phone's distance to itself is 0, and one that
    is not finite becomes infinite: a phone that sent non-finite numbers is far from everyone.
    """
    flat = updates.reshape(len(updates), -1)
    chunks = [slice(c, c + _COORDINATES) for c in range(0, flat.shape[1], _COORDINATES)]
    with np.errstate(all="ignore"):
        norms = np.sum([(flat[:, c].astype(np.float64) ** 2).sum(axis=1) for c in chunks], axis=0)
    for first in range(0, len(flat), _PHONES):
        rows = slice(first, min(first + _PHONES, len(flat)))
        yield rows, _block(flat, rows, chunks, norms)


def between(updates: np.ndarray) -> np.ndarray:
    """All squared distances (k, k) float64, symmetric; 800 MB for 10,000 phones."""
    answer = np.empty((len(updates), len(updates)))
    for rows, distances in blocks(updates):
        answer[rows] = distances
    for phone in range(len(answer)):
        answer[phone, :phone] = answer[:phone, phone]
    return answer


def _block(flat: np.ndarray, rows: slice, chunks: list[slice], norms: np.ndarray) -> np.ndarray:
    products = np.zeros((rows.stop - rows.start, len(flat)))
    with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
        for c in chunks:
            every = flat[:, c].astype(np.float64)
            products += every[rows] @ every.T
        distances = norms[rows, None] + norms - 2 * products
    distances = np.where(np.isfinite(distances), np.maximum(distances, 0), np.inf)
    distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = 0
    return distances
