"""Which photos there are: a folder with a sub-folder per emotion, or a CSV, to a list of (path, emotion,
subject). The first stage of the way of the data; no photo is opened here.

In a folder every file counts as a photo, at any depth below its emotion, but for hidden files and folders
and for side files, known by their ending (`SIDE_FILES`). A CSV names its photos itself. A `labels.csv` in
the folder adds the subjects, and its emotion goes before the name of the sub-folder.
"""

import csv
import difflib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fer_models.errors import InputError

LABELS = "labels.csv"
HUB = "hub:"  # what the name of a data set of the Hugging Face hub begins with
_SIDE = """
    7z avi bak bin bz2 cfg conf csv db doc docx gz h5 htm html ini ipynb js json jsonl license lnk log mat md
    md5 mov mp3 mp4 npy npz onnx parquet part pdf pkl pt pth py rar rst safetensors sh sha256 sqlite tar tmp
    toml tsv txt url wav xls xlsx xml xz yaml yml zip
"""
SIDE_FILES = frozenset(f".{ending}" for ending in _SIDE.split())


class Photo(NamedTuple):
    """One photo file; `subject` is "" where it is not known."""

    path: str
    emotion: str
    subject: str


def list_photos(source: Path, classes: Sequence[str]) -> list[Photo]:
    """The photos of `classes` in a folder or CSV, sorted by path.

    Raises InputError for a source that is not there or holds nothing, for a class it does not have, and for
    a CSV that is not sound.
    """
    photos, found = _from(source, classes)
    check_classes(classes, found, shown(source))
    check_used(classes, photos, shown(source))
    return sorted(photos)


def count_photos(source: Path) -> dict[str, int]:
    """Photos of each emotion in a folder or CSV, 0 for an empty sub-folder; rows without a file do not count.

    Raises InputError for a source that is not there or holds nothing, and for a CSV that is not sound.
    """
    photos, found = _from(source, None)
    return dict.fromkeys(sorted(set(found)), 0) | Counter(photo.emotion for photo in photos)


def check_used(classes: Sequence[str], photos: Iterable[Photo], source: str) -> None:
    """Raises InputError for the first of `classes` that none of `photos` shows."""
    used = {photo.emotion for photo in photos}
    for name in classes:
        if name not in used:
            raise InputError(
                f'data.source: class "{name}" has no photo in {source}; add photos or leave it out'
                " of data.classes"
            )


def given_photos(given: Sequence[str]) -> list[str]:
    """The photo files that the user named, in that order; a folder stands for those below it, sorted.

    Raises InputError when one of `given` is not there, and when there is no photo in all of them.
    """
    missing = [path for path in given if not os.path.exists(path)]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(
            f"no such photo or folder: {shown(missing[0])}{more}; check the path, it is seen from"
            f" {shown(os.getcwd())}"
        )
    found = []
    for path in given:
        if os.path.isdir(path):
            try:
                os.scandir(path).close()
            except OSError as error:
                raise InputError(
                    f"the folder {shown(path)} cannot be read ({error.strerror}); check its permissions"
                ) from error
            found += sorted(_walk(Path(path)))
        elif os.path.isfile(path):
            found.append(path)
        else:
            raise InputError(
                f"{shown(path)} is neither a file nor a folder; give photos, or a folder of them"
            )
    if not found:
        raise InputError(
            f"there is no photo in {', '.join(map(shown, given))}; give photos, or a folder of them"
        )
    return found


def check_classes(classes: Sequence[str], found: Iterable[str], source: str) -> None:
    """Raises InputError for the first of `classes` that is not among `found`, with the nearest name."""
    there = sorted(set(found))
    for name in classes:
        if name not in there:
            plain = {other.casefold(): other for other in there}
            near = difflib.get_close_matches(name.casefold(), plain, n=1, cutoff=0.6)
            hint = f' (did you mean "{shown(plain[near[0]])}"?)' if near else ""
            raise InputError(
                f'data.classes: no class "{name}" in {source}{hint}; found: {", ".join(map(shown, there))}'
            )


def shown(path: str | Path) -> str:
    """A path or name as one line of printable text, whatever bytes it is made of."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _from(source: Path, classes: Sequence[str] | None) -> tuple[list[Photo], list[str]]:
    """The photos of `classes` (None: of all), and the emotions there are, with or without photos."""
    try:
        if source.is_dir():
            return _from_folder(source, classes)
        if source.suffix.lower() == ".csv" and source.is_file():
            return _from_csv(source, classes)
    except OSError as error:
        raise InputError(
            f"data.source: cannot read {shown(error.filename or source)}: {error.strerror or error};"
            " check the path and its permissions"
        ) from error
    raise InputError(_no_source(source))


def _no_source(source: Path) -> str:
    if source.name.casefold() == "sketch" and not source.exists():
        return f'data.source: no such file or folder: {shown(source)}; did you mean "sketch"?'
    if not source.exists():
        return (
            f"data.source: no such file or folder: {shown(source)}; give a folder with one sub-folder per"
            ' emotion, a .csv file, or "sketch"'
        )
    return (
        f"data.source: {shown(source)} is neither a folder nor a .csv file; give a folder with one sub-folder"
        " per emotion, or a CSV with the columns file,emotion[,subject]"
    )


def _from_folder(root: Path, classes: Sequence[str] | None) -> tuple[list[Photo], list[str]]:
    entries = [entry for entry in os.scandir(root) if not entry.name.startswith(".")]
    if not entries:
        raise InputError(f"data.source: the folder {shown(root)} is empty; {_LAYOUT}")
    folders = [entry.name for entry in entries if entry.is_dir()]
    labels = root / LABELS
    rows = {photo.path: (line, photo) for line, photo in _rows(labels)} if labels.is_file() else {}
    if not folders and not rows:
        raise InputError(f"data.source: the folder {shown(root)} has no sub-folders; {_LAYOUT}")
    photos = {}
    for emotion in folders if classes is None else classes:
        for path in _walk(root / emotion) if emotion in folders else ():
            named = rows.get(path)
            photos[path] = named[1] if named else Photo(path, emotion, "")
    others = [row for path, row in rows.items() if path not in photos]
    photos |= {photo.path: photo for photo in _there(labels, others, classes)}
    emotions = [photo.emotion for _, photo in rows.values()]
    return [photo for photo in photos.values() if classes is None or photo.emotion in classes], (
        folders + emotions
    )


_LAYOUT = "put the photos into one sub-folder per emotion (anger, happiness ...)"


def _from_csv(table: Path, classes: Sequence[str] | None) -> tuple[list[Photo], list[str]]:
    rows = list(_rows(table))
    if not rows:
        raise InputError(f"data.source: {shown(table)} has no rows; each row is file,emotion[,subject]")
    return _there(table, rows, classes), [photo.emotion for _, photo in rows]


def _walk(folder: Path) -> Iterator[str]:
    """The photo files below `folder`; a folder linked into itself is entered once."""
    seen = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in files:
            path = os.path.join(here, name)
            side = os.path.splitext(name)[1].lower() in SIDE_FILES or name in ("Thumbs.db", "desktop.ini")
            special = os.path.exists(path) and not os.path.isfile(path)  # a socket, a pipe
            if not (name.startswith(".") or side or special):
                yield path


def _rows(table: Path) -> Iterator[tuple[int, Photo]]:
    """(line, photo) of each row; columns beyond file, emotion and subject are left alone."""
    root = table.parent
    seen: dict[str, int] = {}
    with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        try:
            columns = [(name or "").strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            for wanted in ("file", "emotion"):
                if wanted not in columns:
                    raise InputError(
                        f'{shown(table)} has no column "{wanted}"; columns found:'
                        f" {', '.join(map(shown, columns)) or 'none (the file is empty)'};"
                        " wanted: file,emotion[,subject]"
                    )
            for row in reader:
                file_name, emotion = ((row[name] or "").strip() for name in ("file", "emotion"))
                for name, value in (("file", file_name), ("emotion", emotion)):
                    if not value:
                        raise InputError(
                            f"{shown(table)}, line {reader.line_num}: no {name}; give one or remove the row"
                        )
                path = os.path.normpath(os.path.join(root, file_name))
                if path in seen:
                    raise InputError(
                        f"{shown(table)}, line {reader.line_num}: {shown(file_name)} is listed twice (first"
                        f" in line {seen[path]}); remove one of the rows"
                    )
                seen[path] = reader.line_num
                yield reader.line_num, Photo(path, emotion, (row.get("subject") or "").strip())
        except csv.Error as error:
            raise InputError(
                f"{shown(table)}, line {reader.line_num}: not a CSV ({error}); save it again as"
                " comma-separated text"
            ) from error


def _there(table: Path, rows: Iterable[tuple[int, Photo]], classes: Sequence[str] | None) -> list[Photo]:
    """The photos of `classes` among the rows, which must have their files; for None all that have."""
    wanted = [row for row in rows if classes is None or row[1].emotion in classes]
    missing = [row for row in wanted if not os.path.isfile(row[1].path)]
    if missing and classes is not None:
        line, photo = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(
            f"{shown(table)}, line {line}: no such file: {shown(photo.path)}{more};"
            " paths are relative to the CSV"
        )
    absent = {photo.path for _, photo in missing}
    return [photo for _, photo in wanted if photo.path not in absent]
