"""Sources of photos: each lists its photos, checks them and reads them one by one; images.py makes the table.

The kind of source follows from what `data.source` names: a folder or a table of files
(folder_listing.py, tabular/table_listing.py), FER2013's table of pixels (tabular/fer2013.py), or a data set
of the library `datasets` (hub.py). The embedded set of drawn faces is not a source: images.py takes it from
fer_models/sketch/faces.py.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from PIL import Image

from fer_models.config import DataConfig
from fer_models.emotions import Vocabulary
from fer_models.errors import InputError, RunError
from fer_models.photos.choice import vocabulary
from fer_models.photos.file_kinds import ARCHIVES, BOOKS, is_table
from fer_models.photos.folder_listing import list_folder
from fer_models.photos.hub import HubTable, is_saved_dataset
from fer_models.photos.layout import find_layout
from fer_models.photos.ledger import Ledger
from fer_models.photos.listing import HUB, Listing, Photo
from fer_models.photos.scan import Checked, Progress, check_photos, read_photo
from fer_models.photos.tabular.fer2013 import PixelTable, is_pixel_table, pixel_tables
from fer_models.photos.tabular.table_listing import list_table
from fer_models.photos.tabular.tables_beside import LABELS
from fer_models.text import printable, typed


class Reader(Protocol):
    """Reads photo i of a table: upright, mode "L" or "RGB"."""

    def __call__(self, photo: int, least: int = 0, /) -> Image.Image:
        """Full size; with `least` > 0 possibly smaller, with at least that many pixels per side."""


class Source(Protocol):
    """Where photos come from; `name` is an absolute path or "hub:owner/name"."""

    @property
    def name(self) -> str:
        """As in `data.source`."""

    def listing(self) -> Listing:
        """Every photo, used or not, and the ledger of whatever else was found."""

    def check(self, photos: Sequence[Photo], progress: Progress | None = None) -> list[Checked]:
        """The digest of each photo, or the reason why it cannot be read."""

    def reader(self, photos: Sequence[Photo], digests: Sequence[str]) -> Reader:
        """A reader of these photos, all of which passed the check."""


def open_source(data: DataConfig) -> Source:
    """The source that `data.source` names; InputError if there is none."""
    if data.source.startswith(HUB):
        return _Rows(HubTable.of_hub(data.source.removeprefix(HUB)))
    path = Path(os.path.abspath(os.path.expanduser(data.source)))
    try:
        if path.is_dir():
            if is_saved_dataset(path):
                return _Rows(HubTable.of_disk(path))
            if (pixels := _pixels_in(path, data)) is not None:
                note = f"Photos found in {printable(os.path.relpath(pixels, path))}"
                return _Rows(PixelTable(pixels, data.names), note)
        elif is_pixel_table(path):
            return _Rows(PixelTable(path, data.names))
    except OSError as error:
        raise InputError(
            f"data.source: cannot read {printable(path)}: {error.strerror or error}; check the path and its"
            " permissions"
        ) from error
    return _Files(path, data)


def _pixels_in(folder: Path, data: DataConfig) -> Path | None:
    """The table of pixels to use in a folder that has no emotions; InputError if there are several."""
    if (folder / LABELS).is_file() or find_layout(str(folder), vocabulary(data)) is not None:
        return None
    found = pixel_tables(folder)
    if len(found) > 1:
        raise InputError(
            f"data.source: {printable(folder)} holds several tables of pixels; give one of them:"
            f" {', '.join(f'--data {typed(path)}' for path in found)}"
        )
    return found[0] if found else None


class _Files:
    """A folder, or a table of files."""

    def __init__(self, path: Path, data: DataConfig) -> None:
        self.name = str(path)
        self._path, self._data = path, data
        self._missing: dict[str, str] = {}

    def listing(self) -> Listing:
        found = _list_files(self._path, vocabulary(self._data), self._data.root)
        self._missing = found.missing
        if self._data.root and self._path.is_dir():
            found.ledger.notes.append(
                "data.root is the base of the file names in a table: not used for a folder"
            )
        return found

    def check(self, photos: Sequence[Photo], progress: Progress | None = None) -> list[Checked]:
        there = [photo.path for photo in photos if photo.path not in self._missing]
        checked = dict(zip(there, check_photos(there, source=self.name, progress=progress), strict=True))
        lost = {path: Checked(None, why) for path, why in self._missing.items()}
        return [lost.get(photo.path) or checked[photo.path] for photo in photos]

    def reader(self, photos: Sequence[Photo], digests: Sequence[str]) -> Reader:
        return partial(_read_file, tuple(photo.path for photo in photos))


def _list_files(source: Path, vocabulary: Vocabulary, root: str) -> Listing:
    """The photos of a folder or of a table of files; `root` is the base of the table's names.

    Raises InputError for a source that does not exist or is empty, and for an unsound table.
    """
    try:
        if source.is_dir():
            return list_folder(source, vocabulary)
        if is_table(source.name) and source.is_file():
            return list_table(source, root)
    except OSError as error:
        raise InputError(
            f"data.source: cannot read {printable(error.filename or source)}: {error.strerror or error};"
            " check the path and its permissions"
        ) from error
    raise InputError(_no_source(source))


def _no_source(source: Path) -> str:
    if source.name.casefold() == "sketch" and not source.exists():
        return f'data.source: no such file or folder: {printable(source)}; did you mean "sketch"?'
    if not source.exists():
        return (
            f"data.source: no such file or folder: {printable(source)}; give a folder with one sub-folder per"
            ' emotion, a .csv file, or "sketch"'
        )
    if source.suffix.lower() in BOOKS:
        return f"data.source: {printable(source)} is a spreadsheet; save it as CSV (UTF-8) and give that"
    if source.suffix.lower() in ARCHIVES:
        return f"data.source: {printable(source)} is an archive; unpack it and give the resulting folder"
    return (
        f"data.source: {printable(source)} is neither a folder nor a .csv file; give a folder with one"
        " sub-folder per emotion, or a CSV with the columns file,emotion[,subject]"
    )


class _Table(Protocol):
    """Photos that are rows of something."""

    name: str
    columns: dict[str, str]  # what each was used for
    notes: list[str]  # what the user should know about it, a line each

    def all_photos(self) -> list[Photo]: ...

    def check(self, photos: Sequence[Photo], progress: Progress | None = None) -> list[Checked]: ...

    def read(self, photo: Photo, digest: str) -> Image.Image: ...


class _Rows:
    """A table whose rows are photos."""

    def __init__(self, table: _Table, note: str = "") -> None:
        self.name = table.name
        self._table = table
        self._notes = [note] if note else []
        self.check = table.check

    def listing(self) -> Listing:
        every = self._table.all_photos()
        if not every:
            raise InputError(f"data.source: {printable(self.name)} has no rows; give one that has photos")
        return Listing(
            list(every), ledger=Ledger(columns=self._table.columns, notes=[*self._notes, *self._table.notes])
        )

    def reader(self, photos: Sequence[Photo], digests: Sequence[str]) -> Reader:
        return partial(_read_row, self._table, tuple(photos), tuple(digests))


def _read_file(paths: tuple[str, ...], photo: int, least: int = 0, /) -> Image.Image:
    try:
        return read_photo(paths[photo], least)
    except Exception as error:  # the check could read it: the file has changed since, whatever Pillow reports
        raise RunError(
            f"{printable(paths[photo])} could be read when the run started but not now ({error}); start again"
        ) from error


def _read_row(
    table: _Table, photos: tuple[Photo, ...], digests: tuple[str, ...], photo: int, least: int = 0, /
) -> Image.Image:
    return table.read(photos[photo], digests[photo])
