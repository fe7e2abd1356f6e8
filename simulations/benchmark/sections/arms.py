"""The arms: their scores, differences and verdicts, classes, and where scores vary."""

from html import escape as esc

from simulations.benchmark import words
from simulations.benchmark.record import ArmResult, Benchmark
from simulations.benchmark.sections.scored import score, scored
from simulations.benchmark.words import NAMES, TITLES
from simulations.inference.comparison import Comparison
from simulations.inference.scores import MEASURES, Estimate
from simulations.report import charts
from simulations.report.page import paragraph, percent, scroll, section, signed, table

_MOST_DOTS = 24  # arms in the first figure


def scores(benchmark: Benchmark) -> str:
    """The first figure: the score of each arm with its interval."""
    every = sorted(scored(benchmark), key=lambda arm: -score(arm, benchmark.choose).mean)
    ranked = every[:_MOST_DOTS]
    if not ranked:
        return ""
    rows = []
    for arm in ranked:
        one = score(arm, benchmark.choose)
        rows.append(
            (arm.name, [charts.Dot(0 if arm.kind == "federated" else 1, one.mean, (one.low, one.high))])
        )
    words_ = "; ".join(f"{arm.name} {words.points(score(arm, benchmark.choose))}" for arm in ranked)
    chart = charts.dots(rows, label=f"{NAMES[benchmark.choose]} of each arm: {words_}", percent=True)
    key = (
        f'<ul class="key"><li class="run">{charts.swatch(0)}federated</li>'
        f'<li class="run">{charts.swatch(1)}centralized</li></ul>'
    )
    over = f"folds and {words.unit(benchmark)}"
    caption = f"{TITLES[benchmark.choose]} on test photos, with 95% intervals over {over}."
    if len(every) > len(ranked):
        caption += f" The best {len(ranked)} of {len(every)} arms; the table has all."
    return f"<figure>{key}{chart}<figcaption>{esc(caption)}</figcaption></figure>"


def arms(benchmark: Benchmark) -> str:
    """The table of arms; a click on a head sorts it."""
    heads = ["Arm", "Accuracy", "Macro-F1"]
    judged = any(arm.reference for arm in benchmark.arms)
    if judged:
        heads += ["Accuracy, difference", "Macro-F1, difference", f"Verdict on {NAMES[benchmark.choose]}"]
    heads += ["Chosen", "Worst tenth"]
    head = "".join(
        f'<th scope="col" data-sort{_side(i, name)}>{esc(name)}</th>' for i, name in enumerate(heads)
    )
    body = "".join(_arm(benchmark, arm, judged=judged) for arm in benchmark.arms)
    failed = [f"{arm.name}: {why}" for arm in benchmark.arms for why in arm.failures]
    markup = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    text = "A score is the mean over folds, with its 95% interval; differences are in points."
    return section(
        "The arms",
        paragraph(f"{text} Click a heading to sort."),
        scroll(markup, "Arms"),
        paragraph("Failed: " + "; ".join(failed)) if failed else "",
        paragraph("Left out as damaged: " + "; ".join(benchmark.damaged)) if benchmark.damaged else "",
    )


def _side(place: int, name: str) -> str:
    return (
        ' class="first"' if place == 0 else ' class="text"' if name.startswith(("Verdict", "Chosen")) else ""
    )


def _arm(benchmark: Benchmark, arm: ArmResult, *, judged: bool) -> str:
    notes = [arm.about] if arm.about else []
    if arm.accuracy is not None and arm.folds < benchmark.folds:
        notes.append(f"{arm.folds} of {benchmark.folds} folds")
    if arm.reference and arm.reference != benchmark.reference:
        notes.append(f"compared with {arm.reference}")
    about = "".join(f"<small>{esc(note)}</small>" for note in notes)
    cells = [f'<th scope="row" data-v="{esc(arm.name)}">{esc(arm.name)}{about}</th>']
    cells += [_value(estimate) for estimate in (arm.accuracy, arm.macro_f1)]
    if judged:
        for measure in MEASURES:
            found = benchmark.comparison(arm.name, measure)
            cells.append('<td data-v="0"></td>' if found is None else _gap_cell(found))
        cells.append(_verdict(benchmark.comparison(arm.name, benchmark.choose), arm))
    cells.append(f'<td class="text">{esc(words.choices(arm)) if arm.chosen else ""}</td>')
    worst = "" if arm.worst_tenth is None else percent(arm.worst_tenth)
    cells.append(f'<td data-v="{-1 if arm.worst_tenth is None else arm.worst_tenth}">{worst}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _gap_cell(found: Comparison) -> str:
    ends = f"{signed(100 * found.low, 1)} to {signed(100 * found.high, 1)}"
    return f'<td data-v="{found.difference}">{signed(100 * found.difference, 1)}<small>{ends}</small></td>'


def _verdict(found: Comparison | None, arm: ArmResult) -> str:
    """The verdict, with the p it rests on."""
    if found is None:
        said = "failed" if arm.accuracy is None else "too few folds" if arm.reference else "reference"
        return f'<td class="text">{said}</td>'
    kind = found.verdict if found.verdict in ("better", "worse") else ""
    p = found.p_equal_holm if found.verdict == "equal within the margin" else found.p_holm
    shown = f"p = {p:.3f}" if p >= 0.001 else "p &lt; 0.001"
    return f'<td class="text verdict {kind}">{found.verdict}<small>{shown}</small></td>'


def _value(estimate: Estimate | None) -> str:
    if estimate is None:
        return '<td data-v="-1">failed</td>'
    ends = f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"
    return f'<td data-v="{estimate.mean}">{percent(estimate.mean)}<small>{ends}</small></td>'


def classes(benchmark: Benchmark) -> str:
    """Who pays: recall of each class."""
    done = scored(benchmark)
    if not done:
        return ""
    names = list(done[0].classes)
    gaps = {(gap.arm, gap.emotion): gap for gap in benchmark.class_gaps}
    rows = []
    for arm in done:
        row = [esc(arm.name)]
        for name in names:
            gap = gaps.get((arm.name, name))
            ends = f"<small>{signed(100 * gap.low, 0)} to {signed(100 * gap.high, 0)}</small>" if gap else ""
            change = f" ({signed(100 * gap.difference, 0)})" if gap else ""
            row.append(f"{100 * arm.classes[name].recall:.0f}%{change}{ends}")
        rows.append(row)
    heads = ["Arm", *(f"{esc(name)}<br>{done[0].classes[name].photos:,} photos" for name in names)]
    text = "Recall of each class: the share of its photos that are named correctly."
    if benchmark.class_gaps:
        text += (
            " In brackets the difference to the arm's reference in points, with its 95% interval below. These"
            " intervals are not adjusted for their number: of many, one in twenty misses by chance."
        )
    return section("Who pays, by class", paragraph(text), table("Recall by class", heads, rows))


def spread(benchmark: Benchmark) -> str:
    """Where scores vary, what can be found, and the order of arms."""
    parts = []
    if benchmark.variance:
        rows = [
            [
                esc(c.arm),
                NAMES[c.measure],
                *(f"{100 * value:.1f}" for value in (c.split, c.partition, c.training)),
            ]
            for c in benchmark.variance
        ]
        heads = ["Arm", "Measure", "Split", "Partition", "Training"]
        parts += [paragraph("Standard deviations in points, between people, partitions and training seeds:")]
        parts += [table("Components of variance", heads, rows, text=(1,))]
    for power in benchmark.power:
        found = ", ".join(f"{100 * value:.1f} points with {k} folds" for k, value in power.folds.items())
        parts.append(
            paragraph(
                f"The smallest true difference in {NAMES[power.measure]} that a single comparison finds in"
                f" 80% of cases: {found}."
            )
        )
    if benchmark.order:
        rows = [
            [str(one.place), esc(one.arm), esc(", ".join(one.above) or "none")] for one in benchmark.order
        ]
        parts.append(
            paragraph(
                "Almost stochastic order (epsilon below 0.2) of the scores over folds and seeds: a ranking"
                " at a glance, which proves nothing by itself."
            )
        )
        parts.append(table("Order", ["Place", "Arm", "Above"], rows, text=(1, 2)))
    return section("Spread and power", *parts) if parts else ""
