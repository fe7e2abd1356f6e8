"""What a run writes before it trains: settings, machine, photos that cannot be read."""

import platform
from dataclasses import dataclass
from datetime import datetime

from fer_models.machine.cores import cores
from fer_models.run_folder.environment import Environment
from fer_models.run_folder.folder import RunFolder
from simulations.config import Config
from simulations.run.provenance import versions
from simulations.world.prepare import World


@dataclass(frozen=True)
class Requested:
    """What the user requested, as stored in environment.json."""

    experiment: str  # its name
    command: str  # as typed
    federated: bool
    baseline: bool
    devices: bool | None = None  # None for a run's baselines


def begin(log: RunFolder, world: World, requested: Requested, config: Config | None = None) -> None:
    """Writes what is known before training: the configuration (`config` if it is not that of the world),
    what was `requested`, the machine, photos that cannot be read. A resumed run keeps its start date.
    """
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    known = (log.path / Environment.FILE).exists()
    Environment(
        **vars(requested),
        date=Environment.read(log.path).date if known else now,
        python=platform.python_version(),
        platform=platform.platform(),
        machine=platform.machine(),
        cpus=cores(),
        versions=versions(),
    ).write(log.path)
    (config or world.config).save(log.path / "config.toml")  # last: with it the run can be resumed
    if world.table.unreadable:
        log.write_csv("unreadable", ("file", "reason"), world.table.unreadable)
