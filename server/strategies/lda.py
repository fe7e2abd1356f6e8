"""Federated linear discriminant analysis, from the same sums as ridge regression.

Fisher 1936, doi:10.1111/j.1469-1809.1936.tb02137.x; the arithmetic is that of the model `lda`:
fer_models/linear/lda.py.
"""

from dataclasses import dataclass

from fer_models.evaluation import HeldOut
from fer_models.linear import lda
from fer_models.linear.closed_form import Solved
from fer_models.linear.statistics import Moments
from server.strategies.bounds import Weight
from server.strategies.closed_form import ClosedForm


@dataclass(frozen=True)
class FederatedLda(ClosedForm):
    """The shrinkage is chosen on validation; `prior` is the weight of the log class frequencies."""

    prior: Weight = 1.0

    def solve(self, sums: Moments, validation: HeldOut) -> Solved:
        """Discriminant analysis."""
        return lda.on_validation(sums, validation, self.prior)
