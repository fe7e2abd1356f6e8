"""The results of a study and of a sweep: a row for each model, or for each run, and where the files are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape as esc
from pathlib import Path
from typing import TYPE_CHECKING

from fer_models.errors import RunError
from fer_models.text import printable
from simulations.api.columns import Columns
from simulations.api.results import Run

if TYPE_CHECKING:
    from simulations.study.results import Study
    from simulations.sweep.differences import Against
    from simulations.sweep.outcomes import Outcome


@dataclass(frozen=True)
class StudyResult:
    """A finished study."""

    folder: Path
    study: "Study"  # the data behind its tables and figures
    page: Path  # to open in a browser

    @property
    def rows(self) -> Columns:
        """A row for each model at each balance: means over seeds, as in study.csv."""
        from simulations.study.files import our_rows

        return Columns(our_rows(self.study))

    @property
    def runs(self) -> dict[tuple[str, int, int], Run]:
        """The run of each model, balance and seed."""
        return {key: Run(run.folder) for key, run in self.study.runs.items()}

    def __repr__(self) -> str:
        return f"<study of {', '.join(self.study.models)}; {printable(self.page)}>"

    def _repr_html_(self) -> str:
        names = (
            "model", "balance", "accuracy", "macro_f1", "seconds_training", "seconds_with_features",
            "ms_per_photo",
        )  # fmt: skip
        return _html("Study: means over seeds, test photos", self.rows, names, self.page)


class StudyFailedError(RunError):
    """Some runs of a study failed; `result` holds the results of the others."""

    def __init__(self, message: str, result: StudyResult) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep."""

    folder: Path
    outcomes: "list[Outcome]"
    found: "list[Against]"
    left_out: tuple[str, ...] = ()  # a line for each run that is not compared, and why

    @property
    def differences(self) -> Columns:
        """A row for each strategy and measure, as in differences.csv; none at one seed."""
        return Columns([vars(each) for each in self.found])

    @property
    def rows(self) -> Columns:
        """A row for each run, as in sweep.csv."""
        return Columns([vars(outcome.row) for outcome in self.outcomes])

    @property
    def page(self) -> Path:
        """The table of all runs, in Markdown."""
        return self.folder / "table.md"

    def __repr__(self) -> str:
        return f"<sweep of {len(self.outcomes)} runs; {printable(self.page)}>"

    def _repr_html_(self) -> str:
        names = ("partition", "strategy", "seed", "accuracy", "macro_f1", "worst_tenth", "rounds_to_95")
        return _html("Sweep: test photos", self.rows, names, self.page)


class SweepFailedError(RunError):
    """Some runs of a sweep failed; `result` holds the results of the others."""

    def __init__(self, message: str, result: SweepResult) -> None:
        super().__init__(message)
        self.result = result


def _html(title: str, rows: Columns, names: Sequence[str], page: Path) -> str:
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(v)}</td>' for v in line)}</tr>" for line in _lines(rows, names)
    )
    return (
        f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p>{esc(printable(page))}</p>"
    )


def _lines(rows: Columns, names: Sequence[str]) -> Iterator[tuple[object, ...]]:
    return zip(*(rows[name].tolist() for name in names), strict=True)


def _cell(value: object) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else esc(str(value))
