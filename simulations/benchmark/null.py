"""The null test: how often is a method called different from itself?

Disjoint pairs of runs of the same arm, on the same folds, with other seeds of partition and training.
Whatever is called better or worse here is called so by chance, so the share should not exceed the nominal
5%.
"""

import numpy as np

from simulations.benchmark.record import NullTest
from simulations.benchmark.request import BenchmarkRequest
from simulations.benchmark.runs import Runs
from simulations.inference.comparison import compare
from simulations.inference.scores import Replicate, score

_DIFFERENT = ("better", "worse")


def test(request: BenchmarkRequest, runs: Runs) -> NullTest:
    """The share of pairs that are called different on the suite's measure, each judged by itself.

    Pairs share folds and test photos: the interval takes them as more independent than they are.
    """
    called: dict[str, list[bool]] = {}
    for arm in request.suite.arms:
        for first, second in pairs(request, runs, arm.name):
            found = compare(
                arm.name,
                first,
                arm.name,
                second,
                classes=len(runs.of[arm.name][0].summary.classes),
                measure=request.suite.choose,
                margin=request.suite.margin,
                test_share=1 / request.suite.folds,
                seed=request.suite.seed,
            )
            called.setdefault(arm.name, []).append(found.verdict in _DIFFERENT)
    every = [one for found in called.values() for one in found]
    low, high = exact_interval(sum(every), len(every))
    share = float(np.mean(every)) if every else 0.0
    return NullTest(len(every), share, low, high, {name: float(np.mean(one)) for name, one in called.items()})


def pairs(request: BenchmarkRequest, runs: Runs, arm: str) -> list[tuple[list[Replicate], list[Replicate]]]:
    """The arm's runs in pairs of seeds, none in two pairs: each side its runs on all folds."""
    by_seed: dict[int, list[Replicate]] = {}
    for replicate in runs.replicates(arm):
        by_seed.setdefault(replicate.seed, []).append(replicate)
    whole = [seed for seed in request.seeds if len(by_seed.get(seed, [])) == request.suite.folds]
    sides = [[_reseeded(one) for one in by_seed[seed]] for seed in whole]
    return list(zip(sides[::2], sides[1::2], strict=False))


def spreads(request: BenchmarkRequest, runs: Runs, measure: str) -> list[float]:
    """The standard deviations, between folds, of the pairs' differences."""
    found = []
    for arm in request.suite.arms:
        for first, second in pairs(request, runs, arm.name):
            classes = len(runs.of[arm.name][0].summary.classes)
            gaps = [
                score(measure, a.truth, a.answers, classes) - score(measure, b.truth, b.answers, classes)
                for a, b in zip(first, second, strict=True)
            ]
            found.append(float(np.std(gaps, ddof=1)))
    return found


def _reseeded(replicate: Replicate) -> Replicate:
    """The same predictions under seed 0: runs are paired by fold and seed."""
    return Replicate(replicate.fold, 0, replicate.truth, replicate.answers, replicate.people)


def exact_interval(hits: int, total: int) -> tuple[float, float]:
    """The 95% interval of a share (Clopper and Pearson, 1934); (0, 1) of nothing."""
    from scipy.stats import beta

    low = float(beta.ppf(0.025, hits, total - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, total - hits)) if hits < total else 1.0
    return low, high
