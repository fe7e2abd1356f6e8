"""Detects changes to open files: the size and modification time of each, recorded once and compared later.

Writing to a memory-mapped file changes the data of its readers, and truncating it kills a process that reads
past its end.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from fer_models.errors import RunError
from fer_models.text import printable


def stamp(paths: Iterable[Path]) -> str:
    """The size and modification time of each file, as text."""
    return json.dumps({str(path): _state(path) for path in sorted(paths)})


def check_unchanged(before: str) -> None:
    """RunError, with the file's name, if one changed since the stamp `before`; "" means no files."""
    for name, state in (json.loads(before) if before else {}).items():
        if (now := _state(Path(name))) != state:
            what = "is gone" if now == _GONE else "has changed"
            raise RunError(
                f"{printable(name)} {what} while the run worked with it; leave prepared files alone"
            )


_GONE = "- -"


def _state(path: Path) -> str:
    try:
        found = path.stat()
    except FileNotFoundError:
        return _GONE
    return f"{found.st_size} {found.st_mtime_ns}"
