"""How work in a folder ends that does not end well: one line that says why, and how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_models.errors import FedferError, InputError, RunError
from fer_models.text import printable


class UnforeseenError(RunError):
    """Something failed that nobody foresaw: its cause says more."""


def foreseen(error: BaseException) -> bool:
    """Whether its line says all: an error of ours, or one of the system, as of a full disk."""
    return isinstance(error, FedferError | OSError)


def reason(error: Exception) -> str:
    """Why it failed, in one line."""
    if isinstance(error, OSError) and not isinstance(error, FedferError):
        return f"{error.strerror or error}{f': {printable(error.filename)}' if error.filename else ''}"
    if isinstance(error, FedferError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; please report it with the lines above"


def how_to_go_on(folder: Path, settings: str, command: str) -> str:
    """What to do next: with `command`, once the file `settings` is written to the folder."""
    if (folder / settings).exists():
        return f"go on with: {command}"
    return "nothing was written; run the same command again"


@contextmanager
def failing(folder: Path, settings: str, command: str) -> Iterator[None]:
    """Whatever fails in the block is a RunError that says how to go on; InputError stays what it is."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        hopeless = isinstance(error, RunError) and not error.resumable
        last = "start a new run" if hopeless else how_to_go_on(folder, settings, command)
        kind = RunError if foreseen(error) else UnforeseenError
        raise kind(f"{reason(error)}; {last}", resumable=not hopeless) from error
