"""Which photos there are: a folder of emotions or a table of files to (path, label, subject, part).

The first stage of the way of the data; no photo is opened here. In a folder every file counts as a photo,
at any depth below its emotion, but for hidden files and side files, known by their ending (`SIDE_FILES`).
A table names its photos itself. A `labels.csv` of ours in the folder (columns file and emotion) adds the
subjects, and its emotion goes before the name of the sub-folder. What is not used is in the ledger.
"""

import os
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fer_models import tables
from fer_models.emotions import Vocabulary, meaning
from fer_models.errors import InputError
from fer_models.file_names import FileNames
from fer_models.layout import Layout, Spot, find_layout, hidden, numbered_layout, part_of, sub_folders, walk
from fer_models.ledger import CLOSED, NO_LABEL, OUTSIDE, TWICE, TWO_LABELS, Ledger
from fer_models.tables import Table
from fer_models.text import listed, many, shown

LABELS = "labels.csv"
HUB = "hub:"  # what the name of a data set of the Hugging Face hub begins with
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_BOOKS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
_SIDE = """
    7z aae avi bak bin bz2 cfg conf csv db doc docx gz h5 htm html ini ipynb js json jsonl landmarks
    license lnk log mat md md5 mov mp3 mp4 npy npz onnx parquet part pdf pkl pt pth pts py rar rst
    safetensors sh sha256 sqlite tar tgz thm tmp toml tsv txt url wav xls xlsx xml xmp xz yaml yml zip
"""
SIDE_FILES = frozenset(f".{ending}" for ending in _SIDE.split())
_PHOTOS = frozenset(
    f".{e}"
    for e in [
        "avif",
        "bmp",
        "gif",
        "heic",
        "heif",
        "jfif",
        "jpeg",
        "jpg",
        "pgm",
        "png",
        "ppm",
        "tif",
        "tiff",
        "webp",
    ]
)
_FEW = 3  # tables that are named one by one
_MANY = 20  # photos of a folder that are counted instead of named
_LAYOUT = "put the photos into one sub-folder per emotion (anger, happiness ...)"


class Photo(NamedTuple):
    """One photo; `subject` is "" where it is not known, `part` where the data come without a split."""

    path: str
    emotion: str  # the label as the source has it; once chosen, the class
    subject: str
    part: str = ""  # "train", "validation" or "test"


@dataclass
class Listing:
    """Every photo of a source, whatever it shows, and what else was seen."""

    photos: list[Photo] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)  # that have no photo
    missing: dict[str, str] = field(default_factory=dict)  # path of a photo -> why it has no file
    ledger: Ledger = field(default_factory=Ledger)

    def counts(self, *, missing: bool = False) -> Counter[str]:
        """The photos of each label that have a file, or all with `missing`; 0 for labels without any."""
        found = Counter(dict.fromkeys(self.labels, 0))
        found.update(p.emotion for p in self.photos if missing or p.path not in self.missing)
        return found


def list_files(source: Path, vocabulary: Vocabulary, root: str = "") -> Listing:
    """The photos of a folder or of a table of files; `root` is where the table's names begin.

    Raises InputError for a source that is not there or holds nothing, and for a table that is not sound.
    """
    try:
        if source.is_dir():
            return _from_folder(source, vocabulary)
        if tables.is_table(source.name) and source.is_file():
            return _from_table(source, root)
    except OSError as error:
        raise InputError(
            f"data.source: cannot read {shown(error.filename or source)}: {error.strerror or error};"
            " check the path and its permissions"
        ) from error
    raise InputError(_no_source(source))


def is_photo_file(path: str) -> bool:
    """Whether a file below a folder of photos counts as one: side files and what is no plain file do not."""
    side = os.path.splitext(path)[1].lower() in SIDE_FILES
    return not side and not (os.path.exists(path) and not os.path.isfile(path))  # a socket, a pipe


def _no_source(source: Path) -> str:
    if source.name.casefold() == "sketch" and not source.exists():
        return f'data.source: no such file or folder: {shown(source)}; did you mean "sketch"?'
    if not source.exists():
        return (
            f"data.source: no such file or folder: {shown(source)}; give a folder with one sub-folder per"
            ' emotion, a .csv file, or "sketch"'
        )
    if source.suffix.lower() in _BOOKS:
        return f"data.source: {shown(source)} is a spreadsheet; save it as CSV (UTF-8) and give that"
    if source.suffix.lower() in ARCHIVES:
        return f"data.source: {shown(source)} is an archive; unpack it and give the folder that comes out"
    return (
        f"data.source: {shown(source)} is neither a folder nor a .csv file; give a folder with one sub-folder"
        " per emotion, or a CSV with the columns file,emotion[,subject]"
    )


def _from_folder(root: Path, vocabulary: Vocabulary) -> Listing:
    names = [entry.name for entry in os.scandir(root) if not hidden(entry.name)]
    if not names:
        raise InputError(f"data.source: the folder {shown(root)} is empty; {_LAYOUT}")
    layout = find_layout(str(root), vocabulary)
    listing = Listing()
    rows = _own_labels(root, layout, listing)
    if layout is None:
        layout = _without_emotions(root, names, has_rows=bool(rows.photos))
    elif layout.at != str(root):
        listing.ledger.notes.append(f"Photos found in {shown(os.path.relpath(layout.at, root))}")
    _walk_spots(root, layout, listing, {photo.path: photo for photo in rows.photos})
    _add_rows(listing, rows)
    _note_tables(root, listing)
    return listing


def _without_emotions(root: Path, names: list[str], *, has_rows: bool) -> Layout:
    """The layout of a folder in which no sub-folder is an emotion: whatever its sub-folders are called."""
    folders = sub_folders(str(root))
    if not folders and not has_rows:
        raise InputError(f"data.source: {_where_else(root, names)}")
    if (numbered := numbered_layout(str(root))) is not None:
        return numbered
    found = [name for name in names if tables.usable_columns(root / name)]
    if found and not has_rows:
        raise InputError(
            f"data.source: no sub-folder of {shown(root)} is an emotion ({listed(folders)}), but"
            f" {listed(found)} in it names photos and emotions: give --data {shown(root / found[0])}"
        )
    # the sub-folders as they are, so that the error can name them
    return Layout(str(root), [Spot(str(root / name), name, "") for name in folders])


def _where_else(root: Path, names: list[str]) -> str:
    """What a folder without sub-folders holds instead, and what to do about it."""
    if archives := [name for name in names if os.path.splitext(name)[1].lower() in ARCHIVES]:
        return f"the folder {shown(root)} holds {listed(archives)}, still packed; unpack it"
    if found := [name for name in names if tables.is_table(name)]:
        return (
            f"the folder {shown(root)} has no sub-folders; {listed(found)} in it may name the photos: give"
            f" --data {shown(root / found[0])}, or {_LAYOUT}"
        )
    return f"the folder {shown(root)} has no sub-folders; {_LAYOUT}"


def _own_labels(root: Path, layout: Layout | None, listing: Listing) -> Listing:
    """What labels.csv says, in the folder or where its emotions lie; nothing where it is another tool's."""
    for folder in dict.fromkeys([str(root), layout.at if layout else str(root)]):
        path = Path(folder, LABELS)
        if not path.is_file():
            continue
        ours = {"file", "emotion"} & {tables.folded_name(name) for name in tables.header_of(path)}
        if tables.usable_columns(path) and (layout is None or ours):
            rows = _from_table(path, "")
            listing.ledger.columns |= rows.ledger.columns
            listing.ledger.notes += rows.ledger.notes
            return rows
        if layout is None:
            return _from_table(path, "")  # which says what it lacks
    return Listing()


def _walk_spots(root: Path, layout: Layout, listing: Listing, rows: dict[str, Photo]) -> None:
    """Lists the photos below every spot of the layout, and all else below `root` in the ledger."""
    ledger = listing.ledger

    def unlisted(folder: str, error: OSError) -> None:
        ledger.folders[_short(root, folder)] = f"{CLOSED} ({error.strerror})"

    labels = Counter(spot.label for spot in layout.spots)
    moved = 0
    for spot in layout.spots:
        for path in walk(spot.path, unlisted):
            if not is_photo_file(path):
                ledger.files[_short(root, path)] = _why_no_photo(path)
            else:
                photo = rows.get(path) or Photo(path, spot.label, "")
                moved += photo.emotion != spot.label
                part = photo.part or spot.part or _part_below(spot.path, os.path.dirname(path))
                listing.photos.append(photo._replace(part=part))
    found = {photo.emotion for photo in listing.photos}
    listing.labels = [label for label in labels if label not in found]
    if moved:
        ledger.notes.append(
            f"{LABELS} gives {many(moved, 'photo')} another emotion than the folder: it is followed"
        )
    ledger.folders |= {_short(root, path): f"not used, {why}" for path, why in layout.beside.items()}
    outside: dict[str, list[str]] = {}
    for path in walk(str(root), unlisted, skip={spot.path for spot in layout.spots}):
        if os.path.splitext(path)[1].lower() not in _PHOTOS or not is_photo_file(path):
            ledger.files[_short(root, path)] = _why_no_photo(path)
        elif path not in rows:
            outside.setdefault(os.path.dirname(path), []).append(path)
    for folder, paths in sorted(outside.items()):
        for path in sorted(paths) if len(paths) <= _MANY else ():
            ledger.put_aside(OUTSIDE, _short(root, path))
        if len(paths) > _MANY:
            ledger.put_aside(OUTSIDE, f"{_short(root, folder)} ({many(len(paths), 'photo')})", len(paths))


@lru_cache(maxsize=8)
def _part_below(emotion: str, folder: str) -> str:
    """The part of a split inside the folder of an emotion, as in anger/train; "" where there is none."""
    return part_of(os.path.relpath(folder, emotion).split(os.sep)[0])


def _why_no_photo(path: str) -> str:
    if tables.is_table(path):
        return "a table"
    if os.path.splitext(path)[1].lower() in SIDE_FILES:
        return "a side file"
    return "no photo" if os.path.isfile(path) else "not a plain file"


def _add_rows(listing: Listing, rows: Listing) -> None:
    """Adds the photos of labels.csv that do not lie below the emotions; those without a file are missing."""
    there = {photo.path for photo in listing.photos}
    listing.photos += [photo for photo in rows.photos if photo.path not in there]
    listing.missing |= rows.missing
    for why, count in rows.ledger.set_aside.items():
        if why != NO_LABEL:  # such a photo has the emotion of its folder
            listing.ledger.set_aside[why] += count
    listing.ledger.listed |= rows.ledger.listed


def _note_tables(root: Path, listing: Listing) -> None:
    """Says which tables beside the emotions were set aside, and how to use them instead."""
    ledger, lines = listing.ledger, []
    for name in sorted(name for name, why in ledger.files.items() if why == "a table"):
        if os.path.basename(name) == LABELS and ledger.columns:
            ledger.files[name] = "the labels of these photos"
            continue
        columns = listed(column for column in tables.header_of(root / name) if column) or "none"
        usable = tables.usable_columns(root / name)
        ledger.files[name] = f"a table, set aside; columns {columns}"
        if usable or os.path.basename(name) == LABELS:
            use = f"; {_differing(root / name)}--data {shown(root / name)} uses it instead" if usable else ""
            lines.append(f"{name} (columns {columns}) was set aside, the folders name the emotions{use}")
    ledger.notes += lines[:_FEW]
    if len(lines) > _FEW:
        ledger.notes.append(f"and {many(len(lines) - _FEW, 'more table')}, all in data.json")


def _differing(table: Path) -> str:
    """How many rows of a table say another emotion than the folder of their photo: the begin of a hint."""
    try:
        photos = _from_table(table, "").photos
    except InputError:  # it is not used: whoever does learns what is wrong with it
        return ""
    differ = sum(meaning(photo.emotion) != meaning(Path(photo.path).parent.name) for photo in photos)
    return f"{differ:,} of its {len(photos):,} rows say otherwise; " if differ else ""


def _from_table(path: Path, root: str) -> Listing:
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


def _short(root: Path, path: str) -> str:
    return shown(os.path.relpath(path, root))
