"""releases.jsonl: every noisy sum that a private run has released, so that none is charged too little.

A run that is resumed trains the rounds after its checkpoint again. Its noise follows from the sum: the same
sum gets the same noise, and nothing new is released. A sum that is another one, as when a device failed, gets
noise of its own, and is another release of the same phones. Lines are never removed.
"""

import json
import os
from collections import Counter
from pathlib import Path

from fer_models.errors import InputError
from fer_models.text import printable

FILE = "releases.jsonl"


class Releases:
    """The releases in a run folder."""

    def __init__(self, folder: Path) -> None:
        """InputError if the file is damaged."""
        self._path, self._known = folder / FILE, set[tuple[int, str]]()
        if self._path.exists():
            whole = self._path.read_bytes().rpartition(b"\n")[
                0
            ]  # a last line that was cut off released nothing
            try:
                lines = [json.loads(line) for line in whole.splitlines()]
                self._known = {(int(line["round"]), str(line["sum_sha256"])) for line in lines}
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{printable(self._path)} is damaged ({error}); the run cannot be resumed without it:"
                    " restore it, or start a new run"
                ) from error

    @property
    def counts(self) -> dict[int, int]:
        """How many different sums each round has released."""
        return dict(Counter(number for number, _ in self._known))

    def has(self, number: int, digest: str) -> bool:
        """Whether round `number` has released this sum."""
        return (number, digest) in self._known

    def add(self, number: int, digest: str) -> None:
        """Notes, on the disk, that round `number` releases the noisy sum with this digest."""
        if (number, digest) in self._known:
            return
        line = json.dumps({"round": number, "sum_sha256": digest}) + "\n"
        whole = self._path.read_bytes().rpartition(b"\n") if self._path.exists() else (b"", b"", b"")
        if whole[2]:
            self._path.write_bytes(whole[0] + whole[1])
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._known.add((number, digest))
