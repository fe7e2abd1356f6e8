"""What the user requested, and the folders it needs: the run folder, new or to resume, and the cache.

Everything here is checked before anything is computed; a refused request leaves no trace.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fer_models.errors import InputError
from fer_models.pages.extensions import refresh
from fer_models.run_folder.environment import Environment
from fer_models.run_folder.files import UnusableError
from fer_models.run_folder.origin import Origin
from fer_models.text import printable
from simulations.config import Config
from simulations.engines.surroundings import check_cache as check_cache
from simulations.engines.surroundings import try_folder
from simulations.experiment import read_toml, validate
from simulations.run import provenance


@dataclass(frozen=True)
class Request:
    """What the user requested."""

    experiment: str  # its name
    config: Config
    folder: Path  # the run folder
    command: str  # as typed
    federated: bool = True  # False: the baseline alone
    baseline: bool = True  # True: train the baseline, or both of them beside a federated run
    devices: bool = False  # whether each phone is a node with its own photos
    provenance: Origin | None = None  # of a run to resume: what it started with
    brief: bool = False  # one of many runs: no page, and the time to classify a photo is not measured


def check_folder(folder: Path) -> None:
    """Refuses a run folder that is in use or cannot be made."""
    try:
        if folder.exists() and (not folder.is_dir() or any(not _begun(path) for path in folder.iterdir())):
            raise InputError(f"--out: {printable(folder)} is in use; give a folder that is new or empty")
        try_folder(folder)
    except OSError as error:
        raise InputError(
            f"--out: {printable(folder)} cannot be written ({error.strerror or error}); give another folder"
        ) from error


def _begun(path: Path) -> bool:
    """Whether it was left by a run that was killed before it wrote its configuration."""
    return path.name.startswith(("origin.json", "environment.json", ".origin.", ".environment.", ".config."))


def resumed(folder: Path) -> Request:
    """The request that started the run in `folder`; InputError if there is no run to resume, or it started
    with other settings, code or libraries.
    """
    if not folder.is_dir():
        raise InputError(f"--resume: there is no folder {printable(folder)}; give the folder of a run")
    environment, config = folder / "environment.json", folder / "config.toml"
    for path in (environment, config):
        if not path.is_file():
            raise InputError(
                f"--resume: {printable(folder)} is not the folder of a run: it has no {path.name}; give one"
            )
    try:
        recorded = Environment.read(folder)
    except UnusableError as error:
        raise InputError(f"--resume: {error.what}; start a new run") from error
    refresh()
    done, begun = finished(folder), None
    now = Config() if done else validate(read_toml(config))
    if not done:
        begun = provenance.read(folder)
        provenance.check_same(folder, begun, now)
    return Request(
        experiment=recorded.experiment,
        config=now,
        folder=folder,
        command=recorded.command,
        federated=recorded.federated,
        baseline=recorded.baseline,
        devices=bool(recorded.devices),
        provenance=begun,
    )


def finished(folder: Path) -> bool:
    """Whether the run in `folder` is finished."""
    return (folder / "report.html").exists()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks the run folder; InputError while another process holds the lock.

    The system releases it with the process, however that ends. File systems without locks have none.
    """
    handle = os.open(folder, os.O_RDONLY)
    if not _taken(handle):
        os.close(handle)
        raise InputError(
            f"{printable(folder)} is in use: another fedfer is at work in it; wait for it or stop it"
        )
    try:
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    """Whether the lock could be taken within half a second: `in_use` holds it for a moment."""
    deadline = time.monotonic() + 0.5
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        except OSError:  # a file system without locks
            return True
        else:
            return True


def in_use(folder: Path) -> bool:
    """Whether a fedfer is at work in the run folder: whether its lock is held, tried for a moment."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)
    return False
