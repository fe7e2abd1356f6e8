"""Views in, one cached matrix of model inputs out, one row per view, in the order of the plan.

Third stage of the data path. The matrix is cached under a key of everything that shapes it and nothing else,
so every partition, strategy and baseline shares it. Rows stream through in batches: threads read and augment
photos while the encoder processes the previous batch. If a run is interrupted, the rows computed so far are
kept and the next run resumes from them, with the same bits.
"""

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import IO

import numpy as np

from fer_models.data.augment import ViewPlan, views
from fer_models.data.images import ImageTable
from fer_models.encoders.encoder import Encoder
from fer_models.errors import RunError
from fer_models.machine import matrix_file
from fer_models.machine.cache import cache_dir
from fer_models.machine.code import digests, with_imports
from fer_models.machine.cores import cores
from fer_models.machine.matrix_file import BATCH, Layout, Progress

_TOOK = ".seconds"  # ending of the file beside the matrix that holds how long it took
READERS = 8  # threads that read photos, at most
_COPIED = 4096  # rows copied together


class _StoppedError(Exception):
    """A reader was told to stop."""


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
    layout = _layout(encoder, size, total)
    final = _path(table, plan, encoder, size, seed)

    def fill(file: IO[bytes]) -> None:
        began = time.perf_counter()
        computed = _fill(file, layout, table, plan, encoder, size, seed, report)
        _note(final, (time.perf_counter() - began) * total / computed)

    _make(final, layout, fill, report)
    report(total, total)
    return final


def derive(
    table: ImageTable,
    plan: ViewPlan,
    encoder: Encoder,
    size: int,
    *,
    seed: int,
    among: ViewPlan,
    matrix: Path,
) -> Path:
    """As `extract`, with rows copied from `matrix`, which holds those of the plan `among`: it has them
    all.
    """
    layout = _layout(encoder, size, len(plan))
    final, rows = _path(table, plan, encoder, size, seed), plan.rows_in(among)

    def fill(file: IO[bytes]) -> None:
        whole = np.load(matrix, mmap_mode="r")
        for start in range((file.tell() - len(layout.header)) // layout.row, len(rows), _COPIED):
            file.write(whole[rows[start : start + _COPIED]].tobytes())
        if (took := seconds(matrix)) is not None:
            _note(final, took * len(rows) / len(among))

    _make(final, layout, fill, lambda done, total: None)
    return final


def _layout(encoder: Encoder, size: int, rows: int) -> Layout:
    example = encoder(np.zeros((1, 1, size, size), np.uint8))[0]
    return Layout(rows, example.shape, example.dtype)


def _path(table: ImageTable, plan: ViewPlan, encoder: Encoder, size: int, seed: int) -> Path:
    try:
        return cache_dir("features") / f"{key(table, plan, encoder, size, seed=seed)}.npy"
    except OSError as error:
        raise _unwritable(error) from error


def _make(final: Path, layout: Layout, fill: Callable[[IO[bytes]], None], report: Progress) -> None:
    """`matrix_file.make`, with the remedy if the cache cannot be written."""
    try:
        matrix_file.make(final, layout, fill, report)
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> RunError:
    why = f"{error.strerror or error}: {error.filename}" if error.filename else error.strerror or error
    return RunError(
        f"the features could not be written to the cache ({why}); free some space and run again (finished"
        " rows are kept), or point FEDFER_CACHE to another folder"
    )


def seconds(path: Path) -> float | None:
    """Seconds that computing the matrix took, whenever that was; None if not known.

    Of a computation that was interrupted, those of its last part, scaled up to all rows.
    """
    try:
        return float(path.with_suffix(_TOOK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _note(path: Path, took: float) -> None:
    path.with_suffix(_TOOK).write_text(str(took), encoding="utf-8")


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


def _fill(
    file: IO[bytes],
    layout: Layout,
    table: ImageTable,
    plan: ViewPlan,
    encoder: Encoder,
    size: int,
    seed: int,
    report: Progress,
) -> int:
    """Appends the missing rows, batch by batch; returns how many they were."""
    total = len(plan)
    done = there = (file.tell() - len(layout.header)) // layout.row
    report(done, total)
    for pixels in _batches(table, plan, size, seed, done):
        file.write(encoder(pixels).astype(layout.dtype, copy=False).tobytes())
        file.flush()
        os.fsync(file.fileno())
        done += len(pixels)
        report(done, total)
    return total - there


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
