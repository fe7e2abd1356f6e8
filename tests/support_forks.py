"""Processes that begin with everything imported: forks of one that has done nothing but import.

Most of a small command's time goes into importing torch, Flower and Ray. Whoever tests what a process does,
and not how it begins, takes one of these; where there are none (other systems than Linux), an ordinary one.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

_IMPORTED = (
    "torch", "torch.nn.functional", "flwr.app", "flwr.clientapp", "flwr.serverapp", "matplotlib.figure",
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "onnxruntime", "numba", "psutil",
    "PIL.PngImagePlugin", "scipy.stats", "scipy.optimize", "sklearn.linear_model", "rich.live",
    "concurrent.futures.process",
)  # fmt: skip
_LARGEST = 2**20  # bytes of an order


class Forked:
    """As much of subprocess.Popen as the tests use: a process in a session of its own, with two pipes."""

    def __init__(self, pid: int, ended: socket.socket, out: int, err: int) -> None:
        self.pid, self.args, self._ended = pid, "a fork", ended
        self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)
        self.returncode: int | None = None

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it writes from now on, until it has ended."""
        said: dict[str, str] = {}

        def read(name: str) -> None:
            with getattr(self, name) as stream:
                said[name] = stream.read()

        threads = [threading.Thread(target=read, args=[name], daemon=True) for name in ("stdout", "stderr")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout)
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout)
        self.wait(timeout)
        return said["stdout"], said["stderr"]

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._ended.settimeout(timeout)
            try:
                status = self._ended.recv(20)
            except TimeoutError as error:
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from error
            self._ended.close()
            self.returncode = int(status)
        return self.returncode


class Nursery:
    """The process that has imported everything, and forks."""

    def __init__(self) -> None:
        self._here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._here, there):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
        with there:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(there.fileno())],
                stdin=subprocess.DEVNULL, pass_fds=[there.fileno()], start_new_session=True,
            )  # fmt: skip
        atexit.register(self._end)

    def _end(self) -> None:
        """It ends once there is nobody who could give it orders."""
        self._here.close()
        self._process.wait(10)

    def start(self, code: str, words: Sequence[str], cwd: Path, environment: dict[str, str]) -> Forked:
        out, err = os.pipe(), os.pipe()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = json.dumps([code, list(words), str(cwd), environment]).encode()
        assert len(order) < _LARGEST
        socket.send_fds(self._here, [order], [theirs.fileno(), out[1], err[1]])
        theirs.close()
        os.close(out[1])
        os.close(err[1])
        return Forked(int(ours.recv(20)), ours, out[0], err[0])


_nursery: list[Nursery] = []


def start(code: str, words: Sequence[str], cwd: Path, environment: dict[str, str]) -> Forked:
    """A process with this sys.argv that runs the lines of Python."""
    if not _nursery:
        _nursery.append(Nursery())
    return _nursery[0].start(code, words, cwd, environment)


def can_fork() -> bool:
    return hasattr(os, "pidfd_open")


def _serve(orders: socket.socket) -> tuple[str, list[str]] | None:
    """Forks for every order: None here at the end, and in each fork what it is to run."""
    import selectors

    watched = selectors.DefaultSelector()
    watched.register(orders, selectors.EVENT_READ)
    while True:
        for key, _ in watched.select():
            if key.fileobj is orders:
                order, fds, _, _ = socket.recv_fds(orders, _LARGEST, 3)
                if not order:
                    return None
                if (pid := os.fork()) == 0:
                    watched.close()
                    orders.close()
                    return _become(order, fds)
                for fd in fds[1:]:
                    os.close(fd)
                told = socket.socket(fileno=fds[0])
                told.send(str(pid).encode())
                watched.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, told))
            else:
                pid, told = key.data
                watched.unregister(key.fd)
                os.close(key.fd)
                told.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
                told.close()


def _become(order: bytes, fds: list[int]) -> tuple[str, list[str]]:
    """Gives this fork the session, the streams, the folder and the environment that it is to have."""
    code, words, cwd, environment = json.loads(order)
    os.setsid()
    for number, fd in ((1, fds[1]), (2, fds[2])):
        os.dup2(fd, number)
    for fd in fds:
        os.close(fd)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [os.path.abspath(part) for part in environment.get("PYTHONPATH", "").split(":") if part]
    tempfile.tempdir = None
    unbuffered = bool(environment.get("PYTHONUNBUFFERED"))
    for name, number in (("stdout", 1), ("stderr", 2)):  # anew: a pipe cannot seek as what was there before
        was = getattr(sys, name)
        stream = open(  # noqa: SIM115  # for as long as the process lives
            number, "w", encoding=was.encoding, errors=was.errors, closefd=False,
            buffering=1 if number == 2 else -1,
        )  # fmt: skip
        stream.reconfigure(write_through=unbuffered)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    return code, words


def _run(code: str, words: list[str]) -> NoReturn:
    """Runs it and ends as Python does, but for taking all that was imported apart, which takes a second."""
    sys.argv[:] = words
    status: object = 0
    try:
        exec(code, {"__name__": "__main__"})
    except SystemExit as end:
        status = 0 if end.code is None else end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if not isinstance(status, int):
        sys.stderr.write(f"{status}\n")
        status = 1
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):  # with what stood in for them
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _import_all() -> None:
    import gc
    import importlib
    import pkgutil

    from simulations.engines.own_ray import load

    load()
    for name in ("fer_models", "server", "clients", "simulations"):
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(found.name)
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # none of it becomes garbage


def time_few_photos() -> None:
    """What a run is said to take for a photo is measured on two: on 32, as usual, most of a small run's time
    goes there.
    """
    from simulations.run import artifacts

    artifacts._TIMED = 2


def _alone() -> bool:
    """Whether no other thread of Python's is here: it would be missing in the forks."""
    return threading.active_count() == 1


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    os.fsync = lambda descriptor: None  # as in conftest.py
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        _import_all()
        time_few_photos()
        assert _alone()
        found = _serve(channel)
    if found is not None:
        _run(*found)
