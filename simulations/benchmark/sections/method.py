"""How the numbers were made: the null test, the searches, and the runs behind them."""

from html import escape as esc

from simulations.benchmark import words
from simulations.benchmark.record import Benchmark
from simulations.benchmark.words import NAMES
from simulations.report.page import duration, folded, paragraph, percent, section, size, table


def null(benchmark: Benchmark) -> str:
    """The null test."""
    found = benchmark.null
    if found is None:
        return ""
    rows = [[esc(name), percent(share)] for name, share in found.by_arm.items()]
    rows.append(["all", f"{percent(found.called_different)} ({percent(found.low)} to {percent(found.high)})"])
    return section(
        "A method against itself",
        paragraph(
            f"{found.pairs} disjoint pairs of runs that differ only in the seeds of partition and training,"
            f" on the same folds. What is called better or worse in {NAMES[benchmark.choose]} is so by"
            " chance; the nominal share is 5%. The interval is Clopper and Pearson's; the pairs share test"
            " photos, so it is somewhat too narrow."
        ),
        table("Pairs called different", ["Arm", "Called different"], rows),
    )


def method(benchmark: Benchmark) -> str:
    """How it was made, and every candidate of the searches."""
    rows = [
        [
            esc(arm.name),
            esc(words.setting_of(one.settings)),
            "failed" if one.score is None else f"{one.score:.3f}",
        ]
        for arm in benchmark.arms
        for one in arm.search
    ]
    name = f"Mean {NAMES[benchmark.choose]} on validation {words.unit(benchmark)}"
    listed = table("Candidates", ["Arm", "Candidate", name], rows, text=(1,))
    return section(
        "How it was made",
        paragraph(words.fairness(benchmark)),
        paragraph(words.statistics(benchmark)),
        folded("Every candidate of the searches", listed) if rows else "",
    )


def traces(benchmark: Benchmark) -> str:
    """The run folders and the command behind every number."""
    lists = []
    for arm in benchmark.arms:
        rows = [f'<li><a href="{esc(run)}/summary.json"><code>{esc(run)}</code></a></li>' for run in arm.runs]
        traffic = size(arm.bytes_down + arm.bytes_up)
        seconds = f"{duration(arm.seconds_training)} of training"
        if arm.seconds_with_features is not None:
            seconds += f" ({duration(arm.seconds_with_features)} with features)"
        facts = f"{arm.rounds:.4g} rounds or epochs, {traffic}, {seconds}"
        title = f"{arm.name}: {len(rows)} runs; each {facts}"
        lists.append(folded(title, f'<ul class="files">{"".join(rows)}</ul>'))
    command = f"<pre>{esc(benchmark.command)}</pre>" if benchmark.command else ""
    return section(
        "Every number and where it comes from",
        paragraph(
            f"Begun {benchmark.date}; runs share the cores. Each folder holds a run's settings, rounds,"
            " predictions and head:"
        ),
        command,
        *lists,
    )
