"""The results of a run, read from its folder on access."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from html import escape as esc
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fer_models.errors import InputError
from fer_models.heads import Arrays, load_head
from fer_models.models import MODELS
from fer_models.run_folder.data_facts import DataFacts
from fer_models.run_folder.environment import Environment
from fer_models.run_folder.folder import ROUNDS, read_rounds
from fer_models.run_folder.summary import Summary
from fer_models.text import printable
from simulations.api.columns import Columns, of_rounds
from simulations.report.page import duration, percent

if TYPE_CHECKING:
    from simulations.config import Config

_BASELINES = ("centralized", "centralized-matched")
_CONFIG, _HEAD = "config.toml", "head.safetensors"
_FILES = (Summary.FILE, _CONFIG, Environment.FILE, DataFacts.FILE, ROUNDS, _HEAD)  # of every finished run
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """A finished run and its folder."""

    folder: Path

    @cached_property
    def summary(self) -> Summary:
        """All results, on the test photos (summary.json)."""
        return self._read(Summary.read)

    @cached_property
    def rounds(self) -> Columns:
        """The rounds, or epochs of a baseline, as columns (rounds.jsonl)."""
        return of_rounds(self._read(read_rounds))

    @cached_property
    def data(self) -> DataFacts:
        """The facts about the photos (data.json)."""
        return self._read(DataFacts.read)

    @cached_property
    def environment(self) -> Environment:
        """What was requested, when, and on which machine (environment.json)."""
        return self._read(Environment.read)

    @cached_property
    def config(self) -> "Config":
        """The complete configuration (config.toml)."""
        from simulations.experiment import read_toml, validate

        return validate(read_toml(self.folder / _CONFIG))

    @property
    def head(self) -> Arrays:
        """The trained parameters as named arrays: `weight` (C, D) and `bias` (C,) of a linear head."""
        return self._read(lambda folder: load_head(folder / _HEAD))[0]

    def _read(self, read: Callable[[Path], T]) -> T:
        """What `read` finds in the folder; InputError, one line, if its file has gone."""
        try:
            return read(self.folder)
        except FileNotFoundError as error:
            raise InputError(
                f"{printable(self.folder)} has no {Path(error.filename).name} any more; restore it, or train"
                " the run again"
            ) from error

    @property
    def page(self) -> Path:
        """The page to open in a browser."""
        return self.folder / "report.html"

    @cached_property
    def baselines(self) -> dict[str, "Run"]:
        """The centralized baselines beside it, by folder name."""
        places = {name: self.folder / name for name in _BASELINES}
        return {name: Run(place) for name, place in places.items() if (place / Summary.FILE).is_file()}

    @property
    def name(self) -> str:
        """Its name in the display: "federated", "centralized, matched, 50 epochs"."""
        said = self.summary
        if said.kind != "centralized":
            return said.kind
        if not MODELS[said.model].epochs:
            return f"centralized, {said.model}"
        epochs, matched = said.epochs or 0, "matched, " if said.matched else ""
        return f"centralized, {matched}{epochs:.4g} epoch{'' if epochs == 1 else 's'}"

    def __repr__(self) -> str:
        said = self.summary
        scores = f"accuracy {percent(said.accuracy)}, macro-F1 {said.macro_f1:.3f}"
        return f"<{said.kind} run of {said.experiment}: {scores}; {printable(self.page)}>"

    def _repr_html_(self) -> str:
        rows = "".join(_row(run.name, run.summary) for run in (self, *self.baselines.values()))
        head = "".join(f"<th>{name}</th>" for name in ("", "accuracy", "macro-F1", "views seen", "training"))
        where = esc(printable(self.page))
        return (
            f"<table><caption>{esc(self.summary.experiment)}, test photos</caption><thead><tr>{head}</tr>"
            f'</thead><tbody>{rows}</tbody></table><p>Page: <a href="{esc(_link(self.page))}">{where}</a></p>'
        )


def opened(folder: str | Path) -> Run:
    """The finished run in a folder; InputError if there is none."""
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise InputError(f"there is no folder {printable(place)}; give the folder of a run")
    if missing := [name for name in _FILES if not (place / name).is_file()]:
        raise InputError(
            f"{printable(place)} is not the folder of a finished run: it has no {' and no '.join(missing)};"
            " give one, or resume it: fedfer run --resume"
        )
    run = Run(place)
    _ = run.summary  # a damaged file raises now
    return run


def _row(name: str, said: Summary) -> str:
    cells = (
        percent(said.accuracy),
        f"{said.macro_f1:.3f}",
        "" if said.photos is None else f"{said.photos:,}",
        duration(said.seconds_training),
    )
    return f"<tr><th>{esc(name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _link(page: Path) -> str:
    """The page's path relative to the current folder, where a notebook serves files; else its file URI."""
    here = Path.cwd()
    whole = page.absolute()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.as_uri()
