"""What a mirror is: a page that opens a copy of a run in the store of another tool, round by round."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import ClassVar

from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Summary
from fer_models.text import printable


@dataclass(frozen=True)
class Mirrored:
    """The run to mirror: one that a command was called for, or a baseline beside it."""

    home: Path  # the run folder of the command, where local stores are
    part: str  # "federated", "centralized" or "centralized-matched"
    experiment: str  # its name
    started: str  # when, as in environment.json: a resumed run keeps it
    settings: Mapping[str, str]  # key -> value, as in TOML

    @property
    def name(self) -> str:
        """Its name in the store: "quickstart-20250101-120000/federated"."""
        return f"{printable(self.home.resolve().name)}/{self.part}"

    @property
    def id(self) -> str:
        """What tells it from other runs in a store that several share: a digest of its folder and start."""
        text = f"{printable(self.home.resolve())}/{self.part} {self.started}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class Copy(ABC):
    """An open copy of a run; any method may raise, and then `close` alone is called, once."""

    last: int = 0  # the last round, or epoch, that the store already holds

    @abstractmethod
    def add(self, number: int, scores: Mapping[str, float]) -> None:
        """Stores the scores of a round, the next one after `last`, all of them or none."""

    @abstractmethod
    def end(self, scores: Mapping[str, float]) -> None:
        """Stores the scores on the test photos, of a run that is finished."""

    @abstractmethod
    def close(self, *, finished: bool) -> None:
        """Leaves the store, also after a failure: then the run is not `finished`, and may be resumed."""


@dataclass(frozen=True)
class Mirror(ABC):
    """A tool that runs can be mirrored to."""

    package: ClassVar[str]  # the module that it needs
    extra: ClassVar[str]  # of fedfer, which installs it

    @classmethod
    def installed(cls) -> bool:
        """Whether its package is installed; nothing is imported."""
        return find_spec(cls.package) is not None

    @abstractmethod
    def open(self, run: Mirrored) -> Copy:
        """A copy of the run: a new one, or of a run that was stopped the one it has."""


def scores_of(record: RoundRecord) -> dict[str, float]:
    """The numbers of a round that were measured and are finite, by name."""
    return {
        name: float(value)
        for name, value in record.numbers.items()
        if name != "round" and value is not None and isfinite(value)
    }


def final_scores_of(summary: Summary) -> dict[str, float]:
    """The scores on the test photos, by name."""
    found = {f"test_{name}": getattr(summary, name) for name in ("accuracy", "balanced_accuracy", "macro_f1")}
    return found | {f"test_f1_{name}": of.f1 for name, of in summary.per_class.items()}
