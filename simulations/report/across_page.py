"""The section of the report about accuracy across phones, each on its own photos, and who is left behind.

The spread expected by chance alone is reported beside it: with few photos, phones differ by luck whatever the
head. Rankings exclude phones with fewer photos than `evaluation.min_photos`; the page gives their number.
"""

import csv
from collections.abc import Callable
from html import escape as esc

import numpy as np

from fer_models.run_folder.folder import PHONES
from fer_models.run_folder.quality import AcrossPhones, PersonalHeadQuality, Spread
from simulations.report import charts
from simulations.report.page import paragraph, percent, section, table
from simulations.report.results import Run

_CHANCE, _OWN = 3, 4  # series of the figures beside those of runs

Shown = tuple[str, int, AcrossPhones, np.ndarray]  # name, series, its across_phones, accuracy of phones


def across_phones(every: list[Run]) -> str:
    """Accuracy over phones as a chart and a table, over the rounds, and by class; "" if not evaluated."""
    run, found = every[0], every[0].summary.across_phones
    if not run.federated or found is None or not (run.folder / f"{PHONES}.csv").is_file():
        return ""
    rows = _phones(run)
    shown = [*_of(run, rows), *(each for other in every[1:] for each in _of(other, _phones(other)))]
    own = run.summary.own_heads
    return section(
        "Across phones",
        paragraph(_what(found, rows, run.summary.phones)),
        _too_few(found),
        paragraph(_luck(found, rows)),
        paragraph(_own(own, rows)) if own is not None else "",
        f'<div class="grid pair">{_sorted(shown, rows, found.min_photos)}{_rounds(run)}</div>',
        _numbers(shown),
        _behind(found),
    )


def _phones(run: Run) -> np.ndarray:
    """The phones of phones.csv that have photos, (q, 4).

    Columns: photos, accuracy, accuracy of the personal head or NaN, photos of the phone's largest class.
    """
    path = run.folder / f"{PHONES}.csv"
    if not path.is_file():
        return np.empty((0, 4))
    with path.open(encoding="utf-8", newline="") as lines:  # by position: classes may have any name
        header, *rows = csv.reader(lines)
    own = header[6:8] == ["own_correct", "own_accuracy"]
    classes = {name: (9 if own else 6) + 2 * i for i, name in enumerate(run.summary.classes)}
    found = [
        (int(row[2]), float(row[4]), float(row[7]) if own else np.nan, int(row[classes[row[1]]]))
        for row in rows
        if int(row[2])
    ]
    return np.array(found, float)


def _of(run: Run, rows: np.ndarray) -> list[Shown]:
    """The run, and the personal heads of its phones if there are any."""
    found, own = run.summary.across_phones, run.summary.own_heads
    if not len(rows) or found is None:
        return []
    shown = [(run.name, run.series, found, rows[:, 1])]
    if own is not None and run.summary.kind != "local":
        shown.append(("Phones' own heads", _OWN, own.across_phones, rows[:, 2]))
    return shown


def _too_few(found: AcrossPhones) -> str:
    """How many phones rankings exclude, as a paragraph; "" if none."""
    left = found.phones - found.ranked
    if not left:
        return ""
    return paragraph(
        f"{left:,} of the {found.phones:,} phones with photos have fewer than {found.min_photos} "
        "(evaluation.min_photos). They count in means and spreads, but are excluded from percentiles, worst, "
        "worst tenth and the sorted curve: with few photos the worst phone is merely the unluckiest."
    )


def _what(found: AcrossPhones, rows: np.ndarray, phones: int) -> str:
    none = found.of - found.phones
    left = f"; {none:,} of {found.of:,} have none and are not counted" if none else ""
    drawn = f" Of all {phones:,} phones a seeded sample is evaluated." if phones > found.of else ""
    return (
        "Every test photo is assigned to one phone: those of each class in proportion to what phones hold of "
        "it, so that a phone is tested on photos like its own. Phones count equally here. The median phone "
        f"has {np.median(rows[:, 0]):,g} test photos, the largest {rows[:, 0].max():,.0f}{left}.{drawn}"
    )


def _whole(rows: np.ndarray) -> float:
    """The accuracy on the photos of all phones together."""
    return float(rows[:, 0] @ rows[:, 1] / rows[:, 0].sum())


def _luck(found: AcrossPhones, rows: np.ndarray) -> str:
    """A sentence on the spread expected by chance alone."""
    here, luck = found.accuracy.variance, found.accuracy.variance_by_chance
    if here <= luck:
        end = "phones differ no more than by chance"
    else:
        end = f"chance alone explains {100 * luck / here:.0f}% of the variance"
    return (
        f"Accuracy differs between phones by {100 * here**0.5:.1f} points (standard deviation). If every "
        f"photo had the same probability of being classified correctly, {percent(_whole(rows))}, phones with "
        f"so few photos would still differ by {100 * luck**0.5:.1f} points: {end}."
    )


def _own(own: PersonalHeadQuality, rows: np.ndarray) -> str:
    """Accuracy of personal heads, beside that of always predicting the phone's largest class."""
    naming = percent(rows[:, 3].sum() / rows[:, 0].sum())
    return (
        f"Phones' own heads classify {percent(own.accuracy)} of the photos correctly. They know "
        "which classes their phone has: always predicting the class that a phone holds most of would give "
        f"{naming}."
    )


def _sorted(shown: list[Shown], rows: np.ndarray, min_photos: int) -> str:
    """Accuracies sorted from worst to best, and those expected by chance alone; "" if no phone is ranked."""
    enough = rows[:, 0] >= min_photos  # the same phones have the same photos in every run
    if not enough.any():
        return ""
    rows, shown = rows[enough], [(name, series, found, each[enough]) for name, series, found, each in shown]
    lines = [
        charts.Curve(series, range(1, len(each) + 1), np.sort(each).tolist()) for _, series, _, each in shown
    ]
    chance = by_chance(rows[:, 0].astype(np.int64), _whole(rows))
    lines.append(charts.Curve(_CHANCE, range(1, len(chance) + 1), chance.tolist()))
    named = [(name, series) for name, series, _, _ in shown] + [("by chance alone", _CHANCE)]
    words = "; ".join(
        f"{name}: worst {percent(_number(a.worst))}, median {percent(_number(a.median))}, p90 "
        f"{percent(_number(a.p90))}"
        for name, _, found, _ in shown
        for a in (found.accuracy,)
    )
    chart = charts.curves(
        lines,
        label=f"Accuracy of phones, sorted. {words}",
        percent=True,
        x_title="phones, from worst to best",
    )
    return (
        f'<figure><h3>Accuracy of each phone</h3><ul class="key">{_key(named)}</ul>{chart}'
        "<figcaption>By chance alone: as if every photo of every phone were classified correctly with the "
        "same probability, the overall accuracy. Steps are phones with few photos.</figcaption></figure>"
    )


def by_chance(photos: np.ndarray, chance: float) -> np.ndarray:
    """Sorted accuracies (q,) of phones with `photos` (q,) test photos if they differ by chance alone.

    Quantiles at (i - 1/2) / q of the mixture of binomial shares.
    """
    from scipy.stats import binom

    sizes, phones = np.unique(photos, return_counts=True)
    values = np.concatenate([np.arange(n + 1) / n for n in sizes])
    masses = np.concatenate(
        [many * binom.pmf(np.arange(n + 1), n, chance) for n, many in zip(sizes, phones, strict=True)]
    )
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(masses[order])
    places = np.searchsorted(reached, np.arange(len(photos)) + 0.5)
    return np.asarray(values[order][np.minimum(places, len(values) - 1)])


def _number(value: float | None) -> float:
    """A statistic of the ranked phones, of which there are some."""
    assert value is not None
    return value


def _rounds(run: Run) -> str:
    """p10, median and p90 of the phones over the rounds, on validation photos."""
    judged = [
        (line.round, line.across.accuracy)
        for line in run.rounds
        if line.across is not None and line.across.ranked
    ]
    if len(judged) < 2:
        return ""

    def curve(series: int, value: Callable[[Spread], float | None]) -> charts.Curve:
        numbers = [number for number, _ in judged]
        return charts.Curve(series, numbers, [_number(value(each)) for _, each in judged])

    _, last = judged[-1]
    ends = (("worst", last.worst), ("p10", last.p10), ("median", last.median), ("p90", last.p90))
    words = ", ".join(f"{name} {percent(_number(value))}" for name, value in ends)
    chart = charts.curves(
        [curve(0, lambda each: each.median), curve(_CHANCE, lambda each: each.worst_tenth)],
        label=f"Accuracy over phones on validation photos, by round; at the end {words}",
        percent=True,
        x_title="round",
        band=(curve(0, lambda each: each.p10), curve(0, lambda each: each.p90)),
    )
    key = _key([("median phone", 0), ("mean of the worst tenth", _CHANCE)])
    return (
        f'<figure><h3>Over the rounds, on validation photos</h3><ul class="key">{key}'
        f'<li class="run"><i class="band s0"></i>p10 to p90</li></ul>{chart}'
        f"<figcaption>At the end: {esc(words)}.</figcaption></figure>"
    )


def _key(named: list[tuple[str, int]]) -> str:
    return "".join(f'<li class="run">{charts.swatch(series)}{esc(name)}</li>' for name, series in named)


def _numbers(shown: list[Shown]) -> str:
    rows = []
    for name, series, found, _ in shown:
        accuracy, f1 = found.accuracy, found.macro_f1
        cells = [
            "" if share is None or score is None else f"{percent(share)}<small>{score:.3f}</small>"
            for share, score in zip(_columns(accuracy), _columns(f1), strict=True)
        ]
        spread, luck = (
            f"{100 * variance**0.5:.1f}" for variance in (accuracy.variance, accuracy.variance_by_chance)
        )
        rows.append(
            [
                f'<span class="run">{charts.swatch(series)}<span>{esc(name)}</span></span>',
                *cells,
                spread,
                luck,
            ]
        )
    head = [
        "Run",
        "Mean",
        "p10",
        "Median",
        "p90",
        "Worst",
        "Worst<br>tenth",
        "Spread,<br>points",
        "by<br>chance",
    ]
    title = "Accuracy over phones, and below it macro-F1"
    lead = (
        f"{title}. p10 and p90 are percentiles over phones; the worst tenth is the mean over the phones in "
        "it. A phone's macro-F1 is over the classes among its photos and predictions. The spread "
        "is the standard deviation of accuracy."
    )
    return f"<h3>In numbers</h3>{paragraph(lead, 'small')}" + table(title, head, rows)


def _columns(found: Spread) -> tuple[float | None, ...]:
    return found.mean, found.p10, found.median, found.p90, found.worst, found.worst_tenth


def _behind(found: AcrossPhones) -> str:
    """Who is left behind: phones grouped by the class they hold most of."""
    all_, in_order = found.phones, found.ranked
    rows = []
    for i, (name, each) in enumerate(found.classes.items()):
        rows.append(
            [
                f'<span class="run"><i class="dot {charts.kind(i)}"></i><span>{esc(name)}</span></span>',
                f"{each.phones:,}<small>{100 * each.phones / all_:.0f}%</small>",
                "" if each.accuracy is None else percent(each.accuracy),
                "" if each.share_of_worst_tenth is None else f"{100 * each.share_of_worst_tenth:.0f}%",
            ]
        )
    text = "Phones grouped by the class they hold most training views of."
    if in_order:
        some = {name: each.ranked for name, each in found.classes.items()}
        shares = {name: each.share_of_worst_tenth or 0.0 for name, each in found.classes.items()}
        name = max(shares, key=lambda one: shares[one] - some[one] / in_order)
        them = "the phones" if in_order == all_ else f"the {in_order:,} phones with enough photos"
        text += (
            f" Those whose largest class is {name} are {100 * some[name] / in_order:.0f}% of {them} and "
            f"{100 * shares[name]:.0f}% of the worst tenth. Phones tied for its last places "
            "share them."
        )
    head = ["Holds most of", "Phones", "Mean<br>accuracy", "Of worst<br>tenth"]
    return f"<h3>Who is left behind</h3>{paragraph(text, 'small')}" + table(
        "Phones by the class they hold most of", head, rows
    )
