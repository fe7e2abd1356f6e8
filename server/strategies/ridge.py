"""Federated ridge regression, from first and second moments.

Fanì, Camoriano, Caputo and Ciccone, "Accelerating Heterogeneous Federated Learning with Closed-form
Classifiers", 2024, arXiv:2406.01116. The arithmetic is that of the model `ridge`: fer_models/linear/ridge.py.
"""

from dataclasses import dataclass

from fer_models.evaluation import HeldOut
from fer_models.linear import ridge
from fer_models.linear.closed_form import Solved
from fer_models.linear.statistics import Moments
from server.strategies.closed_form import ClosedForm


@dataclass(frozen=True)
class FederatedRidge(ClosedForm):
    """The penalty is chosen on validation."""

    def solve(self, sums: Moments, validation: HeldOut) -> Solved:
        """Ridge regression."""
        return ridge.on_validation(sums, validation)
