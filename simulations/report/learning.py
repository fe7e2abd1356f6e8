"""The sections of the report about learning: curves, classes, confusion, example faces."""

import base64
from collections.abc import Callable, Sequence
from html import escape as esc
from math import isfinite

import numpy as np

from fer_models.balancing.registry import chosen
from fer_models.models import MODELS
from fer_models.run_folder.examples import FOLDER, Example, read_examples
from fer_models.run_folder.rounds import RoundRecord
from simulations.report import charts, page
from simulations.report.page import paragraph, percent, section, table
from simulations.report.results import Run

MANY_CLASSES = 6  # beyond this, the names above a confusion matrix are vertical
MOST_MISTAKES = 6
MOST_BYTES = 900_000  # of example faces on the page, before base64


def training(every: list[Run]) -> str:
    """Accuracy, macro-F1 and loss during training, all runs in one figure."""
    run = every[0]
    shown = [each for each in every if each.rounds]
    if not MODELS[run.summary.model].epochs:
        return section(
            "Training", paragraph("This model is fitted in one step: there are no epochs to show.")
        )
    if not shown:
        return section("Training", paragraph("No round was recorded."))
    lines = {each.series: each.views_seen for each in shown}
    support = run.data.photos.validation
    always = max(support.values()) / sum(support.values())
    panels = [
        ("Accuracy on validation photos", _accuracy, (always, "largest class")),
        ("Macro-F1 on validation photos", _macro_f1, None),
        ("Training loss (cross-entropy)", _loss, None),
    ]
    drawn = []
    for title, value, reference in panels:
        curves = [charts.Curve(e.series, lines[e.series], [value(r) for r in e.rounds]) for e in shown]
        if all(y is None for curve in curves for y in curve.ys):
            continue
        label = f"{title} against views processed in training; last values: " + "; ".join(
            f"{e.name} {y:.3f}" for e in shown if (y := _last(e, value)) is not None
        )
        chart = charts.curves(
            curves, label=label, percent=value is _accuracy, x_title="views processed in training",
            top=_marks(run, lines.get(run.series, [])), reference=reference,
        )  # fmt: skip
        drawn.append(f"<div><h3>{esc(title)}</h3>{chart}</div>")
    return section(
        "Training, step by step",
        _ends(shown, lines),
        f'<figure><div class="grid">{"".join(drawn)}</div>'
        f"<figcaption>{esc(_reading(every))}</figcaption></figure>",
    )


def _reading(every: list[Run]) -> str:
    run = every[0]
    text = f"The upper axis counts {run.step}s of the {run.name.split(',')[0].lower()} run; the fine dotted "
    text += "line of the first figure is what always predicting the largest class gives. "
    if len(every) > 1:
        text += (
            "All curves share the axis of views processed, so points above one another cost the same "
            "computation; the matched baseline ends where the federated run does. Centralized curves of the "
            "same seed may overlap. "
        )
    text += "Training loss is the mean over the views of a step, measured while training, dropout included"
    return text + (", on the phones in the federated run." if run.federated else ".")


def _last(run: Run, value: Callable[[RoundRecord], float | None]) -> float | None:
    return next((found for r in reversed(run.rounds) if (found := value(r)) is not None), None)


def _accuracy(line: RoundRecord) -> float | None:
    return _number(line.val_accuracy)


def _macro_f1(line: RoundRecord) -> float | None:
    return _number(line.val_macro_f1)


def _loss(line: RoundRecord) -> float | None:
    return _number(line.train_loss)


def _number(value: float | None) -> float | None:
    """None if not measured or not finite: training can diverge."""
    return value if value is not None and isfinite(value) else None


def _marks(run: Run, views: Sequence[float]) -> list[tuple[float, str]]:
    """Numbers of rounds for the upper axis, placed at the views processed by their end."""
    wanted = [round(t) for t in charts.ticks(0, len(views), 6) if 1 <= t <= len(views) and t == round(t)]
    first = wanted[0] if wanted else 0
    return [(views[n - 1], f"{run.step} {n}" if n == first else f"{n:,}") for n in wanted]


def _ends(shown: list[Run], lines: dict[int, list[float]]) -> str:
    """The legend, combined with the table of last values."""
    rows = []
    for each in shown:
        accuracy, f1, loss = (_last(each, value) for value in (_accuracy, _macro_f1, _loss))
        rows.append(
            [
                f'<span class="run">{charts.swatch(each.series)}<span>{esc(each.name)}</span></span>',
                each.steps,
                f"{lines[each.series][-1]:,.0f}",
                "" if accuracy is None else percent(accuracy),
                "" if f1 is None else f"{f1:.3f}",
                "" if loss is None else f"{loss:.3f}",
            ]
        )
    head = ["Run", "Trained for", "Views processed", "Accuracy", "Macro-F1", "Training loss"]
    title = "Last values on the validation photos, and the key to the curves"
    return paragraph(title + ".", "small") + table(title, head, rows)


def counts(run: Run) -> str:
    """Class counts before and after balancing."""
    classes, photos, views = run.summary.classes, run.data.photos, run.data.views
    rows = [(name, photos.train.get(name, 0), views.get(name, 0)) for name in classes]
    way, balance = chosen(run.config.data), run.config.data.balance
    text = (
        f"Training classes are balanced {way.words(balance)}: {way.about}. Validation and test photos are"
        " never balanced or augmented."
    )
    label = "; ".join(f"{name}: {before:,} photos, {after:,} views" for name, before, after in rows)
    cells = [
        [esc(name), *(f"{n:,}" for n in (before, after, photos.validation[name], photos.test[name]))]
        for name, before, after in rows
    ]
    head = ["Class", "Training photos", "Training views", "Validation photos", "Test photos"]
    sums = [sum(column) for column in zip(*((r[1], r[2]) for r in rows), strict=True)]
    held = [sum(part.values()) for part in (photos.validation, photos.test)]
    cells.append(["<strong>all</strong>", *(f"<strong>{n:,}</strong>" for n in (*sums, *held))])
    named = (("before", "training photos"), ("after", "training views"))
    key = "".join(f'<li><i class="{kind}"></i>{name}</li>' for kind, name in named)
    numbers = table("Photos and views of each class", head, cells)
    bars = charts.paired_bars(rows, label=label)
    return section(
        "Classes before and after balancing",
        paragraph(text),
        f'<div class="grid pair"><figure><ul class="key">{key}</ul>{bars}</figure>{numbers}</div>',
    )


def confusion(run: Run, baselines: list[Run]) -> str:
    """Confusion matrix of the test photos; those of the baselines are collapsed."""
    folded = "".join(f"<div><h3>{esc(b.name)}</h3>{_matrix(b)}</div>" for b in baselines)
    more = f'<details><summary>The same for the baselines</summary><div class="grid">{folded}</div></details>'
    return section(
        "Confusion of the test photos",
        paragraph(
            f"{run.name}. Rows are the true emotions, columns the predicted ones; each cell gives the "
            "number of photos and its share of the row. The diagonal is correct."
        ),
        f'<div class="grid pair">{_matrix(run)}{_mistakes(run)}</div>',
        more if baselines else "",
    )


def _mistakes(run: Run) -> str:
    """The table of the most frequent mistakes."""
    classes, wrong = run.summary.classes, run.confusion.copy()
    np.fill_diagonal(wrong, 0)
    rows = []
    for cell in np.argsort(-wrong, axis=None, kind="stable")[:MOST_MISTAKES]:
        is_, said = divmod(int(cell), len(classes))
        if count := int(wrong[is_, said]):
            total = int(run.confusion[is_].sum())
            called = f"{esc(classes[is_])} predicted as {esc(classes[said])}"
            rows.append([called, f"{count:,} of {total:,}", f"{100 * count / total:.0f}%"])
    if not rows:
        return paragraph("No test photo was misclassified.")
    head = ["Mistake", "Photos", "Share of the class"]
    return f"<div><h3>Most frequent mistakes</h3>{table('Most frequent mistakes', head, rows)}</div>"


def _matrix(run: Run) -> str:
    """The matrix as a table; shade is at most 45%, so that text keeps its contrast in light and dark."""
    classes = run.summary.classes
    head = "".join(f'<th scope="col" class="turn">{esc(name)}</th>' for name in classes)
    rows = []
    for i, (name, row) in enumerate(zip(classes, run.confusion.tolist(), strict=True)):
        total = sum(row) or 1
        cells = "".join(
            f'<td{" class=hit" if i == j else ""} style="--share:{45 * n / total:.1f}%">'
            f"{n:,}<small>{100 * n / total:.0f}%</small></td>"
            for j, n in enumerate(row)
        )
        rows.append(f'<tr><th scope="row">{esc(name)}</th>{cells}</tr>')
    corner = '<th scope="col" class="first"><span class="small">true &darr; predicted &rarr;</span></th>'
    kind = "matrix many" if len(classes) > MANY_CLASSES else "matrix"
    markup = f"<thead><tr>{corner}{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return page.scroll(f'<table class="{kind}">{markup}</table>', f"Confusion matrix, {run.name}")


def per_class(every: list[Run]) -> str:
    """Precision, recall and F1 of each class, all runs side by side."""
    run = every[0]
    classes = run.summary.classes
    dots = [(name, [charts.Dot(e.series, e.summary.per_class[name].f1) for e in every]) for name in classes]
    words = "; ".join(f"{name} " + ", ".join(f"{dot.value:.2f}" for dot in row) for name, row in dots)
    names = " and ".join(e.name for e in every)
    chart = charts.dots(dots, label=f"F1 of each class, {names}: {words}", percent=False)
    key = "".join(f'<li class="run">{charts.swatch(e.series)}{esc(e.name)}</li>' for e in every)
    groups = "".join(f'<th scope="colgroup" colspan="3" class="group">{esc(e.name)}</th>' for e in every)
    heads = (
        '<th scope="col" class="open">Precision</th><th scope="col">Recall</th><th scope="col">F1</th>'
    ) * len(every)
    rows = []
    for name in classes:
        cells = f"<td>{run.summary.per_class[name].support:,}</td>"
        for each in every:
            of = each.summary.per_class[name]
            cells += f'<td class="open">{of.precision:.2f}</td><td>{of.recall:.2f}</td><td>{of.f1:.2f}</td>'
        rows.append(f'<tr><th scope="row">{esc(name)}</th>{cells}</tr>')
    markup = (
        f'<table><thead><tr><th rowspan="2" scope="col" class="first">Class</th>'
        f'<th rowspan="2" scope="col">Test photos</th>{groups}</tr><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    text = "F1 is the harmonic mean of precision and recall; macro-F1 is its unweighted mean over classes."
    few = [n for n in classes if run.summary.per_class[n].support < 100]
    if few:
        text += f" Classes with fewer than 100 test photos ({', '.join(few)}) have imprecise scores."
    return section(
        "Class by class",
        paragraph(text),
        f'<figure><h3>F1 on the test photos</h3><ul class="key">{key}</ul>{chart}</figure>',
        page.scroll(markup, "Precision, recall and F1 by class"),
    )


def examples(run: Run) -> str:
    """Some test faces with the head's predictions, correct and wrong, marked as text."""
    folder = run.folder / FOLDER
    faces = read_examples(folder)
    if not faces:
        return ""
    groups: dict[bool, list[str]] = {True: [], False: []}
    used = 0
    for face in faces:
        png = (folder / face.png).read_bytes()
        used += len(png)
        if used > MOST_BYTES:
            break
        right = face.emotion == face.predicted
        groups[right].append(_face(face, png, right))
    return section(
        "Some test faces",
        paragraph("The head's prediction and its confidence. Labels can be wrong too."),
        *(
            f'<h3>{title} ({len(groups[right])})</h3><ul class="faces {kind}">{"".join(groups[right])}</ul>'
            for right, title, kind in ((True, "Correct", "right"), (False, "Wrong", "wrong"))
            if groups[right]
        ),
    )


def _face(face: Example, png: bytes, right: bool) -> str:
    data = base64.b64encode(png).decode("ascii")
    said, label, sure = face.predicted, face.emotion, f"{100 * face.confidence:.0f}%"
    alt = f"Face labelled {label}, predicted {said}"
    mark = "\N{CHECK MARK}" if right else "\N{BALLOT X}"
    words = f"<b>{mark} {esc(said)}</b>{sure} sure" + ("" if right else f"<br>labelled {esc(label)}")
    return (
        f'<li><figure><img src="data:image/png;base64,{data}" alt="{esc(alt)}" title="{esc(face.file)}">'
        f"<figcaption>{words}</figcaption></figure></li>"
    )
