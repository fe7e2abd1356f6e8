"""The figures of the report as small hand-built SVG: text stays text, colours are CSS classes of the page.

Every figure is 360 units wide, so that it is readable at its natural size on a phone screen; on a wide page
several stand side by side. Series differ by dash and marker as well as by colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH = 360
_MARKS = ("circle", "square", "diamond")
_LONGEST_NAME = 26
_MOST_POINTS = 300  # of a curve: about one per unit of width


@dataclass(frozen=True)
class Curve:
    """One line of a figure: series number (0 to 4: colour, dash, marker) and its points; a gap is None."""

    series: int
    xs: Sequence[float]
    ys: Sequence[float | None]


@dataclass(frozen=True)
class Dot:
    """One value of a row, with its interval if there is one."""

    series: int
    value: float
    interval: tuple[float, float] | None = None


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers that span [low, high], about `most` of them."""
    size = max(abs(low), abs(high))
    span = 1.0 if size < 1e-9 else max(high - low, 1e-3 * size)  # values that hardly differ give a flat line
    raw = span / max(most - 1, 1)
    power = 10.0 ** floor(log10(raw))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def written(marks: Sequence[float], *, percent: bool) -> list[str]:
    """Tick labels, all with the same number of decimals, as few as they need."""
    scaled = [100 * mark if percent else mark for mark in marks]
    digits = next(d for d in range(9) if d == 8 or all(abs(round(m, d) - m) < 1e-9 for m in scaled))
    return [f"{mark:.{digits}f}{'%' if percent else ''}" for mark in scaled]


def short(number: float) -> str:
    """1500 -> "1.5k", 2000000 -> "2M"."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.4g}{unit}"
    return f"{number:.4g}"


def swatch(series: int) -> str:
    """A short piece of the line with its marker, for legends."""
    line = f'<line class="line s{series}" x1="1" x2="31" y1="7" y2="7"/>'
    return f'<svg class="swatch" viewBox="0 0 32 14" aria-hidden="true">{line}{_mark(series, 16, 7)}</svg>'


def curves(
    lines: Sequence[Curve],
    *,
    label: str,
    percent: bool,
    x_title: str,
    top: Sequence[tuple[float, str]] = (),
    reference: tuple[float, str] | None = None,
    band: tuple[Curve, Curve] | None = None,
) -> str:
    """Curves over a common x axis that starts at 0, the first of `lines` on top of the others.

    `label`: the text alternative. `percent`: whether y values are shares. `top`: (x, text) marks of the upper
    axis. `reference`: (y, text) of a thin line to compare with. `band`: the area between its two curves is
    shaded.
    """
    points, edges = [_points(c) for c in lines], [_points(c) for c in band or ()]
    values = [y for line in points + edges for _, y in line] + ([reference[0]] if reference else [])
    x_end, y_ticks = max(x for line in points + edges for x, _ in line), ticks(min(values), max(values))
    left, right, upper, lower, height = 42, WIDTH - 16, 30, 186, 228

    def at(x: float, y: float) -> tuple[float, float]:
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return left + (right - left) * x / x_end, lower - (lower - upper) * up

    parts = []
    for y, text in zip(y_ticks, written(y_ticks, percent=percent), strict=True):
        parts.append(_rule(left, at(0, y)[1], right, at(0, y)[1], "grid"))
        parts.append(_text(left - 6, at(0, y)[1] + 4, text, "end"))
    for x in ticks(0, x_end, 6):
        if x <= x_end:
            parts.append(_text(at(x, 0)[0], lower + 16, short(x), "middle"))
            parts.append(_rule(at(x, 0)[0], lower, at(x, 0)[0], lower + 4, "axis"))
    for x, text in top:
        parts.append(_rule(at(x, 0)[0], upper - 4, at(x, 0)[0], upper, "axis"))
        parts.append(_text(at(x, 0)[0], upper - 9, text, "middle"))
    parts.append(_text((left + right) / 2, height - 6, x_title, "middle"))
    if reference:
        y = at(0, reference[0])[1]
        parts += [_rule(left, y, right, y, "reference"), _text(right, y - 5, reference[1], "end")]
    if band:
        low, high = ([at(*p) for p in _thin(edge)] for edge in edges)
        parts.append(f'<path class="band s{band[0].series}" d="M{_steps([*low, *reversed(high)])}z"/>')
    for curve, line in reversed(list(zip(lines, points, strict=True))):
        if line:
            parts.append(_path(curve.series, [at(*p) for p in _thin(line)]))
    return _svg(height, label, parts)


def rates(lines: Sequence[Curve], *, label: str, x_title: str, least: float) -> str:
    """Curves of rates against rates, both from `least` to 1 on a log scale, over the diagonal of luck."""
    left, right, upper, lower, height = 48, WIDTH - 16, 14, 226, 268
    powers = round(-log10(least))

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = (1 + log10(max(rate, least)) / powers for rate in (x, y))
        return left + (right - left) * across, lower - (lower - upper) * up

    parts = []
    for power in range(powers + 1):
        rate, text = 10.0**-power, f"{100 * 10.0**-power:g}%"
        parts.append(_rule(left, at(least, rate)[1], right, at(least, rate)[1], "grid"))
        parts.append(_text(left - 6, at(least, rate)[1] + 4, text, "end"))
        parts.append(_text(at(rate, least)[0], lower + 16, text, "middle"))
    parts.append(_text((left + right) / 2, height - 6, x_title, "middle"))
    (x1, y1), (x2, y2) = at(least, least), at(1, 1)
    parts.append(_rule(x1, y1, x2, y2, "reference"))
    for curve in reversed(lines):
        points = [(x, y) for x, y in zip(curve.xs, curve.ys, strict=True) if x >= least and y]
        if points:
            parts.append(_path(curve.series, [at(*point) for point in _thin(points)]))
    return _svg(height, label, parts)


def paired_bars(rows: Sequence[tuple[str, int, int]], *, label: str) -> str:
    """Two horizontal bars per row (before and after), each with its number at the end."""
    left, row, height = _label_width([r[0] for r in rows]), 42, 42 * len(rows) + 4
    longest = max(max(before, after) for _, before, after in rows) or 1
    parts = []
    for i, (name, before, after) in enumerate(rows):
        y = i * row + 4
        parts.append(_text(left - 8, y + 20, name, "end", "name"))
        for offset, value, kind in ((0, before, "before"), (16, after, "after")):
            wide = max(1.0, (WIDTH - 48 - left) * value / longest)
            parts.append(
                f'<rect class="{kind}" x="{left}" y="{y + offset}" width="{wide:.1f}" height="13" rx="2"/>'
            )
            parts.append(_text(left + wide + 5, y + offset + 11, f"{value:,}", "start"))
    return _svg(height, label, parts)


def dots(rows: Sequence[tuple[str, Sequence[Dot]]], *, label: str, percent: bool) -> str:
    """Values as markers on one row per name, over a common x axis; whiskers if intervals are given."""
    every = [v for _, row in rows for d in row for v in (d.value, *(d.interval or ()))]
    x_ticks = ticks(min(every), max(every))
    left, right = _label_width([name for name, _ in rows]), WIDTH - 18
    row = 20 + 12 * max(len(values) for _, values in rows)
    lower = row * len(rows) + 4

    def at(value: float) -> float:
        return left + 8 + (right - left - 8) * (value - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])

    parts = [_rule(at(x), 4, at(x), lower, "grid") for x in x_ticks]
    texts = written(x_ticks, percent=percent)
    parts += [_text(at(x), lower + 16, text, "middle") for x, text in zip(x_ticks, texts, strict=True)]
    for i, (name, values) in enumerate(rows):
        middle = 4 + row * i + row / 2
        parts.append(_text(left - 4, middle + 4, name, "end", "name"))
        for j, dot in reversed(list(enumerate(values))):
            y = middle + 12 * (j - (len(values) - 1) / 2)  # staggered, so that none hides another
            if dot.interval:
                parts.append(
                    f'<line class="line solid s{dot.series}" x1="{at(dot.interval[0]):.1f}" '
                    f'x2="{at(dot.interval[1]):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
                )
            parts.append(_mark(dot.series, at(dot.value), y, 5))
    return _svg(lower + 24, label, parts)


def columns(views: Sequence[Sequence[int]], *, label: str, x_title: str) -> str:
    """A thin column for each of `views`: above, the shares of its parts, stacked from the top; below, sums.

    The parts cycle through the page's colours (`kind`).
    """
    sums = [sum(column) for column in views]
    left, right, upper, lower, base, foot = 46.0, WIDTH - 8.0, 8.0, 148.0, 214.0, 162.0
    wide = (right - left) / len(views)
    bar = wide - (wide >= 6)  # no gaps between columns too thin for them
    parts: list[str] = []
    for y, text in ((upper, "100%"), ((upper + lower) / 2, "50%"), (lower, "0%")):
        parts.append(_text(left - 6, y + 4, text, "end"))
    parts += [_rule(left, foot, right, foot, "grid"), _text(left - 6, foot + 4, short(max(sums)), "end")]
    parts.append(_text(left - 6, base + 4, "0", "end"))
    tops = [upper] * len(views)
    for part in range(len(views[0])):
        boxes = []
        for i, (column, whole) in enumerate(zip(views, sums, strict=True)):
            if column[part]:
                high = (lower - upper) * column[part] / whole
                boxes.append(_box(left + i * wide, tops[i], bar, high))
                tops[i] += high
        parts.append(f'<path class="{kind(part)}" d="{"".join(boxes)}"/>')
    highs = [(base - foot) * each / max(sums) for each in sums]
    bars = "".join(_box(left + i * wide, base - high, bar, high) for i, high in enumerate(highs))
    parts.append(f'<path class="before" d="{bars}"/>')
    parts += [_rule(left, base, right, base, "axis"), _text((left + right) / 2, base + 20, x_title, "middle")]
    return _svg(base + 26, label, parts)


def kind(part: int) -> str:
    """The CSS classes that colour one of many parts: eight colours, then the same ones fainter, and so on."""
    return f"k{part % 8}" + (" again" if part // 8 % 2 else "")


def _box(x: float, y: float, wide: float, high: float) -> str:
    """A piece of a path: a rectangle."""
    return f"M{x:.2f} {y:.2f}h{wide:.2f}v{high:.2f}h-{wide:.2f}z"


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    if kind == "name" and len(text) > _LONGEST_NAME:
        text = text[: _LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _points(curve: Curve) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(curve.xs, curve.ys, strict=True) if y is not None]


def _steps(points: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _path(series: int, points: Sequence[tuple[float, float]]) -> str:
    return f'<path class="line s{series}" d="M{_steps(points)}"/>' + _mark(series, *points[-1])


def _mark(series: int, x: float, y: float, r: float = 4) -> str:
    kind = _MARKS[series % len(_MARKS)]
    if kind == "circle":
        return f'<circle class="mark s{series}" cx="{x:.1f}" cy="{y:.1f}" r="{r:g}"/>'
    turn = f' transform="rotate(45 {x:.1f} {y:.1f})"' if kind == "diamond" else ""
    side = f'x="{x - r * 0.9:.1f}" y="{y - r * 0.9:.1f}" width="{r * 1.8:.1f}" height="{r * 1.8:.1f}"'
    return f'<rect class="mark s{series}" {side}{turn}/>'


def _thin(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """At most _MOST_POINTS of the points, evenly spaced, including the first and the last."""
    if len(points) <= _MOST_POINTS:
        return points
    step = (len(points) - 1) / (_MOST_POINTS - 1)
    return [points[round(i * step)] for i in range(_MOST_POINTS)]


def _label_width(names: Sequence[str]) -> float:
    return 16 + 6.6 * max(min(len(name), _LONGEST_NAME) for name in names)
