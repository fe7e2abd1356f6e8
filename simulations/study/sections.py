"""The sections of study.html made of numbers: results, differences, runs."""

from html import escape as esc
from pathlib import Path

import numpy as np

from simulations.report import page
from simulations.report.page import duration, paragraph, percent, section, table
from simulations.study import words as words
from simulations.study.pairs import COMPARED, Pair
from simulations.study.published import CAUTION, PUBLISHED
from simulations.study.results import Row, Study, run_folder
from simulations.study.words import Finding


def lede(study: Study) -> str:
    """What was done and what the trivial baseline gives, in a few sentences."""
    fewest, most = min(study.photos), max(study.photos)
    photos = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    seeds = "" if len(study.seeds) == 1 else f", {len(study.seeds)} seeds each with its own split"
    support = np.array([run.confusion.sum(axis=1) for run in study.of(study.models[0], study.balances[0])])
    place = int(support.sum(axis=0).argmax())
    largest, share = study.classes[place], percent((support[:, place] / support.sum(axis=1)).mean())
    who = "Every model" if len(study.models) > 1 else "The model"
    text = f"{who} is trained and tested on the same split of the photos: {photos} test photos{seeds}. "
    text += f"Always predicting the largest class, {largest}, would give {share}. "
    published = words.listed([f"{p.model} {100 * p.accuracy:.0f}%" for p in PUBLISHED])
    return text + f"The published study reported {published}, on other photos."


def results(study: Study) -> str:
    """The table, the published rows below ours."""
    rows = [_row(row) for row in study.rows]
    blank = [""] * (len(_HEAD) - 9)
    rows += [
        [esc(each.model), "published", percent(each.accuracy), "", "", "",
         "", words.took(each.seconds), *blank, ""]
        for each in PUBLISHED
    ]  # fmt: skip
    aside = range(len(study.rows), len(rows))
    seeds = f"Means over {len(study.seeds)} seeds, ± standard deviation. " if len(study.seeds) > 1 else ""
    note = (
        f"{seeds}{words.BALANCE} {words.TIMES} Parameters and multiply-adds are those of the whole "
        f"network, for one photo; so is the time per photo. Grey rows: {CAUTION}."
    )
    return section(
        "Results on the test photos", table("Results", _HEAD, rows, aside=aside), paragraph(note, "small")
    )


_HEAD = ("Model", "Balance", *(words.NAMES[name] for name in words.SHOWN), "Training", "With features",
         "Parameters", "Multiply-adds", "ms per photo", "Epoch")  # fmt: skip


def _row(row: Row) -> list[str]:
    scores = []
    for name in words.SHOWN:
        mean, sd = words.spread(row.scores[name], name)
        scores.append(mean + (f"<small>±{sd}</small>" if sd else ""))
    epochs = ", ".join(str(epoch) for epoch in row.epochs if epoch is not None)
    return [
        esc(row.model), words.views(row.balance), *scores, duration(row.seconds),
        words.took(row.seconds_with), words.count(row.parameters), words.count(row.multiply_adds),
        esc(words.pace(row.ms_per_photo)), epochs,
    ]  # fmt: skip


def differences(study: Study) -> str:
    """Which models differ, as text, then every pair; the last balance is open."""
    if len(study.models) < 2:
        return ""
    found = words.findings(study)
    parts = {b: [each for each in found if each.balance == b] for b in study.balances}
    *others, last = study.balances
    rest = (
        page.folded(words.balanced(b).capitalize(), _findings(parts[b]) + _pairs(study, b)) for b in others
    )
    title = f"<h3>{esc(words.balanced(last).capitalize())}</h3>" if others else ""
    return section(
        words.title(study),
        paragraph(words.method(study)),
        title + _findings(parts[last]),
        page.folded(f"Every pair, {words.balanced(last)}", _pairs(study, last)),
        *rest,
    )


def _findings(found: list[Finding]) -> str:
    return f'<div class="grid pair">{"".join(map(_finding, found))}</div>'


def _finding(finding: Finding) -> str:
    lines = "".join(
        f"<div><dt><b>{esc(model)}</b> {score}</dt><dd>{esc(standing)}</dd></div>"
        for model, score, standing in finding.lines
    )
    title = f"<h3>{esc(words.NAMES[finding.measure])}, best first</h3>"
    counted = paragraph(f"{words.counted(finding)}.", "small")
    return f'<div>{title}<dl class="lines">{lines}</dl>{counted}</div>'


def _pairs(study: Study, balance: int) -> str:
    """Every pair of models with its interval in both measures."""
    columns = [study.compared(balance, measure) for measure in COMPARED]
    rows = [
        [f"{esc(first.first)} minus {esc(first.second)}", *_gap(first), *_gap(second)]
        for first, second in zip(*columns, strict=True)
    ]
    head = ["Models", "Accuracy, points", "", "Macro-F1", ""]
    seeds = "At each seed: the difference there. " if len(study.seeds) > 1 else ""
    note = f"Below each difference its 95% interval. {seeds}p: adjusted for the number of pairs (Holm)."
    return table(f"Differences, {words.balanced(balance)}", head, rows, text=(2, 4)) + paragraph(
        note, "small"
    )


def _gap(pair: Pair) -> list[str]:
    value, interval = words.gap(pair)
    scale, digits = (1, 3) if pair.measure.endswith("f1") else (100, 1)
    seeds = ", ".join(page.signed(scale * each, digits) for each in pair.of_seeds)
    p = f"p {pair.adjusted:.3f}" if pair.adjusted >= 0.001 else "p below 0.001"
    each = f"<small>at each seed {seeds}</small>" if len(pair.of_seeds) > 1 else ""
    return [f"{value}<small>{interval}</small>", f"{pair.reading}<small>{p}</small>{each}"]


def runs(study: Study, folder: Path) -> str:
    """Links to the runs, and to the files beside the page."""
    rows = [
        [
            esc(model),
            *(", ".join(_link(folder, model, b, seed) for seed in study.seeds) for b in study.balances),
        ]
        for model in study.models
    ]
    head = ["Model", *(esc(words.balanced(b)) for b in study.balances)]
    files = {
        "study.toml": "the settings",
        "study.csv": "the table",
        "study.json": "all numbers, including differences and intervals",
        "leakage.json": "the leakage check",
        "figures/": "every figure as PNG and SVG",
    }
    items = "".join(
        f'<li><a href="{name}">{name}</a>: {esc(what)}</li>'
        for name, what in files.items()
        if (folder / name).exists()
    )
    return section(
        "Every run",
        paragraph("One run per model, balance and seed, each with its own page."),
        table("Runs", head, rows, text=range(1, len(head))),
        f'<h3>Files beside this page</h3><ul class="files">{items}</ul>',
    )


def _link(folder: Path, model: str, balance: int, seed: int) -> str:
    name = run_folder(Path(), model, balance, seed).name
    there = f"{name}/report.html" if (folder / name / "report.html").is_file() else f"{name}/"
    return f'<a href="{esc(there)}">seed {seed}</a>'
