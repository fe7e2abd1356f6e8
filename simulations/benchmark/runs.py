"""The finished runs of a benchmark, read from their folders: test predictions, costs and curves."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_models.errors import InputError
from fer_models.run_folder.folder import read_rounds
from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Summary
from simulations.benchmark.benchmark import finished
from simulations.benchmark.request import BenchmarkRequest, Cell
from simulations.experiment import read_toml, validate
from simulations.inference.scores import Replicate
from simulations.run.baselines import epochs_per_round
from simulations.run.provenance import own_code


@dataclass(frozen=True)
class CellRun:
    """One finished run."""

    cell: Cell
    folder: Path
    summary: Summary
    replicate: Replicate
    rounds: list[RoundRecord]  # or epochs
    local_epochs: int  # that a phone trains in a round, with those that its strategy adds


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
    """Every finished run. Left out are damaged ones, those tested on other photos than their fold's first,
    and those whose own classes had other code than in their arm's first.
    """
    found: dict[str, list[CellRun]] = {arm.name: [] for arm in request.suite.arms}
    damaged, tested, codes = [], dict[int, Replicate](), dict[str, Mapping[str, str]]()
    for arm in request.suite.arms:
        for fold in range(request.suite.folds):
            for cell in request.cells(arm, fold):
                if not finished(request, cell):
                    continue
                folder = request.place_of(cell)
                try:
                    run = _read(cell, folder)
                    _check_same(run.replicate, tested.setdefault(fold, run.replicate))
                    code = own_code(folder)
                    _check_code(code, codes.setdefault(arm.name, code))
                except (OSError, ValueError, KeyError, InputError) as error:
                    damaged.append(f"{folder.relative_to(request.folder)}: {error}")
                else:
                    found[arm.name].append(run)
    return Runs(found, tuple(damaged))


def _check_same(one: Replicate, first: Replicate) -> None:
    same = np.array_equal(one.truth, first.truth) and np.array_equal(one.people, first.people)
    if not same:
        raise InputError(
            "it was tested on other photos than the first run of its fold; remove it to train it again"
        )


def _check_code(code: Mapping[str, str], first: Mapping[str, str]) -> None:
    if files := sorted(dict(code.items() ^ first.items())):
        raise InputError(
            f"it was trained with other code in {', '.join(files)} than the first run of its arm; remove it"
            " to train it again"
        )


def _read(cell: Cell, folder: Path) -> CellRun:
    summary, rounds = Summary.read(folder), read_rounds(folder)
    if not rounds:
        raise InputError("rounds.jsonl is empty; remove the folder to train it again")
    local_epochs = epochs_per_round(validate(read_toml(folder / "config.toml")))
    index = {name: i for i, name in enumerate(summary.classes)}
    with (folder / "predictions.csv").open(encoding="utf-8", newline="", errors="surrogateescape") as lines:
        _, *rows = csv.reader(lines)
    if len(rows) != sum(map(sum, summary.confusion)):
        raise InputError("predictions.csv is not whole; remove the folder to train it again")
    try:
        truth = np.array([index[row[1]] for row in rows])
        answers = np.array([index[row[2]] for row in rows])
        people = np.array([row[-1] or f"photo {row[0]}" for row in rows])
    except (KeyError, IndexError) as error:
        raise InputError(
            f"predictions.csv is damaged ({error}); remove the folder to train it again"
        ) from error
    replicate = Replicate(cell.fold, cell.train_seed, truth, answers, people)
    return CellRun(cell, folder, summary, replicate, rounds, local_epochs)
