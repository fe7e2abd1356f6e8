"""A memory-mapped file that is cut short while it is read: one line and exit code 1 instead of SIGBUS.

Files are checked before every round (fer_models/machine/stamp.py), but a round may take long, and a process
that reads past the end of a mapped file is sent SIGBUS, which ends it without a message. A Python handler
would run after the faulting instruction, which never completes, and a ctypes one needs the GIL, which the
faulting thread may be waiting for. So the handler is compiled and calls only the C library; the line that it
writes is in the environment, where it can be read without allocating memory.
"""

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import cfunc, types

from fer_models.text import printable, typed

_VARIABLE = "FEDFER_CUT_SHORT"
_NAME = np.frombuffer(f"{_VARIABLE}\0".encode(), np.uint8)
_getenv = types.ExternalFunction("getenv", types.uintp(types.uintp))
_strlen = types.ExternalFunction("strlen", types.uintp(types.uintp))
_write = types.ExternalFunction("write", types.intp(types.int32, types.uintp, types.uintp))
_leave = types.ExternalFunction("_exit", types.void(types.int32))


@contextmanager
def told(folder: Path, features: Path | None) -> Iterator[None]:
    """In the block, a read past the end of a mapped file ends the process with one line and exit code 1.

    The line names the `features` and says how to resume the run in `folder`.
    """
    what = (
        f"{printable(features)}, or a file in {printable(folder / 'prepared')},"
        if features
        else "a mapped file"
    )
    line = f"fedfer: {what} was cut short while the run read it; leave prepared files alone; resume with: "
    os.environ[_VARIABLE] = f"{line}fedfer run --resume {typed(folder)}\n"
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    before = libc.signal(signal.SIGBUS, _handler().address)
    try:
        yield
    finally:
        libc.signal(signal.SIGBUS, before)
        del os.environ[_VARIABLE]


@lru_cache(maxsize=1)
def _handler() -> Any:
    """The compiled handler, kept as long as the process."""
    return cfunc(types.void(types.int32), cache=True)(_end)


def _end(number: int) -> None:
    """Writes the line to standard error and leaves."""
    line = _getenv(_NAME.ctypes.data)
    _write(types.int32(2), line, _strlen(line))
    _leave(types.int32(1))
