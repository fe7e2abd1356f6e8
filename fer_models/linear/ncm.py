"""The nearest class mean: a photo's class is that of the class mean its features are closest to.

Mensink, Verbeek, Perronnin and Csurka, "Distance-Based Image Classification: Generalizing to New Classes at
Near-Zero Cost", 2013, doi:10.1109/TPAMI.2013.83, with the Euclidean distance. Except for what all classes
share, -|x - m_c|^2 / 2 is m_c' x - |m_c|^2 / 2: a linear head, with nothing to choose.
"""

from typing import TYPE_CHECKING

import numpy as np

from fer_models.linear.closed_form import Solved, scaled
from fer_models.linear.statistics import Sums

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut


def class_means(sums: Sums) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The class means (C, D) about the mean of all views, that mean (D,), and the views of each class (C,).

    The mean of a class without views is that of all.
    """
    counts = sums.xy[-1]
    middle = sums.xy[:-1].sum(axis=1) / sums.n
    return (sums.xy[:-1].T / np.maximum(counts, 1)[:, None] - middle) * (counts > 0)[:, None], middle, counts


def absent_last(head: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The head (C, D + 1) with the rows of classes without views replaced, so that these are never predicted:
    by the mean of the others, which never has the highest score, less log n.
    """
    there = counts > 0
    if not there.all():
        head[~there] = head[there].mean(axis=0)
        head[~there, -1] -= np.log(counts.sum() + 1)
    return head


def solve(sums: Sums) -> np.ndarray:
    """The head (C, D + 1) float64: the scores of all classes less what they share."""
    means, middle, counts = class_means(sums)
    bias = -(means**2).sum(axis=1) / 2 - means @ middle
    return absent_last(np.column_stack([means, bias]), counts)


def on_validation(sums: Sums, validation: "HeldOut") -> Solved:
    """The head; validation sets only the factor of its scores."""
    return scaled(solve(sums), {}, validation)
