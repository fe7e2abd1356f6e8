"""environment.json: what was typed, when, and on which machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from fer_models.run_folder.files import APPLIES, Record


@dataclass(frozen=True, kw_only=True)
class Environment(Record):
    """What a run was asked for, and where it began."""

    FILE: ClassVar[str] = "environment.json"

    experiment: str  # its name
    command: str  # as typed
    devices: bool | None = field(
        default=None, metadata=APPLIES
    )  # nodes are phones; None of a run's baselines
    federated: bool  # False: a baseline
    baseline: bool  # whether baselines are trained, beside it or alone
    date: str  # when it began, ISO 8601, with the time zone
    python: str  # its version
    platform: str  # the operating system, as Python names it
    machine: str  # the kind of processor
    cpus: int  # cores that may be used
    versions: Mapping[str, str]  # of Python and of the libraries that shape a result
