"""The interface of a model: its input, how it is trained, and its options.

A page is a frozen dataclass of its options, which are keys of `model`; class variables define the rest.
Models are linear heads on the output of a frozen encoder (`Linear`), fitted in one step or trained, or whole
networks (fer_models/networks). models.py is their registry.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fer_models.encoders.backbone import FEATURES, MEAN, STD
from fer_models.heads import LinearHead
from fer_models.run_folder.summary import Chosen

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut
    from fer_models.local.phone_rows import PhoneRows

RGB: dict[str, Any] = {"channels": "RGB", "mean": list(MEAN), "std": list(STD)}


@dataclass(frozen=True)
class Model:
    """What distinguishes a model from the others."""

    about: ClassVar[str]  # description for reports
    reads: ClassVar[Literal["features", "activations", "pixels", "descriptors", "nothing"]]  # its input
    size: ClassVar[int] = 224  # image size in pixels if data.image_size is "auto"
    weights: ClassVar[bool] = True  # whether it starts from the weights in model.weights
    epochs: ClassVar[bool] = True  # whether it trains in epochs, or is fitted in one step
    preprocessing: ClassVar[Mapping[str, Any]] = RGB  # besides the image size
    federated: ClassVar[bool] = False  # whether phones can train it
    linear: ClassVar[bool] = False  # whether only a linear head is trained
    requires: ClassVar[tuple[str, str] | None] = None  # optional dependency: import name, package name

    @property
    def blocks(self) -> int:
        """Inverted-residual blocks of MobileNetV2 above its input; 0 if it reads no activations."""
        return 0


@dataclass(frozen=True)
class Linear(Model):
    """A linear head on the output of a frozen encoder."""

    linear: ClassVar[bool] = True

    def width(self, size: int) -> int:
        """Number of inputs of the head for photos of `size` x `size` pixels."""
        return FEATURES


@dataclass(frozen=True)
class Fitted(Linear, ABC):
    """A linear head that is fitted in one step."""

    epochs: ClassVar[bool] = False

    @abstractmethod
    def fit(
        self, pooled: "PhoneRows", validation: "HeldOut", photos: np.ndarray
    ) -> tuple[LinearHead, Chosen]:
        """The fitted head, and what was chosen on the validation photos.

        `photos`: (C,) int64, training photos of each class before balancing.
        """
