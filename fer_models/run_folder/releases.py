"""releases.jsonl: every noisy sum that a private run has released, so that none is charged too little.

A run that is resumed trains the rounds after its checkpoint again. Its noise follows from the sum: the same
sum gets the same noise, and nothing new is released. A sum that is another one, as when a device failed, gets
noise of its own, and is another release of the same phones. Lines are never removed.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from fer_models.errors import InputError
from fer_models.text import printable

FILE = "releases.jsonl"


class Releases:
    """The releases in a run folder. Rounds release in their order: all up to the last one have."""

    def __init__(self, folder: Path) -> None:
        """InputError if the file is damaged."""
        self._path, self._known = folder / FILE, set[tuple[int, str]]()
        self._sums, self._last, self._repeated = Counter[int](), 0, dict[int, int]()
        if self._path.exists():
            text = self._path.read_bytes()
            whole = text[: text.rfind(b"\n") + 1]
            if len(whole) < len(text):  # a line that was cut off released nothing
                self._path.write_bytes(whole)
            try:
                for line in map(json.loads, whole.splitlines()):
                    self._note(int(line["round"]), str(line["sum_sha256"]))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{printable(self._path)} is damaged ({error}); the run cannot be resumed without it:"
                    " restore it, or start a new run"
                ) from error

    @property
    def last(self) -> int:
        """The last round that has released a sum; 0: none has."""
        return self._last

    @property
    def repeated(self) -> Mapping[int, int]:
        """The rounds that have released several different sums, and how many."""
        return self._repeated

    def has(self, number: int, digest: str) -> bool:
        """Whether round `number` has released this sum."""
        return (number, digest) in self._known

    def add(self, number: int, digest: str) -> None:
        """Notes, on the disk, that round `number` releases the noisy sum with this digest."""
        if self.has(number, digest):
            return
        line = json.dumps({"round": number, "sum_sha256": digest}) + "\n"
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._note(number, digest)

    def _note(self, number: int, digest: str) -> None:
        self._known.add((number, digest))
        self._sums[number] += 1
        self._last = max(self._last, number)
        if self._sums[number] > 1:
            self._repeated[number] = self._sums[number]
