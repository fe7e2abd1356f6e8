"""The cost of federation as a waterfall: a bar for the first arm, one for each step down or up, one for
the last arm.
"""

from collections.abc import Sequence
from html import escape as esc

from simulations.inference.comparison import Comparison
from simulations.report.charts import WIDTH, ticks, written
from simulations.report.page import signed

_ROW, _LEFT, _RIGHT = 46, 150, WIDTH - 48


def waterfall(
    first: float, steps: Sequence[tuple[str, Comparison]], *, before: str, after: str, label: str
) -> str:
    """An SVG; `first` is the score of the first arm. The whisker of a step is the interval of its
    difference.
    """
    levels = [first]
    for _, comparison in steps:
        levels.append(levels[-1] + comparison.difference)
    ends = [low for (_, c), low in zip(steps, levels, strict=False) for low in (low + c.low, low + c.high)]
    marks = ticks(max(0.0, min([*levels, *ends]) - 0.02), min(1.0, max([*levels, *ends])))
    height = _ROW * (len(steps) + 2)

    def at(value: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (value - marks[0]) / (marks[-1] - marks[0])

    parts = [f'<line class="grid" x1="{at(x):.1f}" y1="2" x2="{at(x):.1f}" y2="{height}"/>' for x in marks]
    parts += [
        f'<text x="{at(x):.1f}" y="{height + 16}" text-anchor="middle">{text}</text>'
        for x, text in zip(marks, written(marks, percent=True), strict=True)
    ]
    parts += _row(0, before, at(marks[0]), at(first), "bar", f"{100 * first:.1f}%")
    for i, (name, comparison) in enumerate(steps):
        start, end = at(levels[i]), at(levels[i + 1])
        kind = {"worse": "bar down", "better": "bar up"}.get(comparison.verdict, "bar open")
        parts += _row(
            i + 1, name, min(start, end), max(start, end), kind, signed(100 * comparison.difference, 1)
        )
        low, high = at(levels[i] + comparison.low), at(levels[i] + comparison.high)
        y = _ROW * (i + 1) + 33
        parts.append(f'<line class="whisker" x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}"/>')
    parts += _row(len(steps) + 1, after, at(marks[0]), at(levels[-1]), "bar", f"{100 * levels[-1]:.1f}%")
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height + 22}" role="img" aria-label="{esc(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def _row(place: int, name: str, low: float, high: float, kind: str, text: str) -> list[str]:
    y = _ROW * place + 8
    return [
        f'<text class="name" x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{esc(name)}</text>',
        f'<rect class="{kind}" x="{low:.1f}" y="{y}" width="{max(1.5, high - low):.1f}" height="20" rx="2"/>',
        f'<text x="{WIDTH - 2}" y="{y + 15}" text-anchor="end">{esc(text)}</text>',
    ]
