"""What phones hold: the rows of one matrix of views that each of them owns, in memory or as files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fer_models.machine.cache import whole_file


class PhoneData(Protocol):
    """The data of all phones."""

    @property
    def features(self) -> np.ndarray:
        """Model inputs of each view, (m, ...); features: (m, D) float32. May be memory-mapped."""

    @property
    def labels(self) -> np.ndarray:
        """Class of each view, (m,) int64."""

    @property
    def phones(self) -> int:
        """How many phones there are."""

    @property
    def sizes(self) -> np.ndarray:
        """Views of each phone, (phones,) int64."""

    @property
    def weighted(self) -> bool:
        """Whether a phone weighs the loss of a view by the inverse frequency of its class on the phone."""

    def of(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `phones` (k,) own: rows (n,) int64, firsts (k,) and lasts (k,); number i rows[first:last]."""

    def photos_of(self, phones: np.ndarray) -> np.ndarray | None:
        """The photos of `phones` (k,), by which they count in the mean, (k,) int64; None: by their views."""


_ARRAYS = ("labels", "rows", "offsets")  # files of PhoneRows
_EXTRA = ("photos", "weighted")  # those that may be missing


@dataclass(frozen=True)
class PhoneRows:
    """PhoneData as stored on disk: phone i owns the views rows[offsets[i]:offsets[i + 1]]."""

    features: np.ndarray  # (m, D) float32, memory-mapped, one row a view
    labels: np.ndarray  # (m,) int64
    rows: np.ndarray  # (total,) int64 into features and labels
    offsets: np.ndarray  # (phones + 1,) int64
    photos: np.ndarray | None = (
        None  # (phones,) int64, by which phones count in the mean; None: by their views
    )
    weighted: bool = False  # whether losses are weighted by the inverse frequency of the class on the phone

    @property
    def phones(self) -> int:
        """How many phones there are."""
        return len(self.offsets) - 1

    @property
    def sizes(self) -> np.ndarray:
        """Views of each phone, (phones,) int64."""
        return np.diff(self.offsets)

    def of(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `phones` (k,) own: rows (n,) int64, firsts (k,) and lasts (k,); number i rows[first:last]."""
        return self.rows, self.offsets[phones], self.offsets[phones + 1]

    def photos_of(self, phones: np.ndarray) -> np.ndarray | None:
        """The photos of `phones` (k,), by which they count in the mean, (k,) int64; None: by their views."""
        return None if self.photos is None else self.photos[phones]

    def save(self, folder: Path, features: Path) -> None:
        """Writes everything but the features to `folder`, and their path."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {name: getattr(self, name) for name in _ARRAYS}
        if self.photos is not None:
            arrays["photos"] = self.photos
        if self.weighted:
            arrays["weighted"] = True
        for name in (extra for extra in _EXTRA if extra not in arrays):
            (folder / f"{name}.npy").unlink(missing_ok=True)  # of what was saved here before
        for name, array in arrays.items():
            with whole_file(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
                np.save(file, array)
        with whole_file(folder / "features.path") as temporary:
            temporary.write_text(str(features), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "PhoneRows":
        """Opens what `save` wrote, memory-mapped."""
        features = Path((folder / "features.path").read_text(encoding="utf-8"))
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
        extra = {name: np.load(path) for name in _EXTRA if (path := folder / f"{name}.npy").exists()}
        weighted = bool(extra.pop("weighted", False))
        return cls(np.load(features, mmap_mode="r"), **arrays, **extra, weighted=weighted)
