"""The cache of expensive results between runs, and atomic file writes."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_models.errors import InputError


def cache_dir(name: str) -> Path:
    """The folder `name` of the cache, created if missing: in $FEDFER_CACHE or the user's cache folder."""
    folder = cache_path(name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cache_path(name: str) -> Path:
    """The path where `cache_dir` creates that folder."""
    chosen = os.environ.get("FEDFER_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "fedfer"
    return home(base) / name


def home(path: Path) -> Path:
    """The absolute path, with ~ expanded; InputError if there is no home folder."""
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        where = "the home folder" if str(path).startswith("~/") else f"the folder {path}"
        raise InputError(f"{where} is not known ({error}); set FEDFER_CACHE to a folder") from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block succeeds.

    Readers see the old file or the new one, never a partial one; a block that fails leaves no trace.
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
    """The error with the file's name, which a failed write (such as on a full disk) does not include."""
    return OSError(error.errno, error.strerror, error.filename or str(path)) if error.errno else error


def sweep_up(folder: Path) -> None:
    """Removes temporary files below `folder` left by a process that was killed in `whole_file`."""
    for path in folder.rglob(".*"):
        if re.fullmatch(r"\..+\.[0-9a-f]{8}", path.name) and path.is_file():
            path.unlink()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
