"""What a study found, as text: which models differ, or at one seed which differences keep their sign."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10

from simulations.inference.comparison import MARGIN
from simulations.inference.paired_t import LEVEL
from simulations.report.charts import short
from simulations.report.intervals import MANY
from simulations.report.page import duration, percent, signed
from simulations.study.pairs import AT_ONE_SEED, CLEAR, COMPARED, OVER_SEEDS, Pair
from simulations.study.results import Spread, Study

NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro-F1",
    "weighted_f1": "Weighted F1",
}
SHOWN = ("accuracy", "macro_f1", "balanced_accuracy", "weighted_f1")  # in this order
BALANCE = "Balance: training views of each class; none: no balancing."
TIMES = (
    "Training: time without reading photos and computing features, which is done once and shared by runs;"
    " with features: as if each run had computed its own."
)
_STANDING = {
    "equal within the margin": "equal within the margin to",
    "not decided": "not decided against",
    "sign open": "sign open against",
}
_GROUPS = ("above", "below", *_STANDING.values())
_FEW = 2  # up to this many models are always listed


@dataclass(frozen=True)
class Finding:
    """How the models compare, at one balance in one measure.

    Fields:
        lines: (model, its mean, how it compares with the others), best first.
        counts: how many pairs have each reading.
    """

    balance: int
    measure: str
    lines: tuple[tuple[str, str, str], ...]
    counts: dict[str, int]


def findings(study: Study) -> list[Finding]:
    """By balance, then measure."""
    return [_finding(study, balance, measure) for balance in study.balances for measure in COMPARED]


def _finding(study: Study, balance: int, measure: str) -> Finding:
    means = {model: study.row(model, balance).scores[measure].mean for model in study.models}
    order = sorted(study.models, key=lambda model: -means[model])
    pairs = study.compared(balance, measure)
    readings = {(one, other): pair.reading for pair in pairs
                for one, other in ((pair.first, pair.second), (pair.second, pair.first))}  # fmt: skip
    lines = tuple((model, share(means[model], measure), _standing(model, order, readings)) for model in order)
    known = OVER_SEEDS if len(study.seeds) > 1 else AT_ONE_SEED
    counts: dict[str, int] = {reading: sum(pair.reading == reading for pair in pairs) for reading in known}
    return Finding(balance, measure, lines, counts)


def _standing(model: str, order: Sequence[str], readings: Mapping[tuple[str, str], str]) -> str:
    """For example: not decided against cnn; above the others. `order`: the models, best first.

    The largest group, if it has more than _FEW models, comes last and is not listed.
    """
    groups: dict[str, list[str]] = {}
    for other in order:
        if other != model:
            clear = "below" if order.index(other) < order.index(model) else "above"
            reading = readings[model, other]
            groups.setdefault(clear if reading in CLEAR else _STANDING[reading], []).append(other)
    largest = max(groups, key=lambda group: len(groups[group]))
    if len(groups[largest]) == len(order) - 1 > 1:
        return f"{largest} all others"
    many = {largest} if len(groups[largest]) > _FEW else set()
    named = [f"{group} {listed(groups[group])}" for group in _GROUPS if group in groups.keys() - many]
    return "; ".join([*named, *(f"{group} the others" for group in many)])


def counted(finding: Finding) -> str:
    """For example: different: 22 of 28 pairs; not decided: 6."""
    (first, number), *rest = ((name, number) for name, number in finding.counts.items() if number)
    total = sum(finding.counts.values())
    pairs = f"{first}: {number} of {total} {'pair' if total == 1 else 'pairs'}"
    return "; ".join([pairs, *(f"{name}: {number}" for name, number in rest)])


def title(study: Study) -> str:
    """The heading of the differences."""
    if len(study.seeds) > 1:
        return "Which models differ"
    return f"Which differences other test {study.drawn} would not change"


def headline(study: Study) -> str:
    """The study in one sentence: the best model at the last balance, and whether another is as good."""
    balance = study.balances[-1]
    where = f"On the test photos at {balanced(balance)}"
    best = max((study.row(m, balance) for m in study.models), key=lambda row: row.scores["macro_f1"].mean)
    f1, hits = best.scores["macro_f1"].mean, best.scores["accuracy"].mean
    scores = f"macro-F1 {f1:.3f}, {percent(hits)} classified correctly"
    if len(study.models) == 1:
        return f"{where} {best.model} has {scores}."
    rivals = [
        pair.second if pair.first == best.model else pair.first
        for pair in study.compared(balance, "macro_f1")
        if best.model in (pair.first, pair.second) and pair.reading not in CLEAR
    ]
    if len(study.seeds) == 1:
        would = f"might put {listed(rivals)} above it" if rivals else "would not change that"
        return (
            f"{where} {best.model} scores highest at this seed: {scores}; other test {study.drawn} {would}."
        )
    if not rivals:
        return f"{where} {best.model} is best: {scores}; its macro-F1 is above every other over the seeds."
    level = f"whether its macro-F1 is above that of {listed(rivals)} is not decided"
    return f"{where} {best.model} scores highest: {scores}; {level}."


def share(value: float, measure: str) -> str:
    """Accuracies in percent, F1 as a number."""
    return f"{value:.3f}" if measure.endswith("f1") else percent(value)


def spread(value: Spread, measure: str) -> tuple[str, str]:
    """Mean and standard deviation as text; the latter may be empty."""
    if value.sd is None:
        return share(value.mean, measure), ""
    digits = f"{value.sd:.3f}" if measure.endswith("f1") else f"{100 * value.sd:.1f}"
    return share(value.mean, measure), digits


def gap(pair: Pair) -> tuple[str, str]:
    """A difference and its interval: points of accuracy, or F1."""
    scale, digits = (1, 3) if pair.measure.endswith("f1") else (100, 1)
    value, low, high = (signed(scale * x, digits) for x in (pair.gap.value, pair.gap.low, pair.gap.high))
    return value, f"{low} to {high}"


def balanced(balance: int) -> str:
    """The name of a balance: "balance 800" or "balance none"."""
    return f"balance {views(balance)}"


def views(balance: int) -> str:
    """The balance alone: its training views per class, or "none"."""
    return f"{balance:,}" if balance else "none"


def pace(milliseconds: float | None) -> str:
    """Three significant digits; "" for None."""
    if milliseconds is None:
        return ""
    if milliseconds < 0.01:
        return "<0.01"
    value = float(f"{milliseconds:.3g}")
    return f"{value:,.{max(0, 2 - floor(log10(value)))}f}"


def count(number: float | None) -> str:
    """2230277 -> "2.23M"; "" for None."""
    return "" if number is None else short(float(f"{number:.3g}"))


def took(seconds: float | None) -> str:
    """For example: 1 min 32 s; "" for None."""
    return "" if seconds is None else duration(seconds)


def listed(names: Sequence[str]) -> str:
    """For example: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def method(study: Study) -> str:
    """How the differences were tested, in a few sentences."""
    pairs = len(study.models) * (len(study.models) - 1) // 2
    many = f"p is adjusted for the {pairs} pairs (Holm)" if pairs > 1 else "there is one pair"
    if len(study.seeds) == 1:
        drawn = "people, each with all their photos," if study.drawn == "people" else "photos"
        return (
            f"Paired bootstrap over the test photos of one seed: {drawn} resampled {MANY:,} times, "
            f"identically for both models; {many}. The sign of a difference holds, and a model is above or "
            f"below another, if p is at most {LEVEL}: with other test {study.drawn} it would be so, too. "
            "Another split or training seed might change it: which model is better takes several seeds "
            "(--seeds 5)."
        )
    return (
        f"Student's t on the differences of the {len(study.seeds)} seeds, each with its own split; the "
        "variance is corrected for the photos that their training parts share (Nadeau and Bengio, 2003) and "
        f"at least that over test {study.drawn}; {many}. Different, above and below: p is at most {LEVEL}. "
        f"Equal: two one-sided tests exclude a difference of {100 * MARGIN:.0f} points of accuracy, or "
        f"{MARGIN} macro-F1. Otherwise it is not decided; more seeds may."
    )
