"""The section of curves: scores on the validation photos over rounds, or over views if there are epochs.

Few runs share a figure. More than the page can tell apart get a figure each, beside the first run's curve.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape as esc
from math import isfinite

from fer_models.run_folder.rounds import RoundRecord
from simulations.comparison.compared import STYLES
from simulations.report import charts
from simulations.report.page import paragraph, section
from simulations.report.results import Run

Value = Callable[[RoundRecord], float | None]
_ACCURACY, _F1, _LOSS = "Accuracy", "Macro-F1", "Training loss (cross-entropy)"
_VALUES: dict[str, Value] = {
    _ACCURACY: lambda line: line.val_accuracy,
    _F1: lambda line: line.val_macro_f1,
    _LOSS: lambda line: line.train_loss,
}


def learning(runs: Sequence[Run]) -> str:
    """Curves of the runs that have more than one round or epoch; "" if none has."""
    shown = [run for run in runs if len(run.rounds) > 1]
    if not shown:
        return ""
    rounds = all(run.federated for run in shown)
    axis = "rounds" if rounds else "views processed in training"
    text = f"On the validation photos, over {axis}."
    if not rounds:
        text += " A round and an epoch differ in what they compute; views are the common measure."
    if len(shown) <= STYLES:
        key = "".join(f'<li class="run">{charts.swatch(e.series)}{esc(e.name)}</li>' for e in shown)
        panels = [(title, _figure(title, shown, axis, rounds)) for title in _VALUES]
        legend = f'<ul class="key">{key}</ul>'
    else:
        first, legend = shown[0], ""
        text += f" Macro-F1 of each run (solid), beside {first.name} (dashed)."
        pairs = [(run, [replace(run, series=0), replace(first, series=1)]) for run in shown[1:]]
        panels = [(run.name, _figure(_F1, pair, axis, rounds)) for run, pair in pairs]
    drawn = "".join(f"<div><h3>{esc(title)}</h3>{chart}</div>" for title, chart in panels if chart)
    return section(
        "Learning curves", paragraph(text), legend, f'<figure><div class="grid">{drawn}</div></figure>'
    )


def _figure(title: str, runs: Sequence[Run], axis: str, rounds: bool) -> str:
    """One score of several runs; "" if it was never measured."""
    value, lines, last = _VALUES[title], [], []
    for run in runs:
        ys = [_finite(value(line)) for line in run.rounds]
        if any(y is not None for y in ys):
            xs = [float(r.round) for r in run.rounds] if rounds else run.views_seen
            lines.append(charts.Curve(run.series, xs, ys))
            last.append(f"{run.name} {[y for y in ys if y is not None][-1]:.3f}")
    if not lines:
        return ""
    label = f"{title} over {axis}; last values: {'; '.join(last)}"
    return charts.curves(lines, label=label, percent=title == _ACCURACY, x_title=axis)


def _finite(value: float | None) -> float | None:
    """None if not measured, or not finite: training can diverge."""
    return value if value is not None and isfinite(value) else None
