"""The results of a sweep: sweep.csv with a line per run, table.md and the terminal with a row per strategy.

Everything is read from the run folders. A row is the mean over seeds, followed by the standard deviation.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import mean, median, stdev

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fer_models.machine.cache import whole_file
from fer_models.run_folder.folder import read_rounds
from fer_models.run_folder.quality import AcrossPhones
from fer_models.run_folder.summary import Summary
from simulations.report.page import size
from simulations.sweep.request import CENTRAL, Cell, SweepRequest, baseline_of

NEAR = 0.95  # of the centralized macro-F1 on validation photos: the goal of a strategy
_WIDE, _NARROW = 120, 76  # columns: with spreads, and with the first scores only
HEADS = ("Strategy", "Accuracy", "Macro-F1", "Worst tenth", "Own heads", "Rounds to 95%", "Bytes")


@dataclass(frozen=True)
class Row:
    """A line of sweep.csv; None if not applicable."""

    partition: str
    strategy: str
    seed: int
    accuracy: float
    macro_f1: float
    worst_tenth: float | None  # mean accuracy of the worst tenth of phones
    own_accuracy: float | None  # of the personal heads
    own_macro_f1: float | None
    own_worst_tenth: float | None
    rounds_to_95: int | None  # the first round near the centralized macro-F1; None: never
    rounds: int | None
    bytes_down: int
    bytes_up: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """One finished run."""

    cell: Cell
    summary: Summary
    arrived: int | None  # the first round near the centralized macro-F1; None: never

    @property
    def row(self) -> Row:
        """Its line of sweep.csv."""
        said, own = self.summary, self.summary.own_heads
        return Row(
            partition=self.cell.partition,
            strategy=self.cell.name,
            seed=self.cell.seed,
            accuracy=said.accuracy,
            macro_f1=said.macro_f1,
            worst_tenth=_worst(said.across_phones),
            own_accuracy=None if own is None else own.accuracy,
            own_macro_f1=None if own is None else own.macro_f1,
            own_worst_tenth=None if own is None else _worst(own.across_phones),
            rounds_to_95=self.arrived,
            rounds=said.rounds,
            bytes_down=said.bytes_down,
            bytes_up=said.bytes_up,
            seconds=said.seconds,
        )


def _worst(across: AcrossPhones | None) -> float | None:
    return None if across is None else across.accuracy.worst_tenth


def read(sweep: SweepRequest) -> list[Outcome]:
    """Every finished run of the sweep."""
    found, goals = [], {}
    for cell in sweep.cells:
        folder = sweep.place_of(cell)
        if not (folder / Summary.FILE).exists():
            continue
        summary = Summary.read(folder)
        judged = [(r.round, r.val_macro_f1) for r in read_rounds(folder) if r.val_macro_f1 is not None]
        if cell.name == "centralized":
            goals[cell.partition, cell.seed] = NEAR * judged[-1][1]
        goal = goals.get((baseline_of(cell.partition, sweep.partitions), cell.seed))
        arrived = None
        if cell.name not in CENTRAL and goal is not None:
            arrived = next((number for number, score in judged if score >= goal), None)
        found.append(Outcome(cell, summary, arrived))
    return found


def write(outcomes: list[Outcome], folder: Path) -> None:
    """Writes sweep.csv and table.md."""
    with (
        whole_file(folder / "sweep.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Row))
        writer.writerows(astuple(outcome.row) for outcome in outcomes)
    lines = []
    for partition, rows in _tables(outcomes):
        lines += [f"### {partition}", "", f"| {' | '.join(HEADS)} |", "|---|" + "---:|" * (len(HEADS) - 1)]
        lines += [f"| {' | '.join(row)} |" for row in rows] + [""]
    with whole_file(folder / "table.md") as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")


def show(outcomes: list[Outcome], console: Console) -> None:
    """Prints a table for each partition; what does not fit, such as spreads, is in the files only."""
    wide, narrow = console.width >= _WIDE, console.width < _NARROW
    heads = HEADS[:4] if narrow else HEADS
    for partition, rows in _tables(outcomes):
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for number, head in enumerate(heads):
            words = head if wide else head.replace(" ", "\n", 1)
            table.add_column(words, justify="right" if number else "left", no_wrap=True)
        for row in rows:
            shown = row if wide else [cell.partition(" ±")[0] for cell in row]
            table.add_row(*shown[: len(heads)], style="dim" if row[0] in CENTRAL else None)
        console.print("", Text(partition[0].upper() + partition[1:], style="bold"), table, sep="\n")


def _tables(outcomes: list[Outcome]) -> Iterable[tuple[str, list[list[str]]]]:
    """Each partition and its rows; baselines are listed with the first partition they belong to."""
    cells: dict[str, dict[str, list[Outcome]]] = {}
    for outcome in outcomes:
        names = cells.setdefault(outcome.cell.partition, {})
        names.setdefault(outcome.cell.name, []).append(outcome)
    for partition, names in cells.items():
        yield partition, [_row(name, runs) for name, runs in names.items()]


def _row(name: str, runs: list[Outcome]) -> list[str]:
    rows = [run.row for run in runs]
    arrived = [row.rounds_to_95 for row in rows if row.rounds_to_95 is not None]
    rounds = "" if name in CENTRAL else "never"
    if arrived:
        rounds = f"{median(arrived):g}" + (
            f" ({len(arrived)} of {len(rows)})" if len(arrived) < len(rows) else ""
        )
    return [
        name,
        _spread([row.accuracy for row in rows]),
        _spread([row.macro_f1 for row in rows]),
        _spread([row.worst_tenth for row in rows]),
        _spread([row.own_accuracy for row in rows]),
        rounds,
        "" if name in CENTRAL else size(mean(row.bytes_down + row.bytes_up for row in rows)),
    ]


def _spread(found: Sequence[float | None]) -> str:
    """Mean and standard deviation; for one seed the mean alone; empty if not applicable."""
    values = [value for value in found if value is not None]
    if len(values) < len(found):
        return ""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")
