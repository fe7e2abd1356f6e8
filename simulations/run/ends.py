"""How work in a folder ends if it fails: one line that says why, and how to resume."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_models.errors import FedferError, InputError, RunError
from fer_models.text import printable


class UnforeseenError(RunError):
    """An unexpected failure: its cause says more."""


def foreseen(error: BaseException) -> bool:
    """Whether its message is enough: an error of ours, or one of the system, such as a full disk."""
    return isinstance(error, FedferError | OSError)


def reason(error: Exception) -> str:
    """Why it failed, in one line."""
    if isinstance(error, OSError) and not isinstance(error, FedferError):
        return f"{error.strerror or error}{f': {printable(error.filename)}' if error.filename else ''}"
    if isinstance(error, FedferError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; please report it with the lines above"


def how_to_go_on(folder: Path, settings: str, command: str) -> str:
    """What to do next: resume with `command`, if the file `settings` was written to the folder."""
    if (folder / settings).exists():
        return f"resume with: {command}"
    return "nothing was written; run the same command again"


@contextmanager
def failing(folder: Path, settings: str, command: str) -> Iterator[None]:
    """Turns any failure in the block into a RunError that says how to resume; InputError passes as it is."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        hopeless = isinstance(error, RunError) and not error.resumable
        last = "start a new run" if hopeless else how_to_go_on(folder, settings, command)
        kind = RunError if foreseen(error) else UnforeseenError
        raise kind(f"{reason(error)}; {last}", resumable=not hopeless) from error
