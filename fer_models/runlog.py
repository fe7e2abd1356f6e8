"""The run folder: what a run leaves behind, and the only thing that reports read.

rounds.jsonl grows by a line a round; every other file is written whole.
"""

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fer_models.cache import named, whole_file
from fer_models.errors import RunError
from fer_models.text import shown

PHONES = "phones"  # the table of how each phone fares, .csv


@dataclass(frozen=True)
class RoundRecord:
    """One line of rounds.jsonl: a round of the federation, or an epoch of a baseline."""

    round: int
    phones: int  # that trained; 0 for a baseline
    photos: int  # views processed
    train_loss: float | None  # mean cross-entropy over them; None where phones send sums instead
    val_accuracy: float | None  # None in rounds without evaluation
    val_macro_f1: float | None
    val_loss: float | None  # mean cross-entropy on the validation photos
    seconds: float  # of training
    bytes_down: int  # payload that real phones would receive
    bytes_up: int  # and send
    wire_bytes: int  # payload of the simulation's own messages, both ways
    dropped: int = 0  # phones whose updates were left out
    dropped_phones: dict[str, str] = field(default_factory=dict)  # their ids, and why
    across: dict[str, Any] | None = None  # of the same evaluation over phones: `across.measure`
    own_heads: dict[str, Any] | None = None  # accuracy, macro_f1, loss, across of the phones' own heads


@dataclass
class Totals:
    """What rounds took together."""

    rounds: int = 0
    phones: int = 0
    dropped: int = 0
    photos: int = 0
    seconds: float = 0.0
    bytes_down: int = 0
    bytes_up: int = 0
    wire_bytes: int = 0

    def add(self, record: RoundRecord) -> None:
        """Takes in another round."""
        self.rounds += 1
        for name in ("phones", "dropped", "photos", "seconds", "bytes_down", "bytes_up", "wire_bytes"):
            setattr(self, name, getattr(self, name) + getattr(record, name))


class RunLog:
    """Writes and reads the files of one run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: int | None = None  # bytes of rounds.jsonl, from the first line on
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def rounds_path(self) -> Path:
        """Where the rounds are written."""
        return self.folder / "rounds.jsonl"

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes `name`.json, whole."""
        with whole_file(self.folder / f"{name}.json") as temporary:
            temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")

    def read_json(self, name: str) -> dict[str, Any]:
        """Reads `name`.json."""
        value: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        return value

    def write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Writes `name`.csv, whole; names that are not Unicode keep their bytes."""
        with (
            whole_file(self.folder / f"{name}.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            csv.writer(file).writerows([header, *rows])

    def append_round(self, record: RoundRecord) -> None:
        """Adds a line to rounds.jsonl; RunError where the lines before it are gone or others."""
        self._check()
        try:
            with self.rounds_path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(record)) + "\n")
                self._written = file.tell()
        except OSError as error:
            raise named(error, self.rounds_path) from error

    def _check(self) -> None:
        """RunError where rounds.jsonl is not as long as it was when the last line was written."""
        if self._written is None:
            return
        now = self.rounds_path.stat().st_size if self.rounds_path.exists() else None
        if now != self._written:
            what = "is gone" if now is None else "has changed"
            raise RunError(
                f"{shown(self.rounds_path)} {what} while the run wrote to it; put it back, or remove the"
                " checkpoint beside it, too, to begin with the first round"
            )

    def settle(self) -> None:
        """Has the lines of rounds.jsonl on disk, before a checkpoint that counts on them."""
        self._check()
        with self.rounds_path.open("rb") as file:
            os.fsync(file.fileno())

    def keep_rounds(self, number: int) -> Totals:
        """Drops the lines after round `number`, which a resumed run writes anew; what the others took.

        ValueError or TypeError where a line is not what was written.
        """
        totals = Totals()
        self._written = None
        if not self.rounds_path.exists():
            return totals
        lines = self.rounds_path.read_text(encoding="utf-8").splitlines()[:number]
        with whole_file(self.rounds_path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self._written = self.rounds_path.stat().st_size
        for place, line in enumerate(lines, 1):
            record = RoundRecord(**json.loads(line))
            if record.round != place:
                raise ValueError(f"round {record.round} in line {place}")
            totals.add(record)
        return totals
