"""Several runs -> comparison.html: their numbers, what differs between them, curves, classes, differences.

Reads run folders only; the same folders give the same page, byte for byte. The page needs no script and no
network; it links to the reports in the run folders, where they are.
"""

import os
from collections.abc import Sequence
from html import escape as esc
from pathlib import Path
from urllib.parse import quote

from fer_models.machine.cache import whole_file
from fer_models.text import many, printable
from simulations.comparison import curves, gaps
from simulations.comparison.compared import STYLES, other_data, settings_that_differ
from simulations.report import charts, page
from simulations.report.page import duration, paragraph, percent, section, size, table
from simulations.report.results import Run

_NUMBERS = (
    "Run", "Accuracy", "Macro-F1", "Balanced accuracy", "Worst tenth of phones", "Trained for", "Phones",
    "Views processed", "Traffic of all phones", "Training time",
)  # fmt: skip


def write_comparison(runs: Sequence[Run], out: Path) -> Path:
    """Writes the page of `runs` whole to the file `out`, whose folder is made, and returns its path."""
    same = not any(other_data(runs[0], run) for run in runs[1:])
    sections = [
        _head(runs, same),
        _numbers(runs),
        _settings(runs),
        gaps.differences(runs) if same else "",
        curves.learning(runs),
        _classes(runs),
        _folders(runs, out),
    ]
    version = esc(runs[0].environment.versions.get("fedfer", ""))
    footer = f"Written by fedfer {version} from the files of these run folders. No scripts, no network."
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as temporary:
        body = "\n".join(part for part in sections if part)
        temporary.write_text(page.skeleton("fedfer: comparison of runs", body, footer), encoding="utf-8")
    return out


def label(run: Run, runs: Sequence[Run]) -> str:
    """A run's name as markup, with its line where the page can tell all of them apart."""
    key = charts.swatch(run.series) if len(runs) <= STYLES else ""
    return f'<span class="run">{key}<span>{esc(run.name)}</span></span>'


def _head(runs: Sequence[Run], same: bool) -> str:
    """What is compared, the best of each score, and what that does not say."""
    f1 = max(runs, key=lambda run: run.summary.macro_f1)
    words = f"The highest macro-F1 is {f1.summary.macro_f1:.3f} ({f1.name}). "
    if same and len(runs) > 1:
        words += f"All runs were evaluated on the same {int(runs[0].confusion.sum()):,} test photos. "
    words += (
        "Each is a single run: another seed or split moves these numbers; claims about methods need several."
    )
    notes = ""
    if not same:
        notes += _note(
            "These runs are of different data.",
            "Their photos, or the people in their test parts, differ: their numbers cannot be compared"
            " directly, and no differences are given.",
        )
    if all(run.data.source == "sketch" for run in runs):
        notes += _note("These faces are drawings, not photos.", "The numbers say nothing about real faces.")
    return (
        f'<header><p class="eyebrow">fedfer comparison &middot; {many(len(runs), "run")}</p>'
        f"<h1>{esc(_title(runs))}.</h1>{paragraph(words, 'lede')}{notes}</header>"
    )


def _title(runs: Sequence[Run]) -> str:
    """Which run has the highest accuracy."""
    top = max(runs, key=lambda run: run.summary.accuracy)
    reached = percent(top.summary.accuracy)
    equal = sum(run.summary.accuracy == top.summary.accuracy for run in runs)
    if len(runs) == 1:
        return f"{top.name} classifies {reached} of its test photos correctly"
    if equal > 1:
        return f"{equal} of {len(runs)} runs share the highest accuracy: {reached}"
    return f"Of {len(runs)} runs, {top.name} classifies most test photos correctly: {reached}"


def _note(title: str, words: str) -> str:
    return f'<div class="note"><p><strong>{esc(title)}</strong> {esc(words)}</p></div>'


def _numbers(runs: Sequence[Run]) -> str:
    """The main numbers, a row for each run."""
    rows = []
    for run in runs:
        said = run.summary
        worst = said.across_phones.accuracy.worst_tenth if said.across_phones else None
        rows.append(
            [
                label(run, runs),
                percent(said.accuracy),
                f"{said.macro_f1:.3f}",
                percent(said.balanced_accuracy),
                "" if worst is None else percent(worst),
                run.steps,
                f"{said.phones:,}" if said.phones else "",
                "" if said.photos is None else f"{said.photos:,}",
                size(said.bytes_down + said.bytes_up) if said.phones else "",
                duration(said.seconds_training),
            ]
        )
    return section("Main numbers, on the test photos", table("Main numbers", _NUMBERS, rows))


def _settings(runs: Sequence[Run]) -> str:
    """The settings that differ, a row for each run."""
    if len(runs) == 1:
        return ""
    kinds = {run.summary.kind for run in runs}
    found = settings_that_differ(runs)
    columns = {"kind": [str(run.summary.kind) for run in runs]} if len(kinds) > 1 else {}
    columns |= {f"<code>{esc(key)}</code>": [esc(v) for v in row] for key, row in found.items()}
    if not columns:
        words = "All settings are the same; the runs repeat one another."
        return section("Settings that differ", paragraph(words))
    rows = [[label(run, runs), *(row[i] for row in columns.values())] for i, run in enumerate(runs)]
    return section("Settings that differ", table("Settings that differ", ["Run", *columns], rows))


def _classes(runs: Sequence[Run]) -> str:
    """F1 and recall of each class, a row for each run; a figure of F1 where few runs are compared."""
    classes = list(dict.fromkeys(name for run in runs for name in run.summary.classes))
    rows = []
    for run in runs:
        found = [run.summary.per_class.get(name) for name in classes]
        cells = ["" if one is None else f"{one.f1:.2f}<small>{one.recall:.2f}</small>" for one in found]
        rows.append([label(run, runs), *cells])
    supports = [
        {run.summary.per_class[n].support for run in runs if n in run.summary.per_class} for n in classes
    ]
    counts = [
        f"<small>{min(each):,}{f' to {max(each):,}' if len(each) > 1 else ''} photos</small>"
        for each in supports
    ]
    head = ["Run", *(f"{esc(name)}<br>{count}" for name, count in zip(classes, counts, strict=True))]
    few = [name for name, each in zip(classes, supports, strict=True) if min(each) < 100]
    words = "F1, and below it recall: the share of the class's photos that were recognised."
    if few:
        words += f" Classes with fewer than 100 test photos ({', '.join(few)}) have imprecise scores."
    figure = ""
    if 1 < len(runs) <= STYLES and all(run.summary.classes == runs[0].summary.classes for run in runs):
        dots = [(n, [charts.Dot(r.series, r.summary.per_class[n].f1) for r in runs]) for n in classes]
        said = "; ".join(f"{name} " + ", ".join(f"{dot.value:.2f}" for dot in row) for name, row in dots)
        names = " and ".join(run.name for run in runs)
        figure = (
            f"<figure>{charts.dots(dots, label=f'F1 of each class, {names}: {said}', percent=False)}</figure>"
        )
    return section(
        "Class by class", paragraph(words), table("F1 and recall of each class", head, rows), figure
    )


def _folders(runs: Sequence[Run], out: Path) -> str:
    """Where each run's files are, and its command."""
    items = []
    for run in runs:
        there = run.folder / "report.html"
        where = esc(printable(run.folder))
        if there.is_file():
            link = quote(os.fsencode(os.path.relpath(there.resolve(), out.parent.resolve())))
            where = f'<a href="{link}">{where}</a>'
        command = f"<code>{esc(run.environment.command)}</code>"
        items.append(f"<div><dt>{esc(run.name)}: {where}</dt><dd>{command}</dd></div>")
    return section("Where these runs are, and their commands", f'<dl class="lines">{"".join(items)}</dl>')
