"""What a study found, in words: which differences between models are beyond noise and which are not."""

from collections.abc import Sequence
from dataclasses import dataclass

from simulations.charts import short
from simulations.intervals import MANY
from simulations.page import percent, signed
from simulations.study_pairs import COMPARED, Pair
from simulations.study_results import Spread, Study

NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro-F1",
    "weighted_f1": "Weighted F1",
}
READINGS = ("beyond noise", "within noise", "unclear")
FEW = 3  # so many pairs are each named, whatever they are


@dataclass(frozen=True)
class Finding:
    """What the differences between models are worth, at one balance in one measure.

    Fields:
        ranking: the models with their means, best first. lines: (reading, pairs of models in words).
        counts: how many pairs have each reading.
    """

    balance: int
    measure: str
    ranking: str
    counts: dict[str, int]
    lines: tuple[tuple[str, tuple[str, ...]], ...]


def findings(study: Study) -> list[Finding]:
    """By balance, then measure."""
    return [_finding(study, balance, measure) for balance in study.balances for measure in COMPARED]


def _finding(study: Study, balance: int, measure: str) -> Finding:
    means = {model: study.row(model, balance).scores[measure].mean for model in study.models}
    order = sorted(study.models, key=lambda model: -means[model])
    pairs = study.compared(balance, measure)
    beyond = [pair for pair in pairs if pair.reading == "beyond noise"]
    lines = []
    for reading in ("within noise", "unclear"):
        if found := [pair for pair in pairs if pair.reading == reading]:
            lines.append((reading, tuple(against(pair, means) for pair in found)))
    if len(pairs) <= FEW and beyond:
        lines.insert(0, ("beyond noise", tuple(against(pair, means) for pair in beyond)))
    elif beyond:
        rest = "all" if len(beyond) == len(pairs) else "the other"
        lines.append(("beyond noise", (f"{rest} {len(beyond)} of {len(pairs)} pairs",)))
    ranking = ", ".join(f"{model} {share(means[model], measure)}" for model in order)
    counts = {reading: sum(pair.reading == reading for pair in pairs) for reading in READINGS}
    return Finding(balance, measure, ranking, counts, tuple(lines))


def counted(finding: Finding) -> str:
    """As in: 22 of 28 pairs beyond noise, 4 within noise, 2 unclear."""
    parts = [f"{number} {reading}" for reading, number in finding.counts.items() if number]
    first, rest = parts[0].split(" ", 1)
    total = sum(finding.counts.values())
    return ", ".join([f"{first} of {total} {'pair' if total == 1 else 'pairs'} {rest}", *parts[1:]])


def against(pair: Pair, means: dict[str, float]) -> str:
    """As in: mobilenet 63.4% against mobilenet-deep 62.9%; the better one first."""
    ordered = sorted((pair.first, pair.second), key=lambda model: -means[model])
    return " against ".join(f"{model} {share(means[model], pair.measure)}" for model in ordered)


def headline(study: Study) -> str:
    """The study in one sentence: the best model at the best balance, and whether another is as good."""
    best = max(study.rows, key=lambda row: row.scores["macro_f1"].mean)
    f1, hits = best.scores["macro_f1"].mean, best.scores["accuracy"].mean
    scores = f"macro-F1 {f1:.3f} and {percent(hits)} of the test photos named correctly"
    if len(study.models) == 1:
        return f"{best.model} names {percent(hits)} of the test photos correctly, macro-F1 {f1:.3f}."
    rivals = [
        pair.second if pair.first == best.model else pair.first
        for pair in study.compared(best.balance, "macro_f1")
        if best.model in (pair.first, pair.second) and pair.reading != "beyond noise"
    ]
    if not rivals:
        return f"{best.model} is best: {scores}, beyond noise above every other model."
    return f"{best.model} scores highest, {scores}; no clear difference from {listed(rivals)}."


def share(value: float, measure: str) -> str:
    """Accuracies in percent, F1 as it is."""
    return f"{value:.3f}" if measure.endswith("f1") else percent(value)


def spread(value: Spread, measure: str) -> tuple[str, str]:
    """Mean and standard deviation as they are written beside one another; the latter may be empty."""
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
    """What a balance is called."""
    return f"balance {balance:,}" if balance else "not balanced"


def count(number: float | None) -> str:
    """2230277 -> "2.23M"; an empty text for None."""
    return "" if number is None else short(float(f"{number:.3g}"))


def listed(names: Sequence[str]) -> str:
    """As in: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def method(study: Study) -> str:
    """How the differences were judged, in a few sentences."""
    drawn = "people, each with all their photos," if study.drawn == "people" else "photos"
    pairs = len(study.models) * (len(study.models) - 1) // 2
    text = f"Paired bootstrap over the test photos: {drawn} drawn {MANY:,} times, the same for both models"
    text += f"{', in all seeds together' if len(study.seeds) > 1 else ''}. "
    if pairs > 1:
        text += (
            f"{pairs} pairs are compared at once, so some of their 95% intervals miss zero by luck: a "
            "difference is beyond noise when its p-value, adjusted for their number (Holm), is at most 0.05; "
            "unclear when only its own interval leaves out zero. "
        )
    else:
        text += "A difference is within noise when its 95% interval holds zero. "
    return text + "Other seeds, and photos of another kind, add to the noise."
