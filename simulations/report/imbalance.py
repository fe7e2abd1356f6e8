"""The figures of class imbalance: training photos of each class, and training views after balancing."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from simulations.report import figure_style
from simulations.report.figure_style import AFTER, BEFORE, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_imbalance(before: Mapping[str, int], after: Mapping[str, int], folder: Path) -> list[Path]:
    """Writes imbalance.png and imbalance.svg to `folder`; the same numbers give the same bytes."""
    from matplotlib.figure import Figure

    with figure_style.style():
        figure = Figure(figsize=(7.2, 1.0 + 0.52 * len(before)), layout="constrained")
        _draw(figure.add_subplot(), before, after)
        return figure_style.save(figure, folder, "imbalance")


def draw_balances(
    before: Mapping[str, int], after: Mapping[int, Mapping[str, int]], folder: Path
) -> list[Path]:
    """The same for several balances side by side: `after` maps a balance, 0 for none, to its views."""
    with figure_style.style():
        panels = [("Photos, before", before, BEFORE)]
        panels += [
            (f"Views, balance {f'{balance:,}' if balance else 'none'}", views, AFTER)
            for balance, views in after.items()
        ]
        figure = figure_style.sheet(figure_style.WIDTH, 1.2 + 0.34 * len(before))
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        names = sorted(before, key=lambda name: before[name])
        most = max(max(counts.values()) for _, counts, _ in panels)
        for place, (title, counts, color) in zip(axes, panels, strict=True):
            _bars(place, [counts[name] for name in names], color, most)
            smallest = min(counts.values())
            ratio = f"largest to smallest {max(counts.values()) / smallest:.3g} to 1" if smallest else ""
            place.set_title(title, loc="left", fontsize=10.5, color=INK, pad=20, fontweight="bold")
            place.text(0, 1.02, ratio, transform=place.transAxes, fontsize=8.5, color=figure_style.MUTED)
        axes[0].set_yticks(range(len(names)), [figure_style.short(name) for name in names])
        return figure_style.save(figure, folder, "imbalance")


def _bars(axes: "Axes", counts: list[int], color: str, most: int) -> None:
    """One bar per class with its number at the end; all panels share one scale."""
    bars = axes.barh(range(len(counts)), counts, height=0.62, color=color)
    axes.bar_label(bars, labels=[f"{count:,}" for count in counts], padding=3, color=INK, fontsize=9)
    axes.set_xlim(0, 1.3 * most)
    axes.xaxis.set_visible(False)
    figure_style.bare(axes)


def _draw(axes: "Axes", before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Two bars per class, the largest class on top."""
    names = sorted(before, key=lambda name: before[name])
    places = range(len(names))
    for offset, label, color, each in (
        (0.2, "photos, before balancing", BEFORE, before),
        (-0.2, "views, after balancing", AFTER, after),
    ):
        bars = axes.barh(
            [place + offset for place in places],
            [each[name] for name in names],
            height=0.36,
            color=color,
            label=label,
        )
        axes.bar_label(bars, labels=[f"{each[name]:,}" for name in names], padding=4, color=INK, fontsize=9)
    axes.set_yticks(list(places), names)
    axes.set_xlim(0, 1.12 * max(*before.values(), *after.values()))
    axes.set_title("Training photos of each class, before and after balancing", loc="left", color=INK, pad=26)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 0.985), ncols=2, frameon=False, borderaxespad=0.2, fontsize=9
    )
    axes.xaxis.set_visible(False)  # each bar has its number
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
