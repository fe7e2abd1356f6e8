"""leakage.json: what the parts of a split share but should not."""

from dataclasses import dataclass
from typing import ClassVar

from fer_models.run_folder.files import Record


@dataclass(frozen=True, kw_only=True)
class LeakageCheck(Record):
    """The check of the first seed's split; fer_models/data/leakage.py defines what is compared."""

    FILE: ClassVar[str] = "leakage.json"

    seed: int  # of the split
    photos: int
    copies_across_parts: int  # groups of photos with the same bytes
    near_pairs: int  # of photos that look alike
    near_across_parts: int  # those of them in two parts
    more: bool  # whether there are more pairs than the search lists
    subjects: int | None  # None if the people on the photos are not known
    subjects_in_two_parts: int
    examples: tuple[tuple[str, ...], ...]  # files of near pairs across parts
