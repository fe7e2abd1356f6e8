"""The head of the report: one sentence that says how the run ended, and how sure one may be of it."""

from simulations import charts, intervals, page
from simulations.page import esc, percent, signed
from simulations.results import Run, differences

BUDGET = {
    "Centralized, matched": "central training on as many views",
}


def verdict(run: Run, baselines: list[Run]) -> str:
    """Headline, a paragraph with the numbers, the intervals as a figure, the differences as a table."""
    compared = [(baseline, *differences(run, baseline)) for baseline in baselines]
    lede = [_result(run), *(_compare(base, gaps) for base, gaps, _ in compared), _guessing(run)]
    return "\n".join(
        [
            "<header>",
            f'<p class="eyebrow">fedfer report &middot; experiment {esc(run.summary["experiment"])}</p>',
            f"<h1>{esc(_headline(run, compared))}</h1>",
            page.paragraph(" ".join(part for part in lede if part), "lede"),
            _drawings(run),
            f'<div class="grid pair">{_accuracy(run, baselines)}{_table(compared)}</div>',
            "</header>",
        ]
    )


def _headline(run: Run, compared: list[tuple[Run, dict[str, intervals.Difference], bool]]) -> str:
    """The verdict in one sentence, against the first baseline there is."""
    reached = percent(run.summary["accuracy"])
    if not compared:
        how = "Federated" if run.federated else "Central"
        return f"{how} training names {reached} of the test photos rightly."
    baseline, gaps, _ = compared[0]
    gap, other = gaps["accuracy"], _training(baseline)
    if gap.within_noise:
        return (
            f"Federated training names {reached} of the test photos rightly, {other} "
            f"{percent(baseline.summary['accuracy'])}: no difference that this test part can show."
        )
    word = "more" if gap.value > 0 else "fewer"
    return (
        f"Federated training names {reached} of the test photos rightly, "
        f"{abs(100 * gap.value):.1f} points {word} than {other}."
    )


def _training(baseline: Run) -> str:
    return BUDGET.get(baseline.name, f"central training for {baseline.steps}")


def _result(run: Run) -> str:
    total = int(run.confusion.sum())
    subjects = run.data.get("subjects")
    unseen = subjects and run.config["data"]["split_by"] != "photo"
    people = f" of {subjects['test']:,} people it was not trained on" if unseen and subjects else ""
    return (
        f"On {total:,} test photos{people} the head trained {'on phones' if run.federated else 'centrally'} "
        f"reaches an accuracy of {percent(run.summary['accuracy'])} "
        f"and a macro-F1 of {run.summary['macro_f1']:.3f}."
    )


def _compare(baseline: Run, gaps: dict[str, intervals.Difference]) -> str:
    accuracy, f1 = gaps["accuracy"], gaps["macro_f1"]
    trained = _training(baseline)
    return (
        f"{trained[0].upper()}{trained[1:]} reaches {percent(baseline.summary['accuracy'])} and "
        f"{baseline.summary['macro_f1']:.3f}; against it the federated head stands at "
        f"{signed(100 * accuracy.value, 1)} points of accuracy ({_reading(accuracy)}) and "
        f"{signed(f1.value, 3)} macro-F1 ({_reading(f1)})."
    )


def _reading(gap: intervals.Difference) -> str:
    return "within noise" if gap.within_noise else "more than noise"


def _guessing(run: Run) -> str:
    support = run.confusion.sum(axis=1)
    most = int(support.argmax())
    share = percent(support[most] / support.sum())
    return f"Always answering \N{LEFT DOUBLE QUOTATION MARK}{run.summary['classes'][most]}" + (
        f"\N{RIGHT DOUBLE QUOTATION MARK} would give {share}."
    )


def _drawings(run: Run) -> str:
    if run.data["source"] != "sketch":
        return ""
    return (
        '<div class="note"><p><strong>These faces are drawings, not photos.</strong> The embedded set '
        "<em>sketch</em> is there to try the whole way without a download; its numbers say nothing about "
        "real faces. To run on photos, give a folder with one sub-folder per emotion: "
        "<code>fedfer run --data FOLDER</code></p></div>"
    )


def _accuracy(run: Run, baselines: list[Run]) -> str:
    """Accuracy of each run with its interval."""
    rows, words = [], []
    for each in (run, *baselines):
        hits, total = int(each.confusion.trace()), int(each.confusion.sum())
        low, high = intervals.wilson(hits, total)
        rows.append((each.name, [charts.Dot(each.series, hits / total, (low, high))]))
        words.append(f"{each.name} {percent(hits / total)} ({percent(low)} to {percent(high)})")
    figure = charts.dots(rows, label="Accuracy on the test photos: " + "; ".join(words), number=_whole)
    return (
        f"<figure><h3>Accuracy on the test photos, with 95% intervals</h3>{figure}"
        f"<figcaption>{esc('; '.join(words))}. The test part is finite: the intervals (Wilson) say how far "
        "accuracy could move with other photos of the same kind.</figcaption></figure>"
    )


def _whole(share: float) -> str:
    return f"{100 * share:.4g}%"


def _table(compared: list[tuple[Run, dict[str, intervals.Difference], bool]]) -> str:
    if not compared:
        return ""
    rows = []
    for baseline, gaps, _ in compared:
        cells = [f"&minus; {esc(baseline.name)}"]
        for metric, scale, digits in (("accuracy", 100, 1), ("macro_f1", 1, 3)):
            gap = gaps[metric]
            low, high = (signed(scale * bound, digits) for bound in (gap.low, gap.high))
            cells.append(
                f"{signed(scale * gap.value, digits)}<small>{low} to {high}</small>"
                f"<small>{_reading(gap)}</small>"
            )
        rows.append(cells)
    paired = all(pair for _, _, pair in compared)
    how = "the same photos compared one by one" if paired else "photos not compared one by one"
    return (
        "<figure><h3>Federated minus each baseline</h3>"
        + page.table(["Federated", "Accuracy, points", "Macro-F1"], rows)
        + f"<figcaption>Below each difference its 95% interval (bootstrap, {how}); &ldquo;within "
        "noise&rdquo; means that the interval holds zero. It covers the choice of test photos only, "
        "not another seed or split, nor that photos of one person resemble each other: those add more.</figcaption></figure>"
    )
