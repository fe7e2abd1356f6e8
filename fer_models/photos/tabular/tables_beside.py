"""Tables beside folders of emotions: our labels.csv adds people and takes precedence over the folders.

Ours has a column `file` and one of emotions, or `emotion` and one of files; with people but no emotions it
only adds the people. Other tables are set aside, with a note.
"""

import os
from pathlib import Path

from fer_models.emotions import Vocabulary, meaning
from fer_models.photos import file_kinds
from fer_models.photos.file_kinds import TABLE
from fer_models.photos.layout import Layout
from fer_models.photos.ledger import NO_LABEL
from fer_models.photos.listing import Listing
from fer_models.photos.tabular import tables
from fer_models.photos.tabular.table_listing import list_table, some_rows
from fer_models.text import listed, many, typed

LABELS = "labels.csv"
_FEW = 3  # most tables named one by one
_SOME = 200  # rows that are read of a table that is set aside


def own_labels(root: Path, layout: Layout | None, listing: Listing, vocabulary: Vocabulary) -> Listing:
    """The rows of labels.csv, in the folder or beside its emotions; none if another tool wrote it."""
    for path in _named_labels(root, layout):
        names = _columns(path)
        ours = bool(
            names & {"file", "emotion"} and names & set(tables.FILES) and names & set(tables.EMOTIONS)
        )
        people = "file" in names and bool(names & set(tables.SUBJECTS)) and not names & set(tables.EMOTIONS)
        if layout is not None and not (ours or people):
            continue
        rows = list_table(path, labels=not people or layout is None)
        known = any(vocabulary.knows(photo.emotion) for photo in rows.photos)
        if layout is None or people or known or not rows.photos:
            listing.ledger.columns |= rows.ledger.columns
            listing.ledger.notes += rows.ledger.notes
            return rows
    return Listing()


def add_rows(listing: Listing, rows: Listing) -> None:
    """Adds the photos of labels.csv that are outside the folders of emotions, or have no file (as missing).

    Photos of unused rows keep the label of their folder: such rows are named, and not counted as photos.
    """
    ledger, there = listing.ledger, {photo.path for photo in listing.photos}
    listing.photos += [photo for photo in rows.photos if photo.path not in there]
    listing.missing |= rows.missing
    ledger.listed |= {f"{LABELS}, {name}": why for name, why in rows.ledger.listed.items()}
    if left := {why: n for why, n in rows.ledger.set_aside.items() if why != NO_LABEL}:
        reasons = ", ".join(f"{count:,} {why}" for why, count in left.items())
        ledger.notes.append(f"{many(sum(left.values()), 'row')} of {LABELS} set aside ({reasons})")


def note_tables(root: Path, listing: Listing) -> None:
    """Notes which tables beside the emotions were set aside, and how to use them instead."""
    ledger, lines = listing.ledger, []
    for name in sorted(name for name, why in ledger.files.items() if why == TABLE):
        path, is_labels = root / name, os.path.basename(name).casefold() == LABELS
        if is_labels and ledger.columns:
            ledger.files[name] = "the labels of these photos"
            continue
        try:
            columns = [column for column in tables.header_of(path) if column]
        except OSError as error:
            ledger.files[name] = f"a table that cannot be read ({error.strerror})"
            lines.append(f"{name} cannot be read ({error.strerror}): set aside")
            continue
        ledger.files[name] = f"a table, set aside; columns {listed(columns) or 'none'}"
        if usable(path) or is_labels:
            lines.append(
                f"{name} (columns {listed(columns) or 'none'}) was set aside: the folder names give"
                f" the emotions{_use(path)}"
            )
    ledger.notes += lines[:_FEW]
    if len(lines) > _FEW:
        ledger.notes.append(f"and {many(len(lines) - _FEW, 'more table')}, all in data.json")


def usable(path: Path) -> bool:
    """Whether a file is a table whose header names a column of photos and one of emotions."""
    if not file_kinds.is_table(path.name) or not path.is_file():
        return False
    names = _columns(path)
    return bool(names & set(tables.FILES)) and bool(names & set(tables.EMOTIONS))


def _named_labels(root: Path, layout: Layout | None) -> list[Path]:
    folders = dict.fromkeys([str(root), layout.at if layout else str(root)])
    return [
        path
        for folder in folders
        for name in sorted(os.listdir(folder))
        if name.casefold() == LABELS and (path := Path(folder, name)).is_file()
    ]


def _columns(path: Path) -> set[str]:
    """The folded names in the header; none if it cannot be read, which `note_tables` reports."""
    try:
        return {tables.folded_name(name) for name in tables.header_of(path)}
    except OSError:
        return set()


def _use(path: Path) -> str:
    """How a table can be used instead of the folders, and what would differ; "" if it cannot."""
    photos = some_rows(path, _SOME)
    if not photos:
        return ""
    differ = sum(meaning(photo.emotion) != meaning(Path(photo.path).parent.name) for photo in photos)
    these = f"its first {len(photos):,}" if len(photos) == _SOME else f"its {len(photos):,}"
    reasons = f"{differ:,} of {these} rows disagree; " if differ else ""
    people = ", and its people," if _columns(path) & set(tables.SUBJECTS) else ""
    return f"; {reasons}--data {typed(path)} uses it{people} instead"
