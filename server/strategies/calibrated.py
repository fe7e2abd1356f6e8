"""Softmax calibrated by each phone's class counts, so that it does not unlearn its rare classes.

FedLC: Zhang, Li, Li, Xu, Li, Ding, Sha and Ma, "Federated Learning with Label Distribution Skew via Logits
Calibration", 2022, arXiv:2209.00189, equation 9. Balanced softmax: Ren, Yu, Sheng, Ma, Zhao, Yi and Li,
"Balanced Meta-Softmax for Long-Tailed Visual Recognition", 2020, arXiv:2007.10740, equation 3, with the
counts of the phone in place of the data's. With n_c views of class c on the phone, its logits become

    f_c - margin * n_c^(-1/4)           (FedLC)
    f_c + prior * log n_c               (balanced softmax)

in training only. In both, a class without views on the phone is left out of its softmax (the limit n_c -> 0),
so its row of the head does not change. The head moves by the mean update, as in FedAvg.
"""

from dataclasses import dataclass

from fer_models.local.terms import LocalTerms
from server.strategies.bounds import Weight
from server.strategies.fedavg import FedAvg


@dataclass(frozen=True)
class FedLC(FedAvg):
    """FedAvg on phones whose rare classes have to win by a margin."""

    margin: Weight = 10.0

    @property
    def local(self) -> LocalTerms:
        """The margin."""
        return LocalTerms(margin=self.margin)


@dataclass(frozen=True)
class BalancedSoftmax(FedAvg):
    """FedAvg on phones whose softmax accounts for their class frequencies."""

    prior: Weight = 1.0

    @property
    def local(self) -> LocalTerms:
        """The weight of the prior; 1 as in the paper."""
        return LocalTerms(prior=self.prior)
