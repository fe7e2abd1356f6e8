"""FER2013's CSV as a source of photos: one row is one gray photo of 48x48 pixels, written out as numbers.

One of the sources in the first stage of the data pipeline (fer_models/photos/sources.py). The file is
recognised by its header (columns `emotion` and `pixels`, in any order). Rows are located by their offset in
the file and read one by one, so the pixels of the whole set are never in memory at once. The column `Usage`
gives the part of the split: Training, PublicTest (validation here) and PrivateTest (test). Goodfellow et
al., Challenges in Representation Learning (2013), https://arxiv.org/abs/1307.0414
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fer_models.emotions import Vocabulary
from fer_models.errors import InputError, RunError
from fer_models.photos import file_kinds
from fer_models.photos.layout import part_of
from fer_models.photos.ledger import NO_PART
from fer_models.photos.listing import Photo
from fer_models.photos.scan import Checked, Progress
from fer_models.photos.tabular import tables
from fer_models.photos.tabular.rows import check_rows, path_of, row_of
from fer_models.text import listed, printable

LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutrality")  # 0 to 6
SIDE = 48

_DIGITS = b"0123456789 "


class _Row(NamedTuple):
    """The position of a row in the file, in bytes, and its labels."""

    start: int
    length: int
    emotion: str
    part: str


def pixel_tables(folder: Path) -> list[Path]:
    """The tables of pixels with labels in a folder, or at the first level below that has any.

    Of the challenge's files, the one with all parts takes precedence over those with one part.
    """
    for level in ("*", "*/*", "*/*/*"):
        headers = {path: _folded_header(path) for path in sorted(folder.glob(level)) if _may_be_table(path)}
        found = [
            path for path, names in headers.items() if "pixels" in names and names & set(tables.EMOTIONS)
        ]
        if found:
            return [path for path in found if headers[path] & set(tables.PARTS)] or found
    return []


def is_pixel_table(path: Path) -> bool:
    """Whether a file is a table with a column of pixels, labelled or not."""
    return _may_be_table(path) and "pixels" in _folded_header(path)


def _folded_header(path: Path) -> set[str]:
    return {tables.folded_name(name) for name in tables.header_of(path)}


def _may_be_table(path: Path) -> bool:
    return file_kinds.is_table(path.name) and path.is_file()


class PixelTable:
    """The photos of a CSV of pixels; the first is "FILE.csv#00001"."""

    def __init__(self, path: Path, names: Mapping[str, str] | None = None) -> None:
        """Finds the rows; InputError for an emotion that is neither 0 to 6 nor in `names`."""
        self.name = str(path)
        self._path = path
        self._words = Vocabulary(names={**{str(i): name for i, name in enumerate(LABELS)}, **(names or {})})
        self._start, self._separator, columns = _header(path)
        self._pixels = columns.index("pixels")
        self._emotion, self._part = (_first(columns, names) for names in (tables.EMOTIONS, tables.PARTS))
        if self._emotion is None:
            raise InputError(
                f"data.source: {printable(path)} has pixels but no column emotion (columns"
                f" {listed(columns)}): like the challenge's test.csv it has no labels; give fer2013.csv,"
                " icml_face_data.csv or train.csv"
            )
        uses = {self._emotion: "emotion", self._pixels: "pixels", self._part: "split"}
        self.columns = {printable(name): uses.get(i, "not used") for i, name in enumerate(columns)}
        self.notes: list[str] = []
        self._rows = list(self._find())
        self._photos = [
            Photo(path_of(self.name, number, len(self._rows)), row.emotion, "", row.part)
            for number, row in enumerate(self._rows, start=1)
        ]

    def all_photos(self) -> list[Photo]:
        """Every photo, in the order of the rows."""
        return self._photos

    def check(self, photos: Sequence[Photo], progress: Progress | None = None) -> list[Checked]:
        """The digest of each photo's pixels, or what is wrong with them; kept until the file changes."""
        found = self._path.stat()
        stamp = f"{found.st_size} {found.st_mtime_ns}"
        return check_rows(photos, self._examine, table=self.name, stamp=stamp, progress=progress)

    def read(self, photo: Photo, digest: str) -> Image.Image:
        """The photo, mode "L", 48x48; RunError if the file has changed since the check."""
        try:
            pixels = self._read(row_of(photo))
            if _digest(pixels) == digest:
                return Image.fromarray(pixels)
            reason = "its pixels have changed"
        except (OSError, _UnsoundError) as error:
            reason = str(error)
        raise RunError(
            f"{printable(photo.path)} could be read when the run started but not now ({reason}); start again"
        )

    def _find(self) -> Iterator[_Row]:
        with self._path.open("rb") as file:
            before = file.read(self._start).count(b"\n")
            start, odd = self._start, set[str]()
            for number, line in enumerate(file, start=before + 1):
                if line.strip():
                    named = "" if self._part is None else self._text(line, self._part)
                    part = part_of(named)
                    if named and not part:
                        odd.add(named)
                    yield _Row(start, len(line), self._label(line, number), part)
                start += len(line)
        if odd:
            self.notes.append(f"{listed(sorted(odd), 5)} {NO_PART}")

    def _label(self, line: bytes, number: int) -> str:
        assert self._emotion is not None
        text = self._text(line, self._emotion)
        if not text:
            return ""
        if not self._words.knows(text):
            meanings = ", ".join(f"{i} {name}" for i, name in enumerate(LABELS))
            raise InputError(
                f'{printable(self._path)}, line {number}: emotion "{printable(text[:40])}" is none of'
                f" {meanings}; correct or remove the row, or name it in data.names"
            )
        return self._words.name_of(text)

    def _text(self, line: bytes, column: int) -> str:
        return _field(line, column, self._separator).decode("utf-8", "replace")

    def _read(self, row: int) -> np.ndarray:
        """The pixels of row number `row`, uint8 (48, 48)."""
        place = self._rows[row - 1]
        with self._path.open("rb") as file:
            file.seek(place.start)
            line = file.read(place.length)
        return _parse(_field(line, self._pixels, self._separator))

    def _examine(self, row: int) -> Checked:
        try:
            return Checked(_digest(self._read(row)), None)
        except _UnsoundError as error:
            return Checked(None, str(error))


class _UnsoundError(Exception):
    """What is wrong with the pixels of a row."""


def _parse(text: bytes) -> np.ndarray:
    """Numbers separated by blanks to uint8 (48, 48)."""
    strange = text.translate(None, _DIGITS)
    values = np.array([], dtype=np.int64)
    if strange:  # slower, but names the bad value
        for word in text.split():
            try:
                values = np.append(values, int(word))
            except ValueError as error:
                raise _UnsoundError(
                    f'pixel {len(values) + 1} is "{word[:20].decode("utf-8", "replace")}", not a number'
                ) from error
    elif text.strip():
        values = np.fromstring(text, dtype=np.int64, sep=" ")
    if len(values) != SIDE * SIDE:
        raise _UnsoundError(f"{len(values):,} pixels, not {SIDE}x{SIDE} = {SIDE * SIDE:,}")
    if values.min() < 0 or values.max() > 255:
        wrong = int(values[(values < 0) | (values > 255)][0])
        raise _UnsoundError(f"a pixel value of {wrong}, not 0 to 255")
    return values.astype(np.uint8).reshape(SIDE, SIDE)


def _digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(b"fer2013 48x48 " + pixels.tobytes()).hexdigest()


def _header(path: Path) -> tuple[int, bytes, tuple[str, ...]]:
    """The offset of the first row in bytes, the field separator, and the folded names of the columns."""
    with path.open("rb") as file:
        begin = file.read(4096)
        if begin.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in begin:
            raise InputError(f"data.source: {printable(path)} is UTF-16 text; save it as UTF-8 and give that")
        if b"\n" not in begin and b"\r" in begin:
            raise InputError(
                f"data.source: {printable(path)} ends its lines with CR alone; save it with LF or CRLF"
            )
        skipped, separator = tables.begin_of(begin.decode("utf-8", "replace"))
        file.seek(0)
        for _ in range(skipped):
            file.readline()
        line = file.readline()
        fields = line.decode("utf-8-sig", "replace").split(separator)
        return (
            file.tell(),
            separator.encode(),
            tuple(tables.folded_name(name.strip(' "\r\n')) for name in fields),
        )


def _first(columns: tuple[str, ...], names: Sequence[str]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)


def _field(line: bytes, column: int, separator: bytes) -> bytes:
    """A field of a row; for numbers and single words, separators and quotes are all of CSV that is needed."""
    fields = line.split(separator)
    return fields[column].strip().strip(b'"').strip() if column < len(fields) else b""
