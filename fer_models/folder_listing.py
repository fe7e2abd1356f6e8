"""The photos in a folder of emotions, at any depth below them, and all else that lies there.

Every file counts as a photo but hidden files and side files. A `labels.csv` of ours in the folder (columns
file and emotion) adds the subjects, and its emotion goes before the name of the sub-folder; other tables
are set aside.
"""

import os
from collections import Counter
from functools import lru_cache
from pathlib import Path

from fer_models import tables
from fer_models.emotions import Vocabulary, meaning
from fer_models.errors import InputError
from fer_models.file_kinds import ARCHIVES, has_photo_name, is_photo_file, why_no_photo
from fer_models.layout import Layout, Spot, find_layout, hidden, numbered_layout, part_of, sub_folders, walk
from fer_models.ledger import CLOSED, NO_LABEL, OUTSIDE
from fer_models.listing import Listing, Photo
from fer_models.table_listing import list_table
from fer_models.text import listed, many, shown

LABELS = "labels.csv"
LAYOUT = "put the photos into one sub-folder per emotion (anger, happiness ...)"
_FEW = 3  # tables that are named one by one
_MANY = 20  # photos of a folder that are counted instead of named


def list_folder(root: Path, vocabulary: Vocabulary) -> Listing:
    """Every photo of the folder; InputError where there is nothing in it, or nothing to make of it."""
    names = [entry.name for entry in os.scandir(root) if not hidden(entry.name)]
    if not names:
        raise InputError(f"data.source: the folder {shown(root)} is empty; {LAYOUT}")
    layout = find_layout(str(root), vocabulary)
    listing = Listing()
    rows = _own_labels(root, layout, listing)
    if layout is None:
        layout = _without_emotions(root, names, has_rows=bool(rows.photos))
    elif layout.at != str(root):
        listing.ledger.notes.append(f"Photos found in {shown(os.path.relpath(layout.at, root))}")
    _walk_spots(root, layout, listing, {photo.path: photo for photo in rows.photos})
    _add_rows(listing, rows)
    _note_tables(root, listing)
    return listing


def _without_emotions(root: Path, names: list[str], *, has_rows: bool) -> Layout:
    """The layout of a folder in which no sub-folder is an emotion: whatever its sub-folders are called."""
    folders = sub_folders(str(root))
    if not folders and not has_rows:
        raise InputError(f"data.source: {_where_else(root, names)}")
    if (numbered := numbered_layout(str(root))) is not None:
        return numbered
    found = [name for name in names if tables.usable_columns(root / name)]
    if found and not has_rows:
        raise InputError(
            f"data.source: no sub-folder of {shown(root)} is an emotion ({listed(folders)}), but"
            f" {listed(found)} in it names photos and emotions: give --data {shown(root / found[0])}"
        )
    # the sub-folders as they are, so that the error can name them
    return Layout(str(root), [Spot(str(root / name), name, "") for name in folders])


def _where_else(root: Path, names: list[str]) -> str:
    """What a folder without sub-folders holds instead, and what to do about it."""
    if archives := [name for name in names if os.path.splitext(name)[1].lower() in ARCHIVES]:
        return f"the folder {shown(root)} holds {listed(archives)}, still packed; unpack it"
    if found := [name for name in names if tables.is_table(name)]:
        return (
            f"the folder {shown(root)} has no sub-folders; {listed(found)} in it may name the photos: give"
            f" --data {shown(root / found[0])}, or {LAYOUT}"
        )
    return f"the folder {shown(root)} has no sub-folders; {LAYOUT}"


def _own_labels(root: Path, layout: Layout | None, listing: Listing) -> Listing:
    """What labels.csv says, in the folder or where its emotions lie; nothing where it is another tool's."""
    for folder in dict.fromkeys([str(root), layout.at if layout else str(root)]):
        path = Path(folder, LABELS)
        if not path.is_file():
            continue
        ours = {"file", "emotion"} & {tables.folded_name(name) for name in tables.header_of(path)}
        if tables.usable_columns(path) and (layout is None or ours):
            rows = list_table(path)
            listing.ledger.columns |= rows.ledger.columns
            listing.ledger.notes += rows.ledger.notes
            return rows
        if layout is None:
            return list_table(path)  # which says what it lacks
    return Listing()


def _walk_spots(root: Path, layout: Layout, listing: Listing, rows: dict[str, Photo]) -> None:
    """Lists the photos below every spot of the layout, and all else below `root` in the ledger."""
    ledger = listing.ledger

    def unlisted(folder: str, error: OSError) -> None:
        ledger.folders[_short(root, folder)] = f"{CLOSED} ({error.strerror})"

    labels = Counter(spot.label for spot in layout.spots)
    moved = 0
    for spot in layout.spots:
        for path in walk(spot.path, unlisted):
            if not is_photo_file(path):
                ledger.files[_short(root, path)] = why_no_photo(path)
            else:
                photo = rows.get(path) or Photo(path, spot.label, "")
                moved += photo.emotion != spot.label
                part = photo.part or spot.part or _part_below(spot.path, os.path.dirname(path))
                listing.photos.append(photo._replace(part=part))
    found = {photo.emotion for photo in listing.photos}
    listing.labels = [label for label in labels if label not in found]
    if moved:
        ledger.notes.append(
            f"{LABELS} gives {many(moved, 'photo')} another emotion than the folder: it is followed"
        )
    ledger.folders |= {_short(root, path): f"not used, {why}" for path, why in layout.beside.items()}
    outside: dict[str, list[str]] = {}
    for path in walk(str(root), unlisted, skip={spot.path for spot in layout.spots}):
        if not (has_photo_name(path) and is_photo_file(path)):
            ledger.files[_short(root, path)] = why_no_photo(path)
        elif path not in rows:
            outside.setdefault(os.path.dirname(path), []).append(path)
    for folder, paths in sorted(outside.items()):
        for path in sorted(paths) if len(paths) <= _MANY else ():
            ledger.put_aside(OUTSIDE, _short(root, path))
        if len(paths) > _MANY:
            ledger.put_aside(OUTSIDE, f"{_short(root, folder)} ({many(len(paths), 'photo')})", len(paths))


@lru_cache(maxsize=8)
def _part_below(emotion: str, folder: str) -> str:
    """The part of a split inside the folder of an emotion, as in anger/train; "" where there is none."""
    return part_of(os.path.relpath(folder, emotion).split(os.sep)[0])


def _add_rows(listing: Listing, rows: Listing) -> None:
    """Adds the photos of labels.csv that do not lie below the emotions; those without a file are missing."""
    there = {photo.path for photo in listing.photos}
    listing.photos += [photo for photo in rows.photos if photo.path not in there]
    listing.missing |= rows.missing
    for why, count in rows.ledger.set_aside.items():
        if why != NO_LABEL:  # such a photo has the emotion of its folder
            listing.ledger.set_aside[why] += count
    listing.ledger.listed |= rows.ledger.listed


def _note_tables(root: Path, listing: Listing) -> None:
    """Says which tables beside the emotions were set aside, and how to use them instead."""
    ledger, lines = listing.ledger, []
    for name in sorted(name for name, why in ledger.files.items() if why == "a table"):
        if os.path.basename(name) == LABELS and ledger.columns:
            ledger.files[name] = "the labels of these photos"
            continue
        columns = listed(column for column in tables.header_of(root / name) if column) or "none"
        usable = tables.usable_columns(root / name)
        ledger.files[name] = f"a table, set aside; columns {columns}"
        if usable or os.path.basename(name) == LABELS:
            use = f"; {_differing(root / name)}--data {shown(root / name)} uses it instead" if usable else ""
            lines.append(f"{name} (columns {columns}) was set aside, the folders name the emotions{use}")
    ledger.notes += lines[:_FEW]
    if len(lines) > _FEW:
        ledger.notes.append(f"and {many(len(lines) - _FEW, 'more table')}, all in data.json")


def _differing(table: Path) -> str:
    """How many rows of a table say another emotion than the folder of their photo: the begin of a hint."""
    try:
        photos = list_table(table).photos
    except InputError:  # it is not used: whoever does learns what is wrong with it
        return ""
    differ = sum(meaning(photo.emotion) != meaning(Path(photo.path).parent.name) for photo in photos)
    return f"{differ:,} of its {len(photos):,} rows say otherwise; " if differ else ""


def _short(root: Path, path: str) -> str:
    return shown(os.path.relpath(path, root))
