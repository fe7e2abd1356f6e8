"""Federated ridge regression: phones send sums once, and the head is solved from their total in closed form.

The phones' sums add up to those of the pooled views, so the head is the centralized one, however non-IID the
phones are. Fanì, Camoriano, Caputo and Ciccone, "Accelerating Heterogeneous Federated Learning
with Closed-form Classifiers", 2024, arXiv:2406.01116.

With a projection P (D, d) phones send the sums for x P, smaller by (d / D)^2, and the head is projected back.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.evaluation import HeldOut
from fer_models.linear.closed_form import Moments, Ridge, choose
from fer_models.linear.statistics import expanded
from fer_models.run_folder.summary import Chosen
from server.strategies.base import State
from server.strategies.fedavg import FedAvg


@dataclass(frozen=True)
class FederatedRidge(FedAvg):
    """One round of sums, from which `solve` computes the head; `step` is never called."""

    closed_form: ClassVar[bool] = True


def solve(sums: Moments, validation: HeldOut, projection: np.ndarray | None) -> tuple[np.ndarray, State]:
    """The head (C, D + 1) float32 from the phones' sums, its penalty chosen on validation, and the choice."""
    import scipy.linalg  # noqa: F401  # before the limit, which applies to libraries loaded so far
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
    """The choice as summary.json reports it; empty if the state is another algorithm's."""
    if "strength" not in state:
        return {}
    tried = [{"strength": strength, "macro_f1": quality} for strength, quality in state["tried"].tolist()]
    return {"strength": float(state["strength"]), "factor": float(state["factor"]), "tried": tried}
