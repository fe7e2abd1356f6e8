"""The list of runs for the terminal, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from fer_models.text import printable
from simulations.comparison.listing import ListedRun
from simulations.report.page import duration, percent

_WIDE = 120  # columns from which a run is one line
_NAME = 48  # columns of its name there, at most
_HEADS = ("Strategy", "Partition", "Accuracy", "Macro-F1", "Rounds", "Phones", "Time")
_WORDS = 2  # the first columns hold words, the others numbers
_STYLES = {"running": "cyan", "stopped": "yellow", "damaged": "red", "finished": "dim"}


def show(runs: Sequence[ListedRun], console: Console) -> None:
    """Prints every run: its name and state, and below them its numbers; in one line on a wide screen."""
    names = [printable(run.folder) for run in runs]
    rows = [_HEADS, *(_cells(run) for run in runs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *lines = (_line(row, widths) for row in rows)
    longest = max(map(len, names), default=0)
    if console.width >= _WIDE and longest <= _NAME:
        console.print(Text(f"{'Run':{longest}}  {head}  State", style="bold"), soft_wrap=True)
        for run, name, line in zip(runs, names, lines, strict=True):
            _print(console, Text(f"{name:{longest}}  {line}  ").append(run.words, _STYLES[run.state]))
        return
    console.print(Text(f"  {head}", style="bold"), soft_wrap=True)
    for run, name, line in zip(runs, names, lines, strict=True):
        _print(console, Text.assemble((name, "bold"), "  ", (run.words, _STYLES[run.state])))
        if run.state != "damaged":
            _print(console, Text(f"  {line}"))


def _print(console: Console, text: Text) -> None:
    """A line, without blanks at its end; what does not fit goes on in the next."""
    text.rstrip()
    console.print(text, overflow="fold")


def _cells(run: ListedRun) -> tuple[str, ...]:
    return (
        run.strategy or run.kind or "",
        run.partition or "",
        "" if run.accuracy is None else percent(run.accuracy),
        "" if run.macro_f1 is None else f"{run.macro_f1:.3f}",
        f"{run.reached:,}" if run.reached else "",
        f"{run.phones:,}" if run.phones else "",
        "" if run.seconds is None else duration(run.seconds),
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The cells in columns of these widths."""
    return "  ".join(
        cell.ljust(width) if i < _WORDS else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def as_json(runs: Sequence[ListedRun]) -> str:
    """The same as a JSON list, an object for each run; what is not known is null."""
    values = [{**asdict(run), "folder": str(run.folder), "started": run.started.isoformat()} for run in runs]
    return json.dumps(values, indent=2)
