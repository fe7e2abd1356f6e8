"""A run folder at work: the rounds, a line each, and tables."""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from fer_models.cache import whole_file, with_path
from fer_models.errors import RunError
from fer_models.run_folder.files import parse, versioned
from fer_models.run_folder.rounds import RoundRecord, Totals
from fer_models.text import printable

ROUNDS = "rounds.jsonl"
PHONES = "phones"  # the table of how each phone fares, .csv


def read_rounds(folder: Path) -> list[RoundRecord]:
    """The lines of rounds.jsonl; InputError where one is not what was written, OSError without the file."""
    path = folder / ROUNDS
    lines = path.read_bytes().splitlines()
    return [_parsed(line, path, place) for place, line in enumerate(lines, 1) if line.strip()]


class RunFolder:
    """The folder of one run, made if need be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: int | None = None  # bytes of rounds.jsonl, from the first line on
        path.mkdir(parents=True, exist_ok=True)

    @property
    def rounds_path(self) -> Path:
        """Where the rounds are written."""
        return self.path / ROUNDS

    def write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Writes `name`.csv, whole; names that are not Unicode keep their bytes."""
        with (
            whole_file(self.path / f"{name}.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            csv.writer(file).writerows([header, *rows])

    def append_round(self, record: RoundRecord) -> None:
        """Adds a line to rounds.jsonl; RunError where the lines before it are gone or others."""
        self._check()
        try:
            with self.rounds_path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(versioned(record)) + "\n")
                self._written = file.tell()
        except OSError as error:
            raise with_path(error, self.rounds_path) from error

    def _check(self) -> None:
        """RunError where rounds.jsonl is not as long as it was when the last line was written."""
        if self._written is None:
            return
        now = self.rounds_path.stat().st_size if self.rounds_path.exists() else None
        if now != self._written:
            what = "is gone" if now is None else "has changed"
            raise RunError(
                f"{printable(self.rounds_path)} {what} while the run wrote to it; put it back, or remove the"
                " checkpoint beside it, too, to begin with the first round"
            )

    def settle(self) -> None:
        """Has the lines of rounds.jsonl on disk, before a checkpoint that counts on them."""
        self._check()
        with self.rounds_path.open("rb") as file:
            os.fsync(file.fileno())

    def keep_rounds(self, number: int) -> Totals:
        """Drops the lines after round `number`, which a resumed run writes anew; what the others took.

        UnusableError where a line is not what was written; ValueError where one is missing.
        """
        totals = Totals()
        self._written = None
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
