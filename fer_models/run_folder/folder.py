"""Writing to a run folder during a run: rounds, one per line, and tables."""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from fer_models.errors import RunError
from fer_models.machine.cache import whole_file, with_path
from fer_models.run_folder.files import parse, versioned
from fer_models.run_folder.rounds import RoundRecord, Totals
from fer_models.text import printable

ROUNDS = "rounds.jsonl"
UNRELEASED = "unreleased.jsonl"  # of a private run: the same lines with what it must not release
PHONES = "phones"  # the table of scores per phone, .csv


def read_rounds(folder: Path) -> list[RoundRecord]:
    """The lines of rounds.jsonl; InputError if one is damaged, OSError if the file is missing."""
    return _read(folder / ROUNDS)


def read_unreleased(folder: Path) -> list[RoundRecord]:
    """The same of unreleased.jsonl."""
    return _read(folder / UNRELEASED)


def _read(path: Path) -> list[RoundRecord]:
    lines = path.read_bytes().splitlines()
    return [_parsed(line, path, place) for place, line in enumerate(lines, 1) if line.strip()]


class RunFolder:
    """The folder of one run, created if missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: int | None = None  # bytes of rounds.jsonl written so far, once there is a line
        path.mkdir(parents=True, exist_ok=True)

    @property
    def rounds_path(self) -> Path:
        """The path of rounds.jsonl."""
        return self.path / ROUNDS

    def write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Writes `name`.csv, atomically; names that are not valid UTF-8 keep their bytes."""
        with (
            whole_file(self.path / f"{name}.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            csv.writer(file).writerows([header, *rows])

    def append_round(self, record: RoundRecord) -> None:
        """Appends a line to rounds.jsonl; RunError if the lines before it are gone or changed."""
        self._check()
        try:
            with self.rounds_path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(versioned(record)) + "\n")
                self._written = file.tell()
        except OSError as error:
            raise with_path(error, self.rounds_path) from error

    def append_unreleased(self, record: RoundRecord) -> None:
        """Appends a line to unreleased.jsonl."""
        with (self.path / UNRELEASED).open("a", encoding="utf-8") as file:
            file.write(json.dumps(versioned(record)) + "\n")

    def _check(self) -> None:
        """RunError if rounds.jsonl does not have the length it had after the last write."""
        if self._written is None:
            return
        now = self.rounds_path.stat().st_size if self.rounds_path.exists() else None
        if now != self._written:
            what = "is gone" if now is None else "has changed"
            raise RunError(
                f"{printable(self.rounds_path)} {what} while the run wrote to it; restore it, or remove the"
                " checkpoint beside it, too, to start from the first round"
            )

    def settle(self) -> None:
        """Flushes rounds.jsonl to disk, before a checkpoint that relies on its lines."""
        self._check()
        with self.rounds_path.open("rb") as file:
            os.fsync(file.fileno())

    def keep_rounds(self, number: int) -> Totals:
        """Drops the lines after round `number`, which a resumed run rewrites; returns the totals of the rest.

        UnusableError if a line is damaged; ValueError if one is missing.
        """
        totals = Totals()
        self._written = None
        if (exact := self.path / UNRELEASED).exists():
            kept = exact.read_bytes().splitlines()[:number]
            with whole_file(exact) as temporary:
                temporary.write_bytes(b"".join(line + b"\n" for line in kept))
        if not self.rounds_path.exists():
            return totals
        lines = self.rounds_path.read_bytes().splitlines()[:number]
        records = [_parsed(line, self.rounds_path, place) for place, line in enumerate(lines, 1)]
        for place, record in enumerate(records, 1):
            if record.round != place:
                raise ValueError(f"round {record.round} in line {place}")
            totals.add(record)
        with whole_file(self.rounds_path) as temporary:
            temporary.write_bytes(b"".join(line + b"\n" for line in lines))
        self._written = self.rounds_path.stat().st_size
        return totals


def _parsed(line: bytes, path: Path, place: int) -> RoundRecord:
    return parse(RoundRecord, line, f"{printable(path)}, line {place},")
