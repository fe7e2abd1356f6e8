"""The photos that a user names one by one, as for `fedfer predict`; a folder means all photos below it."""

import os
from collections.abc import Sequence

from fer_models.errors import InputError
from fer_models.photos.file_kinds import is_photo_file
from fer_models.photos.layout import walk
from fer_models.photos.ledger import CLOSED
from fer_models.text import printable


def given_photos(given: Sequence[str]) -> list[str]:
    """The photo files that the user named, in that order; a folder means all photos below it, sorted.

    Raises InputError when one of `given` does not exist or cannot be listed, and when none of them holds a
    photo.
    """
    missing = [path for path in given if not os.path.exists(path)]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(
            f"no such photo or folder: {printable(missing[0])}{more}; check the path (working directory:"
            f" {printable(os.getcwd())})"
        )
    found = []
    for path in given:
        if os.path.isdir(path):
            found += sorted(filter(is_photo_file, walk(path, _aside)))
        elif os.path.isfile(path):
            found.append(path)
        else:
            raise InputError(
                f"{printable(path)} is neither a file nor a folder; give photos, or a folder of them"
            )
    if not found:
        raise InputError(
            f"there is no photo in {', '.join(map(printable, given))}; give photos, or a folder of them"
        )
    return found


def _aside(path: str, why: str) -> None:
    if why.startswith(CLOSED):
        raise InputError(f"the folder {printable(path)} {why}; check its permissions")
