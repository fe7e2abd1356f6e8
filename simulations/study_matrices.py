"""The figures of classes: confusion matrices of the models, and precision, recall and F1 of each class."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulations import canvas
from simulations.study_results import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 4  # matrices beside one another
_DARK = 0.55  # shade from which on the text is white
_RATIOS = (("precision", "Precision"), ("recall", "Recall"), ("f1", "F1"))


def draw_confusions(study: Study, balance: int, folder: Path) -> list[Path]:
    """Writes confusion-BALANCE.png and .svg: photos of all seeds together, shaded by the share of their row."""
    from matplotlib.figure import Figure

    names = [canvas.short(name, 18) for name in study.classes]
    across = min(_ACROSS if len(names) < 7 else 3, len(study.models))
    down = ceil(len(study.models) / across)
    side = (canvas.WIDTH - 1.3) / max(across, 3)
    with canvas.style():
        figure = Figure(figsize=(side * across + 1.3, (side + 0.3) * down + 1.1), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.05, h_pad=0.06)
        axes = figure.subplots(down, across, squeeze=False)
        for i, place in enumerate(axes.flat):
            if i >= len(study.models):
                place.axis("off")
                continue
            runs = study.of(study.models[i], balance)
            counts = np.sum([run.confusion for run in runs], axis=0)
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            _matrix(place, shares, [[f"{count:,}" for count in row] for row in counts.tolist()])
            place.set_title(study.models[i], loc="left", fontsize=10.5, fontweight="bold")
            _names(
                place, names if i % across == 0 else None, names if i + across >= len(study.models) else None
            )
        figure.supylabel("photos of", fontsize=9, color=canvas.MUTED)
        figure.supxlabel("named as", fontsize=9, color=canvas.MUTED)
        return canvas.save(figure, folder, f"confusion-{balance}")


def draw_classes(study: Study, balance: int, folder: Path) -> list[Path]:
    """Writes classes-BALANCE.png and .svg: means over seeds, a row for each model, a column for each class."""
    from matplotlib.figure import Figure

    names = [canvas.short(name, 18) for name in study.classes]
    longest = max(map(len, names))
    with canvas.style():
        high = 0.75 + 0.34 * len(study.models) + 0.085 * longest
        figure = Figure(figsize=(canvas.WIDTH, high), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.06)
        for k, (place, (key, title)) in enumerate(zip(figure.subplots(1, 3), _RATIOS, strict=True)):
            values = np.array(
                [
                    np.mean([[run.summary["per_class"][name][key] for name in study.classes]
                             for run in study.of(model, balance)], axis=0)
                    for model in study.models
                ]
            )  # fmt: skip
            _matrix(
                place, values, [[f"{value:.2f}" for value in row] for row in values.tolist()], square=False
            )
            place.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
            _names(place, study.models if k == 0 else None, names)
        return canvas.save(figure, folder, f"classes-{balance}")


def _matrix(axes: "Axes", shares: np.ndarray, texts: Sequence[Sequence[str]], *, square: bool = True) -> None:
    """Cells shaded by shares, each with its text."""
    axes.imshow(
        shares, cmap="Blues", vmin=0, vmax=1.0, aspect="equal" if square else "auto", interpolation="none"
    )
    widest = max(len(text) for row in texts for text in row)
    size = min(9.0, 46 / max(shares.shape[1], 5) * 4 / max(widest, 4))
    for (row, column), share in np.ndenumerate(shares):
        color = "white" if share > _DARK else canvas.INK
        axes.text(column, row, texts[row][column], ha="center", va="center", color=color, fontsize=size)
    canvas.bare(axes)
    axes.set_xticks(np.arange(shares.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(shares.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)


def _names(axes: "Axes", rows: Sequence[str] | None, columns: Sequence[str] | None) -> None:
    """Names beside the rows and below the columns, where there are to be any."""
    for axis, names in ((axes.yaxis, rows), (axes.xaxis, columns)):
        axis.set_ticks(range(len(names)) if names else [], names or [], fontsize=9)
    axes.tick_params(axis="x", labelrotation=90)
