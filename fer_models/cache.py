"""Where what is expensive is kept between runs, and how files are written whole."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_models.errors import InputError


def cache_dir(name: str) -> Path:
    """The folder `name` of the cache, made if need be: $FEDFER_CACHE, else the user's cache folder."""
    folder = cache_path(name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cache_path(name: str) -> Path:
    """Where `cache_dir` makes that folder."""
    chosen = os.environ.get("FEDFER_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "fedfer"
    return home(base) / name


def home(path: Path) -> Path:
    """The absolute path, with ~ resolved; InputError where there is no home."""
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        where = "the home folder" if str(path).startswith("~/") else f"the folder {path}"
        raise InputError(f"{where} is not known ({error}); let FEDFER_CACHE name a folder") from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well.

    Readers see the old file or the new one, never half of one; a block that fails leaves no trace.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise with_path(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def with_path(error: OSError, path: Path) -> OSError:
    """The error with the file, which what fails in writing, as on a full disk, does not know."""
    return OSError(error.errno, error.strerror, error.filename or str(path)) if error.errno else error


def sweep_up(folder: Path) -> None:
    """Removes the temporary files below `folder` that a process left that was killed in `whole_file`."""
    for path in folder.rglob(".*"):
        if re.fullmatch(r"\..+\.[0-9a-f]{8}", path.name) and path.is_file():
            path.unlink()
