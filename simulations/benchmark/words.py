"""What a benchmark found, in sentences that its numbers support."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from simulations.benchmark.record import ArmResult, Benchmark
from simulations.inference.comparison import Comparison
from simulations.inference.scores import Estimate
from simulations.report.page import signed

NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
TITLES = {"accuracy": "Accuracy", "macro_f1": "Macro-F1"}


def points(estimate: Estimate) -> str:
    """A score in percent, with its interval."""
    return f"{100 * estimate.mean:.1f}% ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def gap(comparison: Comparison, digits: int = 1) -> str:
    """A difference in points, with its interval."""
    low, high = (signed(100 * value, digits) for value in (comparison.low, comparison.high))
    return f"{signed(100 * comparison.difference, digits)} ({low} to {high})"


def headline(benchmark: Benchmark) -> str:
    """The answer in one sentence."""
    if benchmark.null is not None:
        null = benchmark.null
        if not null.pairs:
            return "No pair of runs is finished yet."
        share = 100 * null.called_different
        return f"Of {null.pairs} pairs of runs of one and the same method, {share:.0f}% are called different."
    total = next((one for one in benchmark.total if one.measure == benchmark.choose), None)
    if total is not None:
        way = (
            f"From {total.reference} to {total.arm} {NAMES[benchmark.choose]} changes by {gap(total)} points"
        )
        return f"{way}, {total.verdict}: {', '.join(_steps(benchmark))}."
    found = [c for c in benchmark.comparisons if c.measure == benchmark.choose]
    if not found:
        return "No two arms have finished on two folds: there is nothing to compare yet."
    sentences = (_against(found, verdict) for verdict in ("better", "worse", "equal within the margin"))
    said = [sentence for sentence in sentences if sentence]
    said = said or ["no arm is shown to differ from it, or to equal it"]
    references = list(dict.fromkeys(c.reference for c in found))
    other = references[0] if len(references) == 1 else "its reference"
    return f"Compared with {other} in {NAMES[benchmark.choose]}: {'; '.join(said)}."


def _steps(benchmark: Benchmark) -> Iterator[str]:
    for step in benchmark.steps:
        comparison = step.comparison
        if comparison.measure == benchmark.choose:
            doubt = "" if comparison.verdict in ("better", "worse") else f" ({comparison.verdict})"
            yield f"{step.name} {signed(100 * comparison.difference, 1)}{doubt}"


def _against(found: list[Comparison], verdict: str) -> str:
    names = [c.arm for c in found if c.verdict == verdict]
    if not names:
        return ""
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{shown} {'is' if len(names) == 1 else 'are'} {verdict}"


def unit(benchmark: Benchmark) -> str:
    """What folds are made of: "people", or "photos" where it is not known who is on them."""
    return "people" if benchmark.data.people else "photos"


def fairness(benchmark: Benchmark) -> str:
    """How the arms were kept comparable."""
    budgets = sorted({arm.candidates for arm in benchmark.arms if arm.search})
    search = ""
    if budgets:
        tuned = f"{budgets[0]}" if len(budgets) == 1 else f"{budgets[0]} to {budgets[-1]}"
        search = (
            f" A tuned arm chooses among {tuned} candidates by {NAMES[benchmark.choose]} on validation"
            f" {unit(benchmark)} that are cut from the fold's own training part, so choices may differ"
            " between folds; models in closed form choose their own penalty there."
        )
    once = f"each of the {unit(benchmark)} is tested once{' per seed' if benchmark.seeds > 1 else ''}"
    return (
        f"All arms train on the same {benchmark.folds} folds of {unit(benchmark)}, and {once}.{search} Test"
        " photos are looked at once per run, after everything is chosen. If all phones train one epoch per"
        " round, a round has as many photos as a central epoch; more local epochs, or fewer phones a"
        " round, change that."
    )


def statistics(benchmark: Benchmark) -> str:
    """How differences are judged."""
    unknown = ""
    if not benchmark.data.people:
        unknown = " Who is on a photo is not known, so photos are taken as independent."
    margin = f"{100 * benchmark.margin:g} points"
    return (
        f"Intervals of scores are a hierarchical bootstrap over folds, seeds and {unit(benchmark)}"
        f" (95%).{unknown} Differences are paired by fold and seed; their intervals are Student's t with"
        " the variance of Nadeau and Bengio (2003), at least that of the bootstrap, each for one"
        " comparison alone. Verdicts are adjusted by Holm's rule over all arms with the same reference, so"
        " an interval without zero may stand beside an undecided verdict. An arm equals its reference"
        f" within the margin of {margin}, set in the suite, if two one-sided tests say so; what is neither"
        " different nor equal is not decided."
    )


def choices(arm: ArmResult) -> str:
    """What an arm's searches chose: "train.lr=0.03 (4 folds), train.lr=0.1 (1 fold)".

    What all candidates have in common is left out: it was no choice.
    """
    counts, common = dict[str, int](), _common([point.settings for point in arm.search])
    for choice in arm.chosen:
        text = setting_of(choice.settings, without=common)
        counts[text] = counts.get(text, 0) + 1
    if len(counts) == 1:
        return next(iter(counts)) or "its defaults"
    ordered = sorted(counts.items(), key=lambda one: -one[1])
    return ", ".join(f"{text or 'its defaults'} ({n} fold{'s' * (n > 1)})" for text, n in ordered)


def _setting(section: str, name: str, value: object) -> str:
    shown = f"{value:.4g}" if isinstance(value, float) else value
    return f"{section}.{name}={shown}" if section else f"{name}={shown}"


def setting_of(
    settings: Mapping[str, Mapping[str, object]], without: Collection[tuple[str, str, object]] = ()
) -> str:
    """Settings as a reader would type them: "train.lr=0.03"."""
    return " ".join(_setting(*one) for one in _flat(settings) if one not in without)


def _common(candidates: Sequence[Mapping[str, Mapping[str, object]]]) -> list[tuple[str, str, object]]:
    """The settings that all candidates have in common; none if there is a single one."""
    if len(candidates) < 2:
        return []
    first, *others = (_flat(settings) for settings in candidates)
    return [one for one in first if all(one in other for other in others)]


def _flat(settings: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str, object]]:
    return [(section, name, value) for section, values in settings.items() for name, value in values.items()]
