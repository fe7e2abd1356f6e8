"""The figures of classes: confusion matrices of the models, and precision, recall and F1 of each class."""

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer_models.run_folder.quality import ClassQuality
from simulations.report import figure_style
from simulations.study.results import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 4  # matrices side by side
_DARK = 0.68  # above this shade white text is more readable than dark
_RATIOS: tuple[tuple[str, Callable[[ClassQuality], float]], ...] = (
    ("Precision", lambda each: each.precision),
    ("Recall", lambda each: each.recall),
    ("F1", lambda each: each.f1),
)


def draw_confusions(study: Study, balance: int, folder: Path) -> list[Path]:
    """Writes confusion-BALANCE.png and .svg: photos of all seeds together, shaded by the share of the row."""
    names = [figure_style.short(name, 18) for name in study.classes]
    across = min(_ACROSS if len(names) < 7 else 3, len(study.models))
    down = ceil(len(study.models) / across)
    room = 0.35 + 0.085 * max(map(len, names))  # inches taken by names
    side = (figure_style.WIDTH - room) / max(across, 3)
    every = [np.sum([run.confusion for run in study.of(m, balance)], axis=0) for m in study.models]
    widest = len(f"{max(counts.max() for counts in every):,}")
    with figure_style.style():
        size = (side * across + room, (side + 0.1) * down + room)
        figure = figure_style.sheet(*size)
        axes = figure.subplots(down, across, squeeze=False)
        for i, (place, model, counts) in enumerate(zip(axes.flat, study.models, every, strict=False)):
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            _matrix(place, shares, [[f"{count:,}" for count in row] for row in counts.tolist()], widest)
            place.set_title(model, loc="left", fontsize=10.5, fontweight="bold")
            place.xaxis.tick_top()
            _names(place, names if i % across == 0 else [], names if i < across else [])
        for place in axes.flat[len(every) :]:
            place.axis("off")
        figure.supylabel("rows: true class; columns: predicted class", fontsize=9, color=figure_style.MUTED)
        return figure_style.save(figure, folder, f"confusion-{balance}")


def draw_classes(study: Study, balance: int, folder: Path) -> list[Path]:
    """Writes classes-BALANCE.png and .svg: means over seeds; a row is a model, a column a class."""
    names = [figure_style.short(name, 18) for name in study.classes]
    longest = max(map(len, names))
    with figure_style.style():
        high = 0.75 + 0.34 * len(study.models) + 0.085 * longest
        figure = figure_style.sheet(figure_style.WIDTH, high)
        for k, (place, (title, value)) in enumerate(zip(figure.subplots(1, 3), _RATIOS, strict=True)):
            values = np.array([_ratios(study, model, balance, value) for model in study.models])
            texts = [[f"{each:.2f}" for each in row] for row in values.tolist()]
            _matrix(place, values, texts, 4, square=False)
            place.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
            _names(place, study.models if k == 0 else [], names)
        return figure_style.save(figure, folder, f"classes-{balance}")


def _ratios(study: Study, model: str, balance: int, value: Callable[[ClassQuality], float]) -> np.ndarray:
    """The mean over seeds (c,) of precision, recall or F1 of each class."""
    runs = study.of(model, balance)
    every = [[value(run.summary.per_class[name]) for name in study.classes] for run in runs]
    return np.asarray(np.mean(every, axis=0))


def _matrix(
    axes: "Axes", shares: np.ndarray, texts: Sequence[Sequence[str]], widest: int, *, square: bool = True
) -> None:
    """Cells shaded by shares, each with its text; `widest`: letters of the longest text of all matrices."""
    axes.imshow(
        shares, cmap="Blues", vmin=0, vmax=1, aspect="equal" if square else "auto", interpolation="none"
    )
    size = min(9.0, 63 / max(shares.shape[1], 5) * 4 / max(widest, 4))
    for (row, column), share in np.ndenumerate(shares):
        color = "white" if share > _DARK else figure_style.INK
        axes.text(column, row, texts[row][column], ha="center", va="center", color=color, fontsize=size)
    figure_style.bare(axes)
    axes.set_xticks(np.arange(shares.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(shares.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)


def _names(axes: "Axes", rows: Sequence[str], columns: Sequence[str]) -> None:
    """Names beside the rows and along the columns; none if the list is empty."""
    for axis, names in ((axes.yaxis, rows), (axes.xaxis, columns)):
        axis.set_ticks(range(len(names)), names, fontsize=9)
    axes.tick_params(axis="x", labelrotation=90)
