"""The ledger of a source: every photo, row, folder, file and column found, and what was done with it.

The code that lists photos writes it; the terminal shows it in one line, data.json and the page in full.
"""

from collections import Counter
from dataclasses import dataclass, field

from fer_models.text import many

OTHER = "of other emotions"
OUTSIDE = "outside the folders of emotions"
TWICE = "twice"
TWO_LABELS = "under two labels"
NO_LABEL = "without a label"
CLOSED = "cannot be listed"
NO_PART = "is no part of a split"  # the end of a note about values that name no part


@dataclass
class Ledger:
    """What was found in a source. Photos are used, set aside or unreadable; everything else is named with
    the reason.
    """

    found: dict[str, int] = field(default_factory=dict)  # photos of each emotion in the source, by our names
    used: int = 0
    unreadable: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)  # why -> photos
    listed: dict[str, str] = field(default_factory=dict)  # photo or line of a table -> why set aside
    other_emotions: Counter[str] = field(default_factory=Counter)  # label -> photos set aside
    read_as: dict[str, str] = field(default_factory=dict)  # label -> the class it was read as
    columns: dict[str, str] = field(default_factory=dict)  # column -> its use, or "not used"
    folders: dict[str, str] = field(default_factory=dict)  # folder without used photos -> why
    files: dict[str, str] = field(default_factory=dict)  # file that is not a photo -> why
    notes: list[str] = field(default_factory=list)  # what the user should know, a line each
    warnings: list[str] = field(default_factory=list)  # what the user should look into, a line each

    def put_aside(self, why: str, name: str, photos: int = 1) -> None:
        """Counts photos set aside, under the name of a photo, a line or a folder."""
        self.set_aside[why] += photos
        self.listed[name] = why

    def line(self) -> str:
        """One line: "Photos: 4,412 used; 12 set aside (9 of other emotions, 3 twice); 2 unreadable"."""
        parts = [f"Photos: {self.used:,} used"]
        aside = {why: count for why, count in self.set_aside.items() if count}
        if aside:
            reasons = ", ".join(f"{count:,} {why}" for why, count in sorted(aside.items(), key=_first_other))
            parts.append(f"{sum(aside.values()):,} set aside ({reasons})")
        if self.unreadable:
            parts.append(f"{self.unreadable:,} unreadable")
        return "; ".join(parts)

    def notes_and_names(self) -> list[str]:
        """How folders, tables and labels were understood, a line each."""
        spelt = ", ".join(f"{label} = {name}" for label, name in sorted(self.read_as.items()))
        return [*self.notes, *([f"Emotions read as: {spelt}"] if spelt else [])]

    def alarms(self) -> list[str]:
        """What the user should look into, a line each."""
        closed = [name for name, why in self.folders.items() if why.startswith(CLOSED)]
        notes = [f"Folder {name} {self.folders[name]}: its photos are missing" for name in closed[:3]]
        if len(closed) > 3:
            notes.append(f"{many(len(closed) - 3, 'more folder')} cannot be listed; data.json names them")
        return notes + self.warnings


def _first_other(reason: tuple[str, int]) -> tuple[bool, int, str]:
    return reason[0] != OTHER, -reason[1], reason[0]
