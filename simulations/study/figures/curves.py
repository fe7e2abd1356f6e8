"""The figure of learning: accuracy and loss of each model, epoch by epoch, every seed and their mean."""

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_models.models import MODELS
from fer_models.run_folder.rounds import RoundRecord
from simulations.report import figure_style
from simulations.report.figure_style import COLOURS, MUTED
from simulations.report.results import Run
from simulations.study.results import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 5  # models side by side
_ACCURACY, _TRAINING, _VALIDATION = COLOURS[0], COLOURS[1], COLOURS[2]
_DASH = (0, (4, 1.6))
_FEW = 6  # lines with more points need no marks


def models_with_epochs(study: Study) -> list[str]:
    """The models that were trained in epochs; the others are fitted in one step."""
    return [model for model in study.models if MODELS[model].epochs]


def draw_epochs(study: Study, balance: int, folder: Path) -> list[Path]:
    """Writes epochs-BALANCE.png and .svg: for each model, accuracy above and loss below."""
    models = models_with_epochs(study)
    across = min(_ACROSS, len(models))
    down = ceil(len(models) / across)
    with figure_style.style():
        size = (max(6.0, figure_style.WIDTH * across / _ACROSS), 0.75 + 4.1 * down)
        figure = figure_style.sheet(*size)
        axes = figure.subplots(2 * down, across, squeeze=False)
        pairs = [(axes[2 * (i // across), i % across], axes[2 * (i // across) + 1, i % across])
                 for i in range(down * across)]  # fmt: skip
        used, free = pairs[: len(models)], pairs[len(models) :]
        for i, (model, (above, below)) in enumerate(zip(models, used, strict=True)):
            _model(above, below, model, study.of(model, balance))
            for place, name in ((above, "accuracy"), (below, "loss")):
                place.tick_params(labelleft=i % across == 0)
                place.set_ylabel(name if i % across == 0 else "")
        for places in zip(*used, strict=True):
            _same_scale(places)
        for place in (place for pair in free for place in pair):
            place.axis("off")
        _legend(figure, len(study.seeds), columns=5 if size[0] > 9 else 2)
        return figure_style.save(figure, folder, f"epochs-{balance}")


def _model(above: "Axes", below: "Axes", model: str, runs: Sequence[Run]) -> None:
    """Thin lines for the seeds, a thick one for their mean, a ring at each selected epoch."""
    from matplotlib.ticker import MaxNLocator

    above.set_title(model, loc="left", fontsize=10.5, fontweight="bold")
    for axes, value, color, dash in (
        (above, _accuracy, _ACCURACY, "-"),
        (below, _training, _TRAINING, _DASH),
        (below, _validation, _VALIDATION, "-"),
    ):
        lines = [_line(run, value) for run in runs]
        for run, line in zip(runs, lines, strict=True):
            if len(runs) > 1:
                _plot(axes, line, color=color, linewidth=0.8, alpha=0.45, linestyle=dash)
            chosen = run.summary.selected
            if value is not _training and chosen and chosen <= len(line):
                axes.plot(chosen, line[chosen - 1], "o", markersize=6, markerfacecolor="white",
                          markeredgecolor=color, markeredgewidth=1.4, zorder=4)  # fmt: skip
        mean = np.mean([line[: min(map(len, lines))] for line in lines], axis=0)
        _plot(axes, mean, color=color, linewidth=2.2, linestyle=dash, zorder=3)
    last = max(len(run.rounds) for run in runs)
    edge = 0.04 * (last - 1) or 0.5
    for axes in (above, below):
        figure_style.bare(axes, grid="y")
        axes.set_xlim(1 - edge, last + edge)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    above.tick_params(labelbottom=False)
    below.set_xlabel("epoch", fontsize=9, color=MUTED)


def _plot(axes: "Axes", line: np.ndarray, **look: Any) -> None:
    """A line through the measured epochs, with marks if they are few."""
    places = np.flatnonzero(np.isfinite(line))
    marker = "o" if len(places) <= _FEW else None
    axes.plot(places + 1, line[places], marker=marker, markersize=2 + look["linewidth"], **look)


def _accuracy(line: RoundRecord) -> float | None:
    return line.val_accuracy


def _training(line: RoundRecord) -> float | None:
    return line.train_loss


def _validation(line: RoundRecord) -> float | None:
    return line.val_loss


def _line(run: Run, value: Callable[[RoundRecord], float | None]) -> np.ndarray:
    """The values of one run by epoch; NaN where not measured."""
    return np.array([value(line) for line in run.rounds], dtype=float)


def _same_scale(places: Sequence["Axes"]) -> None:
    """Gives all models one vertical scale, so that they can be compared."""
    low, high = min(p.get_ylim()[0] for p in places), max(p.get_ylim()[1] for p in places)
    for place in places:
        place.set_ylim(low, high)


def _legend(figure: "Figure", seeds: int, columns: int) -> None:
    from matplotlib.lines import Line2D

    def line(color: str, dash: Any = "-", **more: Any) -> Line2D:
        return Line2D([], [], color=color, linewidth=2.2, linestyle=dash, **more)

    marks = [
        (line(_ACCURACY), "accuracy, validation photos"),
        (line(_VALIDATION), "loss, validation photos"),
        (line(_TRAINING, _DASH), "loss, training views"),
        (line("none", marker="o", markersize=6, markerfacecolor="white", markeredgecolor=MUTED),
         "selected epoch" + (" of a seed" if seeds > 1 else "")),
    ]  # fmt: skip
    if seeds > 1:
        marks.append((Line2D([], [], color=MUTED, linewidth=0.8), "one seed (thick: mean)"))
    figure.legend(
        *zip(*marks, strict=True), loc="outside upper left", ncols=columns, frameon=False, fontsize=9
    )
