"""leakage.json: what the parts of a split share that they should not."""

from dataclasses import dataclass
from typing import ClassVar

from fer_models.run_folder.files import Record


@dataclass(frozen=True, kw_only=True)
class LeakageCheck(Record):
    """Of the first seed's split (fer_models/data/leakage.py says what is compared)."""

    FILE: ClassVar[str] = "leakage.json"

    seed: int  # of the split
    photos: int
    copies_across_parts: int  # groups of photos with the same bytes
    near_pairs: int  # of photos that look alike
    near_across_parts: int  # of them, those in two parts
    more: bool  # whether there are more pairs than were looked for
    subjects: int | None  # None where it is not known who is on the photos
    subjects_in_two_parts: int
    examples: tuple[tuple[str, ...], ...]  # files of near pairs across parts
