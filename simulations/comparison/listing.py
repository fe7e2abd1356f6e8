"""The run folders below a folder, each with its main numbers and its state.

Few files of each are read, so that hundreds of runs are listed in a moment: summary.json of a finished run,
config.toml and the number of lines of rounds.jsonl of any other. Baselines beside a run are not listed.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from fer_models.errors import InputError
from fer_models.run_folder.environment import Environment
from fer_models.run_folder.files import UnusableError
from fer_models.run_folder.folder import ROUNDS
from fer_models.run_folder.summary import Summary
from fer_models.text import printable
from simulations.experiment import read_toml
from simulations.run.request import in_use

State = Literal["finished", "running", "stopped", "damaged"]
_MARKS = {Environment.FILE, Summary.FILE, ROUNDS}  # a folder with one of these is a run folder


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """One run folder; None is what is not known."""

    folder: Path
    state: State
    started: datetime  # of a folder without a readable environment.json: when it last changed
    experiment: str | None = None
    kind: str | None = None  # "federated", "centralized" or "local"
    model: str | None = None
    strategy: str | None = None  # None for a baseline, as partition
    partition: str | None = None
    seed: int | None = None
    phones: int | None = None
    reached: int | None = None  # the last round, or epoch, that was recorded
    accuracy: float | None = None  # on the test photos, as macro_f1; None if it is not finished
    macro_f1: float | None = None
    seconds: float | None = None  # of the whole command; None if it is not finished
    damage: str | None = None  # what is wrong with a damaged folder

    @property
    def step(self) -> str:
        """What it counts: "epoch" of a baseline, else "round"."""
        return "epoch" if self.kind == "centralized" else "round"

    @property
    def words(self) -> str:
        """Its state, as text: "stopped at round 12"."""
        if self.state == "finished":
            return self.state
        if self.state == "damaged":
            return f"damaged: {self.damage}"
        where = f"at {self.step} {self.reached}" if self.reached else f"before {self.step} 1"
        return f"{self.state} {where}"


def list_runs(folders: Iterable[Path]) -> list[ListedRun]:
    """The runs in and below the folders, newest first; InputError if one of these is no folder."""
    places: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"there is no folder {printable(folder)}; give one that holds runs")
        for place in _found(folder):
            places.setdefault(place.resolve(), place)
    runs = [_listed(place) for place in places.values()]
    return sorted(runs, key=lambda run: (-run.started.timestamp(), run.folder))


def _found(folder: Path) -> Iterator[Path]:
    """The run folders in and below a folder, without what lies in a run folder; links are not followed."""
    for place, inside, files in os.walk(folder):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        if _MARKS & set(files):
            inside.clear()
            yield Path(place)


def _listed(folder: Path) -> ListedRun:
    started = datetime.fromtimestamp(folder.stat().st_mtime).astimezone()
    try:
        begun = Environment.read(folder)
        started = datetime.fromisoformat(begun.date).astimezone()
        if (folder / Summary.FILE).exists():
            return _finished(folder, started)
        return _unfinished(folder, started, begun)
    except FileNotFoundError as error:
        damage = f"it has no {Path(error.filename).name}"
    except OSError as error:
        damage = f"{printable(error.filename or folder)} cannot be read ({error.strerror or error})"
    except UnusableError as error:
        damage = error.what
    except (InputError, ValueError) as error:
        damage = str(error)
    damage = damage.replace(f"{printable(folder)}/", "")
    return ListedRun(folder=folder, state="damaged", started=started, damage=damage)


def _finished(folder: Path, started: datetime) -> ListedRun:
    said = Summary.read(folder)
    steps = said.rounds or said.epochs
    return ListedRun(
        folder=folder,
        state="finished",
        started=started,
        experiment=said.experiment,
        kind=said.kind,
        model=said.model,
        strategy=said.strategy,
        partition=said.partition,
        seed=said.seed,
        phones=said.phones or None,
        reached=None if steps is None else int(steps),
        accuracy=said.accuracy,
        macro_f1=said.macro_f1,
        seconds=said.seconds,
    )


def _unfinished(folder: Path, started: datetime, begun: Environment) -> ListedRun:
    """From config.toml as it is: a class of the user's own need not be importable here."""
    raw, lines, on_phones = read_toml(folder / "config.toml"), folder / ROUNDS, begun.federated
    for section, values in raw.items():
        if not isinstance(values, dict):
            raise InputError(f"config.toml: {printable(section)} is not a section")

    def setting(section: str, name: str) -> Any:
        return raw.get(section, {}).get(name)

    return ListedRun(
        folder=folder,
        state="running" if in_use(folder) else "stopped",
        started=started,
        experiment=begun.experiment,
        kind="federated" if on_phones else "centralized",
        model=setting("model", "name"),
        strategy=setting("strategy", "name") if on_phones else None,
        partition=setting("federation", "partition") if on_phones else None,
        seed=setting("run", "seed"),
        phones=setting("federation", "phones") if on_phones else None,
        reached=lines.read_bytes().count(b"\n") if lines.exists() else 0,  # without a line that was cut off
    )
