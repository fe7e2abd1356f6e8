"""What a source lists: every photo with its label, used or not, and whatever else was found.

Folders (folder_listing.py), tables of files (tabular/table_listing.py), tables of pixels and data sets return
one each.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from fer_models.photos.ledger import Ledger

HUB = "hub:"  # prefix of the name of a data set on the Hugging Face hub


class Photo(NamedTuple):
    """One photo; `subject` is "" if unknown, `part` is "" if the data come without a split."""

    path: str
    emotion: str  # the label as in the source; after `choose`, the class
    subject: str
    part: str = ""  # "train", "validation" or "test"


@dataclass
class Listing:
    """Every photo of a source, used or not, and whatever else was found."""

    photos: list[Photo] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)  # without a photo
    missing: dict[str, str] = field(default_factory=dict)  # path of a photo -> why it has no file
    ledger: Ledger = field(default_factory=Ledger)

    def counts(self, *, missing: bool = False) -> Counter[str]:
        """Photos of each label that have a file (`missing`: all photos); 0 for labels without any."""
        found = Counter(dict.fromkeys(self.labels, 0))
        found.update(p.emotion for p in self.photos if missing or p.path not in self.missing)
        return found
