"""The finished runs of a study as numbers: means and spreads over seeds, and differences between models.

Reads run folders only. Two models at one balance judge the same test photos at each seed, so they are
compared photo by photo: the mean over seeds of a score, people drawn with all their photos in every seed's
test part (simulations/intervals.py). All pairs of models at a balance are judged together: a difference is
beyond noise when its p-value is, adjusted by Holm's rule for their number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from fer_models.errors import InputError
from simulations import intervals
from simulations.intervals import Difference, Judged
from simulations.results import Run, read_run

SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1")
COMPARED = ("accuracy", "macro_f1")
LEVEL = 0.05  # an adjusted p-value at most so high is beyond noise


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
        epochs: of the model that was judged, by seed; None for what has no epochs.
        parameters: of the whole network. trained: those that training changed. multiply_adds: per photo.
        ms_per_photo: mean over seeds. What a run does not tell is None.
    """

    model: str
    balance: int
    scores: Mapping[str, Spread]
    seconds: float
    epochs: tuple[int | None, ...]
    parameters: int | None
    trained: int | None
    multiply_adds: int | None
    ms_per_photo: float | None


@dataclass(frozen=True)
class Pair:
    """Two models at one balance: `first` minus `second` in one measure of COMPARED.

    Fields:
        gap: the difference of the means over seeds with its own 95% interval. of_seeds: at each seed.
        p: bootstrap p-value; adjusted: by Holm's rule for all pairs at this balance and measure.
    """

    balance: int
    measure: str
    first: str
    second: str
    gap: Difference
    of_seeds: tuple[float, ...]
    p: float
    adjusted: float

    @property
    def reading(self) -> str:
        """Beyond noise, within noise, or unclear: beyond it alone, but not among so many pairs."""
        if self.adjusted <= LEVEL:
            return "beyond noise"
        return "within noise" if self.gap.within_noise else "unclear"


@dataclass(frozen=True)
class Study:
    """Everything that the table, the figures and the page of a study are made of.

    Fields:
        runs: (model, balance, seed) -> run. rows: by model, then balance. pairs: by balance, measure, pair.
        photos: test photos of each seed. drawn: "people" or "photos", what the bootstrap drew.
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
        """The first run: for what all have in common."""
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
    """Where the run of a model at a balance and a seed lies in the folder of its study."""
    return folder / f"{model}-{balance}-seed{seed}"


def read(folder: Path, models: Sequence[str], balances: Sequence[int], seeds: Sequence[int]) -> Study:
    """The study whose runs lie in `folder`; `seeds` are the seeds themselves.

    InputError where a run is not finished, or runs of one seed judged other photos or other classes.
    """
    runs = {
        (model, balance, seed): read_run(run_folder(folder, model, balance, seed), series=0)
        for model in models
        for balance in balances
        for seed in seeds
    }
    first = next(iter(runs.values()))
    for (_, _, seed), run in runs.items():
        _same_photos(run, first, runs[models[0], balances[0], seed])
    drawn = "people" if all(who for run in runs.values() for *_, who in run.said.values()) else "photos"
    return Study(
        folder=folder,
        models=tuple(models),
        balances=tuple(balances),
        seeds=tuple(seeds),
        classes=tuple(first.summary["classes"]),
        runs=runs,
        rows=tuple(
            _row(model, balance, [runs[model, balance, seed] for seed in seeds])
            for model in models
            for balance in balances
        ),
        pairs=tuple(
            pair
            for balance in balances
            for pair in _pairs(
                balance, models, {s: [runs[m, balance, s] for m in models] for s in seeds}, drawn
            )
        ),
        photos=tuple(len(runs[models[0], balances[0], seed].said) for seed in seeds),
        drawn=drawn,
    )


def _same_photos(run: Run, first: Run, other: Run) -> None:
    """Refuses a run that cannot be compared: other classes than `first`, other photos than `other`."""
    mine, theirs = ({file: label for file, (label, *_) in each.said.items()} for each in (run, other))
    if not mine or mine != theirs or run.summary["classes"] != first.summary["classes"]:
        raise InputError(
            f"{run.folder} was not judged on the test photos and classes of {other.folder}; move it away and "
            "train it again"
        )


def _row(model: str, balance: int, runs: Sequence[Run]) -> Row:
    def one(name: str) -> Any:
        return runs[0].summary.get(name)

    paces = [run.summary.get("ms_per_photo") for run in runs]
    known = [float(pace) for pace in paces if pace is not None]
    return Row(
        model=model,
        balance=balance,
        scores={name: _spread([float(run.summary[name]) for run in runs]) for name in SCORES},
        seconds=fmean(run.summary["seconds_training"] for run in runs),
        epochs=tuple(run.summary.get("selected") if len(run.rounds) > 1 else None for run in runs),
        parameters=one("parameters"),
        trained=one("parameters_trained"),
        multiply_adds=one("multiply_adds"),
        ms_per_photo=fmean(known) if known else None,
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None)


def _pairs(
    balance: int, models: Sequence[str], of_seeds: Mapping[int, Sequence[Run]], drawn: str
) -> list[Pair]:
    """Every pair of models in every measure; `of_seeds` holds the runs of `models` at each seed."""
    if len(models) < 2:
        return []
    parts = [_judged(runs, drawn) for runs in of_seeds.values()]
    scores = intervals.resampled(parts, len(next(iter(of_seeds.values()))[0].summary["classes"]))
    places = list(combinations(range(len(models)), 2))
    found = []
    for measure in COMPARED:
        gaps = [scores[measure][:, i] - scores[measure][:, j] for i, j in places]
        p_values = [intervals.p_value(gap) for gap in gaps]
        for (i, j), gap, p, adjusted in zip(places, gaps, p_values, intervals.holm(p_values), strict=True):
            each = tuple(float(r[i].summary[measure] - r[j].summary[measure]) for r in of_seeds.values())
            found.append(
                Pair(balance, measure, models[i], models[j], intervals.difference(gap), each, p, adjusted)
            )
    return found


def _judged(runs: Sequence[Run], drawn: str) -> Judged:
    """The test photos of one seed, in order of their names, and what the runs said of them."""
    place = {name: i for i, name in enumerate(runs[0].summary["classes"])}
    files = sorted(runs[0].said)
    return Judged(
        true=np.array([place[runs[0].said[file][0]] for file in files]),
        said=np.array([[place[run.said[file][1]] for file in files] for run in runs]),
        units=np.array([runs[0].said[file][2] if drawn == "people" else file for file in files]),
    )
