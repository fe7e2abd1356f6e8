"""What a model is: what it reads of a photo, how it learns, and what shapes it.

A page is a frozen dataclass of its options, which are keys of `model`; class variables say the rest. Models
are linear heads on rows of a frozen encoder (`Linear`), fitted all at once or trained, or whole networks
(fer_models/networks). models.py is their registry.
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
    from fer_models.local.training import PhoneRows

RGB: dict[str, Any] = {"channels": "RGB", "mean": list(MEAN), "std": list(STD)}


@dataclass(frozen=True)
class Model:
    """What sets a model apart from the others."""

    about: ClassVar[str]  # in words
    reads: ClassVar[Literal["features", "activations", "pixels", "descriptors", "nothing"]]  # of a photo
    size: ClassVar[int] = 224  # of the images where data.image_size is "auto", in pixels
    weights: ClassVar[bool] = True  # whether it starts from those of model.weights
    epochs: ClassVar[bool] = True  # whether it learns in epochs, or all at once
    preprocessing: ClassVar[Mapping[str, Any]] = RGB  # beside the image size
    federated: ClassVar[bool] = False  # whether phones can train it
    linear: ClassVar[bool] = False  # whether a linear head is all that is trained
    library: ClassVar[tuple[str, str] | None] = None  # an optional one that it needs: to import, to install

    @property
    def blocks(self) -> int:
        """Inverted-residual blocks of MobileNetV2 above what it reads; 0 where it reads no activations."""
        return 0


@dataclass(frozen=True)
class Linear(Model):
    """A linear head on the rows of an encoder that is not trained."""

    linear: ClassVar[bool] = True

    def width(self, size: int) -> int:
        """Numbers that the head reads of a photo of `size` pixels a side."""
        return FEATURES


@dataclass(frozen=True)
class Fitted(Linear, ABC):
    """A linear head that is fitted all at once."""

    epochs: ClassVar[bool] = False

    @abstractmethod
    def fit(
        self, shards: "PhoneRows", validation: "HeldOut", photos: np.ndarray
    ) -> tuple[LinearHead, Chosen]:
        """What was learned, and what it chose on the validation photos.

        `photos`: (C,) int64, training photos of each class before balancing.
        """
