"""Checks photos that are rows of a table rather than files; the results are cached.

Shared by fer2013.py and fer_models/photos/hub.py; fer_models/photos/scan.py does the same for files.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from fer_models.machine.cache import cache_dir, whole_file
from fer_models.photos.listing import Photo
from fer_models.photos.scan import Checked, Progress

_FORMAT = 1  # of the cached results


def path_of(table: str, row: int, rows: int) -> str:
    """The path of row number `row`, from 1: "FILE.csv#00017"; paths sort like the rows."""
    return f"{table}#{row:0{max(5, len(str(rows)))}d}"


def row_of(photo: Photo) -> int:
    """The number of the photo's row, from 1."""
    return int(photo.path.rpartition("#")[2])


def check_rows(
    photos: Sequence[Photo],
    examine: Callable[[int], Checked],
    *,
    table: str,
    stamp: str,
    progress: Progress | None = None,
) -> list[Checked]:
    """The result of `examine` for each photo's row, from the cache if `stamp` is unchanged.

    `progress` is called as (photos done, photos). An interrupted check keeps its results.
    """
    report = progress or (lambda done, total: None)
    store = _store(table)
    known = _load(store, stamp)
    rows = [row_of(photo) for photo in photos]
    fresh = [row for row in rows if row not in known]
    done = len(rows) - len(fresh)
    report(done, len(rows))
    try:
        for row in fresh:
            known[row] = examine(row)
            done += 1
            report(done, len(rows))
    finally:
        if fresh:
            with whole_file(store) as temporary:
                temporary.write_text(json.dumps({"stamp": stamp, "rows": list(known.items())}))
    return [known[row] for row in rows]


def _store(table: str) -> Path:
    name = f"{_FORMAT}|{table}".encode("utf-8", "surrogateescape")
    return cache_dir("scan") / f"rows-{hashlib.sha256(name).hexdigest()[:24]}.json"


def _load(store: Path, stamp: str) -> dict[int, Checked]:
    try:
        kept = json.loads(store.read_text())
        return {row: Checked(*found) for row, found in kept["rows"]} if kept["stamp"] == stamp else {}
    except (FileNotFoundError, ValueError, TypeError, KeyError):  # absent or not ours: check again
        return {}
