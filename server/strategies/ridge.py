"""Federated ridge regression: phones send sums once, and the head follows from their sum by a formula.

The sums of all phones are those of all views in one place, so the head is the centralized one, however
one-sided the phones are. Fanì, Camoriano, Caputo and Ciccone, "Accelerating Heterogeneous Federated Learning
with Closed-form Classifiers", 2024, arXiv:2406.01116.

With a projection P (D, d) phones send sums of x P, smaller by (d / D)^2, and the head is projected back.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.closed_form import Moments, Ridge, choose
from fer_models.evaluation import HeldOut
from fer_models.run_folder.summary import Chosen
from fer_models.statistics import expanded
from server.strategies.base import State
from server.strategies.fedavg import FedAvg


@dataclass(frozen=True)
class FederatedRidge(FedAvg):
    """One round of sums, from which `solve` makes the head; no step is taken."""

    closed_form: ClassVar[bool] = True


def solve(sums: Moments, validation: HeldOut, projection: np.ndarray | None) -> tuple[np.ndarray, State]:
    """The head (C, D + 1) float32 of the phones' sums, its penalty chosen on validation photos, and how."""
    import scipy.linalg  # noqa: F401  # before the limit, which holds for the libraries that are loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):  # so that bits do not depend on the number of cores
        if projection is not None:
            validation = HeldOut(validation.features @ projection, validation.labels)
        found = choose(sums, validation)
    return expanded(found.head, projection), _state(found)


def _state(found: Ridge) -> State:
    return {
        "strength": np.array(found.strength),
        "factor": np.array(found.factor),
        "tried": np.array(found.tried),
    }


def chosen(state: State) -> Chosen:
    """What summary.json says of the choice; nothing where the state is of another algorithm."""
    if "strength" not in state:
        return {}
    tried = [{"strength": strength, "macro_f1": quality} for strength, quality in state["tried"].tolist()]
    return {"strength": float(state["strength"]), "factor": float(state["factor"]), "tried": tried}
