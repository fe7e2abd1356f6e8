"""From finished runs to the numbers of a benchmark: estimates, paired comparisons, costs, variance, the
null test.
"""

from collections.abc import Sequence
from statistics import fmean, median

import numpy as np

from fer_models.run_folder.data_facts import DataFacts
from fer_models.run_folder.environment import Environment
from simulations.benchmark import arms, null
from simulations.benchmark.benchmark import Failures
from simulations.benchmark.record import Benchmark, ClassGap, Components, CostStep, Data, Order, Power
from simulations.benchmark.request import BenchmarkRequest
from simulations.benchmark.runs import Runs
from simulations.inference.comparison import Comparison, compare, with_holm
from simulations.inference.paired_t import paired_t
from simulations.inference.power import smallest_difference
from simulations.inference.scores import MEASURES, Replicate, score
from simulations.inference.stochastic_order import ranking
from simulations.inference.variance import components

_POWER_FOLDS = (5, 10)


def summarise(request: BenchmarkRequest, runs: Runs, failures: Failures) -> Benchmark:
    """The record of a benchmark whose runs are done, or as far as they are."""
    suite, first = request.suite, next((run for found in runs.of.values() for run in found), None)
    compared = _compared(request, runs)
    facts = None if first is None else DataFacts.read(first.folder)
    began = None if first is None else Environment.read(first.folder)
    return Benchmark(
        suite=request.named.name,
        about=suite.about,
        reference=suite.reference,
        folds=suite.folds,
        seeds=suite.every_seed,
        margin=suite.margin,
        choose=suite.choose,
        command=request.command,
        date="" if began is None else began.date,
        versions={} if began is None else began.versions,
        data=_data(facts),
        arms=tuple(arms.result(request, runs, arm, failures.get(arm.name, [])) for arm in suite.arms),
        comparisons=compared,
        steps=_steps(request, runs),
        class_gaps=_class_gaps(request, runs),
        variance=_variance(request, runs),
        order=_order(request, runs),
        power=_power(request, runs, compared),
        null=null.test(request, runs) if suite.pairs else None,
    )


def _data(facts: DataFacts | None) -> Data:
    if facts is None:
        return Data("", 0, None, {})
    photos = facts.photos
    totals = {name: sum(part[name] for part in vars(photos).values()) for name in facts.classes}
    people = None if facts.subjects is None else sum(vars(facts.subjects).values())
    return Data(facts.source, sum(totals.values()), people, totals)


def _compared(request: BenchmarkRequest, runs: Runs) -> tuple[Comparison, ...]:
    """Every arm against the reference; p-values are adjusted over arms, within each measure."""
    found: list[Comparison] = []
    for measure in MEASURES if request.suite.reference else ():
        one = [
            pair
            for arm in request.suite.arms
            if arm.name != request.suite.reference
            and (pair := pair_of(request, runs, arm.name, request.suite.reference, measure)) is not None
        ]
        found += with_holm(one, margin=request.suite.margin)
    return tuple(found)


def _steps(request: BenchmarkRequest, runs: Runs) -> tuple[CostStep, ...]:
    found: list[CostStep] = []
    for measure in MEASURES:
        named = [
            (step.name, pair)
            for step in request.suite.steps
            if (pair := pair_of(request, runs, step.after, step.before, measure)) is not None
        ]
        adjusted = with_holm([pair for _, pair in named], margin=request.suite.margin)
        found += [CostStep(name, pair) for (name, _), pair in zip(named, adjusted, strict=True)]
    return tuple(found)


def pair_of(
    request: BenchmarkRequest, runs: Runs, arm: str, reference: str, measure: str
) -> Comparison | None:
    """Two arms compared on the folds and seeds that both have finished; None for fewer than two folds."""
    first, second = ({(r.fold, r.seed): r for r in runs.replicates(name)} for name in (arm, reference))
    common = sorted(first.keys() & second.keys())
    if len({fold for fold, _ in common}) < 2:
        return None
    return compare(
        arm,
        [first[key] for key in common],
        reference,
        [second[key] for key in common],
        classes=classes_of(runs),
        measure=measure,
        margin=request.suite.margin,
        test_share=1 / request.suite.folds,
        seed=request.suite.seed,
    )


def classes_of(runs: Runs) -> int:
    """The number of classes."""
    return next(len(run.summary.classes) for found in runs.of.values() for run in found)


def _class_gaps(request: BenchmarkRequest, runs: Runs) -> tuple[ClassGap, ...]:
    """Recall of each class, arm minus reference, by fold; folds where a class has no test photo are left
    out.
    """
    found, suite = [], request.suite
    before = arms.recalls(runs, suite.reference) if suite.reference else {}
    for arm in suite.arms:
        after = arms.recalls(runs, arm.name) if before and arm.name != suite.reference else {}
        for emotion in after and before:
            common = sorted(before[emotion].keys() & after[emotion].keys())
            if len(common) < 2:
                continue
            gaps = np.array([after[emotion][fold] - before[emotion][fold] for fold in common])
            pair = paired_t(gaps, test_share=1 / suite.folds)
            found.append(ClassGap(arm.name, emotion, pair.difference, *pair.interval()))
    return tuple(found)


def _variance(request: BenchmarkRequest, runs: Runs) -> tuple[Components, ...]:
    found, seeds = [], list(request.seeds)
    for name in request.suite.decompose if len(seeds) > 1 else ():
        there = {(r.cell.fold, r.cell.partition_seed, r.cell.train_seed): r.replicate for r in runs.of[name]}
        folds = range(request.suite.folds)
        if not all((fold, p, t) in there for fold in folds for p in seeds for t in seeds):
            continue
        for measure in MEASURES:
            scores = np.array(
                [[[_score(there[fold, p, t], measure, runs) for t in seeds] for p in seeds] for fold in folds]
            )
            parts = components(scores)
            spreads = (
                np.nan if part is None else part**0.5
                for part in (parts.split, parts.partition, parts.training)
            )
            found.append(Components(name, measure, *map(float, spreads)))
    return tuple(found)


def _score(replicate: Replicate, measure: str, runs: Runs) -> float:
    return score(measure, replicate.truth, replicate.answers, classes_of(runs))


def _order(request: BenchmarkRequest, runs: Runs) -> tuple[Order, ...]:
    """The arms by almost stochastic order of their scores, the largest first; for more than two arms."""
    measure = request.suite.choose
    scores = {
        arm.name: np.array([_score(each, measure, runs) for each in runs.replicates(arm.name)])
        for arm in request.suite.arms
        if runs.replicates(arm.name)
    }
    if len(scores) < 3 or request.suite.pairs:
        return ()
    return tuple(Order(each.arm, each.place, each.above) for each in ranking(scores, seed=request.suite.seed))


def _power(request: BenchmarkRequest, runs: Runs, compared: Sequence[Comparison]) -> tuple[Power, ...]:
    """The smallest true difference that this many folds find, given how much differences vary here."""
    found = []
    pairs = [(c.arm, c.reference) for c in compared if c.measure == MEASURES[0]]
    for measure in MEASURES:
        spreads = [spread for pair in pairs if (spread := _spread(runs, *pair, measure)) is not None]
        if request.suite.pairs:
            spreads = null.spreads(request, runs, measure)
        if not spreads or not median(spreads):
            continue
        middle = median(spreads)
        folds = {str(k): smallest_difference(middle, folds=k, test_share=1 / k) for k in _POWER_FOLDS}
        found.append(Power(measure, middle, folds))
    return tuple(found)


def _spread(runs: Runs, arm: str, reference: str, measure: str) -> float | None:
    """The standard deviation of two arms' differences between folds."""
    sides = []
    for name in (arm, reference):
        by_fold: dict[int, list[float]] = {}
        for each in runs.replicates(name):
            by_fold.setdefault(each.fold, []).append(_score(each, measure, runs))
        sides.append({fold: fmean(scores) for fold, scores in by_fold.items()})
    common = sorted(sides[0].keys() & sides[1].keys())
    if len(common) < 2:
        return None
    return float(np.std([sides[0][fold] - sides[1][fold] for fold in common], ddof=1))
