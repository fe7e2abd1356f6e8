"""The head of the report: the result in one sentence, and how certain it is."""

from html import escape as esc

from simulations.inference.intervals import people_interval
from simulations.report import charts, intervals, page
from simulations.report.page import percent, signed
from simulations.report.results import Drawn, Run, differences, known_people, replicate

# A baseline, run minus baseline by metric, and what was resampled for the intervals.
Compared = tuple[Run, dict[str, intervals.Difference], Drawn]


def headline(run: Run, baselines: list[Run]) -> str:
    """Headline, a paragraph with the numbers, the intervals as a figure, the differences as a table."""
    compared = [(baseline, *differences(run, baseline)) for baseline in baselines]
    lede = [_result(run), *(_compare(*each) for each in compared), _guessing(run)]
    return "\n".join(
        [
            "<header>",
            f'<p class="eyebrow">fedfer report &middot; experiment {esc(run.summary.experiment)}</p>',
            f"<h1>{esc(_headline(run, compared))}</h1>",
            page.paragraph(" ".join(part for part in lede if part), "lede"),
            _drawings(run),
            f'<div class="grid pair">{_accuracy(run, baselines)}{_table(run, compared)}</div>',
            "</header>",
        ]
    )


def _headline(run: Run, compared: list[Compared]) -> str:
    """The result in one sentence, against the first baseline if there is one."""
    kinds = {"federated": "Federated", "local": "Local", "centralized": "Central"}
    how, reached = kinds[run.summary.kind], percent(run.summary.accuracy)
    sentence = f"{how} training classifies {reached} of the test photos correctly"
    if not compared:
        return f"{sentence}."
    baseline, gaps, drawn = compared[0]
    gap, other = gaps["accuracy"], _training(baseline)
    if not gap.holds:
        there = f"{other} {percent(baseline.summary.accuracy)}"
        return f"{sentence} on this run, {there}; other test {drawn.units} might reverse the order."
    apart = f"{abs(100 * gap.value):.1f} points {'above' if gap.value > 0 else 'below'} {other}"
    return f"{sentence}, on this run {apart}."


def _training(baseline: Run) -> str:
    return f"central training {'on as many views' if baseline.matched else f'for {baseline.steps}'}"


def _result(run: Run) -> str:
    hits, total, subjects = int(run.confusion.trace()), int(run.confusion.sum()), run.data.subjects
    unseen = subjects and run.config.data.split_by != "photo"
    people = f" of {subjects.test:,} people it was not trained on" if subjects and unseen else ""
    heads = {
        "federated": "The head trained on phones is",
        "local": "The phones' own heads, each on photos of its phone, are",
        "centralized": "The head trained centrally is",
    }
    return (
        f"{heads[run.summary.kind]} correct on {hits:,} of {total:,} test photos{people}: "
        f"accuracy {percent(run.summary.accuracy)}, macro-F1 {run.summary.macro_f1:.3f}."
    )


def _compare(baseline: Run, gaps: dict[str, intervals.Difference], drawn: Drawn) -> str:
    accuracy, f1 = gaps["accuracy"], gaps["macro_f1"]
    scores = f"{percent(baseline.summary.accuracy)}, {baseline.summary.macro_f1:.3f}"
    points = f"{signed(100 * accuracy.value, 1)} points of accuracy"
    return (
        f"Against {_training(baseline)} ({scores}) that is {points} and {signed(f1.value, 3)} macro-F1 on "
        f"this run; other test {drawn.units} {_signs(accuracy, f1)}."
    )


def _signs(accuracy: intervals.Difference, f1: intervals.Difference) -> str:
    """What other test people would do to the signs of both differences."""
    if accuracy.holds and f1.holds:
        return "would change neither sign"
    if accuracy.holds:
        return "might change the sign of the latter"
    return "might change the sign of the former" if f1.holds else "might change both signs"


def _guessing(run: Run) -> str:
    support = run.confusion.sum(axis=1)
    most = int(support.argmax())
    share = percent(support[most] / support.sum())
    return f"Always predicting the largest class, {run.summary.classes[most]}, would give {share}."


def _drawings(run: Run) -> str:
    if run.data.source != "sketch":
        return ""
    return (
        '<div class="note"><p><strong>These faces are drawings, not photos.</strong> The embedded set '
        "<em>sketch</em> is there to try the whole pipeline without a download; its numbers say nothing "
        "about real faces. To run on photos, give a folder with one sub-folder per emotion: "
        "<code>fedfer run --data FOLDER</code></p></div>"
    )


def _accuracy(run: Run, baselines: list[Run]) -> str:
    """Accuracy of each run with its interval."""
    rows, words = [], []
    for each in (run, *baselines):
        part, classes = replicate(each), len(each.summary.classes)
        found = people_interval(part.truth, part.answers, part.people, classes=classes, measure="accuracy")
        rows.append((each.name, [charts.Dot(each.series, found.mean, (found.low, found.high))]))
        words.append(f"{each.name} {percent(found.mean)} ({percent(found.low)} to {percent(found.high)})")
    people = all(map(known_people, (run, *baselines)))
    drawn = "people, each with all their photos" if people else "photos, since people are not known"
    figure = charts.dots(rows, label="Accuracy on the test photos: " + "; ".join(words), percent=True)
    return (
        f"<figure><h3>Accuracy on the test photos, with 95% intervals</h3>{figure}"
        f"<figcaption>{esc('; '.join(words))}. The test part is finite: the intervals (bootstrap of the test "
        f"{drawn}) show how far the accuracy of these heads could move with others like them."
        "</figcaption></figure>"
    )


def _table(run: Run, compared: list[Compared]) -> str:
    if not compared:
        return ""
    rows = []
    for baseline, gaps, _ in compared:
        cells = [esc(baseline.name)]
        for metric, scale, digits in (("accuracy", 100, 1), ("macro_f1", 1, 3)):
            gap = gaps[metric]
            low, high = (signed(scale * bound, digits) for bound in (gap.low, gap.high))
            cells.append(
                f"{signed(scale * gap.value, digits)}<small>{low} to {high}</small>"
                f"<small>sign {'holds' if gap.holds else 'open'}</small>"
            )
        rows.append(cells)
    drawn = compared[-1][2]
    title = f"{run.name} minus each baseline"
    return (
        f"<figure><h3>{title}</h3>"
        + page.table(title, ["Baseline", "Accuracy, points", "Macro-F1"], rows)
        + f"<figcaption>Below each difference its 95% interval (bootstrap, {drawn.how}). The sign holds if "
        f"on this run other test {drawn.units} would not change it: the interval does not contain zero. "
        "Another split, partition or training seed might: whether a method is better takes several seeds "
        "(<code>fedfer sweep --seeds</code>).</figcaption></figure>"
    )
