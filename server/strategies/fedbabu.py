"""FedBABU: the output layer of a network stays as it was initialised; phones train all others together.

Oh, Kim and Yun, "FedBABU: Toward Enhanced Representation for Federated Image Classification", 2022,
arXiv:2106.06042, algorithm 1. After the last round each phone fine-tunes its output layer, and nothing else,
for `adapt_epochs` on its own views.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fer_models.local.terms import LocalTerms
from server.strategies.fine_tune import FineTune


@dataclass(frozen=True)
class FedBABU(FineTune):
    """FedAvg of the layers below the output layer, then personal output layers."""

    trains: ClassVar[Literal["any", "linear", "network"]] = "network"

    @property
    def local(self) -> LocalTerms:
        """Never the output layer."""
        return LocalTerms(output_epochs=0)

    @property
    def local_after(self) -> LocalTerms:
        """The output layer alone."""
        return LocalTerms(output_epochs=self.adapt_epochs)
