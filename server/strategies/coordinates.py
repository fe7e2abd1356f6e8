"""Rules that aggregate one coordinate of all updates at a time: median, trimmed mean, Bulyan's second step.

Values are sorted first, so the result does not depend on the order of the phones, to the last bit.
"""

from collections.abc import Callable

import numpy as np

_VALUES = 4_000_000  # sorted at a time: 16 MB

Rule = Callable[[np.ndarray], np.ndarray]  # (p, k) float32, ascending along k -> (p,) float64


def each(updates: np.ndarray, rule: Rule, phones: np.ndarray | None = None) -> np.ndarray:
    """The rule applied to every coordinate of updates (k, C, D + 1): (C, D + 1) float64.

    phones: indices of the phones to use; default: all. NaN counts as larger than everything.
    """
    flat = updates.reshape(len(updates), -1)
    phones = np.arange(len(flat)) if phones is None else phones
    answer, width = np.empty(flat.shape[1]), max(1, _VALUES // len(phones))
    for first in range(0, flat.shape[1], width):
        columns = slice(first, first + width)
        values = np.ascontiguousarray(flat[phones, columns].T)
        values.sort(axis=1)
        answer[columns] = rule(values)
    return answer.reshape(updates.shape[1:])


def middle(values: np.ndarray) -> np.ndarray:
    """The median of each row of values (p, k), ascending along k: (p,) float64."""
    low, high = values[:, (values.shape[1] - 1) // 2], values[:, values.shape[1] // 2]
    return np.asarray((low.astype(np.float64) + high) / 2)
