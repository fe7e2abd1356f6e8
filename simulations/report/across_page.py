"""The section of the report about how phones fare, each on photos of its own, and who is left behind.

What chance alone would give is said beside it: phones with few photos differ by luck, whatever the head. What
orders phones leaves out those with fewer photos than `evaluation.min_photos`, and the page says how many.
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
    """Accuracy over phones as a picture and a table, over the rounds, and by class; "" where not judged."""
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
    """The lines of phones.csv that have photos, (q, 4).

    Photos, accuracy, that of own heads or NaN, and photos of the class that the phone holds most of.
    """
    path = run.folder / f"{PHONES}.csv"
    if not path.is_file():
        return np.empty((0, 4))
    with path.open(encoding="utf-8", newline="") as lines:  # by place: classes may be called anything
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
    """The run, and the own heads of its phones where there are any beside."""
    found, own = run.summary.across_phones, run.summary.own_heads
    if not len(rows) or found is None:
        return []
    shown = [(run.name, run.series, found, rows[:, 1])]
    if own is not None and run.summary.kind != "local":
        shown.append(("Phones' own heads", _OWN, own.across_phones, rows[:, 2]))
    return shown


def _too_few(found: AcrossPhones) -> str:
    """How many phones are left out of rankings, as a paragraph; "" where none is."""
    left = found.phones - found.ranked
    if not left:
        return ""
    return paragraph(
        f"{left:,} of the {found.phones:,} phones with photos have fewer than {found.min_photos} "
        "(evaluation.min_photos). They count for means and spreads, but are left out of percentiles, worst, "
        "worst tenth and the sorted curve: on a few photos the worst phone is the unluckiest one."
    )


def _what(found: AcrossPhones, rows: np.ndarray, phones: int) -> str:
    none = found.of - found.phones
    left = f"; {none:,} of {found.of:,} have none and are not counted" if none else ""
    drawn = f" Of all {phones:,} phones a seeded draw is judged." if phones > found.of else ""
    return (
        "Every test photo is on one phone: those of each class are dealt out by how much phones hold of it, "
        "so that a phone is judged on photos like its own. Phones count equally here. The median phone has "
        f"{np.median(rows[:, 0]):,g} of them, the largest {rows[:, 0].max():,.0f}{left}.{drawn}"
    )


def _whole(rows: np.ndarray) -> float:
    """The accuracy on the photos of all phones together."""
    return float(rows[:, 0] @ rows[:, 1] / rows[:, 0].sum())


def _luck(found: AcrossPhones, rows: np.ndarray) -> str:
    """What chance alone would give, in words."""
    here, luck = found.accuracy.variance, found.accuracy.variance_by_chance
    if here <= luck:
        end = "phones differ no more than by luck"
    else:
        end = f"luck alone explains {100 * luck / here:.0f}% of the variance"
    return (
        f"Accuracy differs between phones by {100 * here**0.5:.1f} points (standard deviation). If every "
        f"photo had the same chance to be named rightly, {percent(_whole(rows))}, phones with so few photos "
        f"would still differ by {100 * luck**0.5:.1f} points: {end}."
    )


def _own(own: PersonalHeadQuality, rows: np.ndarray) -> str:
    """How good own heads are, beside what knowing the phone's largest class alone would give."""
    naming = percent(rows[:, 3].sum() / rows[:, 0].sum())
    return (
        f"Phones' own heads name {percent(own.accuracy)} of the photos rightly. They "
        "know which classes their phone has: to name always the class that a phone holds most of would be "
        f"right on {naming}."
    )


def _sorted(shown: list[Shown], rows: np.ndarray, min_photos: int) -> str:
    """Phones from the worst to the best, and where chance alone would have put them; "" if none is ranked."""
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
        x_title="phones, from the worst to the best",
    )
    return (
        f'<figure><h3>Accuracy of each phone</h3><ul class="key">{_key(named)}</ul>{chart}'
        "<figcaption>By chance alone: every photo of every phone named rightly with the chance that all of "
        "them together have. Steps are phones with few photos.</figcaption></figure>"
    )


def by_chance(photos: np.ndarray, chance: float) -> np.ndarray:
    """Accuracies, sorted, (q,), that phones with so many `photos` (q,) have if only luck tells them apart.

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
    """A number of the ranked phones, where some are."""
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
        f"{title}: a tenth of the phones have p10 or less, a tenth p90 or more, and the worst tenth have the "
        "mean of theirs. Macro-F1 of a phone is over the classes among its photos and answers. The spread is "
        "the standard deviation of accuracy."
    )
    return f"<h3>In numbers</h3>{paragraph(lead, 'small')}" + table(title, head, rows)


def _columns(found: Spread) -> tuple[float | None, ...]:
    return found.mean, found.p10, found.median, found.p90, found.worst, found.worst_tenth


def _behind(found: AcrossPhones) -> str:
    """Who is left behind: phones by the class they hold most of."""
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
    text = "Phones by the class they hold most training views of."
    if in_order:
        some = {name: each.ranked for name, each in found.classes.items()}
        shares = {name: each.share_of_worst_tenth or 0.0 for name, each in found.classes.items()}
        name = max(shares, key=lambda one: shares[one] - some[one] / in_order)
        them = "the phones" if in_order == all_ else f"the {in_order:,} phones with enough photos"
        text += (
            f" Those of {name} are {100 * some[name] / in_order:.0f}% of {them} and "
            f"{100 * shares[name]:.0f}% of the worst tenth. Phones that tie share the last places of that "
            "tenth."
        )
    head = ["Holds most of", "Phones", "Mean<br>accuracy", "Of worst<br>tenth"]
    return f"<h3>Who is left behind</h3>{paragraph(text, 'small')}" + table(
        "Phones by the class they hold most of", head, rows
    )
