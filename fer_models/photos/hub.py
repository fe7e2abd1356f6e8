"""Data sets of the library `datasets` as a source of photos: a folder that it saved, or a name on the hub.

One of the sources in the first stage of the data pipeline (fer_models/photos/sources.py). The library is an
optional extra (`pip install datasets`). The photos of all splits of the data set are used, each with the part
that the name of its split gives. The column of photos is recognised by its type, those of emotions and
subjects by type and name.
"""

import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

from PIL import Image

from fer_models.errors import InputError, RunError
from fer_models.photos.layout import part_of
from fer_models.photos.listing import HUB, Photo
from fer_models.photos.scan import Checked, Progress, decode, examine
from fer_models.photos.tabular.rows import check_rows, path_of, row_of
from fer_models.photos.tabular.tables import EMOTIONS, SUBJECTS, folded_name
from fer_models.text import printable

if TYPE_CHECKING:
    from datasets import Dataset

_PATIENCE = 10  # seconds to wait for the hub


def is_saved_dataset(folder: Path) -> bool:
    """Whether `datasets` saved that folder (save_to_disk)."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


class HubTable:
    """The photos of a data set, row by row, its splits one after another."""

    def __init__(self, name: str, splits: "Mapping[str, Dataset]") -> None:
        """`splits`, by name; InputError if a column is missing or labels have no names."""
        datasets = _library()
        self.name = name
        parts = list(splits.values())
        columns = [_columns(name, part) for part in parts]
        uses = {
            printable(column): use
            for found in columns
            for column, use in zip(found, ("photo", "emotion", "subject"), strict=True)
            if column is not None
        }
        self.notes: list[str] = []
        self.columns = {
            printable(c): uses.get(printable(c), "not used") for part in parts for c in part.features
        }
        self._images = [
            part.select_columns([image]).cast_column(image, datasets.Image(decode=False))
            for part, (image, _, _) in zip(parts, columns, strict=True)
        ]
        self._starts = [0]
        for part in parts:
            self._starts.append(self._starts[-1] + len(part))
        shows = [
            (*row, part_of(split))
            for (split, part), (_, emotion, subject) in zip(splits.items(), columns, strict=True)
            for row in zip(_emotions(part, emotion), _texts(part, subject), strict=True)
        ]
        self._photos = [
            Photo(path_of(name, row, len(shows)), emotion, subject, part)
            for row, (emotion, subject, part) in enumerate(shows, start=1)
        ]

    @classmethod
    def of_disk(cls, folder: Path) -> "HubTable":
        """The data set that `save_to_disk` wrote to `folder`."""
        datasets = _library()
        try:
            found = datasets.load_from_disk(str(folder))
        except Exception as error:  # any kind, from the library or what it uses
            raise InputError(
                f"data.source: cannot open the data set in {printable(folder)} ({_line(error)}); save it"
                " again with save_to_disk"
            ) from error
        return cls(str(folder), _parts(found))

    @classmethod
    def of_hub(cls, name: str) -> "HubTable":
        """The data set `name` ("owner/name") of the hub, or the library's cached copy."""
        for limit in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
            os.environ.setdefault(limit, str(_PATIENCE))
        if not _hub_answers():  # the library would retry for long; offline it uses its cache
            os.environ["HF_HUB_OFFLINE"] = "1"
        datasets = _library()
        try:
            found = datasets.load_dataset(name)
        except Exception as error:
            raise InputError(
                f"data.source: cannot load {HUB}{printable(name)} ({_line(error)}); check its name and the"
                " network, or give a folder saved with save_to_disk"
            ) from error
        return cls(f"{HUB}{name}", _parts(found))

    def all_photos(self) -> list[Photo]:
        """Every photo, in the order of the rows."""
        return self._photos

    def check(self, photos: Sequence[Photo], progress: Progress | None = None) -> list[Checked]:
        """The digest of each photo's bytes, or what is wrong with them; cached until the data set changes."""
        stamp = " ".join(part._fingerprint for part in self._images)
        return check_rows(photos, self._examine, table=self.name, stamp=stamp, progress=progress)

    def read(self, photo: Photo, digest: str) -> Image.Image:
        """The photo, upright, mode "L" or "RGB"; RunError if it has changed since the check."""
        content = self._content(row_of(photo))
        if hashlib.sha256(content).hexdigest() != digest:
            raise RunError(f"{printable(photo.path)} has changed since the run started; start again")
        return decode(io.BytesIO(content), 0)

    def _examine(self, row: int) -> Checked:
        try:
            return examine(io.BytesIO(self._content(row)))
        except OSError as error:
            return Checked(None, error.strerror or str(error))

    def _content(self, row: int) -> bytes:
        """The bytes of a photo's file, in the table or at the path it gives; empty if there is none."""
        part = next(i for i in range(len(self._images)) if row <= self._starts[i + 1])
        (cell,) = self._images[part][row - 1 - self._starts[part]].values()
        if cell is None:
            return b""
        if cell["bytes"] is not None:
            return bytes(cell["bytes"])
        return Path(cell["path"]).read_bytes()


def _hub_answers() -> bool:
    """Whether the hub answers at all."""
    try:
        with urlopen(os.environ.get("HF_ENDPOINT") or "https://huggingface.co", timeout=_PATIENCE):
            return True
    except HTTPError:
        return True
    except OSError:
        return False


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            "data.source: this is a data set of the library datasets, which is not installed; install it"
            " with: pip install datasets"
        ) from error
    datasets.disable_progress_bars()
    return datasets


def _parts(found: Any) -> "dict[str, Dataset]":
    """The splits, by name; a data set without splits counts as one, named ""."""
    return {str(name): found[name] for name in sorted(found)} if isinstance(found, dict) else {"": found}


def _columns(name: str, part: "Dataset") -> tuple[str, str, str | None]:
    """The columns of photos, emotions and subjects (None: no such column)."""
    datasets = _library()
    features = part.features
    images = [column for column, kind in features.items() if isinstance(kind, datasets.Image)]
    named = [column for column, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    texts = [column for column, kind in features.items() if getattr(kind, "dtype", "") == "string"]
    emotion = _best(named, EMOTIONS) or (named[0] if named else None) or _best(texts, EMOTIONS)
    if not images or emotion is None:
        missing = "column of photos (type Image)" if not images else "column of emotions (type ClassLabel)"
        raise InputError(
            f"data.source: {printable(name)} has no {missing}; its columns:"
            f" {', '.join(map(printable, features))}"
        )
    return _best(images, ("image", "img", "face")) or images[0], emotion, _best(list(features), SUBJECTS)


def _best(columns: list[str], names: Sequence[str]) -> str | None:
    """The first of the folded `names` that is among the columns."""
    plain = {folded_name(column): column for column in reversed(columns)}
    return next((plain[name] for name in names if name in plain), None)


def _emotions(part: "Dataset", column: str) -> list[str]:
    """The label of each row; "" if there is none."""
    names = getattr(part.features[column], "names", None)
    values = part.with_format(None)[column]
    texts = [v if names is None else names[v] if v is not None and v >= 0 else None for v in values]
    return [str(text or "").strip() for text in texts]


def _texts(part: "Dataset", column: str | None) -> list[str]:
    if column is None:
        return [""] * len(part)
    return ["" if value is None else str(value) for value in part.with_format(None)[column]]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
