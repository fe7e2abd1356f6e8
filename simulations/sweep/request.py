"""The request for a sweep: strategies, partitions and seeds, and what its folder already holds."""

import shlex
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from fer_models.errors import InputError
from fer_models.machine.cache import whole_file
from fer_models.pages.extensions import file_name, refresh
from fer_models.pages.options import AUTO
from fer_models.text import printable
from server.strategies.registry import STRATEGIES
from simulations.config import Config, FederationConfig
from simulations.experiment import Experiment, load, read_toml, validate
from simulations.explain import nearest
from simulations.mirrors.registry import check_installed
from simulations.partitions.registry import PARTITIONS
from simulations.run.checks import check_federated
from simulations.run.request import check_folder
from simulations.study.request import check_same

SETTINGS = "sweep.toml"
CENTRAL = {"centralized": None, "centralized-ridge": "ridge"}  # baselines: the model they train instead
_OWN = {"strategy.name": "--strategies", "federation.partition": "--partitions"}
_REQUESTED = ("strategies", "partitions", "seeds")  # in the settings, beside the sections
_FIXED = ("split_seed", "partition_seed", "train_seed")  # of section run; they would not count
_SEEDS = 1000


@dataclass(frozen=True)
class Cell:
    """One run of the sweep. `name`: a strategy, or one of CENTRAL."""

    partition: str
    name: str
    seed: int

    def __str__(self) -> str:
        return f"{self.partition}, {self.name}, seed {self.seed}"


@dataclass(frozen=True)
class SweepRequest:
    """Every strategy on every partition over several seeds, and the baselines beside them."""

    config: Config  # of every run, except what differs between them
    strategies: tuple[str, ...]
    partitions: tuple[str, ...]
    seeds: int
    folder: Path
    command: str  # as typed
    left_out: tuple[str, ...] = ()  # strategies that the other settings do not fit, if none were named

    @property
    def every_seed(self) -> range:
        """The seeds themselves, from run.seed on."""
        return range(self.config.run.seed, self.config.run.seed + self.seeds)

    @property
    def cells(self) -> list[Cell]:
        """Every run, the baselines first."""
        shared = dict.fromkeys(baseline_of(partition, self.partitions) for partition in self.partitions)
        return [
            *(Cell(p, name, seed) for seed in self.every_seed for p in shared for name in CENTRAL),
            *(Cell(p, name, s) for s in self.every_seed for p in self.partitions for name in self.strategies),
        ]

    @property
    def how_to_go_on(self) -> str:
        """The command that resumes it."""
        return f"fedfer sweep --out {shlex.quote(str(self.folder))}"

    def config_of(self, cell: Cell) -> Config:
        """The settings of one run; InputError if they are not compatible."""
        raw = self.config.model_dump(mode="json")
        raw["strategy"] = {key: value for key, value in raw["strategy"].items() if value != AUTO}
        raw["federation"] |= {"partition": cell.partition, "engine": "process"}
        known = FederationConfig.known_keys(raw["federation"])
        raw["federation"] = {key: value for key, value in raw["federation"].items() if key in known}
        raw["report"]["examples"] = False
        raw["run"]["seed"] = cell.seed
        if cell.name in CENTRAL:
            raw["model"]["name"] = CENTRAL[cell.name] or raw["model"]["name"]
        else:
            raw["strategy"]["name"] = cell.name
        return validate(raw)

    def place_of(self, cell: Cell) -> Path:
        """The folder of one run."""
        return self.folder / file_name(cell.partition) / file_name(cell.name) / f"seed-{cell.seed}"

    def begin(self) -> None:
        """Writes the settings to the folder, which must exist; InputError if it holds others."""
        if before := _begun(self.folder):
            check_same(before[0], self.config, self.folder)
        requested = {
            "strategies": list(self.strategies),
            "partitions": list(self.partitions),
            "seeds": self.seeds,
        }
        with whole_file(self.folder / SETTINGS) as temporary:
            text = tomli_w.dumps({**requested, **self.config.model_dump(mode="json")})
            temporary.write_text(text, encoding="utf-8")


def baseline_of(partition: str, partitions: Sequence[str]) -> str:
    """The partition whose baseline serves this one: all have the same views, except those with cameras."""
    return partition if _own_pixels(partition) else next(p for p in partitions if not _own_pixels(p))


def _own_pixels(partition: str) -> bool:
    return PARTITIONS.page(partition).changes_pixels


def ask(
    experiment: str | Experiment | None,
    *,
    data: str | None,
    settings: Sequence[str],
    strategies: str | None,
    partitions: str | None,
    seeds: int | None,
    folder: Path,
    command: str,
) -> SweepRequest:
    """The sweep that the command line requests; InputError for anything that cannot be used.

    An existing sweep only grows: its strategies, partitions and seeds stay, and so do its settings if none
    are given.
    """
    refresh()
    before = _begun(folder)
    if before is None:
        check_folder(folder)
    for setting in settings:
        if instead := _OWN.get(setting.partition("=")[0].strip()):
            raise InputError(f"--set {setting}: a sweep sets that itself; use {instead}")
    config, requested = before or (None, {"strategies": [], "partitions": [], "seeds": 0})
    if config is None or experiment is not None or data is not None or settings:
        _, config = load(experiment or "quickstart", data=data, settings=settings)
    for name in _FIXED:
        if (value := getattr(config.run, name)) != "auto":
            raise InputError(
                f"run.{name}: a sweep counts its seeds from run.seed (--seeds N), got {value}; omit it"
            )
    sweep = SweepRequest(
        config,
        _named("--strategies", strategies, STRATEGIES, requested["strategies"]),
        _named("--partitions", partitions, PARTITIONS, requested["partitions"]),
        max(requested["seeds"], seeds or 1),
        folder,
        command,
    )
    check_installed(config.report.mirror)
    if before is None and strategies is None:
        sweep = _fitting(sweep)
    for cell in sweep.cells:
        if cell.name not in CENTRAL:
            check_federated(sweep.config_of(cell))
    return sweep


def _fitting(sweep: SweepRequest) -> SweepRequest:
    """The sweep without the strategies that do not fit its other settings; InputError if none fits."""
    misfits = dict[str, InputError]()
    for name in sweep.strategies:
        config = sweep.config_of(Cell(sweep.partitions[0], name, sweep.config.run.seed))
        try:
            check_federated(config)
        except InputError as error:
            misfits[name] = error
    fitting = tuple(name for name in sweep.strategies if name not in misfits)
    if not fitting:
        raise misfits[sweep.strategies[0]]
    return replace(sweep, strategies=fitting, left_out=tuple(misfits))


def _named(option: str, text: str | None, known: Collection[str], before: Iterable[str]) -> tuple[str, ...]:
    """The names that an option lists, after those of an existing sweep; default: all."""
    names = [name.strip() for name in text.split(",")] if text is not None else []
    for name in names:
        if name not in known:
            raise InputError(f'{option}: "{printable(name)}" is unknown{nearest(name, known)}')
    return tuple(dict.fromkeys([*before, *names])) or tuple(known)


def _begun(folder: Path) -> tuple[Config, dict[str, Any]] | None:
    """The settings of the sweep in `folder`, and what was requested; None if there is none."""
    path = folder / SETTINGS
    if not path.is_file():
        return None
    raw = read_toml(path)
    requested = {name: raw.pop(name, None) for name in _REQUESTED}
    sound = (
        isinstance(requested["seeds"], int)
        and 1 <= requested["seeds"] <= _SEEDS
        and _all_in(requested["strategies"], STRATEGIES)
        and _all_in(requested["partitions"], PARTITIONS)
    )
    if not sound:
        raise InputError(
            f"{printable(path)} is damaged: its strategies, partitions or seeds are not those of a sweep;"
            " restore it, or give another folder"
        )
    return validate(raw), requested


def _all_in(names: Any, known: Container[str]) -> bool:
    return isinstance(names, list) and len(names) > 0 and all(name in known for name in names)
