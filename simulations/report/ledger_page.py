"""The section of the report about the photos: which were used, which were not and why, and what to check.

It shows the ledger of data.json (fer_models/photos/ledger.py) and the photos of unreadable.csv.
"""

import csv
from collections.abc import Mapping
from html import escape as esc

from fer_models.photos.ledger import Ledger
from simulations.report.page import folded, paragraph, section, table
from simulations.report.results import Run

MOST = 50  # entries of a list on the page; the files have all


def photos(run: Run) -> str:
    """What happened to everything found in the source; "" for runs of an older fedfer, without a ledger."""
    ledger, unreadable = _ledger(run), _unreadable(run)
    lists = [
        _list("Labels, and how they were read", "Label", "Read as", ledger.read_as),
        _list(
            "Photos of other emotions",
            "Label",
            "Photos",
            {label: f"{count:,}" for label, count in ledger.other_emotions.items()},
        ),
        _list("Photos and rows set aside", "Photo, row or folder", "Why", ledger.listed),
        _list("Columns", "Column", "Used for", ledger.columns),
        _list("Folders without photos", "Folder", "Why", ledger.folders),
        _list("Other files", "File", "What it is", ledger.files),
    ]
    if not (ledger.used or unreadable):
        return ""
    return section(
        "What happened to the photos",
        paragraph(ledger.line()) if ledger.used else "",
        *(paragraph(f"\N{WARNING SIGN} {text}") for text in ledger.alarms()),
        *map(paragraph, ledger.notes),
        unreadable,
        *lists,
    )


def _ledger(run: Run) -> Ledger:
    """The ledger of the run; an empty one for runs of an older fedfer."""
    return run.data.ledger or Ledger()


def _unreadable(run: Run) -> str:
    listing = run.folder / "unreadable.csv"
    if not listing.is_file():
        return ""
    with listing.open(encoding="utf-8", newline="") as lines:
        rows = [[f"<code>{esc(row['file'])}</code>", esc(row["reason"])] for row in csv.DictReader(lines)]
    more = f" The first {MOST} are listed here." if len(rows) > MOST else ""
    text = (
        f"{len(rows):,} {'photo' if len(rows) == 1 else 'photos'} could not be read and were not used.{more}"
    )
    return paragraph(text) + table("Unreadable photos", ["File", "Reason"], rows[:MOST], text=(1,))


def _list(title: str, one: str, other: str, entries: Mapping[str, str]) -> str:
    if not entries:
        return ""
    rows = [[f"<code>{esc(name)}</code>", esc(value)] for name, value in list(entries.items())[:MOST]]
    more = f"The first {MOST} of {len(entries):,}; data.json has all." if len(entries) > MOST else ""
    listed = table(title, [one, other], rows, text=(1,)) + (paragraph(more, "small") if more else "")
    return folded(f"{title} ({len(entries):,})", listed)
