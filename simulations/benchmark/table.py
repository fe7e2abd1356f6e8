"""The results of a benchmark for the terminal: the answer, a row per arm, the steps, and what is left
open.
"""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulations.benchmark import words
from simulations.benchmark.record import ArmResult, Benchmark
from simulations.inference.scores import Estimate

_WIDE = 100  # columns: with differences and their intervals
_COLOURS = {"better": "green", "worse": "red"}


def show(benchmark: Benchmark, console: Console) -> None:
    """Prints it."""
    console.print()
    console.print(Text(words.headline(benchmark), style="bold"))
    console.print()
    wide = console.width >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("Arm", "Accuracy", "Macro-F1"):
        table.add_column(name, justify="left" if name == "Arm" else "right", no_wrap=True)
    if benchmark.reference:
        several = len({arm.reference for arm in benchmark.arms if arm.reference}) > 1
        against = "its reference" if several else benchmark.reference
        table.add_column(f"minus {against}", justify="right", no_wrap=True)
        table.add_column("Verdict")
    for arm in benchmark.arms:
        table.add_row(*_row(benchmark, arm, wide))
    console.print(table)
    console.print()
    for arm in benchmark.arms:
        for why in arm.failures:
            console.print(Text(f"{arm.name} failed, {why}", style="red"))
    for step in benchmark.steps:
        if step.comparison.measure == benchmark.choose:
            line = f"{step.name}: {words.gap(step.comparison)} points of {words.NAMES[benchmark.choose]}"
            console.print(Text(f"{line}, {step.comparison.verdict}"))
    for power in benchmark.power:
        if power.measure == benchmark.choose:
            found = ", ".join(f"{100 * value:.1f} points with {k} folds" for k, value in power.folds.items())
            console.print(
                Text(
                    f"A single comparison finds in 80% of cases: {found} of {words.NAMES[power.measure]}.",
                    style="dim",
                )
            )


def _row(benchmark: Benchmark, arm: ArmResult, wide: bool) -> list[Text]:
    cells = [Text(arm.name), _score(arm.accuracy, wide), _score(arm.macro_f1, wide)]
    if not benchmark.reference:
        return cells
    found = benchmark.comparison(arm.name, benchmark.choose)
    if found is None:
        return [*cells, Text(""), Text("reference" if arm.name == benchmark.reference else "", style="dim")]
    gap = words.gap(found) if wide else words.gap(found).partition(" ")[0]
    return [*cells, Text(gap), Text(found.verdict, style=_COLOURS.get(found.verdict, ""))]


def _score(estimate: Estimate | None, wide: bool) -> Text:
    if estimate is None:
        return Text("failed", style="red")
    return Text(words.points(estimate) if wide else f"{100 * estimate.mean:.1f}%")
