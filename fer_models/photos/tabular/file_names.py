r"""From the names in a table to the files on this disk, which another system may have spelled differently.

Accepted: backslashes, composed and decomposed letters, blanks at the ends of a name, .JPG for .jpg. Any other
difference, such as Anger/1.jpg for anger/1.jpg, is not accepted: the error suggests the file.
"""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fer_models.text import printable, typed

NO_FILE = "no such file"
_SAID = 50  # missing files of a table whose similar names are searched for
_INSIDE = 100  # sub-folders of the table's folder that are searched, and as many one level below
_ABOVE = 3  # parent folders that are tried as the base of the names

Same = Callable[[str], str]  # equal for names that count as one


class Found(NamedTuple):
    """The file that a name refers to, or why there is none (then `path` is where it was expected)."""

    path: str
    reason: str | None


class FileNames:
    """Finds files by their names in one table."""

    def __init__(self, root: Path, encoding: str = "utf-8") -> None:
        """`root`: base of relative names; `encoding`: of the table, for names whose bytes it misread."""
        self._root, self._encoding = str(root), encoding
        self._entries: dict[tuple[str, Same], dict[str, list[str]]] = {}
        self._others: list[str] | None = None
        self._missed = 0

    def find(self, name: str) -> Found:
        """The file of that name."""
        straight = os.path.normpath(os.path.join(self._root, name))
        if "\0" in name:
            return Found(straight.replace("\0", ""), "its name has a NUL byte")
        if os.path.isfile(straight):
            return Found(straight, None)
        for other in self._readings(name):
            if (path := self._search(self._root, other, _suffix_alike)) is not None and os.path.isfile(path):
                return Found(path, None)
        if os.path.lexists(straight):
            return Found(straight, "a broken link" if os.path.islink(straight) else "not a file")
        return Found(straight, NO_FILE + self._nearest(name))

    def _readings(self, name: str) -> list[str]:
        """Candidate spellings: with slashes for backslashes, and from the bytes in the table."""
        every = [name, name.replace("\\", "/")]
        if self._encoding == "latin-1":
            every.append(os.fsdecode(name.replace("\\", "/").encode("latin-1")))
        return list(dict.fromkeys(every))

    def _nearest(self, name: str) -> str:
        """The most similar file, as the end of the reason; "" if there is none or _SAID is reached."""
        self._missed += 1
        if self._missed > _SAID:
            return ""
        plain = self._readings(name)[-1]
        for same in (_case_alike, _stem_alike):
            if (near := self._search(self._root, plain, same)) is not None and os.path.isfile(near):
                return f', but there is "{printable(os.path.relpath(near, self._root))}"'
        parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
        for dropped in range(0 if plain.startswith("/") else 1, len(parts)):
            tail = "/".join(parts[dropped:])
            if os.path.isfile(os.path.join(self._root, tail)):
                begin = name[: name.replace("\\", "/").rfind(tail)]
                return f', but there is "{printable(tail)}": remove "{printable(begin)}" from the names'
        for folder in self._elsewhere():
            if os.path.isfile(os.path.join(folder, plain)):
                return f", but it exists below {printable(folder)}: --set {typed(f'data.root={folder}')}"
        return ""

    def _elsewhere(self) -> list[str]:
        """Other possible bases of the names: parent folders, the working directory, and sub-folders."""
        if self._others is None:
            above = [str(folder) for folder in list(Path(self._root).parents)[:_ABOVE]]
            try:
                inside = [entry.path for entry in os.scandir(self._root) if entry.is_dir()][:_INSIDE]
                inside += [e.path for folder in inside for e in os.scandir(folder) if e.is_dir()][:_INSIDE]
            except OSError:  # then there is nothing to search
                inside = []
            self._others = [*above, os.path.abspath(os.curdir), *inside]
        return self._others

    def _search(self, folder: str, name: str, last: Same) -> str | None:
        """The file below `folder` whose path matches part by part; `last` compares the last part."""
        parts = name.split("/")
        if name.startswith("/"):
            folder = "/"
        for number, part in enumerate(parts):
            if part in ("", "."):
                continue
            if part == "..":
                folder = os.path.dirname(folder)
                continue
            end = number == len(parts) - 1
            same = last if end else _case_alike if last is not _suffix_alike else _alike
            found = self._named(folder, same).get(same(part), [])
            found = [part] if part in found else found
            if len(found) != 1:  # none, or several equally good matches
                return None
            folder = os.path.join(folder, found[0])
        return folder

    def _named(self, folder: str, same: Same) -> dict[str, list[str]]:
        """The entries of a folder, grouped by what counts as the same name."""
        if (folder, same) not in self._entries:
            named: dict[str, list[str]] = {}
            try:
                for entry in os.listdir(folder):
                    named.setdefault(same(entry), []).append(entry)
            except OSError:  # not a folder, or cannot be listed: no file in it can be found
                named = {}
            self._entries[folder, same] = named
        return self._entries[folder, same]


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _suffix_alike(name: str) -> str:
    stem, suffix = os.path.splitext(_alike(name))
    return stem + suffix.casefold()


def _stem_alike(name: str) -> str:
    return os.path.splitext(_case_alike(name))[0]


def _case_alike(name: str) -> str:
    return _alike(name).casefold()
