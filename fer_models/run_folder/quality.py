"""Quality of predictions: over all photos, per class, and across phones. Parts of other records."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_ALL = -1  # for the number of ranked phones, in files that predate the minimum number of photos


@dataclass(frozen=True)
class ClassQuality:
    """Quality of the predictions on the photos of one class."""

    precision: float
    recall: float
    f1: float
    support: int  # photos of the class


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Quality of predictions on some photos; ratios as in scikit-learn, 0 if the denominator is 0."""

    accuracy: float
    balanced_accuracy: float  # mean recall of the classes that have photos
    macro_precision: float
    macro_recall: float
    macro_f1: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    per_class: Mapping[str, ClassQuality]
    confusion: tuple[tuple[int, ...], ...]  # counts of photos; rows are the true classes


@dataclass(frozen=True)
class Spread:
    """The distribution of a score over phones, each counted once.

    Mean and variance are over all phones counted; the rest over the ranked ones, None if there are none.
    """

    mean: float
    p10: float | None  # a tenth of the ranked phones have this or less
    median: float | None
    p90: float | None
    worst: float | None
    worst_tenth: float | None  # mean of the worst tenth, rounded up
    variance: float


@dataclass(frozen=True)
class AccuracySpread(Spread):
    """The distribution of accuracy."""

    variance_by_chance: float  # expected if every photo were classified correctly with equal probability


@dataclass(frozen=True)
class PhonesOfClass:
    """The phones whose largest class is this one."""

    phones: int  # among those counted
    accuracy: float | None  # mean; None without such phones
    ranked: int = field(default=_ALL, kw_only=True)  # among them, with enough photos to be ranked
    share_of_worst_tenth: float | None  # their fraction of the worst tenth; None if no phone is ranked

    def __post_init__(self) -> None:
        if self.ranked == _ALL:
            object.__setattr__(self, "ranked", self.phones)


@dataclass(frozen=True)
class AcrossPhones:
    """Scores across phones, each on its own holdout (fer_models/across.py)."""

    phones: int  # phones counted
    of: int  # phones that photos were dealt to
    # Those counted with at least `min_photos`: percentiles and the worst tenth are over these.
    ranked: int = field(default=_ALL, kw_only=True)
    min_photos: int = field(default=1, kw_only=True)
    accuracy: AccuracySpread
    macro_f1: Spread
    classes: Mapping[str, PhonesOfClass]

    def __post_init__(self) -> None:
        if self.ranked == _ALL:
            object.__setattr__(self, "ranked", self.phones)


@dataclass(frozen=True)
class PersonalHeadScores:
    """The personal heads on the validation photos, each on its phone's holdout."""

    accuracy: float
    macro_f1: float
    loss: float
    across: AcrossPhones


@dataclass(frozen=True, kw_only=True)
class PersonalHeadQuality(Quality):
    """The personal heads on the test photos, each on its phone's holdout."""

    across_phones: AcrossPhones
