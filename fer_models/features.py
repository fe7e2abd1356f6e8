"""Views in, one cached matrix of model inputs out, one row per view, in the order of the plan.

Third stage of the data path. The matrix is cached under a key of everything that shapes it and nothing else,
so every partition, strategy and baseline shares it. Rows stream through in batches: threads read and augment
photos while the encoder processes the previous batch. If a run is interrupted, the rows computed so far are
kept and the next run resumes from them, with the same bits.
"""

import fcntl
import hashlib
import io
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import IO

import numpy as np

from fer_models.data.augment import ViewPlan, views
from fer_models.data.images import ImageTable
from fer_models.encoders.encoder import Encoder
from fer_models.encoders.weights import sha256_of
from fer_models.errors import RunError
from fer_models.machine.cache import cache_dir, whole_file
from fer_models.machine.code import digests, with_imports
from fer_models.machine.cores import cores

BATCH = 32  # rows read, encoded and written together; an interrupted computation resumes at a multiple
READERS = 8  # threads that read photos, at most

Progress = Callable[[int, int], None]


class _StoppedError(Exception):
    """A reader was told to stop."""


@dataclass(frozen=True)
class _Layout:
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


def extract(
    table: ImageTable,
    plan: ViewPlan,
    encoder: Encoder,
    size: int,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Path:
    """Path of the .npy file: row i is the output of `encoder` for view i of the plan; features: (m, 1280).

    `size`: side of the square images, in pixels. `seed` determines all views but view 0. `progress` is called
    with (rows done, rows) from this thread. A second run that needs the same matrix waits for the first.
    Raises RunError if the cache cannot be written, and whatever reading a photo raises.
    """
    total = len(plan)
    report = progress or (lambda done, total: None)
    example = encoder(np.zeros((1, 1, size, size), np.uint8))[0]
    layout = _Layout(total, example.shape, example.dtype)
    try:
        final = cache_dir("features") / f"{key(table, plan, encoder, size, seed=seed)}.npy"
        if not _whole(final, layout):
            partial = final.with_suffix(".partial")
            with _alone(final.with_suffix(".lock"), lambda: report(_rows_in(partial, layout), total)):
                if not _whole(final, layout):
                    with _opened(partial, layout) as file:
                        _fill(file, layout, table, plan, encoder, size, seed, report)
                    partial.replace(final)
                    _seal(final)
                    _settle(final.parent)
    except OSError as error:
        why = f"{error.strerror or error}: {error.filename}" if error.filename else error.strerror or error
        raise RunError(
            f"the features could not be written to the cache ({why}); free some space and run again (finished"
            " rows are kept), or point FEDFER_CACHE to another folder"
        ) from error
    report(total, total)
    return final


def key(table: ImageTable, plan: ViewPlan, encoder: Encoder, size: int, *, seed: int) -> str:
    """SHA-256 over everything that shapes the matrix: photos, views and cameras row by row, size, seeds (if
    there are views besides view 0, or cameras), encoder, and the code and libraries that produce pixels.
    """
    drawn = table.source == "sketch"
    styled = plan.cameras is not None and bool((plan.cameras >= 0).any())
    makers = {f"fer_models.{name}" for name in ("data.augment", "photos.scan", "seeding")}
    makers |= set(with_imports("fer_models.sketch.faces")) if drawn else set()
    makers |= {"fer_models.data.cameras"} if styled else set()
    files = digests("fer_models")
    sources = [f"{name} {files[name.replace('.', '/') + '.py']}" for name in sorted(makers)]
    libraries = [f"{name} {version(name)}" for name in ("numpy", "pillow", *(["numba"] if drawn else []))]
    own = seed if plan.camera_seed is None else plan.camera_seed
    seeds = [f"seed {seed if np.any(plan.views) else None}", *([f"cameras {own}"] if styled else [])]
    lines = [f"features size {size}", *seeds, encoder.key, *sources, *libraries]
    taken = (f" {camera}" if camera >= 0 else "" for _, _, camera in plan.rows())
    rows = zip(plan.photos.tolist(), plan.views.tolist(), taken, strict=True)
    lines += [f"{table.digests[photo]} {view}{camera}" for photo, view, camera in rows]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _whole(final: Path, layout: _Layout) -> bool:
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


def _rows_in(partial: Path, layout: _Layout) -> int:
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
def _opened(partial: Path, layout: _Layout) -> Iterator[IO[bytes]]:
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


def _fill(
    file: IO[bytes],
    layout: _Layout,
    table: ImageTable,
    plan: ViewPlan,
    encoder: Encoder,
    size: int,
    seed: int,
    report: Progress,
) -> None:
    """Appends the missing rows, batch by batch."""
    total = len(plan)
    done = (file.tell() - len(layout.header)) // layout.row
    report(done, total)
    for pixels in _batches(table, plan, size, seed, done):
        file.write(encoder(pixels).astype(layout.dtype, copy=False).tobytes())
        file.flush()
        os.fsync(file.fileno())
        done += len(pixels)
        report(done, total)


def _batches(table: ImageTable, plan: ViewPlan, size: int, seed: int, first: int) -> Iterator[np.ndarray]:
    """Pixels from row `first` on, uint8 (BATCH, 1 or 3, size, size), in order, prefetched by threads.

    However the caller's loop ends, the threads end too, after their current photo.
    """
    stop = Event()

    def make(start: int) -> np.ndarray:
        rows = []
        for pixels in views(table, plan, size, seed=seed, start=start, stop=start + BATCH):
            if stop.is_set():
                raise _StoppedError
            rows.append(pixels)
        return stack(rows)

    threads = max(1, min(READERS, cores() // 2))
    readers = ThreadPoolExecutor(threads, thread_name_prefix="photos")
    ahead: deque[Future[np.ndarray]] = deque()
    try:
        for start in range(first, len(plan), BATCH):
            ahead.append(readers.submit(make, start))
            if len(ahead) > threads + 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        stop.set()
        readers.shutdown(cancel_futures=True)


def stack(rows: list[np.ndarray]) -> np.ndarray:
    """One array of the rows. Next to colour images, gray ones are repeated over three channels: to the
    encoder both are the same, bit for bit.
    """
    channels = max(len(row) for row in rows)
    return np.stack([np.broadcast_to(row, (channels, *row.shape[1:])) for row in rows])


def _settle(folder: Path) -> None:
    """Makes a rename in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
