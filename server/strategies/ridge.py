"""Federated ridge regression, from first and second moments.

Fanì, Camoriano, Caputo and Ciccone, "Accelerating Heterogeneous Federated Learning with Closed-form
Classifiers", 2024, arXiv:2406.01116. The arithmetic is that of the model `ridge`: fer_models/linear/ridge.py.

A penalty chosen on validation takes labelled photos at the server, and so does `evaluation.select = "best"`
of strategies with rounds. Generalised cross-validation takes none: it only reads the phones' sums.
"""

from dataclasses import dataclass
from typing import Literal

from fer_models.evaluation import HeldOut
from fer_models.linear import ridge
from fer_models.linear.closed_form import Solved
from fer_models.linear.statistics import Moments
from server.strategies.bounds import Positive
from server.strategies.closed_form import PrivateForm, check_given


@dataclass(frozen=True)
class FederatedRidge(PrivateForm):
    """`strength` is the penalty in units of the features' mean spread, to be given if it is fixed."""

    choose: Literal["validation", "gcv", "fixed"] = "validation"
    strength: Positive | None = None

    def check(self, phones: int) -> None:
        """Whether the penalty is given where it is fixed."""
        check_given("strength", self.strength, self.choose)

    def solve_private(self, moments: Moments, noise: float, validation: HeldOut) -> Solved:
        """Ridge regression with the noise as its penalty, which so depends on nobody's photos."""
        return ridge.with_noise(moments, noise, validation)

    def solve(self, sums: Moments, validation: HeldOut) -> Solved:
        """Ridge regression."""
        if self.strength is not None:
            return ridge.fixed(sums, self.strength)
        return ridge.by_gcv(sums) if self.choose == "gcv" else ridge.on_validation(sums, validation)
