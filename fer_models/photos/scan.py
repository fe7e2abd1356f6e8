"""Photo files: read one, and check a whole list of them before anything else is done.

The check reads every file to its end (SHA-256 of the bytes, then a full decode), so that a broken photo is
found in the first minute and not in the middle of a run. Digests of sound photos are cached with each file's
size and modification time: a second start opens only files that are new, changed or broken.
"""

import hashlib
import json
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError, features

from fer_models.machine.cache import cache_dir, whole_file

Known = tuple[int, int, str]  # size, modification time, digest
Progress = Callable[[int, int], None]  # (files done, files in all)

_FORMAT = 1  # of the cached results
_BATCH = 512  # files handed to the threads at a time
_HEIF = (
    b"heic",
    b"heix",
    b"hevc",
    b"hevx",
    b"heim",
    b"heis",
    b"mif1",
    b"msf1",
)  # brands in the first bytes of a file
_AVIF = (b"avif", b"avis")


class Checked(NamedTuple):
    """The result of checking one file: the digest of its bytes, or the reason why it cannot be read."""

    digest: str | None
    reason: str | None


def read_photo(path: str, least: int = 0) -> Image.Image:
    """The photo, upright by its EXIF tag, mode "L" (gray of any kind) or "RGB" (all else).

    Full size by default; if a large JPEG is needed small, `least` lets the decoder halve it (up to three
    times) while both sides keep `least` pixels, which saves most of the time.
    Transparent parts become white; an animation gives its first frame; 16-bit gray is scaled to 8.
    Raises whatever Pillow raises; an image of more than `PIL.Image.MAX_IMAGE_PIXELS` is never decoded.
    """
    with open(path, "rb") as file:
        return decode(file, least)


def header(path: str) -> tuple[tuple[int, int], str]:
    """((width, height), mode) of a sound photo as stored in its file; the pixels are not decoded."""
    with open(path, "rb") as file, _pillow_rules(), Image.open(file) as image:
        return image.size, image.mode


def check_photos(paths: Sequence[str], *, source: str, progress: Progress | None = None) -> list[Checked]:
    """Checks every file; unchanged ones take the cached result of an earlier check of `source`.

    `progress` is called in this thread as (done, total). An interrupted check keeps its results.
    """
    store = _store(source)
    known = _load(store)
    stats = [_stat(path) for path in paths]
    found: dict[int, Checked] = {
        i: Checked(known[path][2], None)
        for i, (path, stat) in enumerate(zip(paths, stats, strict=True))
        if path in known and known[path][:2] == stat
    }
    fresh = [i for i in range(len(paths)) if i not in found]
    done = len(paths) - len(fresh)
    if progress:
        progress(done, len(paths))
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
    try:
        for start in range(0, len(fresh), _BATCH):
            batch = fresh[start : start + _BATCH]
            for i, checked in zip(batch, pool.map(_check, [paths[i] for i in batch]), strict=True):
                found[i] = checked
                done += 1
                if progress:
                    progress(done, len(paths))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        new = {paths[i]: (*stats[i], found[i].digest or "") for i in fresh if i in found and found[i].digest}
        if new:
            _save(store, known | new)
    return [found[i] for i in range(len(paths))]


def _check(path: str) -> Checked:
    try:
        with open(path, "rb") as file:
            return examine(file)
    except OSError as error:
        return Checked(None, error.strerror or str(error))


def examine(file: BinaryIO) -> Checked:
    """Checks one photo: the SHA-256 of its bytes, or why it cannot be read."""
    try:
        if file.seek(0, os.SEEK_END) == 0:
            return Checked(None, "empty file (0 bytes)")
        file.seek(0)
        decode(file, least=1)  # an eighth of a JPEG's size: still reads and checks all its bytes
        file.seek(0)
        return Checked(hashlib.file_digest(file, "sha256").hexdigest(), None)  # type: ignore[arg-type]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = Image.MAX_IMAGE_PIXELS or 0
        return Checked(None, f"more than {limit:,} pixels (decompression bomb), not decoded")
    except UnidentifiedImageError:
        file.seek(0)
        return Checked(None, _without_extra(file.read(12)) or "not an image that Pillow reads")
    except Exception as error:  # decoders raise anything on broken files; the reason is listed for the user
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Checked(None, " ".join(text.split()) or type(error).__name__)


def decode(file: BinaryIO, least: int) -> Image.Image:
    """The photo in an open file; see `read_photo`."""
    start = file.read(12)
    file.seek(0)
    if _is_heic(start):
        _learn_heic()
    with _pillow_rules(), Image.open(file) as image:
        if least:
            image.draft(None, (least, least))
        image.load()
        return _plain(ImageOps.exif_transpose(image))


def _is_heic(start: bytes) -> bool:
    """Whether the first 12 bytes are those of the HEIF family, the format of many phone cameras."""
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF


@cache
def _learn_heic() -> bool:
    """Enables HEIC in Pillow if the extra `heic` is installed; returns whether it is."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _without_extra(start: bytes) -> str:
    """What is needed to read a photo that starts with these bytes; "" if no extra helps."""
    if _is_heic(start) and not _learn_heic():
        return "HEIC, which needs the extra heic: pip install pillow-heif"
    if start[4:8] == b"ftyp" and start[8:12] in _AVIF and not features.check("avif"):
        return "AVIF, which this Pillow cannot read: install a newer one"
    return ""


def _plain(image: Image.Image) -> Image.Image:
    """Any mode to "L" or "RGB"."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_to_8_bit(np.asarray(image), wide=image.mode.startswith("I;16")))
    gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("LA").convert("RGBA") if gray else image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if gray else "RGB")


def _to_8_bit(pixels: np.ndarray, *, wide: bool) -> np.ndarray:
    """Gray values of more than 8 bits to uint8; their full range is 65535 if the mode says so (`wide`), else
    the first of 1 (floats), 255, 65535 that covers them all, else the largest value.
    """
    values = np.nan_to_num(pixels.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(0)
    top = float(values.max(initial=0))
    ranges = [65535.0] if wide else [1.0] * (pixels.dtype.kind == "f") + [255.0, 65535.0, top]
    full = next(r for r in ranges if wide or top <= r)
    return np.rint(values * (255 / full)).clip(0, 255).astype(np.uint8)


_rules_lock = threading.Lock()
_rules_users = 0
_rules: warnings.catch_warnings | None = None


@contextmanager
def _pillow_rules() -> Iterator[None]:
    """While any thread is inside, a decompression bomb is an error and Pillow's warnings on odd tags are off.

    Warning filters are global to the process: the first thread in sets them, the last one out restores them.
    """
    global _rules_users, _rules
    with _rules_lock:
        if _rules_users == 0:
            _rules = warnings.catch_warnings()
            _rules.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
        _rules_users += 1
    try:
        yield
    finally:
        with _rules_lock:
            _rules_users -= 1
            if _rules_users == 0 and _rules is not None:
                _rules.__exit__(None, None, None)


def _stat(path: str) -> tuple[int, int]:
    """(size, modification time), or (-1, -1) if it has none, such as a broken link."""
    try:
        found = os.stat(path)
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _store(source: str) -> Path:
    name = f"{_FORMAT}|{PIL.__version__}|{source}".encode("utf-8", "surrogateescape")
    return cache_dir("scan") / f"{hashlib.sha256(name).hexdigest()[:24]}.json"


def _load(store: Path) -> dict[str, Known]:
    try:
        rows = json.loads(store.read_text()).items()
        return {path: (size, mtime_ns, digest) for path, (size, mtime_ns, digest) in rows}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):  # absent or not ours: check again
        return {}


def _save(store: Path, known: dict[str, Known]) -> None:
    with whole_file(store) as temporary:
        temporary.write_text(json.dumps(known))
