"""The section of differences: each run minus the first one, on the same test photos, with intervals."""

from collections.abc import Sequence
from html import escape as esc

from simulations.report import charts, page
from simulations.report.page import paragraph, section, signed
from simulations.report.results import UNPAIRED, Run
from simulations.report.results import differences as measured

_METRICS = (("accuracy", 100, 1), ("macro_f1", 1, 3))  # its scale on the page, and digits


def differences(runs: Sequence[Run]) -> str:
    """A table of every run's differences to the first, with 95% intervals, and a figure; "" of one run."""
    first, others = runs[0], runs[1:]
    if not others:
        return ""
    rows, dots, drawn = [], [], UNPAIRED
    for run in others:
        found, drawn = measured(run, first)
        cells = [esc(run.name)]
        for metric, scale, digits in _METRICS:
            gap = found[metric]
            low, high = (signed(scale * bound, digits) for bound in (gap.low, gap.high))
            cells.append(f"{signed(scale * gap.value, digits)}<small>{low} to {high}</small>")
        rows.append(cells)
        gap = found["accuracy"]
        dots.append((run.name, [charts.Dot(0, 100 * gap.value, (100 * gap.low, 100 * gap.high))]))
    title = f"Differences to {first.name}"
    words = "; ".join(f"{name} {signed(row[0].value, 1)}" for name, row in dots)
    figure = charts.dots(
        dots, label=f"Accuracy minus that of {first.name}, in points: {words}", percent=False
    )
    text = (
        f"Every run minus {first.name}, the first one given. The 95% intervals (bootstrap, {drawn.how}) "
        "cover the choice of test photos and people alone: an interval without zero means that for these two "
        "trained heads other test people would hardly change the sign, not that one method is better."
    )
    if len(others) > 1:
        text += " Of many intervals one in twenty misses by chance."
    return section(
        title,
        paragraph(text),
        f'<div class="grid pair">{page.table(title, ["Run", "Accuracy, points", "Macro-F1"], rows)}'
        f"<figure><h3>Accuracy, points</h3>{figure}</figure></div>",
    )
