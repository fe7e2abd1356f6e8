"""The finished runs of a benchmark, read from their folders: test predictions, costs and curves."""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fer_models.errors import InputError
from fer_models.run_folder.folder import read_rounds
from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Summary
from simulations.benchmark.benchmark import finished
from simulations.benchmark.request import BenchmarkRequest, Cell
from simulations.experiment import read_toml
from simulations.inference.scores import Replicate


@dataclass(frozen=True)
class CellRun:
    """One finished run."""

    cell: Cell
    folder: Path
    summary: Summary
    replicate: Replicate

    @cached_property
    def local_epochs(self) -> int:
        """Epochs that a phone trains in a round."""
        return int(read_toml(self.folder / "config.toml")["federation"]["local_epochs"])

    @cached_property
    def rounds(self) -> list[RoundRecord]:
        """Its rounds, or epochs."""
        return read_rounds(self.folder)


@dataclass(frozen=True)
class Runs:
    """The finished runs of every arm, and those that cannot be read."""

    of: dict[str, list[CellRun]]  # arm -> its runs, by fold and seeds
    damaged: tuple[str, ...]  # a line each

    def diagonal(self, arm: str) -> list[CellRun]:
        """The runs that are reported: partition and training have the same seed."""
        return [run for run in self.of.get(arm, []) if run.cell.partition_seed == run.cell.train_seed]

    def replicates(self, arm: str) -> list[Replicate]:
        """Their test predictions."""
        return [run.replicate for run in self.diagonal(arm)]


def read(request: BenchmarkRequest) -> Runs:
    """Every finished run; a damaged one is named and left out."""
    found: dict[str, list[CellRun]] = {arm.name: [] for arm in request.suite.arms}
    damaged = []
    for arm in request.suite.arms:
        for fold in range(request.suite.folds):
            for cell in request.cells(arm, fold):
                if not finished(request, cell):
                    continue
                folder = request.place_of(cell)
                try:
                    found[arm.name].append(_read(cell, folder))
                except (OSError, ValueError, InputError) as error:
                    damaged.append(f"{folder.relative_to(request.folder)}: {error}")
    return Runs(found, tuple(damaged))


def _read(cell: Cell, folder: Path) -> CellRun:
    summary = Summary.read(folder)
    index = {name: i for i, name in enumerate(summary.classes)}
    with (folder / "predictions.csv").open(encoding="utf-8", newline="", errors="surrogateescape") as lines:
        _, *rows = csv.reader(lines)
    try:
        truth = np.array([index[row[1]] for row in rows])
        answers = np.array([index[row[2]] for row in rows])
        people = np.array([row[-1] or f"photo {row[0]}" for row in rows])
    except (KeyError, IndexError) as error:
        raise InputError(
            f"predictions.csv is damaged ({error}); remove the folder to train it again"
        ) from error
    return CellRun(cell, folder, summary, Replicate(cell.fold, cell.train_seed, truth, answers, people))
