"""The finished runs of a study as numbers: means and spreads over seeds, and differences between models.

Reads run folders only; pairs.py tests whether models differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from statistics import fmean, stdev

import numpy as np

from fer_models.errors import InputError
from fer_models.models import MODELS
from simulations.report.intervals import Judged
from simulations.report.results import Run, read_run
from simulations.study.pairs import Pair, pairs_at

SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1")


@dataclass(frozen=True)
class Spread:
    """The mean of a number over seeds, and its sample standard deviation: None for one seed."""

    mean: float
    sd: float | None


@dataclass(frozen=True)
class Row:
    """One model at one balance over all seeds.

    Fields:
        scores: name of SCORES -> shares. seconds: of training, mean of a run; features not counted.
        seconds_with: the same with the features, as if they had not been shared; None if not known.
        epochs: of the tested model, by seed; None for models without epochs.
        parameters: of the whole network. trained: those that training changes. multiply_adds: per photo.
        ms_per_photo: mean over seeds.
    """

    model: str
    balance: int
    scores: Mapping[str, Spread]
    seconds: float
    seconds_with: float | None
    epochs: tuple[int | None, ...]
    parameters: int
    trained: int
    multiply_adds: int
    ms_per_photo: float


@dataclass(frozen=True)
class Study:
    """Everything that the table, the figures and the page of a study are made from.

    Fields:
        runs: (model, balance, seed) -> run. rows: by model, then balance. pairs: by balance, measure, pair.
        photos: test photos of each seed. drawn: "people" or "photos", what the bootstrap resampled.
    """

    folder: Path
    models: tuple[str, ...]
    balances: tuple[int, ...]
    seeds: tuple[int, ...]
    classes: tuple[str, ...]
    runs: Mapping[tuple[str, int, int], Run]
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    photos: tuple[int, ...]
    drawn: str

    @property
    def any_run(self) -> Run:
        """The first run, for what all have in common."""
        return next(iter(self.runs.values()))

    def row(self, model: str, balance: int) -> Row:
        """The row of a model at a balance."""
        return next(row for row in self.rows if (row.model, row.balance) == (model, balance))

    def of(self, model: str, balance: int) -> list[Run]:
        """The runs of a model at a balance, by seed."""
        return [self.runs[model, balance, seed] for seed in self.seeds]

    def compared(self, balance: int, measure: str) -> list[Pair]:
        """The pairs of models at a balance in one measure."""
        return [pair for pair in self.pairs if (pair.balance, pair.measure) == (balance, measure)]


def run_folder(folder: Path, model: str, balance: int, seed: int) -> Path:
    """The run folder of a model at a balance and a seed, inside the folder of its study."""
    return folder / f"{model}-{balance}-seed{seed}"


def read(folder: Path, models: Sequence[str], balances: Sequence[int], seeds: Sequence[int]) -> Study:
    """The study whose runs are stored in `folder`; `seeds` are the seeds themselves.

    InputError if a run is not finished, or runs of one seed were tested on different photos or classes.
    """
    at_seeds = [_at_seed(folder, models, balances, seed) for seed in seeds]
    found = {key: run for runs, _ in at_seeds for key, run in runs.items()}
    runs = {(m, b, s): found[m, b, s] for m in models for b in balances for s in seeds}
    first = next(iter(runs.values()))
    for run in runs.values():
        if run.summary.classes != first.summary.classes:
            raise _other(run, first)
    tests = [test for _, test in at_seeds]
    by_people = all((test.people != "").all() for test in tests)
    return Study(
        folder=folder,
        models=tuple(models),
        balances=tuple(balances),
        seeds=tuple(seeds),
        classes=first.summary.classes,
        runs=runs,
        rows=tuple(_row(m, b, [runs[m, b, seed] for seed in seeds]) for m in models for b in balances),
        pairs=tuple(
            pair
            for b in balances
            for pair in pairs_at(
                b,
                {model: [runs[model, b, seed] for seed in seeds] for model in models},
                [test.judged(models, b, by_people=by_people) for test in tests],
            )
        ),
        photos=tuple(len(test.files) for test in tests),
        drawn="people" if by_people else "photos",
    )


@dataclass(frozen=True)
class _Test:
    """The test photos of a seed: names and people (n,) str, "" where unknown, true classes (n,) int, and
    the predictions (n,) int of each (model, balance).
    """

    files: np.ndarray
    people: np.ndarray
    true: np.ndarray
    said: Mapping[tuple[str, int], np.ndarray]

    def judged(self, models: Sequence[str], balance: int, *, by_people: bool) -> Judged:
        """The same for the bootstrap, for the models at one balance."""
        said = np.array([self.said[model, balance] for model in models])
        return Judged(self.true, said, self.people if by_people else self.files)


def _at_seed(
    folder: Path, models: Sequence[str], balances: Sequence[int], seed: int
) -> tuple[dict[tuple[str, int, int], Run], _Test]:
    """The runs of one seed without their predictions, and those as arrays: they take most of the memory."""
    runs: dict[tuple[str, int, int], Run] = {}
    said: dict[tuple[str, int], np.ndarray] = {}
    first, labels, place = None, {}, {}
    for model in models:
        for balance in balances:
            run = read_run(run_folder(folder, model, balance, seed), series=0)
            if first is None:
                first, labels = run, _labels(run)
                files = sorted(labels)
                place = {name: i for i, name in enumerate(run.summary.classes)}
            if not labels or _labels(run) != labels or run.summary.classes != first.summary.classes:
                raise _other(run, first)
            said[model, balance] = np.array([place[run.said[file][1]] for file in files])
            runs[model, balance, seed] = replace(run, said={})
    true = np.array([place[labels[file][0]] for file in files])
    return runs, _Test(np.array(files), np.array([labels[file][1] for file in files]), true, said)


def _labels(run: Run) -> dict[str, tuple[str, str]]:
    """Emotion and person of each test photo."""
    return {file: (emotion, person) for file, (emotion, _, person) in run.said.items()}


def _other(run: Run, other: Run) -> InputError:
    return InputError(
        f"{run.folder} was not tested on the test photos and classes of {other.folder}; move it away and "
        "train it again"
    )


def _row(model: str, balance: int, runs: Sequence[Run]) -> Row:
    first = runs[0].summary
    return Row(
        model=model,
        balance=balance,
        scores={name: _spread([run.score(name) for run in runs]) for name in SCORES},
        seconds=fmean(run.summary.seconds_training for run in runs),
        seconds_with=_with_features(runs),
        epochs=tuple(run.summary.selected if MODELS[model].epochs else None for run in runs),
        parameters=first.parameters,
        trained=first.parameters_trained,
        multiply_adds=first.multiply_adds,
        ms_per_photo=fmean(nan if (ms := run.summary.ms_per_photo) is None else ms for run in runs),
    )


def _with_features(runs: Sequence[Run]) -> float | None:
    features = [run.summary.seconds_features_computed for run in runs]
    known = [seconds for seconds in features if seconds is not None]
    if len(known) < len(runs):
        return None
    return fmean(run.summary.seconds_training + own for run, own in zip(runs, known, strict=True))


def _spread(values: Sequence[float]) -> Spread:
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None)
