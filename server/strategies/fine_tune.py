"""Fine-tuning: federated averaging, and in the end each phone trains the head further for itself.

The plain way to heads of one's own, and hard to beat: Cheng, Chadha and Duchi, "Fine-tuning is Fine in
Federated Learning", 2021, arXiv:2108.07313. The shared head is that of FedAvg.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from server.strategies.fedavg import FedAvg


@dataclass(frozen=True)
class FineTune(FedAvg):
    """FedAvg, then `adapt_epochs` over each phone's views from the chosen head."""

    adapt_epochs: Annotated[int, Field(ge=1, le=10_000)] = 5

    @property
    def epochs_after(self) -> int:
        """Epochs of adapting."""
        return self.adapt_epochs
