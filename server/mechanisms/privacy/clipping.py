"""Updates on the lattice of exact sums, with a norm that is surely within the clip.

A norm computed in floating point proves nothing about the numbers that are sent: rounding them to the
lattice, multiples of QUANTUM, may lengthen the update again. Here it is scaled to a little less than the
clip, by more than all rounding together, and then rounded towards zero, which only shortens it.
"""

import numpy as np

from fer_models.local.kernel import QUANTUM

MOST_NUMBERS = 2**20  # in an update: what the margin allows for
MOST_CLIP = 2.0**20  # coordinates stay far below 2^53 quanta
_MARGIN = 2.0**-30  # of the norm; sum, square root, factor and products are off by less than 2^-31


def on_lattice(updates: np.ndarray, clip: float) -> np.ndarray:
    """(b, n) updates as (b, n) int64 numbers of QUANTUM, each row's exact norm at most `clip`.

    A row with a number that is not finite becomes zeros. Rows within the clip are only rounded, towards zero;
    those less than a billionth below it may be shortened by as little. Price: some six passes in float64.
    """
    if not 0 < clip <= MOST_CLIP:
        raise ValueError(f"clip must be above 0 and at most {MOST_CLIP:g}, got {clip:g}")
    if updates.ndim != 2 or updates.shape[1] > MOST_NUMBERS:
        raise ValueError(f"updates must be (b, n) with n up to {MOST_NUMBERS:,}, got {updates.shape}")
    rows = np.asarray(updates, np.float64)
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    units = rows / np.where(largest > 0, largest, 1.0)  # so that no square overflows
    most = np.maximum(np.sqrt(np.square(units).sum(axis=1, keepdims=True)), 1.0)
    limit = clip * (1 - _MARGIN)
    clipped = units * np.minimum(largest, limit / most)
    inside = largest <= limit / most
    return np.trunc(np.where(inside, rows, clipped) / QUANTUM).astype(np.int64)
