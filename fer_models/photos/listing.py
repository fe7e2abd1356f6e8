"""What a source lists: every photo with its label, whatever it shows, and what else was seen.

Folders (fer_models/photos/folder_listing.py), tables of files (fer_models/photos/table_listing.py), tables
of pixels and data sets make one each.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from fer_models.photos.ledger import Ledger

HUB = "hub:"  # what the name of a data set of the Hugging Face hub begins with


class Photo(NamedTuple):
    """One photo; `subject` is "" where it is not known, `part` where the data come without a split."""

    path: str
    emotion: str  # the label as the source has it; once chosen, the class
    subject: str
    part: str = ""  # "train", "validation" or "test"


@dataclass
class Listing:
    """Every photo of a source, whatever it shows, and what else was seen."""

    photos: list[Photo] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)  # that have no photo
    missing: dict[str, str] = field(default_factory=dict)  # path of a photo -> why it has no file
    ledger: Ledger = field(default_factory=Ledger)

    def counts(self, *, missing: bool = False) -> Counter[str]:
        """The photos of each label that have a file, or all with `missing`; 0 for labels without any."""
        found = Counter(dict.fromkeys(self.labels, 0))
        found.update(p.emotion for p in self.photos if missing or p.path not in self.missing)
        return found
