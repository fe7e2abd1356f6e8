"""`mobilenet-scratch`: MobileNetV2 on gray pixels from random weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fer_models.model import RGB
from fer_models.networks.network import Network, Shapes
from fer_models.seeding import stream

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Scratch(Network):
    """The whole network, its channels multiplied by `width`."""

    width: Annotated[float, Field(ge=0.1, le=2)] = 1.0
    about: ClassVar[str] = "MobileNetV2, trained from scratch"
    reads: ClassVar[Literal["pixels"]] = "pixels"
    size: ClassVar[int] = 64
    weights: ClassVar[bool] = False
    preprocessing: ClassVar[Mapping[str, Any]] = {**RGB, "channels": "gray"}

    def module(self, classes: int, size: int, dropout: float) -> "torch.nn.Module":
        """Torchvision's, with its names."""
        from torchvision.models import mobilenet_v2

        from fer_models.networks import layers

        features = mobilenet_v2(width_mult=self.width, norm_layer=layers.Norm).features
        return layers.MobileNet(features, classes, dropout, frozen=False)

    def start(self, name: str, shapes: Shapes, seed: int) -> np.ndarray:
        """As in torchvision: He-normal by fan-out, BatchNorm as the identity, the last layer near zero."""
        shape = shapes[name]
        if len(shape) == 1:
            return np.full(shape, 1.0 if name.endswith(("weight", "running_var")) else 0.0)
        spread = 0.01 if len(shape) == 2 else np.sqrt(2 / (shape[0] * np.prod(shape[2:])))
        return stream(seed, "network", name).normal(0, spread, shape)
