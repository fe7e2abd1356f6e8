"""Fine-tuning: federated averaging, then each phone fine-tunes the final head on its own views.

The simplest way to personal heads, and hard to beat: Cheng, Chadha and Duchi, "Fine-tuning is Fine in
Federated Learning", 2021, arXiv:2108.07313. The shared head equals FedAvg's.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from server.strategies.fedavg import FedAvg


@dataclass(frozen=True)
class FineTune(FedAvg):
    """FedAvg, then `adapt_epochs` over each phone's views, starting from the selected head."""

    adapt_epochs: Annotated[int, Field(ge=1, le=10_000)] = 5

    @property
    def epochs_after(self) -> int:
        """Epochs of fine-tuning."""
        return self.adapt_epochs
