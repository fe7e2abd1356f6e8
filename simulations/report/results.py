"""The files of finished runs: read once, then passed to the sections of the report."""

import csv
from dataclasses import dataclass
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
from simulations.experiment import Config, read_toml, validate
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


def differences(run: Run, baseline: Run) -> tuple[dict[str, intervals.Difference], str]:
    """Run minus baseline with 95% intervals, and as text what the bootstrap resampled."""
    classes = {name: i for i, name in enumerate(run.summary.classes)}
    if not run.said or run.said.keys() != baseline.said.keys():
        return intervals.unpaired(run.confusion, baseline.confusion), "photos not paired"
    files = sorted(run.said)
    true, first, second = (
        np.array([classes[said[file][which]] for file in files])
        for said, which in ((run.said, 0), (run.said, 1), (baseline.said, 1))
    )
    people = np.array([run.said[file][2] for file in files])
    if (people == "").any():
        return intervals.paired(true, first, second, len(classes)), "paired by photo"
    gaps = intervals.paired(true, first, second, len(classes), people)
    return gaps, "paired by photo, people resampled with all their photos"


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
