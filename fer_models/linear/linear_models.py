"""The models with a linear head on the frozen MobileNetV2, or on no features at all.

MobileNetV2: Sandler et al. 2018, arXiv:1801.04381. Ridge regression: Hoerl and Kennard 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fer_models.heads import LinearHead
from fer_models.linear.closed_form import majority, ridge
from fer_models.model import Fitted, Linear
from fer_models.run_folder.summary import Chosen

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut
    from fer_models.local.training import PhoneRows


@dataclass(frozen=True)
class Frozen(Linear):
    """`mobilenet`: the default model of this project."""

    about: ClassVar[str] = "MobileNetV2, frozen; a linear head is trained"
    reads: ClassVar[Literal["features"]] = "features"
    federated: ClassVar[bool] = True


@dataclass(frozen=True)
class RidgeHead(Fitted):
    """`ridge`: the same head in closed form, its penalty chosen on validation."""

    about: ClassVar[str] = "MobileNetV2, frozen; a linear head by ridge regression"
    reads: ClassVar[Literal["features"]] = "features"

    def fit(
        self, shards: "PhoneRows", validation: "HeldOut", photos: np.ndarray
    ) -> tuple[LinearHead, Chosen]:
        """Ridge regression on all training views."""
        found = ridge(shards, validation, len(photos))
        tried = [{"strength": strength, "macro_f1": quality} for strength, quality in found.tried]
        return LinearHead(found.head), {"strength": found.strength, "factor": found.factor, "tried": tried}


@dataclass(frozen=True)
class Majority(Fitted):
    """`majority`: the baseline that any model must beat."""

    about: ClassVar[str] = "always the largest class, whatever the photo"
    reads: ClassVar[Literal["nothing"]] = "nothing"
    size: ClassVar[int] = 64
    weights: ClassVar[bool] = False
    preprocessing: ClassVar[Mapping[str, Any]] = {}

    def width(self, size: int) -> int:
        """0: no features."""
        return 0

    def fit(
        self, shards: "PhoneRows", validation: "HeldOut", photos: np.ndarray
    ) -> tuple[LinearHead, Chosen]:
        """The class frequencies; nothing is chosen."""
        return LinearHead(majority(photos)), {}
