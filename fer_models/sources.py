"""Sources of photos: each lists its photos, checks them and reads them one by one; images.py makes the table.

A source is known by what `data.source` names: a folder or a CSV of files (fer_models/listing.py), FER2013's
CSV of pixels (fer_models/fer2013.py), or a data set of the library `datasets` (fer_models/hub.py). The
embedded set of drawn faces is none of these: images.py asks fer_models/sketch.py.
"""

import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from PIL import Image

from fer_models import listing
from fer_models.errors import InputError, RunError
from fer_models.fer2013 import PixelTable, is_fer2013
from fer_models.hub import HubTable, is_saved_dataset
from fer_models.listing import HUB, Photo, check_classes, check_used, shown
from fer_models.scan import Checked, Progress, check_photos, read_photo


class Reader(Protocol):
    """Reads photo i of a table: upright, mode "L" or "RGB"."""

    def __call__(self, photo: int, least: int = 0, /) -> Image.Image:
        """Full size, or for `least` > 0 perhaps smaller with at least that many pixels a side."""


class Source(Protocol):
    """Where photos come from; `name` is an absolute path or "hub:owner/name"."""

    @property
    def name(self) -> str:
        """As `data.source` has it."""

    def photos(self, classes: Sequence[str]) -> list[Photo]:
        """The photos of `classes`, sorted by path; InputError for a class that is not there."""

    def found(self) -> dict[str, int]:
        """Photos of each emotion there is, the sound and the broken."""

    def check(self, photos: Sequence[Photo], progress: Progress | None = None) -> list[Checked]:
        """The digest of each photo, or the reason why it cannot be read."""

    def reader(self, photos: Sequence[Photo], digests: Sequence[str]) -> Reader:
        """Reads photo i of these, which were found sound."""


def open_source(named: str) -> Source:
    """The source that `data.source` names; InputError where there is none."""
    if named.startswith(HUB):
        return _Rows(HubTable.of_hub(named.removeprefix(HUB)))
    path = Path(os.path.abspath(os.path.expanduser(named)))
    try:
        if path.is_dir() and is_saved_dataset(path):
            return _Rows(HubTable.of_disk(path))
        if path.suffix.lower() == ".csv" and path.is_file() and is_fer2013(path):
            return _Rows(PixelTable(path))
    except OSError as error:
        raise InputError(
            f"data.source: cannot read {shown(path)}: {error.strerror or error}; check the path and its"
            " permissions"
        ) from error
    return _Files(path)


class _Files:
    """A folder, or a CSV of files."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def photos(self, classes: Sequence[str]) -> list[Photo]:
        return listing.list_photos(self._path, classes)

    def found(self) -> dict[str, int]:
        return listing.count_photos(self._path)

    def check(self, photos: Sequence[Photo], progress: Progress | None = None) -> list[Checked]:
        return check_photos([photo.path for photo in photos], source=self.name, progress=progress)

    def reader(self, photos: Sequence[Photo], digests: Sequence[str]) -> Reader:
        return partial(_read_file, tuple(photo.path for photo in photos))


class _Table(Protocol):
    """Photos that are rows of something."""

    name: str

    def all_photos(self) -> list[Photo]: ...

    def check(self, photos: Sequence[Photo], progress: Progress | None = None) -> list[Checked]: ...

    def read(self, photo: Photo, digest: str) -> Image.Image: ...


class _Rows:
    """A table whose rows are photos."""

    def __init__(self, table: _Table) -> None:
        self.name = table.name
        self._table = table
        self.check = table.check

    def photos(self, classes: Sequence[str]) -> list[Photo]:
        every = self._table.all_photos()
        if not every:
            raise InputError(f"data.source: {shown(self.name)} has no rows; give one that has photos")
        check_classes(classes, {photo.emotion for photo in every}, shown(self.name))
        chosen = [photo for photo in every if photo.emotion in classes]
        check_used(classes, chosen, shown(self.name))
        return sorted(chosen)

    def found(self) -> dict[str, int]:
        return dict(Counter(photo.emotion for photo in self._table.all_photos()))

    def reader(self, photos: Sequence[Photo], digests: Sequence[str]) -> Reader:
        return partial(_read_row, self._table, tuple(photos), tuple(digests))


def _read_file(paths: tuple[str, ...], photo: int, least: int = 0, /) -> Image.Image:
    try:
        return read_photo(paths[photo], least)
    except Exception as error:  # it was read in the check: the file changed since, whatever Pillow says of it
        raise RunError(
            f"{shown(paths[photo])} could be read when the run began and cannot now ({error}); start again"
        ) from error


def _read_row(
    table: _Table, photos: tuple[Photo, ...], digests: tuple[str, ...], photo: int, least: int = 0, /
) -> Image.Image:
    return table.read(photos[photo], digests[photo])
