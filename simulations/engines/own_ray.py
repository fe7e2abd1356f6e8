"""A Ray for this process alone: on this machine only, in an empty folder, and leaving nothing behind."""

import logging
import os
import shutil
import site
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fer_models.machine.quiet import ALONE, hush
from simulations.engines import cluster
from simulations.engines.interrupt import deferred, handlers, restore
from simulations.engines.standing import environment, nowhere
from simulations.engines.watchdog import watched

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_BETWEEN = 0.01  # seconds
_OBJECT_STORE = 256 * 2**20  # bytes: heads and sums are small


def load() -> None:
    """Imports Ray: that is when it reads the variables in ALONE and gives its loggers handlers."""
    hush()
    with environment(**(ALONE if cluster.cpus() is None else {})):
        import ray  # noqa: F401


@contextmanager
def own_ray(actors: int, logs: Path) -> Iterator[None]:
    """Starts this process's own Ray in a temporary folder; its logs are kept in `logs`."""
    import ray

    before = handlers()
    folder = tempfile.mkdtemp(prefix="fedfer-ray-", dir=_short_folder())
    with watched(folder, logs):
        others = _children()
        _adopt(True)
        try:
            with deferred(), nowhere(Path(folder)), _homeless(Path(folder)):
                ray.init(
                    address="local",
                    num_cpus=actors,
                    num_gpus=0,
                    object_store_memory=_OBJECT_STORE,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _temp_dir=folder,
                )
            yield
        except SystemExit as stopped:  # from Ray's handler
            raise KeyboardInterrupt from stopped
        finally:
            begun = _children() - others
            try:
                with deferred():  # a signal must not leave half of it behind
                    _shut_down()
            finally:
                restore(before)  # Ray replaces them when it starts, and removes its own when it ends
                with deferred():
                    _end(begun | _children() - others)
                    _adopt(False)
                    _clear(Path(folder), logs)


def _shut_down() -> None:
    """Ends Ray, in another thread: for about a second Ray removes the handler of SIGTERM, which would then
    end this process at once, so this thread keeps putting it back.
    """
    import ray

    ours = handlers()
    with ThreadPoolExecutor(1) as thread:
        ending = thread.submit(ray.shutdown)
        while not ending.done():
            wait([ending], timeout=_BETWEEN)
            restore(ours)
        ending.result()


@contextmanager
def _homeless(folder: Path) -> Iterator[None]:
    """Processes started in the block have this folder as their home, with a file that keeps Ray's dashboard
    from asking the hosts of three cloud providers where it runs, which it does even with usage reports off.

    Packages that the user installed in the real home are still found.
    """
    (folder / "ray_bootstrap_config.yaml").touch()
    with environment(HOME=str(folder), PYTHONUSERBASE=site.getuserbase(), **ALONE):
        yield


def _children() -> set[Any]:
    """Every descendant of this process, as psutil.Process."""
    import psutil

    return set(psutil.Process().children(recursive=True))


def _adopt(orphans: bool) -> None:
    """Sets whether processes whose parent has ended become children of this one (Linux only).

    Actors briefly outlive the process that started them, and so do parts of a Ray that was stopped while it
    started: only as children can they be reliably found and ended.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_SUBREAPER, int(orphans), 0, 0, 0)


def _end(processes: set[Any]) -> None:
    """Ends processes that may have ended already."""
    import psutil

    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)


def _clear(folder: Path, logs: Path) -> None:
    """Removes Ray's folder, keeping its logs."""
    try:
        if (latest := folder / "session_latest" / "logs").is_dir():
            shutil.copytree(latest, logs, dirs_exist_ok=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> str:
    """A parent for Ray's folder: paths of the Unix sockets in it are limited to about 107 bytes."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= 24 else "/tmp"
