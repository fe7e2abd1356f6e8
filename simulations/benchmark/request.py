"""A benchmark that was requested: its suite, data and folder, and the settings of every run in it."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tomli_w

from fer_models.errors import InputError
from fer_models.machine.cache import whole_file
from fer_models.pages.options import as_toml
from fer_models.photos.listing import HUB
from fer_models.text import printable
from simulations.benchmark.suite import Arm, NamedSuite, Suite, Tables, load, settings_of, validate
from simulations.config import Config
from simulations.experiment import Experiment, read_toml
from simulations.experiment import load as load_experiment
from simulations.mirrors.registry import check_installed
from simulations.run.checks import check_federated
from simulations.run.request import check_folder

SETTINGS = "benchmark.toml"
_KEPT = (
    "experiment",
    "settings",
    "folds",
    "seed",
    "search",
    "choose",
    "margin",
)  # as they were when it began
_OWN = ("data.folds", "data.fold", "run.seed", "run.split_seed", "run.partition_seed", "run.train_seed")


@dataclass(frozen=True)
class Cell:
    """One run: an arm on a fold, with the seeds of partition and training."""

    arm: str
    fold: int
    partition_seed: int
    train_seed: int

    @property
    def place(self) -> str:
        """Its folder, within that of its arm and fold."""
        same = self.partition_seed == self.train_seed
        return f"seed-{self.train_seed}" if same else f"seed-{self.partition_seed}-{self.train_seed}"


@dataclass(frozen=True)
class BenchmarkRequest:
    """Every arm of a suite on every fold and seed."""

    named: NamedSuite
    data: str | None  # instead of the experiment's data.source
    settings: tuple[str, ...]  # KEY=VALUE, for all arms that do not set the key themselves
    folder: Path
    command: str  # as typed

    @property
    def suite(self) -> Suite:
        """The suite."""
        return self.named.suite

    @property
    def how_to_go_on(self) -> str:
        """The command that resumes it."""
        return f"fedfer benchmark --out {shlex.quote(str(self.folder))}"

    @property
    def seeds(self) -> range:
        """The seeds of partition and training."""
        return range(self.suite.seed, self.suite.seed + self.suite.every_seed)

    def cells(self, arm: Arm, fold: int) -> list[Cell]:
        """The runs of an arm on a fold; where variance is decomposed, also other training on one
        partition.
        """
        cells = [Cell(arm.name, fold, seed, seed) for seed in self.seeds]
        if arm.name in self.suite.decompose:
            cells += [Cell(arm.name, fold, p, t) for p in self.seeds for t in self.seeds if p != t]
        return cells

    @cached_property
    def base(self) -> Experiment:
        """What all arms share: the experiment, the suite's settings, then the user's."""
        shared = [*_assignments(self.suite.settings), *self.settings]
        return Experiment(*load_experiment(self.suite.experiment, data=self.data, settings=shared))

    def config_of(self, cell: Cell, candidate: Tables | None = None) -> Config:
        """The settings of one run; InputError if they are not compatible."""
        arm = self.suite.arm(cell.arm)
        fixed: Tables = {
            "data": {"folds": self.suite.folds, "fold": cell.fold},
            "run": {
                "seed": self.suite.seed,
                "split_seed": self.suite.seed,
                "partition_seed": cell.partition_seed,
                "train_seed": cell.train_seed,
            },
            "federation": {"engine": "process", "nodes": 1},
            "report": {"examples": False},
        }
        settings = _assignments(arm.settings, candidate or {}, fixed)
        try:
            return load_experiment(self.base, settings=settings)[1]
        except InputError as error:
            raise InputError(f'arm "{arm.name}": {error}') from error

    def place_of(self, cell: Cell) -> Path:
        """The folder of one run."""
        return self.fold_folder(cell.arm, cell.fold) / cell.place

    def fold_folder(self, arm: str, fold: int) -> Path:
        """The folder of an arm's search and runs on one fold."""
        return self.folder / arm / f"fold-{fold}"

    def check(self) -> None:
        """InputError for the first setting that cannot be used, before anything is computed."""
        given = {f"--set {setting.partition('=')[0].strip()}" for setting in self.settings}
        tables = [
            ("settings", self.suite.settings),
            *((f'arm "{a.name}"', a.settings) for a in self.suite.arms),
        ]
        given |= {f"{where} {s}.{name}" for where, table in tables for s, name, _ in settings_of(table)}
        for key in sorted(given):
            if key.rpartition(" ")[2] in _OWN:
                raise InputError(f"{key}: a benchmark sets that itself; put folds and seeds into the suite")
        check_installed(self.base.config.report.mirror)
        if self.base.config.data.split == "given":
            raise InputError('data.split is "given", but a benchmark makes its own folds; leave it out')
        for arm in self.suite.arms:
            for candidate in self.suite.candidates(arm):
                config = self.config_of(Cell(arm.name, 0, self.suite.seed, self.suite.seed), candidate)
                try:
                    if arm.kind == "federated":
                        check_federated(config)
                except InputError as error:
                    raise InputError(f'arm "{arm.name}": {error}') from error

    def begin(self, photos: str = "") -> None:
        """Writes what was requested to the folder, which must exist; `photos`: their fingerprint.

        InputError if the benchmark that was begun there had other photos, or another experiment.
        """
        base = self.base.config.model_dump_json()
        asked = {"name": self.named.name, "data": self.data or "", "settings": list(self.settings)}
        asked |= {"command": self.command, "photos": photos, "base": base}
        if (self.folder / SETTINGS).is_file():
            before = read_toml(self.folder / SETTINGS)["asked"]
            for key, what in (
                ("photos", "the photos have"),
                ("base", f"the experiment {self.suite.experiment} has"),
            ):
                if before.get(key) and asked[key] and before[key] != asked[key]:
                    where = printable(self.folder)
                    raise InputError(
                        f"--out: {what} changed since the benchmark in {where} began; give another folder"
                    )
        suite = self.suite.model_dump(mode="json")
        with whole_file(self.folder / SETTINGS) as temporary:
            temporary.write_text(tomli_w.dumps({"asked": asked, "suite": suite}), encoding="utf-8")


def _assignments(*tables: Tables) -> list[str]:
    return [f"{section}.{name}={as_toml(value)}" for section, name, value in settings_of(*tables)]


def ask(
    suite: str | None,
    *,
    data: str | None,
    settings: Sequence[str],
    seeds: int | None,
    folder: Path,
    command: str,
) -> BenchmarkRequest:
    """The benchmark that the command line requests; InputError for anything that cannot be used.

    A benchmark that was begun in `folder` only grows: it may get further arms and seeds.
    """
    before = _begun(folder)
    if before is None:
        check_folder(folder)
    named = before.named if before is not None and suite is None else load(suite or "quick")
    if seeds is not None:
        named = NamedSuite(named.name, named.suite.model_copy(update={"seeds": seeds}))
    if before is not None:
        if named.suite.seeds < before.suite.seeds:
            named = NamedSuite(named.name, named.suite.model_copy(update={"seeds": before.suite.seeds}))
        data, settings = before.data if data is None else data, settings or before.settings
    if data is not None and before is None and data != "sketch" and not data.startswith(HUB):
        data = os.path.abspath(os.path.expanduser(data))
    request = BenchmarkRequest(named, data, tuple(settings), folder, before.command if before else command)
    if before is not None:
        _check_grown(before, request)
    request.check()
    return request


def _check_grown(before: BenchmarkRequest, now: BenchmarkRequest) -> None:
    """InputError if what was trained already would be trained differently now."""
    where = f"--out: {printable(now.folder)} holds a benchmark"
    for key in _KEPT:
        was, says = getattr(before.suite, key), getattr(now.suite, key)
        if was != says:
            raise InputError(f"{where} whose suite has another {key}; give another folder")
    if before.data != now.data or before.settings != now.settings:
        raise InputError(f"{where} of other data or settings; give another folder, or the same ones")
    for arm in before.suite.arms:
        if arm not in now.suite.arms:
            raise InputError(f'{where} whose arm "{arm.name}" is another one; rename yours')


def _begun(folder: Path) -> BenchmarkRequest | None:
    """The benchmark in `folder`; None if there is none."""
    path = folder / SETTINGS
    if not path.is_file():
        return None
    raw: dict[str, Any] = read_toml(path)
    asked, suite = raw.get("asked"), raw.get("suite")
    sound = isinstance(asked, dict) and isinstance(suite, dict) and isinstance(asked.get("settings"), list)
    if not sound:
        raise InputError(f"{printable(path)} is damaged; restore it, or give another folder")
    assert isinstance(asked, dict)
    assert isinstance(suite, dict)
    named = NamedSuite(str(asked.get("name")), validate(suite, printable(path)))
    settings = tuple(str(setting) for setting in asked["settings"])
    command = str(asked.get("command", ""))
    return BenchmarkRequest(named, str(asked.get("data")) or None, settings, folder, command)
