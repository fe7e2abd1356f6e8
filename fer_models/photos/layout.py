"""Where the emotions are in a folder: as sub-folders, some levels down, or under train, val and test.

Used before listing (fer_models/photos/folder_listing.py). A sub-folder is an emotion if the vocabulary knows
its name.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cache

from fer_models.config import SPLITS
from fer_models.emotions import Vocabulary, is_number, plain
from fer_models.errors import InputError
from fer_models.photos.ledger import CLOSED
from fer_models.text import listed, printable

_SYSTEM = (".", "__MACOSX", "$RECYCLE", "System Volume", "@eaDir")  # prefixes of hidden names
_DEEP = 3  # levels below the named folder that are searched
_PART_OF = {
    name: part
    for part, names in zip(
        SPLITS,
        (
            "train training trn",
            "validation valid val dev public publictest",
            "test testing tst eval evaluation private privatetest",
        ),
        strict=True,
    )
    for name in names.split()
}
_NAMES = "|".join(sorted(_PART_OF, key=len, reverse=True))
_PART = re.compile(rf"(?:fer2013|fer|raf)?({_NAMES})(?:set|data)?")
_BESIDE = re.compile(  # what may accompany the word for a part
    r"sets?|data|dataset|images?|imgs?|faces?|photos?|aligned|cropped|split|folder|new|db|\d+"
    r"|(?:fer|raf|affect).*"
)

Knows = Callable[[str], bool]
Aside = Callable[[str, str], None]  # (path, why)


@dataclass(frozen=True)
class Spot:
    """A folder of photos of one emotion."""

    path: str
    label: str  # its name
    part: str  # of the split that comes with the data, "" if there is none


@dataclass(frozen=True)
class Layout:
    """Where the emotions are; `at` is the folder that holds them, or their parts."""

    at: str
    spots: list[Spot]
    beside: dict[str, str] = field(default_factory=dict)  # other folders -> why they are not used


@cache
def part_of(name: str) -> str:
    """The part of the split that the name of a folder, or a value of a column, gives; "" if none."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s_\-.()]+", " ", name)  # PublicTest: two words
    words = plain(spaced).split()
    found = {word: _PART_OF[matched[1]] for word in words if (matched := _PART.fullmatch(word))}
    if any(word not in found and not _BESIDE.fullmatch(word) for word in words):
        return ""
    parts = {found["public"]} if "public" in found else set(found.values())
    return parts.pop() if len(parts) == 1 else ""


def find_layout(root: str, vocabulary: Vocabulary) -> Layout | None:
    """Where the emotions are in `root` or below it; None if no sub-folder is one.

    Raises InputError if they are in several folders, of which the user must name one.
    """
    return _look(root, vocabulary.knows, _DEEP)


def numbered_layout(root: str) -> Layout | None:
    """The same for sub-folders whose names are numbers."""
    return _look(root, is_number, _DEEP)


def sub_folders(folder: str) -> list[str]:
    """The names of a folder's sub-folders that can hold photos, sorted; none if it cannot be listed."""
    try:
        entries = [entry.name for entry in os.scandir(folder) if not hidden(entry.name)]
    except OSError:  # reported later, by the listing
        return []
    return sorted(
        name for name in entries if os.path.isdir(os.path.join(folder, name))
    )  # not: a looping link


def hidden(name: str) -> bool:
    """Whether a file or folder is the system's own."""
    return name.startswith(_SYSTEM) or name in ("Thumbs.db", "desktop.ini", "lost+found")


def _look(folder: str, knows: Knows, deep: int) -> Layout | None:
    names = sub_folders(folder)
    if any(knows(name) for name in names):
        return _emotions(folder, names, knows)
    if (parts := _parts(folder, names, knows, deep)) is not None:
        return parts
    if deep == 0:
        return None
    found = [layout for name in names if (layout := _look(os.path.join(folder, name), knows, deep - 1))]
    if len(found) > 1:
        raise InputError(
            f"data.source: emotions found in several folders below {printable(folder)}:"
            f" {listed((os.path.relpath(layout.at, folder) for layout in found), 6)}; give one of them, or a"
            " table that names photos, emotions and people"
        )
    return found[0] if found else None


def _emotions(folder: str, names: list[str], knows: Knows) -> Layout:
    """The sub-folders of `folder` are the emotions; one that is itself a part of a split is left out."""
    spots, beside = [], {}
    for name in names:
        path = os.path.join(folder, name)
        if not knows(name) and part_of(name):
            beside[path] = "a part of a split beside the emotions"
        else:
            spots.append(Spot(path, name, ""))
    return Layout(folder, spots, beside)


def _parts(folder: str, names: list[str], knows: Knows, deep: int) -> Layout | None:
    """The sub-folders are parts of a split, each with the emotions in it, or further below."""
    found = {
        name: layout
        for name in names
        if part_of(name) and (layout := _plain(os.path.join(folder, name), knows, min(deep, 2)))
    }
    if not found:
        return None
    spots = [
        Spot(spot.path, spot.label, part_of(name)) for name, layout in found.items() for spot in layout.spots
    ]
    beside = {os.path.join(folder, name): "beside the parts" for name in names if name not in found}
    for layout in found.values():
        beside |= layout.beside
    return Layout(folder, spots, beside)


def _plain(folder: str, knows: Knows, deep: int) -> Layout | None:
    """Emotions in `folder`, or in sub-folders of it."""
    names = sub_folders(folder)
    if any(knows(name) for name in names):
        return _emotions(folder, names, knows)
    if deep == 0:
        return None
    found = [layout for name in names if (layout := _plain(os.path.join(folder, name), knows, deep - 1))]
    spots = [spot for layout in found for spot in layout.spots]
    return (
        Layout(folder, spots, {k: v for layout in found for k, v in layout.beside.items()}) if found else None
    )


def walk(folder: str, aside: Aside, skip: Collection[str] = ()) -> Iterator[str]:
    """Every file below `folder`, in no order; a folder linked into itself is entered once.

    Left out, and reported to `aside` with the reason: folders that cannot be listed, hidden files and
    folders. The folders of `skip` are left out without a report.
    """
    seen = set()

    def closed(error: OSError) -> None:
        aside(str(error.filename), f"{CLOSED} ({error.strerror})")

    for here, folders, files in os.walk(folder, followlinks=True, onerror=closed):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in filter(hidden, [*folders, *files]):
            aside(os.path.join(here, name), "hidden")
        folders[:] = [name for name in folders if not hidden(name) and os.path.join(here, name) not in skip]
        yield from (os.path.join(here, name) for name in files if not hidden(name))
