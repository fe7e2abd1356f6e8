"""Where the emotions lie in a folder: as its sub-folders, levels further down, or under train, val and
test.

Comes before listing (fer_models/folder_listing.py). A sub-folder is an emotion when its name is one in the
vocabulary.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from fer_models.emotions import Vocabulary, is_number, plain
from fer_models.errors import InputError
from fer_models.split import SPLITS
from fer_models.text import listed, shown

_DEEP = 3  # levels below the named folder that are looked at
_PART_OF = {
    name: part
    for part, names in zip(
        SPLITS,
        (
            "train training trn",
            "validation val valid dev publictest",
            "test testing tst eval evaluation privatetest",
        ),
        strict=True,
    )
    for name in names.split()
}
_AROUND = re.compile(r"\b(set|data|dataset|images|faces|split|folder|fer2013|fer)\b|^fer2013")

Knows = Callable[[str], bool]


@dataclass(frozen=True)
class Spot:
    """A folder whose photos show one emotion."""

    path: str
    label: str  # its name
    part: str  # of the split that comes with the data, "" where there is none


@dataclass(frozen=True)
class Layout:
    """Where the emotions lie; `at` is the folder that holds them, or their parts."""

    at: str
    spots: list[Spot]
    beside: dict[str, str] = field(default_factory=dict)  # folders that are none of them -> why they are left


def part_of(name: str) -> str:
    """The part of the split that a folder, or a value of a column, names; "" where it names none."""
    text = plain(name).replace(" ", "")
    if text in _PART_OF:
        return _PART_OF[text]
    return _PART_OF.get("".join(_AROUND.sub("", plain(name)).split()), "")


def find_layout(root: str, vocabulary: Vocabulary) -> Layout | None:
    """Where the emotions lie in `root` or below it; None where no sub-folder is one.

    Raises InputError where they lie in several folders, of which the user must name one.
    """
    return _look(root, vocabulary.knows, _DEEP)


def numbered_layout(root: str) -> Layout | None:
    """The same for sub-folders whose names are numbers."""
    return _look(root, is_number, _DEEP)


def sub_folders(folder: str) -> list[str]:
    """The names of a folder's sub-folders that can hold photos, sorted; none where it cannot be listed."""
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not hidden(entry.name))
    except OSError:  # the listing, which comes later, says so
        return []


def hidden(name: str) -> bool:
    """Whether a file or folder is the system's own."""
    return name.startswith((".", "__MACOSX", "$RECYCLE", "System Volume")) or name in (
        "Thumbs.db",
        "desktop.ini",
    )


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
            f"data.source: emotions lie in several folders below {shown(folder)}:"
            f" {listed((os.path.relpath(layout.at, folder) for layout in found), 6)}; give one of them"
        )
    return found[0] if found else None


def _emotions(folder: str, names: list[str], knows: Knows) -> Layout:
    """The sub-folders of `folder` are the emotions; one that is a part with emotions of its own is left."""
    spots, beside = [], {}
    for name in names:
        path = os.path.join(folder, name)
        if not knows(name) and part_of(name):
            beside[path] = "a part of a split beside the emotions"
        else:
            spots.append(Spot(path, name, ""))
    return Layout(folder, spots, beside)


def _parts(folder: str, names: list[str], knows: Knows, deep: int) -> Layout | None:
    """The sub-folders are parts of a split, each with the emotions in it, or a level below."""
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
    """Emotions in `folder`, or in the only one of its sub-folders that has them."""
    names = sub_folders(folder)
    if any(knows(name) for name in names):
        return _emotions(folder, names, knows)
    if deep == 0:
        return None
    found = [layout for name in names if (layout := _plain(os.path.join(folder, name), knows, deep - 1))]
    return found[0] if len(found) == 1 else None


def walk(folder: str, unlisted: Callable[[str, OSError], None], skip: Collection[str] = ()) -> Iterator[str]:
    """Every file below `folder`, in no order; a folder linked into itself is entered once.

    `unlisted` is told of folders that cannot be listed. The system's own files and folders, and
    those of `skip`, are left out.
    """
    seen = set()

    def closed(error: OSError) -> None:
        unlisted(str(error.filename), error)

    for here, folders, files in os.walk(folder, followlinks=True, onerror=closed):
        real = os.path.realpath(here)
        folders[:] = [name for name in folders if not hidden(name) and os.path.join(here, name) not in skip]
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (os.path.join(here, name) for name in files if not hidden(name))
