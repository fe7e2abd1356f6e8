"""What a command finds around it, looked at before it begins: streams, the current folder, cache and home.

Libraries keep things in the home by themselves; here they are given folders of the cache instead, and where
no such folder can be written, one that lasts as long as the command.
"""

import atexit
import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from fer_models.cache import cache_path
from fer_models.errors import InputError
from fer_models.quiet import hush
from fer_models.text import printable
from simulations.engines.standing import check_here

_KEPT = ("scan", "looks", "weights", "encoder", "features")  # folders of the cache that hold what is ours
# What libraries read when they are imported -> the folder of the cache.
_OF_LIBRARIES = {
    "NUMBA_CACHE_DIR": "numba",
    "MPLCONFIGDIR": "matplotlib",
    "FLWR_HOME": "flower",
    "TORCHINDUCTOR_CACHE_DIR": "torch",  # else a folder in the temporary one
}
# torch's threads wait for one another in a loop that leaves no core to others. A tenth of the usual loop:
# as fast on a quiet machine, and others get their turn on a busy one (docs/log.md).
_SPIN = ("GOMP_SPINCOUNT", "30000")
_MODES = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)  # of standard input, output and error
_passing: list[str] = []  # folders that go with this process


def open_streams() -> None:
    """Gives standard streams that were closed a place to go to: what is opened next would take their number,
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
    """Whether a terminal shows the stream; of a notebook's, which may be no file, none does."""
    try:
        return bool(stream.isatty())
    except (AttributeError, OSError, ValueError):
        return False


def settle() -> None:
    """Prepares for work; InputError where that cannot be done, in one line.

    Before numba, matplotlib, torch and Flower are imported anywhere; the nodes inherit it.
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
    """InputError where the cache cannot be written, or holds what cannot be read."""
    for name in _KEPT:
        folder = cache_path(name)
        try:
            try_folder(folder)
        except OSError as error:
            raise InputError(
                f"the cache folder {printable(folder)} cannot be written ({error.strerror or error});"
                " let FEDFER_CACHE name a folder that can"
            ) from error
        if strange := _not_ours(folder):
            raise InputError(
                f"the cache folder {printable(folder)} holds {printable(strange)}, which this user may not"
                " use; make it yours, or let FEDFER_CACHE name another folder"
            )


def _not_ours(folder: Path) -> str:
    """The first folder below that cannot be written, or file that cannot be read; "" where none is."""
    for here, folders, files in os.walk(folder):
        for name in folders:
            if not os.access(path := os.path.join(here, name), os.W_OK | os.X_OK):
                return path
        for name in files:
            if not os.access(path := os.path.join(here, name), os.R_OK):
                return path
    return ""


def try_folder(folder: Path) -> None:
    """Writes a file in the folder and takes it away again, with every folder made for it.

    Raises OSError where that fails; permissions alone do not tell (root, read-only or full disks).
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
    """Removes the folders that go with this process; for ends that Python does not see."""
    while _passing:
        shutil.rmtree(_passing.pop(), ignore_errors=True)


def _folder(kept: Path) -> Path:
    """The folder `kept`, or where it cannot be written one that goes with this process."""
    try:
        try_folder(kept)
        if strange := _not_ours(kept):  # what one command as another user leaves
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), strange)
        return kept
    except OSError as error:
        if not _passing:
            atexit.register(leave)
        folder = tempfile.mkdtemp(prefix="fedfer-")
        _passing.append(folder)
        if kept.name == "numba":  # the one that takes its time
            sys.stderr.write(
                f"fedfer: numba compiles anew, some 30 s: the cache folder {printable(kept)} cannot be"
                f" written ({error.strerror or error}); make it yours, or let FEDFER_CACHE name another\n"
            )
        return Path(folder)


def _settle_path() -> None:
    """Makes the folders of PYTHONPATH absolute: what begins later stands elsewhere, and finds the same."""
    parts = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if any(parts):
        os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(part) for part in parts if part)


def _settle_hub() -> None:
    """Gives the library of Hugging Face a folder of the cache where it has none in the home: elsewhere, what
    it has fetched before is found.
    """
    named = any(os.environ.get(name) for name in ("HF_HOME", "XDG_CACHE_HOME"))
    try:
        if not named:
            try_folder(Path("~/.cache/huggingface").expanduser())
    except (OSError, RuntimeError):  # no home at all
        os.environ["HF_HOME"] = str(cache_path("huggingface"))
