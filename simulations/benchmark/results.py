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
    pairs = _Pairs(request, runs)
    compared = _compared(request, pairs)
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
        damaged=runs.damaged,
        steps=_steps(request, pairs),
        total=_total(request, pairs),
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


class _Pairs:
    """Comparisons of a benchmark: each pair of arms is judged once, together with all that share its
    reference.
    """

    def __init__(self, request: BenchmarkRequest, runs: Runs) -> None:
        suite, self._judged = request.suite, dict[tuple[str, str, str], Comparison]()
        pairs = [(arm.name, suite.reference_of(arm)) for arm in suite.arms if suite.reference_of(arm)]
        pairs += [(step.after, step.before) for step in suite.steps]
        if suite.steps:
            pairs.append((suite.steps[-1].after, suite.steps[0].before))
        for measure in MEASURES:
            for reference in dict.fromkeys(reference for _, reference in pairs):
                arms_ = dict.fromkeys(arm for arm, other in pairs if other == reference)
                family = [pair_of(request, runs, arm, reference, measure) for arm in arms_]
                for found in with_holm([one for one in family if one is not None], margin=suite.margin):
                    self._judged[found.arm, reference, measure] = found

    def of(self, arm: str, reference: str, measure: str) -> Comparison | None:
        """One of them; None where too little is finished."""
        return self._judged.get((arm, reference, measure))


def _compared(request: BenchmarkRequest, pairs: _Pairs) -> tuple[Comparison, ...]:
    """Every arm against its reference."""
    arms_ = [(arm.name, request.suite.reference_of(arm)) for arm in request.suite.arms]
    found = [pairs.of(arm, reference, measure) for measure in MEASURES for arm, reference in arms_]
    return tuple(one for one in found if one is not None)


def _steps(request: BenchmarkRequest, pairs: _Pairs) -> tuple[CostStep, ...]:
    named = [
        (step.name, pairs.of(step.after, step.before, m)) for m in MEASURES for step in request.suite.steps
    ]
    return tuple(CostStep(name, pair) for name, pair in named if pair is not None)


def _total(request: BenchmarkRequest, pairs: _Pairs) -> tuple[Comparison, ...]:
    """The last arm of the steps against their first."""
    steps = request.suite.steps
    found = [pairs.of(steps[-1].after, steps[0].before, measure) for measure in MEASURES if steps]
    return tuple(one for one in found if one is not None)


def share_tested(request: BenchmarkRequest, folds: int | None = None) -> float:
    """The tested share of the people that a fold trains on or tests: its validation people are neither.

    With the suite's folds, or another number of them.
    """
    split, tested = request.base.config.data.split, 1 / (folds or request.suite.folds)
    assert split != "given"
    return tested / (tested + (1 - tested) * split[0] / (split[0] + split[1]))


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
        test_share=share_tested(request),
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
    every = {arm.name: arms.recalls(runs, arm.name) for arm in suite.arms}
    for arm in suite.arms:
        before, after = every.get(suite.reference_of(arm), {}), every[arm.name]
        for emotion in after and before:
            common = sorted(before[emotion].keys() & after[emotion].keys())
            if len(common) < 2:
                continue
            gaps = np.array([after[emotion][fold] - before[emotion][fold] for fold in common])
            pair = paired_t(gaps, test_share=share_tested(request))
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
        if len(runs.replicates(arm.name)) > 1
    }
    if len(scores) < 3 or request.suite.pairs:
        return ()
    return tuple(Order(each.arm, each.place, each.above) for each in ranking(scores, seed=request.suite.seed))


def _power(request: BenchmarkRequest, runs: Runs, compared: Sequence[Comparison]) -> tuple[Power, ...]:
    """The smallest true difference that one comparison alone finds, given how much differences vary here.

    With other numbers of folds a test part is larger or smaller: all of the spread is taken to follow its
    size.
    """
    found, suite = [], request.suite
    pairs = [(c.arm, c.reference) for c in compared if c.measure == MEASURES[0]]
    for measure in MEASURES:
        spreads = [spread for pair in pairs if (spread := _spread(runs, *pair, measure)) is not None]
        if suite.pairs:
            spreads = null.spreads(request, runs, measure)
        if not spreads or not median(spreads):
            continue
        middle = median(spreads)
        folds = {
            str(k): smallest_difference(
                middle * (k / suite.folds) ** 0.5, folds=k, test_share=share_tested(request, k)
            )
            for k in _POWER_FOLDS
        }
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
