"""A line of rounds.jsonl, and the totals over lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fer_models.run_folder.quality import AcrossPhones, PersonalHeadScores


@dataclass(frozen=True)
class RoundRecord:
    """One line of rounds.jsonl: a federated round, or an epoch of a baseline."""

    round: int
    # Phones that trained, 0 for a baseline; the views they processed; the mean cross-entropy over these, also
    # None if phones send sums instead. None in private runs, like whatever else tells who took part.
    phones: int | None
    photos: int | None
    train_loss: float | None
    val_accuracy: float | None  # None in rounds without evaluation
    val_macro_f1: float | None
    val_loss: float | None  # mean cross-entropy on the validation photos
    seconds: float  # of training
    bytes_down: int  # payload that real phones would receive
    bytes_up: int  # and send
    wire_bytes: int | None  # payload of the simulation's own messages, both ways; None in private runs
    dropped: int = 0  # phones whose updates were left out
    dropped_phones: Mapping[str, str] = field(default_factory=dict)  # their ids, and why
    across: AcrossPhones | None = None  # the same evaluation across phones
    own_heads: PersonalHeadScores | None = None  # the same evaluation of the personal heads
    metrics: Mapping[str, float] = field(default_factory=dict)  # of transforms and mechanisms, by name

    def released(self, metrics: Mapping[str, float], *, down: int, up: int) -> "RoundRecord":
        """What a private run may show of it; `down` and `up` are bytes of the expected number of phones."""
        return replace(
            self, phones=None, photos=None, train_loss=None, wire_bytes=None, dropped=0, dropped_phones={},
            across=None, own_heads=None, metrics=metrics, bytes_down=down, bytes_up=up,
        )  # fmt: skip

    @property
    def numbers(self) -> dict[str, int | float | None]:
        """Its numbers by name, flat; of those across phones, the accuracy of the worst tenth."""
        found = {name: value for name, value in vars(self).items() if isinstance(value, int | float | None)}
        for name in ("across", "own_heads"):
            found.pop(name, None)
        across, own = self.across, self.own_heads
        return {
            **{name: value for name, value in self.metrics.items() if name not in found},
            **found,
            "worst_tenth": None if across is None else across.accuracy.worst_tenth,
            "own_accuracy": None if own is None else own.accuracy,
            "own_macro_f1": None if own is None else own.macro_f1,
        }


@dataclass
class Totals:
    """Totals over rounds."""

    rounds: int = 0
    phones: int = 0
    dropped: int = 0
    photos: int = 0
    seconds: float = 0.0
    bytes_down: int = 0
    bytes_up: int = 0
    wire_bytes: int = 0

    def add(self, record: RoundRecord) -> None:
        """Adds a round."""
        self.rounds += 1
        for name in ("phones", "dropped", "photos", "seconds", "bytes_down", "bytes_up", "wire_bytes"):
            setattr(self, name, getattr(self, name) + (getattr(record, name) or 0))
