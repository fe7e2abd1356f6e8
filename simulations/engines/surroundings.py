"""The surroundings of a command, checked before it starts: streams, the current folder, cache and home.

By default, libraries store files in the home folder; here they are given folders of the cache instead, or,
if these cannot be written, temporary ones that last as long as the command.
"""

import atexit
import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from fer_models.errors import InputError
from fer_models.machine.cache import cache_path
from fer_models.machine.quiet import hush
from fer_models.text import printable
from simulations.engines.standing import check_here

_KEPT = ("scan", "looks", "weights", "encoder", "features")  # folders of the cache that are our own
# Variables that libraries read on import -> their folders of the cache.
_OF_LIBRARIES = {
    "NUMBA_CACHE_DIR": "numba",
    "MPLCONFIGDIR": "matplotlib",
    "FLWR_HOME": "flower",
    "TORCHINDUCTOR_CACHE_DIR": "torch",  # otherwise one in the temporary folder
}
# torch's threads wait for one another in a loop that blocks their cores. A tenth of the usual loop is as
# fast on an idle machine, and leaves other processes their turn on a busy one (docs/log.md).
_SPIN = ("GOMP_SPINCOUNT", "30000")
_MODES = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)  # of standard input, output and error
_passing: list[str] = []  # temporary folders that end with this process


def open_streams() -> None:
    """Opens standard streams that were closed on /dev/null: the next opened file would take their number,
    and Python has None for them.
    """
    for number, (name, mode) in enumerate(zip(("stdin", "stdout", "stderr"), _MODES, strict=True)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if mode == os.O_RDONLY else "w", closefd=False))


def on_terminal(stream: Any) -> bool:
    """Whether the stream is a terminal; a notebook's, which may not be a file, is not."""
    try:
        return bool(stream.isatty())
    except (AttributeError, OSError, ValueError):
        return False


def settle() -> None:
    """Prepares this process; InputError, in one line, if that is not possible.

    To be called before numba, matplotlib, torch and Flower are imported; the nodes inherit the result.
    """
    hush()
    os.environ.setdefault(*_SPIN)
    check_here()
    check_cache()
    for variable, name in _OF_LIBRARIES.items():
        if not os.environ.get(variable):
            os.environ[variable] = str(_folder(cache_path(name)))
    _settle_path()
    _settle_hub()


def check_cache() -> None:
    """InputError if the cache cannot be written, or holds something that cannot be read."""
    for name in _KEPT:
        folder = cache_path(name)
        try:
            try_folder(folder)
        except OSError as error:
            raise InputError(
                f"the cache folder {printable(folder)} cannot be written ({error.strerror or error});"
                " set FEDFER_CACHE to a folder that can"
            ) from error
        if strange := _not_ours(folder):
            raise InputError(
                f"the cache folder {printable(folder)} holds {printable(strange)}, which this user may not"
                " use; change its owner, or set FEDFER_CACHE to another folder"
            )


def _not_ours(folder: Path) -> str:
    """The first folder below that cannot be written, or file that cannot be read; "" if there is none."""
    for here, folders, files in os.walk(folder):
        for name in folders:
            if not os.access(path := os.path.join(here, name), os.W_OK | os.X_OK):
                return path
        for name in files:
            if not os.access(path := os.path.join(here, name), os.R_OK):
                return path
    return ""


def try_folder(folder: Path) -> None:
    """Writes a file in the folder and removes it again, with every folder made for it.

    OSError if that fails; permissions alone do not tell (root, read-only or full disks).
    """
    path = folder.absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise OSError("its name is not UTF-8") from error
    made = []
    try:
        for one in (*reversed(path.parents), path):
            if not one.is_dir():
                one.mkdir()
                made.append(one)
        tempfile.TemporaryFile(dir=path).close()
    finally:
        for one in reversed(made):
            one.rmdir()


def leave() -> None:
    """Removes the temporary folders of this process; for exits that skip atexit."""
    while _passing:
        shutil.rmtree(_passing.pop(), ignore_errors=True)


def _folder(kept: Path) -> Path:
    """The folder `kept`, or, if it cannot be written, a temporary one that ends with this process."""
    try:
        try_folder(kept)
        if strange := _not_ours(kept):  # left by a command of another user
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), strange)
        return kept
    except OSError as error:
        if not _passing:
            atexit.register(leave)
        folder = tempfile.mkdtemp(prefix="fedfer-")
        _passing.append(folder)
        if kept.name == "numba":  # the slow one
            sys.stderr.write(
                f"fedfer: numba recompiles, about 30 s: the cache folder {printable(kept)} cannot be"
                f" written ({error.strerror or error}); change its owner, or set FEDFER_CACHE to another\n"
            )
        return Path(folder)


def _settle_path() -> None:
    """Makes the folders of PYTHONPATH absolute: processes started later have another current folder."""
    parts = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if any(parts):
        os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(part) for part in parts if part)


def _settle_hub() -> None:
    """Gives the Hugging Face library a folder of the cache if it has none in the home; otherwise its earlier
    downloads are found.
    """
    named = any(os.environ.get(name) for name in ("HF_HOME", "XDG_CACHE_HOME"))
    try:
        if not named:
            try_folder(Path("~/.cache/huggingface").expanduser())
    except (OSError, RuntimeError):  # no home at all
        os.environ["HF_HOME"] = str(cache_path("huggingface"))
