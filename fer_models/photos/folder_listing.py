"""The photos in a folder of emotions, at any depth, and everything else found there.

Every file counts as a photo except hidden files and side files. Labels from a `labels.csv`, and other tables
(which are set aside), are handled in fer_models/photos/tabular/tables_beside.py.
"""

import os
from functools import lru_cache
from pathlib import Path

from fer_models.emotions import Vocabulary, meaning
from fer_models.errors import InputError
from fer_models.photos.file_kinds import ARCHIVES, has_photo_name, is_photo_file, is_table, why_no_photo
from fer_models.photos.layout import (
    Aside,
    Layout,
    Spot,
    find_layout,
    hidden,
    numbered_layout,
    part_of,
    sub_folders,
    walk,
)
from fer_models.photos.ledger import CLOSED, OUTSIDE
from fer_models.photos.listing import Listing, Photo
from fer_models.photos.tabular.tables_beside import LABELS, add_rows, note_tables, own_labels, usable
from fer_models.text import listed, many, printable, typed

LAYOUT = "put the photos into one sub-folder per emotion (anger, happiness ...)"
_MANY = 20  # a folder with more photos than this has them counted, not named


def list_folder(root: Path, vocabulary: Vocabulary) -> Listing:
    """Every photo of the folder; InputError if the folder is empty or its layout is not understood."""
    names = [entry.name for entry in os.scandir(root) if not hidden(entry.name)]
    if not names:
        raise InputError(f"data.source: the folder {printable(root)} is empty; {LAYOUT}")
    layout = find_layout(str(root), vocabulary)
    listing = Listing()
    rows = own_labels(root, layout, listing, vocabulary)
    if layout is None:
        layout = _without_emotions(root, names, has_rows=bool(rows.photos))
    elif layout.at != str(root):
        listing.ledger.notes.append(f"Photos found in {printable(os.path.relpath(layout.at, root))}")
    by_path = {photo.path: photo for photo in rows.photos}
    _walk_spots(root, layout, listing, by_path)
    _walk_outside(root, layout, listing, by_path)
    add_rows(listing, rows)
    note_tables(root, listing)
    return listing


def _without_emotions(root: Path, names: list[str], *, has_rows: bool) -> Layout:
    """The layout of a folder in which no sub-folder is an emotion: its sub-folders, whatever their names."""
    folders = sub_folders(str(root))
    if not folders and not has_rows:
        raise InputError(f"data.source: {_where_else(root, names)}")
    if (numbered := numbered_layout(str(root))) is not None:
        return numbered
    found = [name for name in names if usable(root / name)]
    if found and not has_rows:
        raise InputError(
            f"data.source: no sub-folder of {printable(root)} is an emotion ({listed(folders)}), but"
            f" {listed(found)} in it names photos and emotions: give --data {typed(root / found[0])}"
        )
    # the sub-folders as they are, so that the error can name them
    return Layout(str(root), [Spot(str(root / name), name, "") for name in folders])


def _where_else(root: Path, names: list[str]) -> str:
    """What a folder without sub-folders holds instead, and what to do about it."""
    if archives := [name for name in names if os.path.splitext(name)[1].lower() in ARCHIVES]:
        return f"the folder {printable(root)} holds {listed(archives)}, still packed; unpack it"
    if found := [name for name in names if usable(root / name)]:
        return (
            f"the folder {printable(root)} has no sub-folders, but {listed(found)} in it names photos and"
            f" emotions: give --data {typed(root / found[0])}"
        )
    tables = list(filter(is_table, names))
    others = f" and holds tables that do not name photos ({listed(tables)})" if tables else ""
    return f"the folder {printable(root)} has no sub-folders{others}; {LAYOUT}"


def _walk_spots(root: Path, layout: Layout, listing: Listing, rows: dict[str, Photo]) -> None:
    """Lists the photos below every spot of the layout; `rows` are those that labels.csv names, by path."""
    ledger, moved = listing.ledger, 0
    for spot in layout.spots:
        for path in walk(spot.path, _aside(root, listing)):
            if not is_photo_file(path):
                ledger.files[_short(root, path)] = why_no_photo(path)
                continue
            photo = rows.get(path) or Photo(path, spot.label, "")
            moved += bool(photo.emotion) and meaning(photo.emotion) != meaning(spot.label)
            part = photo.part or spot.part or _part_below(spot.path, os.path.dirname(path))
            listing.photos.append(photo._replace(emotion=photo.emotion or spot.label, part=part))
    found = {photo.emotion for photo in listing.photos}
    listing.labels = [spot.label for spot in layout.spots if spot.label not in found]
    if moved:
        ledger.notes.append(
            f"{LABELS} gives {many(moved, 'photo')} a different emotion than the folder: {LABELS} is used"
        )


def _walk_outside(root: Path, layout: Layout, listing: Listing, rows: dict[str, Photo]) -> None:
    """Records in the ledger everything that is outside the spots of the layout."""
    ledger = listing.ledger
    ledger.folders |= {_short(root, path): f"not used, {why}" for path, why in layout.beside.items()}
    outside: dict[str, list[str]] = {}
    for path in walk(str(root), _aside(root, listing), skip={spot.path for spot in layout.spots}):
        if not (has_photo_name(path) and is_photo_file(path)):
            ledger.files[_short(root, path)] = why_no_photo(path)
        elif path not in rows:
            outside.setdefault(os.path.dirname(path), []).append(path)
    for folder, paths in sorted(outside.items()):
        for path in sorted(paths) if len(paths) <= _MANY else ():
            ledger.put_aside(OUTSIDE, _short(root, path))
        if len(paths) > _MANY:
            ledger.put_aside(OUTSIDE, f"{_short(root, folder)} ({many(len(paths), 'photo')})", len(paths))


def _aside(root: Path, listing: Listing) -> Aside:
    """Records in the ledger what is hidden, and folders that cannot be listed."""
    ledger = listing.ledger

    def aside(path: str, why: str) -> None:
        entries = ledger.folders if why.startswith(CLOSED) or os.path.isdir(path) else ledger.files
        entries[_short(root, path)] = why

    return aside


@lru_cache(maxsize=8)
def _part_below(emotion: str, folder: str) -> str:
    """The part of a split inside the folder of an emotion, as in anger/train; "" if there is none."""
    return part_of(os.path.relpath(folder, emotion).split(os.sep)[0])


def _short(root: Path, path: str) -> str:
    return printable(os.path.relpath(path, root))
