"""Whether files that lie open are still what they were: size and time of each, taken once and compared later.

A memory-mapped file that is written to changes under whoever reads it, and one that is cut short ends the
process that reads behind its end.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from fer_models.errors import RunError
from fer_models.text import printable


def stamp(paths: Iterable[Path]) -> str:
    """What can be told of the files without reading them, as text."""
    return json.dumps({str(path): _state(path) for path in sorted(paths)})


def check_unchanged(before: str) -> None:
    """RunError, with the file, where one is not as it was when `before` was taken; "" stands for no files."""
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
