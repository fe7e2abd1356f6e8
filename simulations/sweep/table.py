"""What came out of a sweep: sweep.csv with a line a run, table.md and the terminal with a row a strategy.

Everything is read from the run folders. A row is the mean over seeds, with the standard deviation behind it.
"""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fer_models.cache import whole_file
from simulations.report.page import size
from simulations.sweep.request import CENTRAL, Cell, SweepRequest, baseline_of

NEAR = 0.95  # of the centralized macro-F1 on validation photos: from there on a strategy has arrived
_WIDE, _NARROW = 120, 76  # columns: with spreads, and with the first scores only
HEADS = ("Strategy", "Accuracy", "Macro-F1", "Worst tenth", "Own heads", "Rounds to 95%", "Bytes")
COLUMNS = (
    "partition", "strategy", "seed", "accuracy", "macro_f1", "worst_tenth", "own_accuracy", "own_macro_f1",
    "own_worst_tenth", "rounds_to_95", "rounds", "bytes_down", "bytes_up", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """One finished run."""

    cell: Cell
    summary: dict[str, Any]
    arrived: int | None  # the first round near the centralized macro-F1; None: never

    @property
    def row(self) -> dict[str, Any]:
        """Its line of sweep.csv; what does not apply is empty."""
        said, own = self.summary, self.summary.get("own_heads") or {}
        return {
            "partition": self.cell.partition,
            "strategy": self.cell.name,
            "seed": self.cell.seed,
            "accuracy": said["accuracy"],
            "macro_f1": said["macro_f1"],
            "worst_tenth": _worst(said),
            "own_accuracy": own.get("accuracy"),
            "own_macro_f1": own.get("macro_f1"),
            "own_worst_tenth": _worst(own),
            "rounds_to_95": self.arrived,
            "rounds": said.get("rounds"),
            "bytes_down": said["bytes_down"],
            "bytes_up": said["bytes_up"],
            "seconds": said["seconds"],
        }


def _worst(said: dict[str, Any]) -> float | None:
    across = said.get("across_phones")
    return None if not across else across["accuracy"]["worst_tenth"]


def read(sweep: SweepRequest) -> list[Outcome]:
    """Every finished run of the sweep."""
    found, goals = [], {}
    for cell in sweep.cells:
        folder = sweep.place_of(cell)
        if not (folder / "summary.json").exists():
            continue
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        lines = (folder / "rounds.jsonl").read_text(encoding="utf-8").splitlines()
        judged = [(line["round"], line["val_macro_f1"]) for line in map(json.loads, lines)]
        judged = [(number, score) for number, score in judged if score is not None]
        if cell.name == "centralized":
            goals[cell.partition, cell.seed] = NEAR * judged[-1][1]
        goal = goals.get((baseline_of(cell.partition, sweep.partitions), cell.seed))
        counts = cell.name not in CENTRAL and goal is not None
        arrived = next((number for number, score in judged if counts and score >= goal), None)
        found.append(Outcome(cell, summary, arrived))
    return found


def write(outcomes: list[Outcome], folder: Path) -> None:
    """Writes sweep.csv and table.md."""
    with (
        whole_file(folder / "sweep.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(outcome.row for outcome in outcomes)
    lines = []
    for partition, rows in _tables(outcomes):
        lines += [f"### {partition}", "", f"| {' | '.join(HEADS)} |", "|---|" + "---:|" * (len(HEADS) - 1)]
        lines += [f"| {' | '.join(row)} |" for row in rows] + [""]
    with whole_file(folder / "table.md") as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")


def show(outcomes: list[Outcome], console: Console) -> None:
    """Prints a table for each partition; spreads and what else has no room stay in the files."""
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
    """Each partition and its rows; the baselines stand at the first they belong to."""
    cells: dict[str, dict[str, list[Outcome]]] = {}
    for outcome in outcomes:
        names = cells.setdefault(outcome.cell.partition, {})
        names.setdefault(outcome.cell.name, []).append(outcome)
    for partition, names in cells.items():
        yield partition, [_row(name, runs) for name, runs in names.items()]


def _row(name: str, runs: list[Outcome]) -> list[str]:
    rows = [run.row for run in runs]
    arrived = [row["rounds_to_95"] for row in rows if row["rounds_to_95"] is not None]
    rounds = "" if name in CENTRAL else "never"
    if arrived:
        rounds = f"{median(arrived):g}" + (
            f" ({len(arrived)} of {len(rows)})" if len(arrived) < len(rows) else ""
        )
    return [
        name,
        _spread(rows, "accuracy"),
        _spread(rows, "macro_f1"),
        _spread(rows, "worst_tenth"),
        _spread(rows, "own_accuracy"),
        rounds,
        "" if name in CENTRAL else size(mean(row["bytes_down"] + row["bytes_up"] for row in rows)),
    ]


def _spread(rows: list[dict[str, Any]], column: str) -> str:
    """Mean and standard deviation; the mean alone of one seed; nothing where it does not apply."""
    values = [row[column] for row in rows]
    if None in values:
        return ""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")
