"""`cnn`: EmotionCNN, the small network of the published study that this project builds on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fer_models.networks.network import Network

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Cnn(Network):
    """gray pixels -> two convolutions with pooling -> 128 -> classes; no dropout."""

    about: ClassVar[str] = "EmotionCNN, two convolutions and two layers, trained from scratch"
    reads: ClassVar[Literal["pixels"]] = "pixels"
    size: ClassVar[int] = 64
    weights: ClassVar[bool] = False
    preprocessing: ClassVar[Mapping[str, Any]] = {"channels": "gray", "mean": [0.5], "std": [0.25]}
    federated: ClassVar[bool] = True

    def module(self, classes: int, size: int, dropout: float) -> "torch.nn.Module":
        """As published."""
        from fer_models.networks.layers import EmotionCNN

        return EmotionCNN(size, classes)
