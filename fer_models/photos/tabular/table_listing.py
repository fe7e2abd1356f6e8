"""The photos that a table of files names: one row each, with its label, and person and part if given.

Columns are recognised by their names (fer_models/photos/tabular/columns.py), files by theirs
(fer_models/photos/tabular/file_names.py).
"""

import os
from pathlib import Path

from fer_models.emotions import meaning
from fer_models.errors import InputError
from fer_models.photos.ledger import TWICE, TWO_LABELS
from fer_models.photos.listing import Listing, Photo
from fer_models.photos.tabular.columns import Columns
from fer_models.photos.tabular.file_names import FileNames
from fer_models.photos.tabular.tables import Table, read_table
from fer_models.text import printable

Rows = list[tuple[int, Photo]]  # (line, photo)


def list_table(path: Path, root: str = "", *, labels: bool = True) -> Listing:
    """Every photo that the table names; `root` is the base of its names (default: the table's folder).

    With `labels=False` no column of emotions is needed. Raises InputError for an unsound table.
    """
    table = read_table(path)
    names = FileNames(_root_of(path, root), table.encoding)
    columns = Columns.of(table, names, labels=labels)
    if not table.rows:
        raise InputError(f"data.source: {printable(path)} has no rows; each row is file,emotion[,subject]")
    listing = Listing()
    listing.ledger.columns = columns.uses(table)
    listing.ledger.notes += columns.remarks
    for rows in _by_photo(listing, table, columns, names).values():
        _take_once(listing, rows)
    return listing


def some_rows(path: Path, most: int) -> list[Photo]:
    """The photos of the table's first rows whose files exist; none if the table is unsound."""
    try:
        table = read_table(path)
        names = FileNames(path.parent, table.encoding)
        columns = Columns.of(table, names)
    except InputError:  # reported when the table is used
        return []
    rows = [row for _, row in table.rows[:most] if not columns.useless(row, len(table.header))]
    found = [(row, names.find(columns.value(row, columns.file))) for row in rows]
    return [Photo(f.path, columns.value(row, columns.emotion), "") for row, f in found if f.reason is None]


def _root_of(table: Path, root: str) -> Path:
    if root and not os.path.isdir(root):
        raise InputError(
            f"data.root: there is no folder {printable(root)}; give the one that the file names in"
            f" {printable(table.name)} are relative to"
        )
    return Path(root) if root else table.parent


def _by_photo(listing: Listing, table: Table, columns: Columns, names: FileNames) -> dict[str, Rows]:
    """The rows that name each photo, by its path; useless rows go to the ledger."""
    photos: dict[str, Rows] = {}
    for line, row in table.rows:
        if why := columns.useless(row, len(table.header)):
            listing.ledger.put_aside(why, f"line {line}")
            continue
        found = names.find(columns.value(row, columns.file))
        label, person = columns.value(row, columns.emotion), columns.person(row)
        photos.setdefault(found.path, []).append(
            (line, Photo(found.path, label, person, columns.part_of(row)))
        )
        if found.reason is not None:
            listing.missing[found.path] = found.reason
    return photos


def _take_once(listing: Listing, rows: Rows) -> None:
    """Lists the photo that these rows name, or sets it aside if they disagree."""
    first, photo = rows[0]
    why = _disagree([photo for _, photo in rows]) if len(rows) > 1 else ""
    if not why:
        listing.photos.append(photo)
        for line, _ in rows[1:]:
            listing.ledger.put_aside(TWICE, f"line {line} (first in line {first})")
        return
    listing.missing.pop(photo.path, None)
    for line, _ in rows:
        listing.ledger.put_aside(why, f"line {line} ({printable(os.path.basename(photo.path))})")


def _disagree(rows: list[Photo]) -> str:
    """What rows of the same photo disagree on; "" if they agree."""
    if len({meaning(photo.emotion) for photo in rows}) > 1:
        return TWO_LABELS
    if len({photo.part for photo in rows}) > 1:
        return "in two parts of the split"
    return "under two people" if len({photo.subject for photo in rows}) > 1 else ""
