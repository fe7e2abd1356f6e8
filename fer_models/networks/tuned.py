"""`mobilenet-tuned`: also trains the last blocks of MobileNetV2, at a tenth of the head's learning rate."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from fer_models.networks.network import LAYERS, Network

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Tuned(Network):
    """activations -> the last `trainable_blocks` blocks, BatchNorm's statistics as pretrained -> classes."""

    trainable_blocks: Annotated[int, Field(ge=1, le=17)] = 3
    about: ClassVar[str] = "MobileNetV2; its last blocks and a linear head are trained"
    reads: ClassVar[Literal["activations"]] = "activations"
    federated: ClassVar[bool] = True
    pretrained: ClassVar[str] = "features."

    @property
    def blocks(self) -> int:
        """The trained blocks."""
        return self.trainable_blocks

    @property
    def below(self) -> int:
        """All layers but the trained blocks and the last convolution."""
        return LAYERS - 1 - self.trainable_blocks

    def module(self, classes: int, size: int, dropout: float) -> "torch.nn.Module":
        """The upper part of torchvision's network, with its names."""
        from torchvision.models import mobilenet_v2

        from fer_models.networks import layers

        features = mobilenet_v2(norm_layer=layers.Norm).features[self.below :]
        return layers.MobileNet(features, classes, dropout, frozen=True)
