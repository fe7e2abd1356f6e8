"""origin.json: a run's provenance; resuming requires the same (simulations/run/provenance.py)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fer_models.run_folder.files import Record


@dataclass(frozen=True)
class PhotoOrigin:
    """Provenance of the photos and of the frozen part's weights."""

    photos: int
    photos_sha256: str  # of the photos, their labels, and the split
    weights_sha256: str | None  # None without a frozen part


@dataclass(frozen=True, kw_only=True)
class Origin(Record):
    """The provenance of a run."""

    FILE: ClassVar[str] = "origin.json"

    settings: Mapping[
        str, Mapping[str, object]
    ]  # section -> key -> value; compared key by key, including unknown ones
    versions: Mapping[str, str]  # of Python and of the libraries that affect results
    code: Mapping[str, str]  # source file -> its digest
    data: PhotoOrigin
