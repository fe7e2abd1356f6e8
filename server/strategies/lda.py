"""Federated linear discriminant analysis, from the same sums as ridge regression.

Fisher 1936, doi:10.1111/j.1469-1809.1936.tb02137.x; the arithmetic is that of the model `lda`:
fer_models/linear/lda.py. A shrinkage chosen on validation takes labelled photos at the server; the oracle
approximating one takes none, but is not made for classification. Generalised cross-validation is a rule for
regression and has no counterpart here.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from fer_models.evaluation import HeldOut
from fer_models.linear import lda
from fer_models.linear.closed_form import Solved
from fer_models.linear.statistics import Moments
from server.strategies.bounds import Weight
from server.strategies.closed_form import ClosedForm, check_given


@dataclass(frozen=True)
class FederatedLda(ClosedForm):
    """`shrinkage` is to be given if it is fixed; `prior` is the weight of the log class frequencies."""

    choose: Literal["validation", "oas", "fixed"] = "validation"
    shrinkage: Annotated[float, Field(ge=0, le=1)] | None = None
    prior: Weight = 1.0

    def check(self, phones: int) -> None:
        """Whether the shrinkage is given where it is fixed."""
        check_given("shrinkage", self.shrinkage, self.choose)

    def solve(self, sums: Moments, validation: HeldOut) -> Solved:
        """Discriminant analysis."""
        if self.shrinkage is not None:
            return lda.fixed(sums, self.shrinkage, self.prior)
        if self.choose == "oas":
            return lda.by_oas(sums, self.prior)
        return lda.on_validation(sums, validation, self.prior)
