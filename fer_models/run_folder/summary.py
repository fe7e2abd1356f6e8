"""summary.json: every result of a run, from the test photos.

`Summary` is made of its parts: what was trained, how good it is, what training took, what a photo costs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from fer_models.run_folder.files import APPLIES, Record
from fer_models.run_folder.quality import AcrossPhones, PersonalHeadQuality, Quality

Kind = Literal["federated", "centralized", "local"]

# What a model or strategy fitted in one step chose on validation photos: its own names and values, and under
# "tried" those of every choice there was.
Chosen = Mapping[str, float | bool | Sequence[Mapping[str, float | int | bool]]]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What was trained, and where."""

    kind: Kind  # "local": of phones that share nothing
    strategy: str | None  # None of a baseline
    partition: str | None  # None of a baseline; "devices" where nodes were phones with photos of their own
    alpha: float | None  # federation.alpha, whatever the partition; None of a baseline and of devices
    # Of a federated run: the options that its partition reads, and its rounds.
    partition_options: Mapping[str, int | float] | None = field(default=None, metadata=APPLIES)
    rounds: int | None = field(default=None, metadata=APPLIES)
    # Of a baseline: its epochs, a fraction where cut short, and whether it saw as many views as the phones.
    epochs: int | float | None = field(default=None, metadata=APPLIES)
    matched: bool | None = field(default=None, metadata=APPLIES)
    # Of a baseline, and where a strategy is fitted in one step.
    chosen: Chosen | None = field(default=None, metadata=APPLIES)
    phones: int  # 0 of a baseline
    nodes: int  # 0 of a baseline
    experiment: str  # its name
    seconds_features: float  # 0 s where they were cached


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """What the rounds, or epochs, took together."""

    phones_trained: int  # phone-updates over all rounds
    phones_dropped: int = 0  # phone-updates that could not be used
    photos: int  # views processed
    bytes_down: int  # payload that real phones would receive
    bytes_up: int  # and send
    wire_bytes: int  # payload of the simulation's own messages
    seconds_training: float  # without evaluation and start-up
    phones_per_second: float  # phones_trained / seconds_training


@dataclass(frozen=True, kw_only=True)
class PhotoCost:
    """What the model costs, and naming one photo with it."""

    parameters: int  # of the whole network
    parameters_trained: int  # those that training changed
    multiply_adds: int  # of one photo
    ms_per_photo: float  # measured on a few test photos


@dataclass(frozen=True)
class Head(Record):
    """What summary.json says of the head: enough to use it, also that of another version's run."""

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
    classes: tuple[str, ...]
    across_phones: AcrossPhones | None = None  # None where phones are not judged one by one
    own_heads: PersonalHeadQuality | None = field(default=None, metadata=APPLIES)  # where phones have any
    seconds: float  # of the whole command
    head_sha256: str  # of the file head.safetensors
    versions: Mapping[str, str]  # of Python and of the libraries that shape a result
