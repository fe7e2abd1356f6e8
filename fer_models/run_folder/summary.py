"""summary.json: every result of a run, from the test photos.

`Summary` combines its parts: what was trained, its quality, the cost of training, the cost of a photo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from fer_models.run_folder.files import APPLIES, Record
from fer_models.run_folder.privacy import PrivacyFacts
from fer_models.run_folder.quality import AcrossPhones, PersonalHeadQuality, Quality

Kind = Literal["federated", "centralized", "local"]

# What a model or strategy fitted in one step chose on validation photos: names and values, and under "tried"
# those of every candidate.
Chosen = Mapping[str, float | bool | Sequence[Mapping[str, float | int | bool]]]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What was trained, and where."""

    kind: Kind  # "local": phones share nothing
    strategy: str | None  # None for a baseline
    partition: str | None  # None for a baseline; "devices" if nodes were phones with their own photos
    alpha: float | None  # federation.alpha, whatever the partition; None for a baseline and for devices
    # For a federated run: the options that its partition uses, and its rounds.
    partition_options: Mapping[str, int | float] | None = field(default=None, metadata=APPLIES)
    rounds: int | None = field(default=None, metadata=APPLIES)
    # For a baseline: its epochs, fractional if cut short, and whether it saw as many views as the phones.
    epochs: int | float | None = field(default=None, metadata=APPLIES)
    matched: bool | None = field(default=None, metadata=APPLIES)
    # For a baseline, and for a strategy fitted in one step.
    chosen: Chosen | None = field(default=None, metadata=APPLIES)
    phones: int  # 0 for a baseline
    nodes: int  # 0 for a baseline
    experiment: str  # its name
    seconds_features: float  # 0 s if they were cached
    # What they took when they were computed, by the run's share of the rows; None if not known.
    seconds_features_computed: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """The total cost of all rounds or epochs."""

    phones_trained: int | None  # phone-updates over all rounds; None in private runs
    phones_dropped: int = 0  # phone-updates that could not be used
    photos: int | None  # views processed; None in private runs, like the next one but two
    bytes_down: int  # payload that real phones would receive; in private runs, those expected in a round
    bytes_up: int  # and send
    wire_bytes: int | None  # payload of the simulation's own messages
    seconds_training: float  # without evaluation and start-up
    phones_per_second: float  # phones_trained / seconds_training; in private runs, those expected


@dataclass(frozen=True, kw_only=True)
class PhotoCost:
    """The cost of the model and of classifying one photo."""

    parameters: int  # of the whole network
    parameters_trained: int  # those that training changed
    multiply_adds: int  # per photo
    # Measured on a few test photos; None for one of many runs.
    ms_per_photo: float | None = field(default=None, metadata=APPLIES)


@dataclass(frozen=True)
class Head(Record):
    """The part of summary.json needed to use the head, also one from another version's run."""

    FILE: ClassVar[str] = "summary.json"

    head_sha256: str  # of the file head.safetensors


@dataclass(frozen=True, kw_only=True)
class Summary(Trained, Quality, TrainingCost, PhotoCost, Record):
    """Every result of a run, from the test photos."""

    FILE: ClassVar[str] = "summary.json"

    model: str  # model.name
    balance: int  # data.balance
    selected: int  # the round, or epoch, of the head that is reported
    seed: int  # run.seed
    # Those that applied, whether set or run.seed; None in folders that predate them.
    split_seed: int | None = None
    partition_seed: int | None = None
    train_seed: int | None = None
    classes: tuple[str, ...]
    across_phones: AcrossPhones | None = None  # None if phones are not evaluated individually
    own_heads: PersonalHeadQuality | None = field(default=None, metadata=APPLIES)  # if there are any
    privacy: PrivacyFacts | None = field(default=None, metadata=APPLIES)  # of a private run
    stopped_by: str | None = field(default=None, metadata=APPLIES)  # what ended it early: "privacy"
    seconds: float  # of the whole command
    head_sha256: str  # of the file head.safetensors
    versions: Mapping[str, str]  # of Python and of the libraries that affect results

    @property
    def updates(self) -> int:
        """Phone-updates over all rounds; of a private run, those expected."""
        if self.privacy is not None:
            return self.privacy.simulated_per_round * self.privacy.rounds
        return self.phones_trained or 0
