"""The federated nearest class mean: phones send the sum of the features of each class, the size of one head.

Legate, Bernier, Page-Caccia, Oyallon and Belilovsky, "Guiding the Last Layer in Federated Learning with
Pre-Trained Models", 2023, arXiv:2306.03937 (there FedNCM, and as the start of training, `strategy.start`).
The arithmetic is that of the model `ncm`: fer_models/linear/ncm.py.
"""

from dataclasses import dataclass
from typing import ClassVar

from fer_models.evaluation import HeldOut
from fer_models.linear import ncm
from fer_models.linear.closed_form import Solved
from fer_models.linear.statistics import ClassSums, Sums
from server.strategies.closed_form import ClosedForm


@dataclass(frozen=True)
class FederatedNcm(ClosedForm):
    """Nothing is chosen."""

    sums: ClassVar[type[Sums]] = ClassSums

    def solve(self, sums: ClassSums, validation: HeldOut) -> Solved:
        """The class means."""
        return ncm.on_validation(sums, validation)
