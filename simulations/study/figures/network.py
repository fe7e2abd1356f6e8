"""MobileNetV2 block by block, measured on torchvision's network, and the figure of it.

Sandler et al., 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2. The network is built
without memory (torch device "meta") and an empty photo is passed through: shapes are computed, but no values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulations.report import figure_style
from simulations.report.figure_style import AFTER, BEFORE, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEADS = (
    (0.15, "left", "Block"), (0.75, "left", "Operator"), (3.75, "right", "Expansion"),
    (4.6, "right", "Channels"), (5.45, "right", "Repeats"), (6.15, "right", "Stride"),
    (7.65, "right", "Output h x w x c"), (8.75, "right", "Parameters"),
)  # fmt: skip
_BARS, _END = 8.9, 10.95  # the columns of the bars
_ABOVE, _BELOW = "#eceef1", "#d9e6fb"  # behind the rows


@dataclass(frozen=True)
class Block:
    """One line of the figure.

    Fields:
        name: the index in torchvision's `features`, "0" to "18", or "" after them.
        expansion: None without one. shape: (h, w, c) of its output.
        repeats: consecutive blocks with as many channels, given at the first; 0 at the others.
    """

    name: str
    operator: str
    expansion: int | None
    stride: int | None
    shape: tuple[int, int, int]
    parameters: int
    repeats: int


def blocks(size: int, classes: int) -> list[Block]:
    """The blocks of MobileNetV2 for photos of `size` pixels a side and `classes` classes."""
    import torch
    from torchvision.models import mobilenet_v2

    with torch.device("meta"):
        network, flow = mobilenet_v2(weights=None, num_classes=classes), torch.empty(1, 3, size, size)
    network.eval()
    measured: list[dict[str, Any]] = []
    for place, part in enumerate(network.features):
        flow = part(flow)
        _, channels, high, wide = flow.shape
        measured.append(
            _operator(part)
            | {"name": str(place), "shape": (high, wide, channels), "parameters": _parameters(part)}
        )
    width = measured[-1]["shape"][2]
    found = [Block(**each, repeats=_repeats(measured, i)) for i, each in enumerate(measured)]
    return [
        *found,
        Block("", "mean over positions: the features", None, None, (1, 1, width), 0, 1),
        Block("", "linear, to the classes", None, None, (1, 1, classes), _parameters(network.classifier), 1),
    ]


def _operator(part: Any) -> dict[str, Any]:
    """The operator of a block: inverted residual (its depthwise convolution strides), or one convolution."""
    from torchvision.models.mobilenetv2 import InvertedResidual

    if not isinstance(part, InvertedResidual):
        kernel, stride = part[0].kernel_size[0], part[0].stride[0]
        return {"operator": f"convolution {kernel}x{kernel}", "expansion": None, "stride": stride}
    inner = part.conv[-2].in_channels  # of the last 1x1 convolution
    entry = part.conv[0][0].in_channels
    kind = "inverted residual + shortcut" if part.use_res_connect else "inverted residual"
    return {"operator": kind, "expansion": inner // entry, "stride": part.stride}


def _parameters(part: Any) -> int:
    return sum(each.numel() for each in part.parameters())


def _repeats(measured: Sequence[dict[str, Any]], place: int) -> int:
    """Number of consecutive inverted residuals with as many channels from here on; 0 inside such a run."""
    kinds = [(each["operator"].startswith("inverted"), each["shape"][2]) for each in measured]
    if place and kinds[place] == kinds[place - 1]:
        return 0
    count = 1
    while place + count < len(kinds) and kinds[place + count] == kinds[place]:
        count += 1
    return count


def draw_blocks(size: int, classes: int, trained: int | None, folder: Path) -> list[Path]:
    """Writes blocks.png and blocks.svg; `trained`: model.trainable_blocks of mobilenet-tuned, or None."""
    from matplotlib.figure import Figure

    lines = blocks(size, classes)
    split = None if trained is None else sum(1 for line in lines if line.name) - 1 - trained
    rows = [row + (split is not None and row >= split) for row in range(len(lines))]
    with figure_style.style():
        figure = Figure(figsize=(figure_style.WIDTH, 0.27 * (rows[-1] + 4.2)))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, figure_style.WIDTH)
        axes.set_ylim(rows[-1] + 0.9, -3.1)
        axes.axis("off")
        _head(axes, size, lines)
        most = max(line.parameters for line in lines)
        for place, (row, line) in enumerate(zip(rows, lines, strict=True)):
            below = split is not None and place >= split
            _line(axes, row, line, below)
            axes.barh(row, (_END - _BARS) * line.parameters / most, left=_BARS, height=0.55,
                      color=AFTER if below else BEFORE)  # fmt: skip
        if split is not None:
            _split(axes, split)
        return figure_style.save(figure, folder, "blocks")


def _head(axes: "Axes", size: int, lines: Sequence[Block]) -> None:
    total = sum(line.parameters for line in lines)
    axes.text(0.15, -2.2, f"MobileNetV2, photos of {size} x {size} pixels", fontsize=12, fontweight="bold")
    axes.text(_END, -2.2, f"{total:,} parameters; input {size} x {size} x 3", color=MUTED, ha="right")
    for x, side, text in _HEADS:
        axes.text(x, -0.85, text, ha=side, fontsize=9, color=MUTED)


def _line(axes: "Axes", row: int, line: Block, below: bool) -> None:
    """The cells of a block."""
    axes.barh(row, _HEADS[-1][0], left=0.08, height=0.92, color=_BELOW if below else _ABOVE)
    high, wide, channels = line.shape
    repeats = f"x {line.repeats}" if line.name and line.repeats else ""
    cells = (
        line.name, line.operator, line.expansion, f"{channels:,}", repeats,
        line.stride, f"{high} x {wide} x {channels:,}", f"{line.parameters:,}" if line.parameters else None,
    )  # fmt: skip
    for (x, side, _), text in zip(_HEADS, cells, strict=True):
        axes.text(x, row, "" if text is None else str(text), ha=side, va="center_baseline", fontsize=9.5)


def _split(axes: "Axes", row: int) -> None:
    axes.plot([0.08, 8.83], [row, row], color=INK, linewidth=1.4, linestyle=(0, (4, 2)))
    text = "split of mobilenet-tuned: above, computed once and cached; below, run in every epoch"
    box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
    axes.text(4.45, row, text, ha="center", va="center", fontsize=9.5, fontweight="bold", bbox=box)
