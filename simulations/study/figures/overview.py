"""The figure of the whole study: accuracy and macro-F1 of each model and balance, and the published ones."""

from pathlib import Path
from typing import TYPE_CHECKING

from simulations.report import figure_style
from simulations.report.figure_style import COLOURS, INK, MARKERS, MUTED
from simulations.study import words as words
from simulations.study.published import PUBLISHED
from simulations.study.results import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 0.8  # share of the height of a row used by its balances


def draw_overview(study: Study, folder: Path) -> list[Path]:
    """Writes overview.png and overview.svg."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with figure_style.style():
        high = 1.3 + len(study.models) * (0.25 + 0.16 * len(study.balances))
        figure = figure_style.sheet(figure_style.WIDTH, high)
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, measure, title in ((left, "accuracy", "Accuracy"), (right, "macro_f1", "Macro-F1")):
            _panel(axes, study, measure)
            axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
        left.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        _published(left, study)
        for axes in (left, right):
            _widen(axes)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=9, steps=[1, 2, 5, 10]))
        left.set_yticks(range(len(study.models)), study.models)
        left.set_ylim(len(study.models) - 0.5, -0.5)
        keys, names = left.get_legend_handles_labels()
        figure.legend(keys, names, loc="outside lower left", ncols=6, frameon=False, fontsize=9)
        return figure_style.save(figure, folder, "overview")


def _panel(axes: "Axes", study: Study, measure: str) -> None:
    """A mark at each mean, a line of one standard deviation either side, a dot for each seed."""
    for i, balance in enumerate(study.balances):
        color, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        for j, model in enumerate(study.models):
            y = j + _ROW * ((i + 0.5) / len(study.balances) - 0.5)
            spread = study.row(model, balance).scores[measure]
            if spread.sd is not None:
                ends = [spread.mean - spread.sd, spread.mean + spread.sd]
                values = [run.score(measure) for run in study.of(model, balance)]
                axes.plot(ends, [y, y], color=color, linewidth=2, alpha=0.5)
                axes.plot(values, [y] * len(values), ".", color=color, markersize=4)
            named = words.balanced(balance) if j == 0 else None
            axes.plot(spread.mean, y, marker, color=color, markersize=6.5, markeredgecolor="white",
                      linestyle="none", zorder=3, label=named)  # fmt: skip
    for j in range(1, len(study.models)):
        axes.axhline(j - 0.5, color=figure_style.GRID, linewidth=0.8)
    figure_style.bare(axes, grid="x")
    axes.tick_params(axis="x", labelcolor=MUTED)


def _widen(axes: "Axes") -> None:
    """Widens the scale to at least ten points, so that small differences do not look large."""
    low, high = axes.get_xlim()
    missing = max(0.0, 0.1 - (high - low)) / 2
    axes.set_xlim(low - missing, high + missing)


def _published(axes: "Axes", study: Study) -> None:
    """A bar across the row of each model that reproduces a published one."""
    label = "published, on other photos"
    for each in PUBLISHED:
        if each.ours in study.models:
            j = study.models.index(each.ours)
            axes.plot([each.accuracy] * 2, [j - 0.42, j + 0.42], color=INK, linewidth=1.6,
                      linestyle=(0, (2, 1.2)), label=label)  # fmt: skip
            label = ""
