"""FER2013's CSV as a source of photos: one row is one gray photo of 48x48 pixels, written out as numbers.

It stands beside folders in the first stage of the way of the data (fer_models/sources.py). The file is known
by its header (columns `emotion` and `pixels`, in any order). Rows are found by their place in the file and
read one by one, so the pixels of the whole set are never held at once. The column `Usage` is left alone:
fedfer splits by itself. Goodfellow et al., Challenges in Representation Learning (2013), https://arxiv.org/abs/1307.0414
"""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fer_models.errors import InputError, RunError
from fer_models.listing import Photo, shown
from fer_models.rows import check_rows, path_of, row_of
from fer_models.scan import Checked, Progress

LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutrality")  # 0 to 6
SIDE = 48

_DIGITS = b"0123456789 "


class _Row(NamedTuple):
    """Where a row lies in the file, in bytes, and what it shows."""

    start: int
    length: int
    emotion: str


def is_fer2013(path: Path) -> bool:
    """Whether the file's header names the columns emotion and pixels."""
    with path.open("rb") as file:
        columns = _columns(file.readline(4096))
    return "emotion" in columns and "pixels" in columns


class PixelTable:
    """The photos of a CSV of pixels; the first is "FILE.csv#00001"."""

    def __init__(self, path: Path) -> None:
        """Finds the rows; InputError for an emotion that is none of 0 to 6."""
        self.name = str(path)
        self._path = path
        with path.open("rb") as file:
            columns = _columns(file.readline())
        self._emotion, self._pixels = columns.index("emotion"), columns.index("pixels")
        self._rows = list(self._find())
        self._photos = [
            Photo(path_of(self.name, number, len(self._rows)), row.emotion, "")
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
        """The photo, mode "L", 48x48; RunError where the file is no longer what was checked."""
        try:
            pixels = self._read(row_of(photo))
            if _digest(pixels) == digest:
                return Image.fromarray(pixels)
            reason = "its pixels are others now"
        except (OSError, _UnsoundError) as error:
            reason = str(error)
        raise RunError(
            f"{shown(photo.path)} could be read when the run began and cannot now ({reason}); start again"
        )

    def _find(self) -> Iterator[_Row]:
        with self._path.open("rb") as file:
            start = len(file.readline())
            for number, line in enumerate(file, start=2):
                if line.strip():
                    yield _Row(start, len(line), self._label(line, number))
                start += len(line)

    def _label(self, line: bytes, number: int) -> str:
        text = _field(line, self._emotion).decode("utf-8", "replace")
        if text not in map(str, range(len(LABELS))):
            meanings = ", ".join(f"{i} {name}" for i, name in enumerate(LABELS))
            raise InputError(
                f'{shown(self._path)}, line {number}: emotion "{shown(text[:40])}" is none of {meanings};'
                " mend or remove the row"
            )
        return LABELS[int(text)]

    def _read(self, row: int) -> np.ndarray:
        """The pixels of row number `row`, uint8 (48, 48)."""
        place = self._rows[row - 1]
        with self._path.open("rb") as file:
            file.seek(place.start)
            line = file.read(place.length)
        return _parse(_field(line, self._pixels))

    def _examine(self, row: int) -> Checked:
        try:
            return Checked(_digest(self._read(row)), None)
        except _UnsoundError as error:
            return Checked(None, str(error))


class _UnsoundError(Exception):
    """What is wrong with the pixels of a row."""


def _parse(text: bytes) -> np.ndarray:
    """Numbers between blanks to uint8 (48, 48)."""
    strange = text.translate(None, _DIGITS)
    values = np.array([], dtype=np.int64)
    if strange:  # slower, and says which
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
        raise _UnsoundError(f"a pixel of {wrong}, not 0 to 255")
    return values.astype(np.uint8).reshape(SIDE, SIDE)


def _digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(b"fer2013 48x48 " + pixels.tobytes()).hexdigest()


def _columns(header: bytes) -> list[str]:
    """The names in the header line, without blanks round them."""
    text = header.decode("utf-8-sig", "replace")
    return [name.strip() for name in next(csv.reader([text]), [])]


def _field(line: bytes, column: int) -> bytes:
    """A field of a row; numbers and one-word texts need no more of CSV than commas and quotes."""
    fields = line.split(b",")
    return fields[column].strip().strip(b'"').strip() if column < len(fields) else b""
