"""Arms that have a score, and their scores."""

from simulations.benchmark.record import ArmResult, Benchmark
from simulations.inference.scores import Estimate


def scored(benchmark: Benchmark) -> list[ArmResult]:
    """The arms that have a score."""
    return [arm for arm in benchmark.arms if arm.accuracy is not None]


def score(arm: ArmResult, measure: str) -> Estimate:
    """The score of an arm that has one, by the name of its measure."""
    estimate: Estimate | None = getattr(arm, measure)
    assert estimate is not None
    return estimate
