"""What each column of a table of files is used for, and what the user should know about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fer_models.photos.layout import part_of
from fer_models.photos.ledger import NO_LABEL, NO_PART
from fer_models.photos.tabular import tables
from fer_models.photos.tabular.file_names import FileNames
from fer_models.photos.tabular.tables import Table
from fer_models.text import listed, many, printable

_NOBODY = (
    "",
    "-",
    "?",
    "nan",
    "n/a",
    "none",
    "null",
    "unknown",
)  # in a column of people; NA is a person of JAFFE
_TRIED = 20  # rows that decide which of several columns of files is used


@dataclass(frozen=True)
class Columns:
    """The columns as indices; None: no such column."""

    file: int
    emotion: int | None
    subject: int | None
    part: int | None
    remarks: list[str] = field(default_factory=list)  # what the user should know, a line each

    @classmethod
    def of(cls, table: Table, names: FileNames, *, labels: bool = True) -> "Columns":
        """The columns of a table whose files are found by `names`; `labels=False`: no emotions needed.

        Raises InputError if a needed column is missing.
        """
        tables.column_or_refuse(table, tables.FILES)
        emotion = tables.column_or_refuse(table, tables.EMOTIONS) if labels else None
        subject, notes = _people(table)
        part = table.column(tables.PARTS)
        notes += _doubles(table, tables.EMOTIONS, emotion, "emotions")
        if table.encoding == "latin-1":
            notes.insert(0, f"{printable(table.path.name)} is not UTF-8: read as Latin-1")
        file = _files(table, names)
        notes += _doubles(table, tables.FILES, file, "file names")
        return cls(file, emotion, subject, part, notes + _odd_parts(table, part))

    def value(self, row: list[str], column: int | None) -> str:
        """The field of a row, "" if it has none."""
        return "" if column is None or column >= len(row) else row[column]

    def useless(self, row: list[str], width: int) -> str:
        """Why a row names no photo with a label; "" if it does. `width`: columns of the table."""
        name, label = self.value(row, self.file), self.value(row, self.emotion)
        if any(row[width:]):
            return "in rows with too many fields"
        if "\n" in name + label or "\r" in name + label:
            return "with a line break, as after an unclosed quotation mark"
        if not name:
            return "without a file name"
        return NO_LABEL if self.emotion is not None and not label else ""

    def person(self, row: list[str]) -> str:
        """The person in the photo; "" if unknown."""
        return _known(self.value(row, self.subject))

    def part_of(self, row: list[str]) -> str:
        """The part of a split that the row names; "" if none."""
        return part_of(self.value(row, self.part))

    def uses(self, table: Table) -> dict[str, str]:
        """What each column was used for."""
        every = dict.fromkeys(map(printable, table.header), "not used")
        for use, column in (
            ("file", self.file), ("emotion", self.emotion), ("subject", self.subject), ("split", self.part)
        ):  # fmt: skip
            if column is not None:
                every[printable(table.header[column])] = use
        return every


def _files(table: Table, names: FileNames) -> int:
    """The column of files: of several candidates, the one with the most existing files."""
    every = _all(table, tables.FILES)
    some = table.rows[:_TRIED]

    def there(column: int) -> int:
        return sum(column < len(row) and names.find(row[column]).reason is None for _, row in some)

    return every[0] if len(every) == 1 else max(every, key=there)


def _people(table: Table) -> tuple[int | None, list[str]]:
    """The column of people (the first that names anyone), and remarks for the user."""
    every = _all(table, tables.SUBJECTS)
    filled = {column: _filled(table, column) for column in every}
    chosen = next((column for column in every if filled[column]), None)
    used = {*every, *_all(table, tables.FILES), *_all(table, tables.EMOTIONS), *_all(table, tables.PARTS)}
    others = [column for column in every if column != chosen and filled[column]]
    others += [
        column
        for column in range(len(table.header))
        if column not in used and tables.looks_like_people(table.header[column], _distinct(table, column))
    ]
    notes = []
    if chosen is not None:
        if table.header[chosen] != "subject":
            notes.append(f"Column {printable(table.header[chosen])} says who is in a photo")
        if nobody := len(table.rows) - filled[chosen]:
            notes.append(
                f"{many(nobody, 'row names', 'rows name')} no person: each of these photos counts as a"
                " separate person"
            )
    elif every:
        notes.append(
            f"Column {listed(table.header[column] for column in every)} is empty: no person is known"
        )
    if others:
        notes.append(
            f"Column {listed(table.header[column] for column in others)} was not used: if it says who is in"
            " a photo, rename it to subject, so that no person is in two parts of the split"
        )
    return chosen, notes


def _doubles(table: Table, names: Sequence[str], chosen: int | None, what: str) -> list[str]:
    """A line if columns other than the one that is read have a name of the same kind, or the same name."""
    others = [
        name
        for column, name in enumerate(table.header)
        if chosen is not None and column != chosen and tables.folded_name(name) in names
    ]
    if chosen is None or not others:
        return []
    return [
        f"Column {printable(table.header[chosen])} was read for {what}, and {listed(others)} was not used"
    ]


def _odd_parts(table: Table, part: int | None) -> list[str]:
    """A line if values of the column of parts name no part."""
    if part is None:
        return []
    values = {row[part] for _, row in table.rows if part < len(row)}
    odd = sorted(value for value in values if value and not part_of(value))
    return [f"Column {printable(table.header[part])}: {listed(odd, 5)} {NO_PART}"] if odd else []


def _all(table: Table, names: Sequence[str]) -> list[int]:
    """Every column with one of these (folded) names, the best name first."""
    folded = [tables.folded_name(name) for name in table.header]
    return [folded.index(name) for name in names if name in folded]


def _filled(table: Table, column: int) -> int:
    return sum(bool(column < len(row) and _known(row[column])) for _, row in table.rows)


def _distinct(table: Table, column: int) -> float:
    """The share of different values among the rows."""
    return len({row[column] for _, row in table.rows if column < len(row)}) / max(1, len(table.rows))


def _known(person: str) -> str:
    return "" if person.casefold() in _NOBODY else person
