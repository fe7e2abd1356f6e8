"""environment.json: the command, when it was run, and on which machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from fer_models.run_folder.files import APPLIES, Record


@dataclass(frozen=True, kw_only=True)
class Environment(Record):
    """The command of a run, and the machine it started on."""

    FILE: ClassVar[str] = "environment.json"

    experiment: str  # its name
    command: str  # as typed
    devices: bool | None = field(
        default=None, metadata=APPLIES
    )  # whether nodes are phones; None for baselines
    federated: bool  # False: a baseline
    baseline: bool  # whether baselines are trained, beside the run or alone
    date: str  # when it started, ISO 8601, with the time zone
    python: str  # its version
    platform: str  # the operating system, as Python names it
    machine: str  # the processor architecture
    cpus: int  # available cores
    versions: Mapping[str, str]  # of Python and of the libraries that affect results
