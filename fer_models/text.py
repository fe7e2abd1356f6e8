"""Text for people: names and numbers as one printable line."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

_LONG = 60  # characters of a name in a list


def printable(path: str | Path) -> str:
    """A path or name as one line of printable text, whatever bytes it contains."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def many(number: int, one: str, several: str = "") -> str:
    """A number with its noun: "1 photo", "2,000 photos"."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def listed(names: Iterable[str | Path], most: int = 12) -> str:
    """Names in one line, "a, b and 3 more" if there are more than `most`; long ones are truncated."""
    every = [text if len(text := printable(name)) <= _LONG else f"{text[:_LONG]}..." for name in names]
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def typed(path: str | Path) -> str:
    """A path quoted for a shell."""
    return shlex.quote(printable(path))
