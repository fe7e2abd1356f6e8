"""The models with a linear head on the frozen MobileNetV2, or on no features at all.

MobileNetV2: Sandler et al. 2018, arXiv:1801.04381.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fer_models.heads import LinearHead
from fer_models.linear import lda, ncm, ridge
from fer_models.linear.closed_form import Solved, fit, majority
from fer_models.linear.statistics import ClassSums, Moments, Sums
from fer_models.model import Fitted, Linear
from fer_models.run_folder.summary import Chosen

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut
    from fer_models.local.phone_rows import PhoneRows


@dataclass(frozen=True)
class Frozen(Linear):
    """`mobilenet`: the default model of this project."""

    about: ClassVar[str] = "MobileNetV2, frozen; a linear head is trained"
    reads: ClassVar[Literal["features"]] = "features"
    federated: ClassVar[bool] = True


@dataclass(frozen=True)
class InClosedForm(Fitted):
    """A head on the frozen features that follows from sums over the training views."""

    reads: ClassVar[Literal["features"]] = "features"
    sums: ClassVar[type[Sums]] = Moments

    @abstractmethod
    def solve(self, sums: Any, validation: "HeldOut") -> Solved:
        """The head; `sums` are those of the class variable's type."""

    def fit(
        self, pooled: "PhoneRows", validation: "HeldOut", photos: np.ndarray
    ) -> tuple[LinearHead, Chosen]:
        """Solves for all training views."""
        found = fit(pooled, self.sums, len(photos), lambda sums: self.solve(sums, validation))
        return LinearHead(found.head), found.chosen


@dataclass(frozen=True)
class RidgeHead(InClosedForm):
    """`ridge`: the head of `mobilenet` in closed form, its penalty chosen on validation."""

    about: ClassVar[str] = "MobileNetV2, frozen; a linear head by ridge regression"

    def solve(self, sums: Moments, validation: "HeldOut") -> Solved:
        """Ridge regression."""
        return ridge.on_validation(sums, validation)


@dataclass(frozen=True)
class LdaHead(InClosedForm):
    """`lda`: class means and their pooled covariance, its shrinkage chosen on validation."""

    about: ClassVar[str] = "MobileNetV2, frozen; a linear head by linear discriminant analysis"

    def solve(self, sums: Moments, validation: "HeldOut") -> Solved:
        """Discriminant analysis; the prior is the class frequencies of the views."""
        return lda.on_validation(sums, validation)


@dataclass(frozen=True)
class NcmHead(InClosedForm):
    """`ncm`: the class mean that is nearest."""

    about: ClassVar[str] = "MobileNetV2, frozen; the class of the nearest class mean"
    sums: ClassVar[type[Sums]] = ClassSums

    def solve(self, sums: ClassSums, validation: "HeldOut") -> Solved:
        """Nothing is chosen."""
        return ncm.on_validation(sums, validation)


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
        self, pooled: "PhoneRows", validation: "HeldOut", photos: np.ndarray
    ) -> tuple[LinearHead, Chosen]:
        """The class frequencies; nothing is chosen."""
        return LinearHead(majority(photos)), {}
