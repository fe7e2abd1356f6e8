"""Sums that phones send once instead of heads in many rounds: the statistics that ridge regression needs.

A phone's sums are rounded to multiples of kernel.QUANTUM, so those of many phones add up exactly: to the same
bits in any order and grouping. A seeded Gaussian projection makes them smaller (Indyk and Motwani 1998,
doi:10.1145/276698.276876): features (n, D) times (D, d) / sqrt(d).
"""

import numpy as np

from fer_models.errors import RunError
from fer_models.linear.closed_form import Moments, moments
from fer_models.local import kernel
from fer_models.local.training import PhoneData, view_weights
from fer_models.seeding import stream


def phone_sums(
    held: PhoneData, phones: np.ndarray, classes: int, projection: np.ndarray | None = None
) -> tuple[Moments, np.ndarray]:
    """Exact sums over the views of `phones` (k,), and the ids of the phones included: those with finite data.

    `projection` (D, d) float64 is applied to features. Runs on one thread, so that a phone's bits do not
    depend on the number of cores. RunError if the sums become too large to be exact.
    """
    from threadpoolctl import threadpool_limits

    rows, firsts, lasts = held.of(phones)
    width = (held.features.shape[1] if projection is None else projection.shape[1]) + 1
    xx, xy, sound = np.zeros((width, width)), np.zeros((width, classes)), np.zeros(len(phones), np.bool_)
    with threadpool_limits(1, user_api="blas"):
        for place, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
            own = rows[first:last]
            x, y = held.features[own], held.labels[own]
            if not np.isfinite(x).all():
                continue
            if projection is not None:
                x = x @ projection
            weights = view_weights(y, classes) if held.weighted else None
            found = moments(x, y, np.arange(len(own)), classes, weights=weights)
            sound[place] = True
            kernel.add_rounded(xx, found.xx)
            kernel.add_rounded(xy, found.xy)
    total = Moments(xx, xy, int((lasts - firsts)[sound].sum()))
    check_exact(total)
    return total, phones[sound]


def check_exact(sums: Moments) -> None:
    """RunError if sums are outside the range in which they are exact.

    The largest is on the diagonal of X'X: products of two features sum to no more than their squares do.
    """
    if not np.diag(sums.xx).max(initial=0.0) < kernel.EXACT_BELOW:
        raise RunError(
            "the sums of the phones are too large to be exact; scale the features", resumable=False
        )


def projection(width: int, size: int, *, seed: int) -> np.ndarray | None:
    """The projection (width, size) float64 of a run; None if `size` is 0."""
    if not size:
        return None
    return np.asarray(stream(seed, "projection").standard_normal((width, size)) / np.sqrt(size))


def expanded(head: np.ndarray, projection: np.ndarray | None) -> np.ndarray:
    """The head (C, D + 1) on features that is equivalent to `head` (C, d + 1) on projected ones."""
    if projection is None:
        return head
    weight = head[:, :-1].astype(np.float64) @ projection.T
    return np.column_stack([weight, head[:, -1]]).astype(np.float32)


def payload(width: int, classes: int) -> int:
    """Bytes that a phone sends for sums over `width` features and the constant: X'X is symmetric."""
    return 8 * ((width + 1) * (width + 2) // 2 + (width + 1) * classes)
