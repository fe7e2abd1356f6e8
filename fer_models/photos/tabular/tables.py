"""Text tables as found in practice: one reader for every common encoding, separator and line ending.

UTF-8 with or without a byte-order mark, UTF-16, else Latin-1; separated by commas, semicolons or tabs;
header names in any case. Columns are recognised by name (`FILES`, `EMOTIONS`, `SUBJECTS`, `PARTS`). A table
that cannot be read is an InputError of one line.
"""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_models.errors import InputError
from fer_models.text import listed, printable

# Names of columns, folded; the first that a table has is used.
FILES = (
    "file", "filename", "file_name", "image", "path", "pth", "filepath", "file_path", "image_path",
    "img_path", "image_name", "img_name", "img", "photo", "picture", "image_file", "image_id",
    "subdirectory_filepath",
)  # fmt: skip
EMOTIONS = (
    "emotion", "label", "expression", "labels", "class", "emotion_label", "expression_label", "emotions",
    "facial_expression", "class_name", "category", "target",
)  # fmt: skip
SUBJECTS = (
    "subject", "subject_id", "subjectid", "person", "person_id", "personid", "identity", "identity_id",
    "participant", "participant_id", "actor", "actor_id",
)  # fmt: skip
PARTS = ("split", "usage", "part", "subset", "set")
PIXELS = ("pixels",)

_PEOPLE = re.compile(
    r"subj|person|people|participant|patient|speaker|actor|celebrity|client|identity|individual|volunteer"
    r"|model|\bname\b|face_id"
)
_IDS = re.compile(r"id|pid|sid")
_REPEATED = 0.5  # at most this share of distinct values: an id that differs in every row identifies no person
_BOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # first bytes of Excel's own files
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is a prefix of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = ",;\t"
_LONG = 1 << 26  # most characters of a field


@dataclass(frozen=True)
class Table:
    """A table in memory."""

    path: Path
    header: tuple[str, ...]  # as written, without blanks around the names
    rows: list[tuple[int, list[str]]]  # (line, fields); rows without any text are left out
    encoding: str  # Python's name of it
    separator: str

    def column(self, names: Sequence[str]) -> int | None:
        """The first of these (folded) names that the header has, as an index."""
        folded = [folded_name(name) for name in self.header]
        return next((folded.index(name) for name in names if name in folded), None)


def folded_name(column: str) -> str:
    """The normalised name of a column: "Image name" and "image_name" are the same."""
    return re.sub(r"[\s._\-\ufeff]+", "_", column.casefold()).strip("_")


def read_table(path: Path) -> Table:
    """The table in a text file; InputError if it is not one."""
    text, encoding = _decoded(path)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(
            f"{printable(path)}, line {line}: a NUL byte, so it is not text; save it again as CSV"
        )
    start, separator = begin_of(text)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    limit = csv.field_size_limit(_LONG)
    try:
        rows = [(lines.line_num, [field.strip() for field in row]) for row in lines]
    except csv.Error as error:
        raise InputError(
            f"{printable(path)}, line {lines.line_num}: not a table of text ({error}); look for an unclosed"
            " quotation mark, or save it again as CSV"
        ) from error
    finally:
        csv.field_size_limit(limit)
    rows = [(line, row) for line, row in rows if line > start and any(row)]
    if not rows:
        raise InputError(
            f"{printable(path)} is empty; its first line must name columns: file,emotion[,subject]"
        )
    header = tuple(name.strip("\ufeff ") for name in rows[0][1])
    return Table(path, header, rows[1:], encoding, separator)


def header_of(path: Path) -> tuple[str, ...]:
    """The names of a table's columns as written, from the first bytes alone; () if it is not a table."""
    with path.open("rb") as file:
        start = file.read(65_536)
    text = start.decode(_encoding(start) or "utf-8", "replace")
    skipped, separator = begin_of(text)
    try:
        rows = list(csv.reader(text.splitlines()[skipped : skipped + 1], delimiter=separator))
    except csv.Error:  # reported when the whole table is read
        return ()
    return tuple(name.strip() for name in rows[0]) if rows else ()


def column_or_refuse(table: Table, names: Sequence[str]) -> int:
    """The index of the column with one of these names; InputError if there is none."""
    if (found := table.column(names)) is not None:
        return found
    if any(
        re.search(r"[\\/]|\.(jpe?g|png|bmp|gif|tiff?|webp|heic)$", name, re.IGNORECASE)
        for name in table.header
    ):
        raise InputError(
            f"{printable(table.path)} has no header: its first line is {listed(table.header)}; add a line"
            " above it"
            f" with the column names, such as file{table.separator}emotion"
        )
    raise InputError(
        f'{printable(table.path)} has no column "{names[0]}" (nor {listed(names[1:5])} ...); columns found:'
        f" {listed(table.header)}; needed: file,emotion[,subject]"
    )


def looks_like_people(column: str, distinct: float) -> bool:
    """Whether an unused column may identify the person in a photo (one that names the annotator does not).

    `distinct`: the share of distinct values among its rows.
    """
    name = column.casefold().strip()
    return bool(_PEOPLE.search(name) or (_IDS.fullmatch(name) and distinct <= _REPEATED))


def _decoded(path: Path) -> tuple[str, str]:
    content = path.read_bytes()
    if content.startswith(_BOOKS):
        raise InputError(f"{printable(path)} is an Excel workbook; save it as CSV (UTF-8) and give that")
    encoding = _encoding(content)
    try:
        if encoding is not None:
            return content.decode(encoding), encoding
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise InputError(
                f"{printable(path)} is damaged: it starts as {encoding.upper()} but is not valid"
                f" ({error.reason}); save it again as CSV (UTF-8)"
            ) from error
    return content.decode("latin-1"), "latin-1"


def _encoding(content: bytes) -> str | None:
    """The encoding that the first bytes imply; None if they imply none."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    start = content[:4096]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) > len(start) // 4:  # every other byte of Latin letters in UTF-16
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def begin_of(text: str) -> tuple[int, str]:
    """The number of lines before the header (blank ones and Excel's "sep=;"), and the separator."""
    known = {*FILES, *EMOTIONS, *SUBJECTS, *PARTS, *PIXELS}
    skipped = 0
    for line in text.splitlines():
        plain = line.strip('\ufeff \t"')
        if (declared := re.fullmatch(r"sep=([,;\t]?)", plain)) is not None:
            return skipped + 1, declared[1] or "\t"
        if plain:
            break
        skipped += 1
    else:
        return 0, _SEPARATORS[0]

    def fit(separator: str) -> tuple[int, int]:
        names = [folded_name(name.strip('" ')) for name in line.split(separator)]
        return len(known.intersection(names)), len(names)

    return skipped, max(_SEPARATORS, key=fit)
