"""The interface of a network: layers, initial values and input; one page per network (deep, tuned, cnn ...).

A page imports torch only inside its methods, since commands that need no network import it, too.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fer_models.encoders.backbone import BLOCKS
from fer_models.model import Model
from fer_models.seeding import stream

if TYPE_CHECKING:
    import torch

LAYERS = BLOCKS + 2  # of torchvision's mobilenet_v2().features
Shapes = Mapping[str, tuple[int, ...]]  # of the named arrays of a network


@dataclass(frozen=True)
class Network(Model, ABC):
    """A network that torch trains; a frozen dataclass of its options."""

    pretrained: ClassVar[str] = ""  # name prefix of the layers that start from model.weights, if any

    @abstractmethod
    def module(self, classes: int, size: int, dropout: float) -> "torch.nn.Module":
        """The network for images of `size` x `size` pixels; `build` calls this on the meta device."""

    def start(self, name: str, shapes: Shapes, seed: int) -> np.ndarray:
        """The initial value of the array `name`; default: as torch.nn.Linear and Conv2d, uniform within
        1 / sqrt(fan-in).
        """
        bound = 1 / np.sqrt(np.prod(shapes[f"{name.rpartition('.')[0]}.weight"][1:]))
        return stream(seed, "network", name).uniform(-bound, bound, shapes[name])

    @property
    def below(self) -> int:
        """The number of MobileNetV2's 19 layers in the frozen part that produces its input."""
        return 0
