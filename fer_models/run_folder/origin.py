"""origin.json: what a run began with. It goes on with the same, or not at all (simulations/run/provenance.py)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fer_models.run_folder.files import Record


@dataclass(frozen=True)
class PhotoOrigin:
    """What the photos are, and the weights of the frozen part."""

    photos: int
    photos_sha256: str  # of the photos, what is on them, and how they are split
    weights_sha256: str | None  # None without a frozen part


@dataclass(frozen=True, kw_only=True)
class Origin(Record):
    """What a run began with."""

    FILE: ClassVar[str] = "origin.json"

    settings: Mapping[
        str, Mapping[str, object]
    ]  # section -> key -> value; compared key by key, also unknown ones
    versions: Mapping[str, str]  # of Python and of the libraries that shape a result
    code: Mapping[str, str]  # source file -> its digest
    data: PhotoOrigin
