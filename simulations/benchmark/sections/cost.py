"""What federation costs: step by step, in rounds and bytes, and as curves."""

from collections.abc import Sequence
from html import escape as esc

from simulations.benchmark import words
from simulations.benchmark.record import ArmResult, Benchmark, Curve
from simulations.benchmark.sections.scored import score
from simulations.benchmark.waterfall import waterfall
from simulations.benchmark.words import NAMES, TITLES
from simulations.inference.scores import MEASURES
from simulations.report import charts
from simulations.report.page import folded, paragraph, section, size, table

_TOGETHER = 4  # curves in one figure


def cost(benchmark: Benchmark) -> str:
    """What federation costs, taken apart."""
    figures = []
    for measure in MEASURES:
        steps = [
            (step.name, step.comparison) for step in benchmark.steps if step.comparison.measure == measure
        ]
        if not steps:
            continue
        before, after = steps[0][1].reference, steps[-1][1].arm
        text = "; ".join(f"{name} {words.gap(c)} points, {c.verdict}" for name, c in steps)
        chart = waterfall(
            score(benchmark.arm(before), measure).mean, steps, before=before, after=after,
            label=f"{NAMES[measure]} from {before} to {after}: {text}",
        )  # fmt: skip
        figures.append(f"<figure><h3>{esc(TITLES[measure])}</h3>{chart}</figure>")
    if not figures:
        return ""
    rows = [
        [esc(step.name), NAMES[step.comparison.measure], words.gap(step.comparison), step.comparison.verdict]
        for step in benchmark.steps
    ]
    return section(
        "What federation costs, step by step",
        paragraph(
            "From one arm to the next one thing changes, besides what the arms' searches choose. The line"
            " under a bar is the 95% interval of its step; gray steps are not decided, or equal within the"
            " margin."
        ),
        f'<div class="grid pair">{"".join(figures)}</div>',
        folded(
            "The same as a table", table("Steps", ["Step", "Measure", "Points", "Verdict"], rows, text=(1, 3))
        ),
    )


def goals(benchmark: Benchmark) -> str:
    """Rounds, phone-epochs and bytes until the reference is near."""
    rows = []
    for arm in benchmark.arms:
        for goal in arm.goals:
            rows.append(
                [esc(arm.name), f"{100 * goal.goal:.0f}%", f"{100 * goal.reached:.0f}%", f"{goal.rounds:.1f}",
                 f"{goal.phone_epochs:,.0f}", size(goal.bytes)]
            )  # fmt: skip
    if not rows:
        return ""
    return section(
        "How soon",
        paragraph(
            f"Until the {NAMES[benchmark.choose]} on validation photos is this share of"
            f" {benchmark.reference}'s on the same fold. Runs that never get there count with all their"
            " rounds."
        ),
        table(
            "Cost to come near the reference",
            ["Arm", "Share", "Runs that get there", "Rounds", "Phone-epochs", "Bytes per run"],
            rows,
        ),
    )


def curves(benchmark: Benchmark) -> str:
    """Validation scores against rounds, bytes and seconds; a few arms in each figure."""
    drawn = [(arm, arm.curve) for arm in benchmark.arms if arm.curve is not None and arm.kind == "federated"]
    if not drawn:
        return ""
    best = benchmark.arm(benchmark.reference) if benchmark.reference else None
    figures = []
    for first in range(0, len(drawn), _TOGETHER):
        some = drawn[first : first + _TOGETHER]
        key = "".join(
            f'<li class="run">{charts.swatch(i)}{esc(arm.name)}</li>' for i, (arm, _) in enumerate(some)
        )
        panels = "".join(_panel(benchmark, some, axis, best) for axis in _AXES)
        figures.append(f'<ul class="key">{key}</ul><div class="grid">{panels}</div>')
    shown, rest = figures[0], "".join(figures[1:])
    return section(
        "Learning curves",
        paragraph(f"{TITLES[benchmark.choose]} on validation photos, means over folds and seeds."),
        shown,
        folded("The other arms", rest) if rest else "",
    )


_AXES = {"rounds": "rounds", "bytes": "MB sent and received", "seconds": "seconds of training"}


def _panel(
    benchmark: Benchmark, some: Sequence[tuple[ArmResult, Curve]], axis: str, best: ArmResult | None
) -> str:
    scale = 1e6 if axis == "bytes" else 1.0
    lines = [
        charts.Curve(i, [x / scale for x in getattr(curve, axis)], getattr(curve, benchmark.choose))
        for i, (_, curve) in enumerate(some)
    ]
    if not any(max(line.xs) > 0 for line in lines):
        return ""
    reference = None
    if best is not None and best.curve is not None:
        reference = (getattr(best.curve, benchmark.choose)[-1], best.name)
    label = f"{NAMES[benchmark.choose]} against {_AXES[axis]}: {', '.join(arm.name for arm, _ in some)}"
    chart = charts.curves(lines, label=label, percent=True, x_title=_AXES[axis], reference=reference)
    return f"<figure><h3>Against {esc(_AXES[axis])}</h3>{chart}</figure>"
