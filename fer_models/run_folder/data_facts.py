"""data.json: the contents of a run's face set, how they were used, and what the phones hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from fer_models.photos.ledger import Ledger
from fer_models.run_folder.files import APPLIES, Record


@dataclass(frozen=True)
class PhotosByPart:
    """Photos of each class in each part."""

    train: Mapping[str, int]
    validation: Mapping[str, int]
    test: Mapping[str, int]

    @property
    def totals(self) -> dict[str, int]:
        """Photos of each part, by its name."""
        return {part: sum(photos.values()) for part, photos in vars(self).items()}


@dataclass(frozen=True)
class PeopleByPart:
    """People in each part; nobody is in two parts if the split is by subject."""

    train: int
    validation: int
    test: int

    @property
    def total(self) -> int:
        """People in all parts together."""
        return self.train + self.validation + self.test


@dataclass(frozen=True)
class GroupDraw:
    """How whole people were divided at random (fer_models/data/group_split.py)."""

    what: str  # "parts", "folds", or "validation"
    draws: int  # how many it took
    tolerance: float | None  # of the shares, relative; None: no draw fitted, and a search took over


@dataclass(frozen=True)
class Sizes:
    """Training views per phone, over all phones."""

    min: int
    median: float
    max: int


@dataclass(frozen=True)
class ClassOnPhones:
    """Training views of one class per phone, over all phones."""

    phones: int  # phones that have any
    p10: float
    median: float
    p90: float


@dataclass(frozen=True)
class KeptPhones:
    """Phones whose views are listed individually: all, or a seeded sample if there are many."""

    phones: tuple[int, ...]  # their ids, sorted
    views: Mapping[str, tuple[int, ...]]  # of each class, per phone


@dataclass(frozen=True)
class PhoneFacts:
    """What the phones hold, and how skewed that is (simulations/world/skew.py)."""

    phones: int
    sizes: Sizes
    views: int  # of all phones
    label_divergence: float  # Jensen-Shannon, bits
    most_divergence: float  # the same if every phone held a single class
    size_gini: float
    classes: Mapping[str, ClassOnPhones]
    kept: KeptPhones


@dataclass(frozen=True, kw_only=True)
class DataFacts(Record):
    """The facts about a run's photos."""

    FILE: ClassVar[str] = "data.json"

    source: str  # data.source: "sketch", or an absolute path
    photos_sha256: str  # of the photos, their labels, and the split
    classes: tuple[str, ...]
    photos: PhotosByPart  # photos used
    views: Mapping[str, int]  # training views of each class, after balancing
    subjects: PeopleByPart | None  # None if it is not known who is on the photos
    drawn: tuple[GroupDraw, ...] = ()  # by whom people were divided: empty if the split is by photo
    unreadable: int  # photos; unreadable.csv lists them
    ledger: Ledger | None = None  # of everything in the source; None in folders that predate the ledger
    phones: PhoneFacts | None = field(default=None, metadata=APPLIES)  # if phones are simulated
