"""What the matplotlib figures share: fonts, colour-blind-safe colours, reproducible files.

Colours of series are those of Okabe and Ito, 2008, "Color universal design", darkest first; series differ by
marker or dash too.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fer_models.machine.cache import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, BEFORE, AFTER = "#1c2026", "#59616d", "#dfe2e6", "#87919f", "#2458c5"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#7a5c00", "#000000")
MARKERS = ("o", "s", "D", "^", "v", "P")
WIDTH = 11.25  # inches of a full-width figure: 1,080 pixels of a screen
_LONGEST = 24  # letters of a name before it is cut


@contextmanager
def style() -> Iterator[None]:
    """Within this context figures share one style, and the same numbers give the same bytes."""
    from matplotlib import rc_context

    settings: dict[Any, Any] = {
        "svg.hashsalt": "fedfer",
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.parse_math": False,  # a name may contain any character
        "text.color": INK,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # drawn as an empty box
        yield


def sheet(wide: float, high: float, *, pad: float = 0.06) -> "Figure":
    """An empty figure, in inches, that makes room for its labels; `pad`: space between its panels."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(wide, high), layout=ConstrainedLayoutEngine(w_pad=pad, h_pad=pad))


def save(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Writes `name`.png (160 dots per inch) and `name`.svg to `folder`."""
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
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


def short(name: str, longest: int = _LONGEST) -> str:
    """The name, cut if it is longer than `longest`."""
    return name if len(name) <= longest else name[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def bare(axes: "Axes", *, grid: Literal["x", "y", "both"] | None = None) -> None:
    """No frame and no tick marks; grid lines along `grid` ("x", "y" or "both"), behind everything else."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if grid:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
