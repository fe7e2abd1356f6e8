"""The figure of class imbalance: training photos of each class, and training views after balancing."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fer_models.cache import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BEFORE, _AFTER, _INK = "#87919f", "#2458c5", "#1c2026"


def draw_imbalance(before: Mapping[str, int], after: Mapping[str, int], folder: Path) -> list[Path]:
    """Writes imbalance.png and imbalance.svg to `folder`; the same numbers give the same bytes."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "fedfer", "font.family": "DejaVu Sans", "font.size": 10}):
        figure = Figure(figsize=(7.2, 1.0 + 0.52 * len(before)), layout="constrained")
        _draw(figure.add_subplot(), before, after)
        paths = [folder / "imbalance.png", folder / "imbalance.svg"]
        for path in paths:
            kind = path.suffix.removeprefix(".")
            with whole_file(path) as temporary:
                figure.savefig(
                    temporary,
                    format=kind,
                    dpi=160,
                    metadata={"Date": None} if kind == "svg" else {"Software": None},
                )
    return paths


def _draw(axes: "Axes", before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Two bars a class, the largest class on top."""
    names = sorted(before, key=lambda name: before[name])
    places = range(len(names))
    for offset, label, color, each in (
        (0.2, "photos, before balancing", _BEFORE, before),
        (-0.2, "views, after balancing", _AFTER, after),
    ):
        bars = axes.barh(
            [place + offset for place in places],
            [each[name] for name in names],
            height=0.36,
            color=color,
            label=label,
        )
        axes.bar_label(bars, labels=[f"{each[name]:,}" for name in names], padding=4, color=_INK, fontsize=9)
    axes.set_yticks(list(places), names)
    axes.set_xlim(0, 1.12 * max(*before.values(), *after.values()))
    axes.set_title(
        "Training photos of each class, before and after balancing", loc="left", color=_INK, pad=26
    )
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 0.985), ncols=2, frameon=False, borderaxespad=0.2, fontsize=9
    )
    axes.xaxis.set_visible(False)  # each bar has its number
    axes.tick_params(length=0, labelcolor=_INK)
    axes.spines[:].set_visible(False)
