"""How good answers are: over all photos, class by class, and across the phones. Parts of other records."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_ALL = -1  # phones that are ranked, in files of before there was a least number of photos


@dataclass(frozen=True)
class ClassQuality:
    """How good the answers on the photos of one class are."""

    precision: float
    recall: float
    f1: float
    support: int  # photos of the class


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good answers on some photos are; ratios as scikit-learn defines them, 0 without a denominator."""

    accuracy: float
    balanced_accuracy: float  # mean recall of the classes that have photos
    macro_precision: float
    macro_recall: float
    macro_f1: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    per_class: Mapping[str, ClassQuality]
    confusion: tuple[tuple[int, ...], ...]  # photos; rows are the true classes


@dataclass(frozen=True)
class Spread:
    """How a score is spread over phones, each counting once.

    Mean and variance are of all phones that were counted; the rest of those that are ranked, or None.
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
    """The same of accuracy."""

    variance_by_chance: float  # if every photo had the same chance to be answered rightly


@dataclass(frozen=True)
class PhonesOfClass:
    """The phones that hold most of one class."""

    phones: int  # of those counted
    accuracy: float | None  # mean; None without such phones
    ranked: int = field(default=_ALL, kw_only=True)  # of them, with photos enough to be ranked
    share_of_worst_tenth: float | None  # how much of the worst tenth they are; None where nobody is ranked

    def __post_init__(self) -> None:
        if self.ranked == _ALL:
            object.__setattr__(self, "ranked", self.phones)


@dataclass(frozen=True)
class AcrossPhones:
    """How phones fare, each on held-out photos of its own (fer_models/across.py)."""

    phones: int  # that were counted
    of: int  # so many that photos were dealt to
    # Of those counted, with at least `min_photos`: percentiles and the worst tenth are of these.
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
    """The phones' own heads on the validation photos, each on those of its phone."""

    accuracy: float
    macro_f1: float
    loss: float
    across: AcrossPhones


@dataclass(frozen=True, kw_only=True)
class PersonalHeadQuality(Quality):
    """The phones' own heads on the test photos, each on those of its phone."""

    across_phones: AcrossPhones
