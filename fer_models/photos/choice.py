"""Selects the photos of a source that are used: those whose labels map to one of `data.classes`.

Runs between listing and checking the photos. Every label goes through the one vocabulary
(fer_models/emotions.py); unused photos are counted in the ledger.
"""

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from fer_models.config import DataConfig
from fer_models.emotions import EMOTIONS, Vocabulary, hint, is_number, meaning
from fer_models.errors import InputError
from fer_models.photos.file_kinds import PACKED
from fer_models.photos.ledger import CLOSED, NO_LABEL, OTHER
from fer_models.photos.listing import Listing, Photo
from fer_models.text import listed, printable

FEWEST = 5  # photos of a class, to train, select and evaluate


def vocabulary(data: DataConfig) -> Vocabulary:
    """The meaning of labels under these settings."""
    return Vocabulary(data.classes, data.names)


def choose(
    listing: Listing, data: DataConfig, source: str, classes: Sequence[str] | None = None
) -> list[Photo]:
    """The photos of `data.classes`, sorted by path, labelled with their class; the others go to the ledger.

    Raises InputError if one of `classes` (default: data.classes) is missing or has no photo.
    """
    words, ledger = vocabulary(data), listing.ledger
    classes = data.classes if classes is None else classes
    ledger.found = found(listing, data)
    there = listing.counts(missing=True)
    class_of = {label: words.class_of(label) for label in there}
    try:
        check_classes(classes, there, source, data.names)
        chosen = [
            p._replace(emotion=name) for p in listing.photos if (name := class_of[p.emotion]) is not None
        ]
        check_used(classes, chosen, source)
    except InputError as error:
        raise InputError("; ".join([str(error), *_why_not_there(listing)])) from error
    for label, count in there.items():
        if class_of[label] is None and label and count:
            ledger.set_aside[OTHER] += count
            ledger.other_emotions[printable(label)] += count
        elif class_of[label] not in (None, label.strip()) and count:
            ledger.read_as[printable(label)] = str(class_of[label])
    for photo in listing.photos:
        if not photo.emotion:
            ledger.put_aside(NO_LABEL, printable(photo.path))
    return sorted(chosen)


def _why_not_there(listing: Listing) -> list[str]:
    """Possible reasons that a class was not found: photos set aside, unreadable folders, archives."""
    ledger = listing.ledger
    packed = [name for name, what in ledger.files.items() if what == PACKED]
    reasons = [f"still packed: {listed(packed, 3)}"] if packed else []
    if not listing.photos and ledger.set_aside:
        reasons.append(f"of the rows, {', '.join(f'{n:,} are {why}' for why, n in ledger.set_aside.items())}")
    reasons += [note for note in ledger.notes if note.startswith("Column")]
    return (
        reasons
        + [f"folder {name} {why}" for name, why in ledger.folders.items() if why.startswith(CLOSED)][:3]
    )


def found(listing: Listing, data: DataConfig) -> dict[str, int]:
    """Photos of each emotion in the source, by our names, used or not, sound or broken; "?": no label."""
    words, counted = vocabulary(data), Counter[str]()
    for label, photos in sorted(listing.counts(missing=True).items()):
        counted[words.name_of(label) or "?"] += photos
    return dict(sorted(counted.items()))


def check_classes(
    classes: Sequence[str], there: Mapping[str, int], source: str, names: Mapping[str, str] | None = None
) -> None:
    """Raises InputError if some of `classes` match no label (`there`: photos of each label); the message
    lists the labels found and settings that work.
    """
    words = Vocabulary(classes, names)
    means = {label: words.class_of(label) for label in there}
    missing = [name for name in classes if name not in means.values()]
    if not missing:
        return
    free = [label for label, name in means.items() if name is None]
    near = [(name, label) for name in missing if (label := hint(name, free)) is not None]
    meant = ", ".join(
        f'"{printable(label)}"' + (f' for "{name}"' if len(missing) > 1 else "") for name, label in near
    )
    lines = [
        f"data.classes: no class {', '.join(f'{chr(34)}{printable(name)}{chr(34)}' for name in missing)} in"
        f" {source}" + (f" (did you mean {meant}?)" if near else ""),
        f"found: {listed(sorted(label or '?' for label in there), 20) or 'nothing with a label'}",
        _way_on(classes, there, words, near, names),
    ]
    raise InputError("; ".join(line for line in lines if line))


def check_used(classes: Sequence[str], photos: Sequence[Photo], source: str) -> None:
    """Raises InputError for the first of `classes` that has none of `photos`."""
    used = {photo.emotion for photo in photos}
    for name in classes:
        if name not in used:
            raise InputError(
                f'data.source: class "{name}" has no photo in {source}; add photos or remove it'
                " from data.classes"
            )


def _way_on(
    classes: Sequence[str],
    there: Mapping[str, int],
    words: Vocabulary,
    near: list[tuple[str, str]],
    names: Mapping[str, str] | None,
) -> str:
    """The setting with which the labels found can be used, ready to be typed; "" if there is none."""
    numbers = sorted((label for label in there if is_number(label) and not words.knows(label)), key=float)
    if len(numbers) > 1 or (numbers and names):
        every = {**(names or {}), **dict.fromkeys(map(printable, numbers), "...")}
        table = ", ".join(f"{json.dumps(label)} = {json.dumps(name)}" for label, name in every.items())
        return (
            "the meaning of a number is not guessed: set it with --set"
            f" {shlex.quote(f'data.names={{{table}}}')} (docs/datasets.md lists it for the public sets)"
        )
    photos = Counter[str]()
    for label, count in there.items():
        photos[meaning(words.name_of(label))] += count
    wanted = [dict(near).get(name, name) for name in classes]
    enough = [name for name in wanted if photos[meaning(name)] >= FEWEST]
    if len(enough) < 2:
        enough = [name for name in EMOTIONS if photos[name] >= FEWEST]
    if len(enough) < 2:
        return "" if set(photos) & set(EMOTIONS) else "docs/datasets.md explains how to use the public sets"
    setting = f"data.classes={json.dumps(enough, ensure_ascii=False)}"
    return f"to use those found: --set {shlex.quote(setting)}"
