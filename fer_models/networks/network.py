"""What a network is: its layers, how they start, and what it reads; a page for each (deep, tuned, cnn ...).

A page imports torch within its methods only, since commands that need no network read it, too.
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

    pretrained: ClassVar[str] = ""  # how the names of layers begin that start from model.weights, if any

    @abstractmethod
    def module(self, classes: int, size: int, dropout: float) -> "torch.nn.Module":
        """The network for images of `size` pixels a side; on the meta device, where `build` calls it."""

    def start(self, name: str, shapes: Shapes, seed: int) -> np.ndarray:
        """The array `name` as training starts from it; as torch.nn.Linear and Conv2d: uniform within
        1 / sqrt(inputs of a unit).
        """
        bound = 1 / np.sqrt(np.prod(shapes[f"{name.rpartition('.')[0]}.weight"][1:]))
        return stream(seed, "network", name).uniform(-bound, bound, shapes[name])

    @property
    def below(self) -> int:
        """Of MobileNetV2's 19 layers, those of the frozen part that makes its rows."""
        return 0
