"""The files of finished runs: read once, then passed to the sections of the report."""

import csv
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import tomli_w

from fer_models.errors import InputError
from fer_models.models import MODELS
from fer_models.run_folder.data_facts import DataFacts
from fer_models.run_folder.environment import Environment
from fer_models.run_folder.folder import read_rounds
from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Summary
from simulations.config import Config
from simulations.experiment import read_toml, validate
from simulations.inference.scores import Replicate
from simulations.report import intervals

BASELINES = ("centralized-matched", "centralized")


@dataclass(frozen=True)
class Run:
    """The files of one run, and how the page shows it.

    Fields:
        name: its name on the page. series: its colour, dash and marker.
        settings: config.toml as written. said: test photo -> (emotion, predicted, subject or "").
    """

    folder: Path
    name: str
    series: int
    config: Config
    settings: str
    environment: Environment
    data: DataFacts
    summary: Summary
    rounds: list[RoundRecord]
    said: dict[str, tuple[str, str, str]]

    @property
    def federated(self) -> bool:
        """Whether phones took part."""
        return self.summary.kind in ("federated", "local")

    @property
    def matched(self) -> bool:
        """Whether it is the baseline with as many views as the federated run."""
        return bool(self.summary.matched)

    @property
    def step(self) -> str:
        """What a line of rounds.jsonl is: "round" or "epoch"."""
        return "round" if self.federated else "epoch"

    @property
    def steps(self) -> str:
        """How long it trained, as text: "50 rounds"."""
        count = self.summary.rounds or self.summary.epochs or len(self.rounds)
        return f"{count:,.4g} {self.step}{'' if count == 1 else 's'}"

    def score(self, name: str) -> float:
        """One of the scores on the test photos, by its name in summary.json."""
        value: float = getattr(self.summary, name)
        return value

    @property
    def views_seen(self) -> list[float]:
        """The views processed until the end of each round or epoch; of a private run, those expected."""
        said = self.summary
        if said.privacy is None:
            return list(accumulate(line.photos or 0 for line in self.rounds))
        share = said.privacy.simulated_per_round / said.phones
        each = share * sum(self.data.views.values()) * self.config.federation.local_epochs
        return [number * each for number in range(1, len(self.rounds) + 1)]

    @property
    def confusion(self) -> np.ndarray:
        """(c, c) counts of test photos, rows true."""
        return np.array(self.summary.confusion, dtype=np.int64)


def read_all(folder: Path) -> list[Run]:
    """The run in `folder`, then its baselines, the one with the same budget first."""
    run = read_run(folder, series=0)
    if not run.federated:
        return [run]
    named = [(folder / name, series) for series, name in enumerate(BASELINES, start=1)]
    return [run, *(read_run(place, series=i) for place, i in named if (place / "summary.json").is_file())]


def read_run(folder: Path, *, series: int) -> Run:
    """Read the files of one run; InputError if one that every finished run has is missing or damaged."""
    try:
        summary, settings = Summary.read(folder), read_toml(folder / "config.toml")
        return Run(
            folder=folder,
            name=_name(summary),
            series=series,
            config=validate(settings),
            settings=tomli_w.dumps(settings),
            environment=Environment.read(folder),
            data=DataFacts.read(folder),
            summary=summary,
            rounds=read_rounds(folder),
            said=_said(folder / "predictions.csv"),
        )
    except (OSError, ValueError) as error:
        raise InputError(f"no report of {folder}: {error}; give the folder of a finished run") from error


@dataclass(frozen=True)
class Drawn:
    """What a bootstrap resampled: "people" or "photos", and how, as text."""

    units: str
    how: str


UNPAIRED = Drawn("photos", "photos not paired")
_PHOTOS = Drawn("photos", "paired by photo")
_PEOPLE = Drawn("people", "paired by photo, people resampled with all their photos")


def differences(run: Run, baseline: Run) -> tuple[dict[str, intervals.Difference], Drawn]:
    """Run minus baseline with 95% intervals, and what the bootstrap resampled."""
    if not run.said or run.said.keys() != baseline.said.keys():
        return intervals.unpaired(run.confusion, baseline.confusion), UNPAIRED
    one, two, classes = replicate(run), replicate(baseline), len(run.summary.classes)
    if not known_people(run):
        return intervals.paired(one.truth, one.answers, two.answers, classes), _PHOTOS
    return intervals.paired(one.truth, one.answers, two.answers, classes, one.people), _PEOPLE


def share_tested(run: Run) -> float:
    """The share of the photos that are in the test part."""
    totals = run.data.photos.totals
    return totals["test"] / sum(totals.values())


def known_people(run: Run) -> bool:
    """Whether the person on every test photo is known."""
    return bool(run.said) and all(person for _, _, person in run.said.values())


def replicate(run: Run, *, fold: int = 0, seed: int = 0) -> Replicate:
    """The run's test predictions, in the order of the photos' names.

    A photo whose person is unknown is its own person. Without predictions.csv the confusion matrix has all
    but people and names.
    """
    if not run.said:
        cells = np.repeat(np.arange(run.confusion.size), run.confusion.ravel())
        truth, answers = np.divmod(cells, len(run.confusion))
        return Replicate(fold, seed, truth, answers, np.arange(len(cells)))
    place = {name: i for i, name in enumerate(run.summary.classes)}
    lines = sorted(run.said.items())
    truth, answers = (np.array([place[line[which]] for _, line in lines]) for which in (0, 1))
    people = np.array([f"person {person}" if person else f"photo {name}" for name, (_, _, person) in lines])
    return Replicate(fold, seed, truth, answers, people)


def _name(summary: Summary) -> str:
    if summary.kind == "federated":
        return "Federated"
    if summary.kind == "local":
        return "Each phone alone"
    if summary.matched:
        return "Centralized, matched"
    if not MODELS[summary.model].epochs:
        return f"Centralized, {summary.model}"
    epochs = summary.epochs
    return f"Centralized, {epochs:.4g} epoch{'' if epochs == 1 else 's'}" if epochs else "Centralized"


def _said(path: Path) -> dict[str, tuple[str, str, str]]:
    if not path.is_file():
        return {}
    # By position, not by name: classes have columns too, and may have any name.
    with path.open(encoding="utf-8", newline="") as lines:
        _, *rows = csv.reader(lines)
    return {file: (emotion, predicted, subject) for file, emotion, predicted, *_, subject in rows}
