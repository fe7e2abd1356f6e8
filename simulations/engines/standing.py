"""Where a process stands: its current folder and its environment, changed for a moment, for what begins then.

Where the user stands must not matter to what is begun there: Ray has its workers look for modules in the
current folder before all others, and an empty folder `clients` in it hides the installed program.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_models.errors import InputError


def check_here() -> None:
    """InputError where the current folder is gone."""
    try:
        os.getcwd()
    except OSError as error:
        raise InputError(
            f"the current folder cannot be used ({error.strerror}): it was removed, or is out of reach; cd to"
            " another one"
        ) from error


@contextmanager
def nowhere(folder: Path) -> Iterator[None]:
    """What begins in the block stands in an empty folder inside of `folder`, where no module lies.

    The way back needs no path, of which a part may be out of reach.
    """
    empty = folder / "nowhere"
    empty.mkdir()
    before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    try:
        os.chdir(empty)
        try:
            yield
        finally:
            os.fchdir(before)
    finally:
        os.close(before)


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """What begins in the block has these variables."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
