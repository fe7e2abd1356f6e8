"""The results of a sweep: sweep.csv with a line per run, table.md and the terminal with a row per strategy.

Below the rows of each partition stands how the strategies differ from the reference (differences.py). A row
is the mean over seeds, followed by the standard deviation; the rounds to the goal are a restricted mean, in
which runs that never reach it count as the last round.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from statistics import mean, stdev

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fer_models.machine.cache import whole_file
from simulations.inference.reached import reached
from simulations.report.page import signed, size
from simulations.sweep import differences
from simulations.sweep.differences import ROUNDS, Against
from simulations.sweep.outcomes import Outcome, Row
from simulations.sweep.request import CENTRAL

_WIDE, _NARROW = 120, 76  # columns: with spreads, and with the first scores only
_MEASURES = {
    "accuracy": ("accuracy, points", 100, 1),
    "macro_f1": ("macro-F1", 1, 3),
    ROUNDS: ("rounds", 1, 1),
}
AGAINST = ("Strategy", "Measure", "Difference", "95% interval", "p", "Verdict")
ONE_SEED = "Nothing is said about strategies: that takes several seeds in common (--seeds 5)."
LEFT_OUT = "Left out of the differences"
HEADS = ("Strategy", "Accuracy", "Macro-F1", "Worst tenth", "Own heads", "Rounds to 95%", "Bytes")


def write(outcomes: list[Outcome], found: list[Against], folder: Path, left_out: Sequence[str] = ()) -> None:
    """Writes sweep.csv, differences.csv and table.md; `left_out`: a line for each run not compared."""
    differences.write(found, folder)
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
        if here := [each for each in found if each.partition == partition]:
            lines += [f"{_over(here)}:", "", f"| {' | '.join(AGAINST)} |", "|---|---|---:|---:|---:|---|"]
            lines += [f"| {' | '.join(_against(each))} |" for each in here] + [""]
    if left_out:
        lines += [f"{LEFT_OUT}:", "", *(f"- {line}" for line in left_out), ""]
    with whole_file(folder / "table.md") as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")


def show(
    outcomes: list[Outcome], found: list[Against], console: Console, left_out: Sequence[str] = ()
) -> None:
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
        if here := [each for each in found if each.partition == partition]:
            console.print("", Text(_over(here), style="bold"), _differences(here, narrow), sep="\n")
    if not found:
        console.print("", Text(ONE_SEED, style="dim"), sep="\n")
    if left_out:
        console.print("", Text(f"{LEFT_OUT}:", style="bold"), *(Text(f"  {x}") for x in left_out), sep="\n")


def _differences(found: list[Against], narrow: bool) -> Table:
    """A line for each strategy and measure; without interval and p if there is little room."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    columns = (0, 1, 2, 5) if narrow else range(len(AGAINST))
    for column in columns:
        table.add_column(AGAINST[column], justify="right" if column in (2, 3, 4) else "left", no_wrap=True)
    for each in found:
        cells = _against(each)
        table.add_row(*(cells[column] for column in columns))
    return table


def _over(found: list[Against]) -> str:
    seeds = sorted({each.seeds for each in found})
    return f"Minus {found[0].reference}, paired over {' to '.join(map(str, seeds))} seeds"


def _against(each: Against) -> list[str]:
    name, scale, digits = _MEASURES[each.measure]
    value, low, high = (signed(scale * number, digits) for number in (each.difference, each.low, each.high))
    p = f"{each.p_holm:.3f}" if each.p_holm >= 0.001 else "<0.001"
    return [each.strategy, name, value, f"{low} to {high}", p, each.verdict]


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
    return [
        name,
        _spread([row.accuracy for row in rows]),
        _spread([row.macro_f1 for row in rows]),
        _spread([row.worst_tenth for row in rows]),
        _spread([row.own_accuracy for row in rows]),
        _rounds(runs),
        "" if name in CENTRAL else size(mean(row.bytes_down + row.bytes_up for row in rows)),
    ]


def _rounds(runs: list[Outcome]) -> str:
    """Rounds to the goal, and how many runs reached it unless all did; "" if there is no goal."""
    judged = [run for run in runs if run.horizon is not None]
    if not judged:
        return ""
    found = reached([run.arrived for run in judged], judged[0].horizon or 0)
    if not found.reached:
        return "never"
    some = f" ({found.reached} of {found.runs})" if found.reached < found.runs else ""
    return f"{found.rounds:.3g}{some}"


def _spread(found: Sequence[float | None]) -> str:
    """Mean and standard deviation; for one seed the mean alone; empty if not applicable."""
    values = [value for value in found if value is not None]
    if len(values) < len(found):
        return ""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")
