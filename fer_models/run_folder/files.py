"""JSON files of records: read strictly, written atomically, versioned.

A field with metadata APPLIES is only written if it is not None; all others are always written. Unknown fields
in a file are ignored, so that a newer version may add fields to the same format.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from fer_models.errors import InputError
from fer_models.machine.cache import whole_file
from fer_models.text import printable

FORMAT = 1
APPLIES: Mapping[str, bool] = {"where_it_applies": True}  # metadata of a field that not every run has

T = TypeVar("T")


class UnusableError(InputError):
    """A file that cannot be used: `what` is wrong with it, for callers that have a better remedy."""

    def __init__(self, what: str, remedy: str = "restore it, or train the run again") -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what


class Record:
    """A record stored as its own file; subclasses are frozen dataclasses."""

    FILE: ClassVar[str]  # its name

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The record in `folder`; UnusableError if it is damaged, OSError if it is missing."""
        path = folder / cls.FILE
        return parse(cls, path.read_bytes(), printable(path))

    def write(self, folder: Path) -> None:
        """Writes it to `folder`."""
        write_json(folder / self.FILE, self)


def write_json(path: Path, record: object) -> None:
    """Writes a record as a JSON file, atomically."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(versioned(record), indent=2) + "\n", encoding="utf-8")


def parse(kind: type[T], text: str | bytes, name: str) -> T:
    """The record of type `kind` in a JSON text called `name`; UnusableError if it is not one."""
    try:
        found = _adapter(_Version).validate_json(text, strict=True).format
    except ValidationError as error:
        raise UnusableError(f"{name} is damaged ({first_error(error)})") from error
    if found > FORMAT:
        raise UnusableError(
            f"{name} has format {found}, this fedfer reads formats up to {FORMAT}",
            "use the fedfer that wrote it, or a newer one",
        )
    try:
        record: T = _adapter(kind).validate_json(text, strict=True)  # type: ignore[arg-type]  # types can be hashed
    except ValidationError as error:
        if found:
            raise UnusableError(f"{name} is damaged ({first_error(error)})") from error
        what = f"{name} is damaged, or was written by an older fedfer ({first_error(error)})"
        raise UnusableError(what, "use that version, or train the run again") from error
    return record


def versioned(record: object) -> dict[str, object]:
    """A record as JSON values, with its format."""
    held = as_json(record)
    assert isinstance(held, dict)
    return {"format": FORMAT, **held}


def as_json(value: object) -> object:
    """Records as dictionaries, without the fields that do not apply; anything else unchanged."""
    if is_dataclass(value) and not isinstance(value, type):
        held = {field: getattr(value, field.name) for field in fields(value)}
        return {
            field.name: as_json(one)
            for field, one in held.items()
            if one is not None or not field.metadata.get("where_it_applies")
        }
    if isinstance(value, Mapping):
        return {name: as_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    return value


@dataclass(frozen=True)
class _Version:
    """The part of a file that is checked first."""

    format: int = 0  # 0: the file predates formats


@lru_cache
def _adapter(kind: type[T]) -> "TypeAdapter[T]":
    return TypeAdapter(kind)


def first_error(error: ValidationError) -> str:
    """The first validation error as text."""
    one = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, one["loc"]))
    return f"{where}: {one['msg']}" if where else str(one["msg"])
