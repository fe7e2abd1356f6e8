"""The current folder and the environment, changed temporarily for the processes that are started then.

The user's current folder must not affect them: Ray's workers look for modules in the current folder first,
and an empty folder `clients` there would hide the installed program.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_models.errors import InputError


def check_here() -> None:
    """InputError if the current folder is gone."""
    try:
        os.getcwd()
    except OSError as error:
        raise InputError(
            f"the current folder cannot be used ({error.strerror}): it was removed, or is out of reach; cd to"
            " another one"
        ) from error


@contextmanager
def nowhere(folder: Path) -> Iterator[None]:
    """Processes started in the block have an empty current folder, inside `folder`, without any module.

    Changing back needs no path, part of which may be out of reach.
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
    """Processes started in the block have these variables."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
