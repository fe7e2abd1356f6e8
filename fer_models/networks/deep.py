"""`mobilenet-deep`: two layers on the frozen features instead of one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from fer_models.encoders.backbone import FEATURES
from fer_models.networks.network import LAYERS, Network

if TYPE_CHECKING:
    import torch

HIDDEN = 256  # units of the extra layer


@dataclass(frozen=True)
class Deep(Network):
    """features -> 256, ReLU, dropout -> classes."""

    about: ClassVar[str] = "MobileNetV2, frozen; two layers of 256 units are trained"
    reads: ClassVar[Literal["features"]] = "features"
    federated: ClassVar[bool] = True

    @property
    def below(self) -> int:
        """All layers."""
        return LAYERS

    def module(self, classes: int, size: int, dropout: float) -> "torch.nn.Module":
        """The same for every image size."""
        from fer_models.networks.layers import DeepHead

        return DeepHead(FEATURES, HIDDEN, classes, dropout)
