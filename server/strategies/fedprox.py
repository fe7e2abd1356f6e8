"""FedProx: a proximal term holds training phones close to the head they started from.

Li, Sahu, Zaheer, Sanjabi, Talwalkar and Smith, "Federated Optimization in Heterogeneous Networks", 2020,
arXiv:1812.06127, algorithm 2. Each phone minimises

    F_i(w) + mu / 2 * |w - head|^2

and the head moves by the mean update, as in FedAvg. With mu = 0 this is FedAvg.
"""

from dataclasses import dataclass

from fer_models.local.terms import LocalTerms
from server.strategies.bounds import Weight
from server.strategies.fedavg import FedAvg


@dataclass(frozen=True)
class FedProx(FedAvg):
    """FedAvg with a proximal term on the phones."""

    mu: Weight = 0.1

    @property
    def local(self) -> LocalTerms:
        """The gradient of the term, mu * (w - head)."""
        return LocalTerms(pull=self.mu)
