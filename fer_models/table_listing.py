"""The photos that a table of files names: one row each, with its label, and person and part where told.

What a column is for is known by its name (fer_models/tables.py), the file by its name
(fer_models/file_names.py).
"""

import os
from pathlib import Path
from typing import NamedTuple

from fer_models import tables
from fer_models.emotions import meaning
from fer_models.errors import InputError
from fer_models.file_names import FileNames
from fer_models.layout import part_of
from fer_models.ledger import NO_LABEL, TWICE, TWO_LABELS
from fer_models.listing import Listing, Photo
from fer_models.tables import Table
from fer_models.text import listed, shown


def list_table(path: Path, root: str = "") -> Listing:
    """Every photo that the table names; `root` is where its names begin, by default its own folder.

    Raises InputError for a table that is not sound.
    """
    table = tables.read_table(path)
    columns = _Columns.of(table)
    if not table.rows:
        raise InputError(f"data.source: {shown(path)} has no rows; each row is file,emotion[,subject]")
    listing = Listing()
    listing.ledger.columns = columns.uses(table)
    listing.ledger.notes += columns.remarks(table)
    names = FileNames(_root_of(path, root), table.encoding)
    photos: dict[str, list[tuple[int, Photo]]] = {}  # by path: each row that names it
    for line, row in table.rows:
        if why := columns.useless(row, len(table.header)):
            listing.ledger.put_aside(why, f"line {line}")
            continue
        found = names.find(columns.value(row, columns.file))
        photo = Photo(
            found.path,
            columns.value(row, columns.emotion),
            columns.value(row, columns.subject),
            columns.part_of(row),
        )
        photos.setdefault(found.path, []).append((line, photo))
        if found.reason is not None:
            listing.missing[found.path] = found.reason
    for rows in photos.values():
        _take_once(listing, rows)
    return listing


def _root_of(table: Path, root: str) -> Path:
    if root and not os.path.isdir(root):
        raise InputError(
            f"data.root: there is no folder {shown(root)}; give the one in which the names of"
            f" {shown(table.name)} begin"
        )
    return Path(root) if root else table.parent


def _take_once(listing: Listing, rows: list[tuple[int, Photo]]) -> None:
    """Takes the photo that these rows name, or none where they do not agree on what it shows."""
    first, photo = rows[0]
    if len(rows) > 1 and len({meaning(photo.emotion) for _, photo in rows}) > 1:
        for line, _ in rows:
            listing.ledger.put_aside(TWO_LABELS, f"line {line} ({shown(os.path.basename(photo.path))})")
        listing.missing.pop(photo.path, None)
        return
    listing.photos.append(photo)
    for line, _ in rows[1:]:
        listing.ledger.put_aside(TWICE, f"line {line} (first in line {first})")


class _Columns(NamedTuple):
    """Which column of a table is for what, as indices; None where there is none."""

    path: Path
    file: int
    emotion: int
    subject: int | None
    part: int | None

    @classmethod
    def of(cls, table: Table) -> "_Columns":
        return cls(
            table.path,
            tables.column_or_refuse(table, tables.FILES),
            tables.column_or_refuse(table, tables.EMOTIONS),
            table.column(tables.SUBJECTS),
            table.column(tables.PARTS),
        )

    def value(self, row: list[str], column: int | None) -> str:
        return "" if column is None or column >= len(row) else row[column]

    def useless(self, row: list[str], width: int) -> str:
        """Why a row names no photo with a label; "" where it does. `width`: columns of the table."""
        if any(row[width:]):
            return "in rows with too many fields"
        if not self.value(row, self.file):
            return "without a file name"
        return "" if self.value(row, self.emotion) else NO_LABEL

    def part_of(self, row: list[str]) -> str:
        return part_of(self.value(row, self.part)) if self.part is not None else ""

    def uses(self, table: Table) -> dict[str, str]:
        """What each column was used for."""
        for_what = {self.file: "file", self.emotion: "emotion", self.subject: "subject", self.part: "split"}
        return {shown(name): for_what.get(i, "not used") for i, name in enumerate(table.header)}

    def remarks(self, table: Table) -> list[str]:
        """What the user should know of how the table was read."""
        said = []
        if table.encoding == "latin-1":
            said.append(f"{shown(table.path.name)} is not UTF-8: read as Latin-1")
        if self.subject is None:
            people = [name for name in table.header if tables.looks_like_people(name)]
            if people:
                said.append(
                    f"Column {listed(people)} was not used: if it says who is on a photo, call it subject,"
                    " so that"
                    " nobody is in two parts of the split"
                )
        else:
            name = table.header[self.subject]
            if tables.folded_name(name) != "subject" or name != "subject":
                said.append(f"Column {shown(name)} says who is on a photo")
        return said
