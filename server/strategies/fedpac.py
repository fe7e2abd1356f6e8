"""FedPAC's combination of classifiers: a phone's head is the mix of all phones' heads that suits its views.

Xu, Tong and Huang, "Personalized Federated Learning with Feature Alignment and Classifier Collaboration",
2023, arXiv:2306.11867, section 3.3. Its first half, the alignment of features, is void here: they are frozen.
With n_j views on phone j, h_j its class sums of features divided by n_j, and the variance V of features about
these, phone i's head is the sum of a_j times the trained heads, where a is the best on the simplex for

    sum of a_j^2 V / n_j + |h_i - sum of a_j h_j|^2

The paper has a variance for each phone; here it is that of all views, as a phone with one view has none of
its own. The shared head is the mean of the trained heads, weighted by views. The server's work grows with the
fourth power of the phones of a round: for some hundreds.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fer_models.local.terms import PhoneInputs
from server.strategies import personal_heads, phone_state
from server.strategies.base import Algorithm, RoundUpdates, State


@dataclass(frozen=True)
class FedPAC(Algorithm):
    """Personal heads, mixed by how alike the phones' features are."""

    own: ClassVar[Literal["", "beside", "instead", "partly"]] = "partly"
    trains: ClassVar[Literal["any", "linear", "network"]] = "linear"
    measures: ClassVar[tuple[str, ...]] = ("class_means", "squares")
    heads_up: ClassVar[int] = 2  # the trained head and the class sums

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """Each phone's mixed head, from which it trains on."""
        return PhoneInputs(starts=phone_state.of(state, personal_heads.NAME, phones, head))

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """The trained heads are mixed for every phone of the round."""
        assert received.own is not None
        trained = received.own.astype(np.float64)
        mix = mixtures(received.measured["class_means"], received.measured["squares"], received.views)
        own = np.einsum("ij,jcd->icd", mix, trained).astype(np.float32)
        mean = np.average(trained, axis=0, weights=received.views).astype(np.float32)
        return mean, phone_state.kept(state, personal_heads.NAME, received.phones, own)


def mixtures(class_means: np.ndarray, squares: np.ndarray, views: np.ndarray) -> np.ndarray:
    """Row i: the weights (k,) of all heads in that of phone i, from what k phones measured.

    On one thread, so that the bits do not depend on the number of cores.
    """
    from threadpoolctl import threadpool_limits

    h = class_means[:, :, :-1].reshape(len(views), -1).astype(np.float64)
    with threadpool_limits(1, user_api="blas"):
        inner = h @ h.T
        own = np.diag(inner)
        rounding = 1e-12 * own.max() * views.max() + np.finfo(np.float64).tiny
        variance = max(float(np.average(squares - own, weights=views)), rounding)
        near = (own[i] - row[:, None] - row + inner for i, row in enumerate(inner))
        return np.array([_simplex(matrix + np.diag(variance / views), variance) for matrix in near])


def _simplex(matrix: np.ndarray, scale: float) -> np.ndarray:
    """The a (k,) with a >= 0 and sum 1 for which a' matrix a, positive definite, is least.

    It grows with the square of the length of a. So with scale * (sum of a - 1)^2 added, whatever the
    scale, the best a >= 0 points the same way: least squares without negative weights.
    """
    from scipy.linalg import cholesky
    from scipy.optimize import nnls

    root = np.full(len(matrix), np.sqrt(scale))
    weights, _ = nnls(np.vstack([cholesky(matrix), root]), np.append(np.zeros(len(matrix)), root[0]))
    return np.asarray(weights / weights.sum())
