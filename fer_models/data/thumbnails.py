"""Size, mode and a thumbnail of 32x32 gray pixels of every photo of a table.

The leakage check (fer_models/data/leakage.py) compares thumbnails; `fedfer data show` counts sizes. Every
photo is read once, and the result is cached under the photo's digest: 1 KB per photo.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
from PIL import Image

from fer_models.data.images import ImageTable
from fer_models.machine.cache import cache_dir, whole_file
from fer_models.photos.scan import Progress, header

SIDE = 32
_LEAST = 2 * SIDE  # pixels per side: a large JPEG need not be decoded larger
_FORMAT = 1  # of the cache
_BATCH = 512  # photos handed to the threads at a time
_DTYPE = np.dtype(
    [("digest", "S64"), ("width", "<i4"), ("height", "<i4"), ("mode", "S8"), ("thumb", "u1", (SIDE, SIDE))]
)


class Looks(NamedTuple):
    """Sizes, modes and thumbnails of n photos, in the order of the table."""

    widths: np.ndarray  # (n,) int32 pixels, as stored: before any EXIF rotation
    heights: np.ndarray  # (n,) int32
    modes: np.ndarray  # (n,) str, Pillow's mode as stored: "L", "RGB", "I;16" ...
    thumbs: np.ndarray  # (n, 32, 32) uint8 gray, upright


def look(table: ImageTable, *, progress: Progress | None = None) -> Looks:
    """The `Looks` of all photos, from the cache where read before.

    `progress` is called as (photos done, photos). An interrupted call keeps its results. Raises what reading
    a photo raises.
    """
    report = progress or (lambda done, total: None)
    store, total = _store(table), len(table)
    seen = np.zeros(total, _DTYPE)
    known = _load(store)
    place = {digest: k for k, digest in enumerate(known["digest"].tolist())}
    found = np.array([place.get(digest.encode(), -1) for digest in table.digests], dtype=np.int64)
    seen[found >= 0] = known[found[found >= 0]]
    fresh = np.flatnonzero(found < 0).tolist()
    done = total - len(fresh)
    report(done, total)
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
    try:
        for start in range(0, len(fresh), _BATCH):
            batch = fresh[start : start + _BATCH]
            for i, row in zip(batch, pool.map(lambda i: _glance(table, i), batch), strict=True):
                seen[i] = row
                done += 1
                report(done, total)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if fresh:
            with whole_file(store) as temporary, temporary.open("wb") as file:
                np.save(file, seen[seen["digest"] != b""])
    return Looks(seen["width"], seen["height"], seen["mode"].astype(str), seen["thumb"])


def sizes(looks: Looks) -> list[tuple[int, int, str, int]]:
    """(width, height, mode, photos) of every kind, the most frequent first."""
    kinds: dict[tuple[int, int, str], int] = {}
    for kind in zip(looks.widths.tolist(), looks.heights.tolist(), looks.modes.tolist(), strict=True):
        kinds[kind] = kinds.get(kind, 0) + 1
    return [(*kind, count) for kind, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0]))]


def thumbnail(photo: Image.Image) -> np.ndarray:
    """A photo of any size as uint8 (32, 32) gray; each pixel is the mean of the area it covers."""
    small = photo.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small)


def _glance(table: ImageTable, photo: int) -> tuple[Any, ...]:
    path = table.paths[photo]
    image = table.reader(photo, _LEAST)
    (width, height), mode = header(path) if os.path.isfile(path) else (image.size, image.mode)
    return table.digests[photo].encode(), width, height, mode.encode(), thumbnail(image)


def _store(table: ImageTable) -> Path:
    name = f"{_FORMAT}|{PIL.__version__}|{'|'.join(table.classes)}|{table.source}"
    return (
        cache_dir("looks") / f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.npy"
    )


def _load(store: Path) -> np.ndarray:
    try:
        kept = np.load(store)
        return kept if kept.dtype == _DTYPE else np.zeros(0, _DTYPE)
    except (FileNotFoundError, ValueError, EOFError):  # absent or not ours: read again
        return np.zeros(0, _DTYPE)
