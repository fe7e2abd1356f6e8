"""The table of photos: their paths, classes, people and parts of the split.

First stage of the data pipeline: a source (fer_models/photos/sources.py) or the embedded set -> ImageTable.
Photos are listed, checked and split (fer_models/data/parts.py) here; their pixels are read one by one,
later.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fer_models.config import DataConfig, SketchConfig
from fer_models.data.given_parts import given_parts
from fer_models.data.parts import assign
from fer_models.emotions import EMOTIONS, ours
from fer_models.errors import InputError
from fer_models.photos.choice import check_classes, choose
from fer_models.photos.ledger import OTHER, Ledger
from fer_models.photos.listing import Photo
from fer_models.photos.scan import Progress
from fer_models.photos.sources import Reader, open_source
from fer_models.photos.tabular.file_names import NO_FILE
from fer_models.run_folder.data_facts import GroupDraw
from fer_models.text import printable

if TYPE_CHECKING:
    from fer_models.sketch.faces import SketchSet


@dataclass(frozen=True)
class ImageTable:
    """The photos of a face set in a fixed order, sorted by path; unreadable ones are left out."""

    source: str  # "sketch", an absolute path, or "hub:owner/name"
    classes: tuple[str, ...]  # their order fixes the class indices
    paths: tuple[str, ...]  # absolute; "sketch/00017" for drawn ones, "FILE#00017" for rows of a table
    labels: np.ndarray  # (n,) int64 into classes
    subjects: np.ndarray | None  # (n,) str; a photo without a known person is a separate subject
    split: np.ndarray  # (n,) int8 into SPLITS: 0 train, 1 validation, 2 test
    digests: tuple[str, ...]  # per photo, identifies the pixels
    unreadable: tuple[tuple[str, str], ...]  # (printable path, reason) of each photo that was skipped
    reader: Reader
    drawn: tuple[GroupDraw, ...] = ()  # how people were divided; empty if the split is by photo
    ledger: Ledger = field(default_factory=Ledger)  # what was found in the source, and what was done with it

    def __len__(self) -> int:
        return len(self.paths)


def load_table(
    data: DataConfig, sketch: SketchConfig, *, seed: int, progress: Progress | None = None
) -> ImageTable:
    """Lists, checks and splits the photos of `data.source`; `progress` is called as (photos checked, photos).

    Raises InputError if the settings or the photos cannot be used.
    """
    if data.source == "sketch":
        return _drawn(data, sketch, seed)
    source = open_source(data)
    listing = source.listing()
    photos = choose(listing, data, printable(source.name))
    checked = source.check(photos, progress)
    broken = [(photo, c.reason) for photo, c in zip(photos, checked, strict=True) if c.reason is not None]
    _check_broken(photos, broken, data, source.name)
    kept = [(photo, c.digest) for photo, c in zip(photos, checked, strict=True) if c.digest is not None]
    paths = tuple(photo.path for photo, _ in kept)
    subjects = None
    if any(photo.subject for photo, _ in kept):
        subjects = np.array([photo.subject or f"photo {photo.path}" for photo, _ in kept])
    labels = np.array([data.classes.index(photo.emotion) for photo, _ in kept], dtype=np.int64)
    digests = tuple(digest for _, digest in kept)
    ledger = listing.ledger
    ledger.used, ledger.unreadable = len(kept), len(broken)
    given = given_parts([photo.part for photo, _ in kept], data, ledger)
    parts = assign(data, labels, subjects, digests, seed=seed, given=given)
    return ImageTable(
        source=source.name,
        classes=data.classes,
        paths=paths,
        labels=labels,
        subjects=subjects,
        split=parts.split,
        digests=digests,
        unreadable=tuple((printable(photo.path), reason) for photo, reason in broken),
        reader=source.reader([photo for photo, _ in kept], digests),
        drawn=parts.drawn,
        ledger=ledger,
    )


def _check_broken(
    photos: list[Photo], broken: list[tuple[Photo, str]], data: DataConfig, source: str
) -> None:
    """Raises InputError if too many photos, or all of a class, cannot be read."""
    check_unreadable(photos, broken, data, source)
    whole, lost = (Counter(photo.emotion for photo in some) for some in (photos, [p for p, _ in broken]))
    for name in data.classes if broken else ():
        if lost[name] == whole[name]:
            first = next(f"{printable(photo.path)}: {why}" for photo, why in broken if photo.emotion == name)
            raise InputError(
                f'data.source: none of the {whole[name]} photos of class "{name}" can be read (first:'
                f" {first}); repair them or remove the class from data.classes"
            )


def check_unreadable(
    photos: list[Photo], broken: list[tuple[Photo, str]], data: DataConfig, source: str
) -> None:
    """Raises InputError if all photos, or a larger share than data.max_unreadable, cannot be read."""
    if not broken:
        return
    share = len(broken) / len(photos)
    example = f"{printable(broken[0][0].path)}: {broken[0][1]}"
    if len(broken) == len(photos):
        what = "give photos in a format that Pillow reads"
        if NO_FILE in broken[0][1]:
            what = "correct the names, or set data.root to the folder that they are relative to"
        raise InputError(
            f"data.source: none of the {len(photos)} photos in {printable(source)} can be read (first:"
            f" {example}); {what}"
        )
    if share > data.max_unreadable:
        raise InputError(
            f"data.source: {len(broken)} of {len(photos)} photos in {printable(source)} cannot be read"
            f" ({share:.1%}, data.max_unreadable is {data.max_unreadable:.1%}; first: {example}); repair or"
            " remove them, or raise data.max_unreadable"
        )


def _drawn(data: DataConfig, sketch: SketchConfig, seed: int) -> ImageTable:
    from fer_models.sketch.faces import SketchSet

    if data.split == "given":
        raise InputError('data.split is "given" but the embedded set comes without parts; give three shares')
    faces = SketchSet(sketch.faces, sketch.subjects, sketch.seed)
    emotions = np.asarray(faces.emotions)
    there = dict(zip(EMOTIONS, np.bincount(emotions, minlength=len(EMOTIONS)).tolist(), strict=True))
    check_classes(data.classes, there, "the embedded set")
    wanted = [EMOTIONS.index(ours(name)) for name in data.classes]
    rows = np.flatnonzero(np.isin(emotions, wanted)).tolist()
    labels = np.array([wanted.index(e) for e in emotions[rows].tolist()], dtype=np.int64)
    subjects = np.asarray(faces.subject_ids)[rows]
    digests = tuple(faces.digest(i) for i in rows)
    parts = assign(data, labels, subjects, digests, seed=seed)
    return ImageTable(
        source="sketch",
        classes=data.classes,
        paths=tuple(f"sketch/{i:05d}" for i in rows),
        labels=labels,
        subjects=subjects,
        split=parts.split,
        digests=digests,
        unreadable=(),
        reader=partial(_draw, faces, rows),
        drawn=parts.drawn,
        ledger=_drawn_ledger(emotions, rows),
    )


def _drawn_ledger(emotions: np.ndarray, used: list[int]) -> Ledger:
    counts = np.bincount(emotions, minlength=len(EMOTIONS)).tolist()
    ledger = Ledger(found=dict(zip(EMOTIONS, counts, strict=True)), used=len(used))
    others = np.delete(emotions, used)
    for emotion, count in zip(*np.unique(others, return_counts=True), strict=True):
        ledger.set_aside[OTHER] += int(count)
        ledger.other_emotions[EMOTIONS[emotion]] = int(count)
    return ledger


def _draw(faces: "SketchSet", rows: list[int], photo: int, least: int = 0, /) -> Image.Image:
    return Image.fromarray(faces.draw(rows[photo]))
