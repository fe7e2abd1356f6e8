"""A matrix in a .npy file that is written row by row: an interrupted one resumes, a finished one is sealed.

Rows are written in batches, each of which reaches the disk before the next; a second process that needs the
same file waits for the first.
"""

import fcntl
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from fer_models.machine.cache import sha256_of, whole_file

BATCH = 32  # rows written together; an interrupted computation resumes at a multiple

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Layout:
    """The layout of the file: the number of rows, their shape and type."""

    rows: int
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def header(self) -> bytes:
        """The header of such a .npy file."""
        header = io.BytesIO()
        descr = np.lib.format.dtype_to_descr(self.dtype)
        shape = {"descr": descr, "fortran_order": False, "shape": (self.rows, *self.shape)}
        np.lib.format.write_array_header_1_0(header, shape)
        return header.getvalue()

    @property
    def row(self) -> int:
        """Bytes per row."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


def make(final: Path, layout: Layout, fill: Callable[[IO[bytes]], None], report: Progress) -> None:
    """Has `fill` append the missing rows to the unfinished file, unless the finished one is there already."""
    partial = final.with_suffix(".partial")
    if _whole(final, layout):
        return
    with _alone(final.with_suffix(".lock"), lambda: report(_rows_in(partial, layout), layout.rows)):
        if not _whole(final, layout):
            with _opened(partial, layout) as file:
                fill(file)
            partial.replace(final)
            _seal(final)
            _settle(final.parent)


def _whole(final: Path, layout: Layout) -> bool:
    """Whether the finished file exists with the expected header and length, unchanged since then."""
    header = layout.header
    try:
        with final.open("rb") as file:
            right = os.fstat(file.fileno()).st_size == len(header) + layout.rows * layout.row
            return right and file.read(len(header)) == header and _sealed(final)
    except FileNotFoundError:
        return False


def _seal(final: Path) -> None:
    """Stores the finished file's digest and modification time beside it."""
    with whole_file(final.with_suffix(".seal")) as temporary:
        temporary.write_text(f"{final.stat().st_mtime_ns} {sha256_of(final)}", encoding="utf-8")


def _sealed(final: Path) -> bool:
    """Whether the file's content is unchanged since it was sealed; a file older than seals is sealed now.

    The file is only read if its modification time changed.
    """
    seal = final.with_suffix(".seal")
    if not seal.exists():
        _seal(final)
    try:
        time, digest = seal.read_text(encoding="utf-8").split()
    except ValueError:  # damaged seal: the file cannot be trusted
        return False
    if final.stat().st_mtime_ns != int(time):
        if sha256_of(final) != digest:
            return False
        _seal(final)
    return True


def _rows_in(partial: Path, layout: Layout) -> int:
    """The number of rows in the unfinished file."""
    try:
        return max(0, partial.stat().st_size - len(layout.header)) // layout.row
    except FileNotFoundError:
        return 0


@contextmanager
def _alone(lock: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Holds the lock file; calls `waiting` now and then while another process holds it.

    The system releases the lock when the process ends, however it ends. The empty file stays: removing it
    could take it away from another process that has just opened it.
    """
    with lock.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                time.sleep(0.2)
        yield


@contextmanager
def _opened(partial: Path, layout: Layout) -> Iterator[IO[bytes]]:
    """The unfinished file, truncated to the whole batches that are certainly on disk, open at its end.

    Each batch reaches the disk before the next is written, so after a power cut only the last one is in
    doubt: it is recomputed.
    """
    header = layout.header
    with partial.open("r+b" if partial.exists() else "w+b") as file:
        batches = (_rows_in(partial, layout) // BATCH) - 1
        if batches > 0 and file.read(len(header)) == header:
            file.truncate(len(header) + batches * BATCH * layout.row)
        else:
            file.truncate(0)
            file.seek(0)
            file.write(header)
        file.seek(0, os.SEEK_END)
        yield file


def _settle(folder: Path) -> None:
    """Makes a rename in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
