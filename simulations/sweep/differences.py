"""Whether the strategies of a sweep differ: each minus the reference, paired by seed.

Each seed has its own split, so the seeds are folds: the test of simulations/inference, over seeds and people.
Of one seed nothing is said. The strategies of a partition are adjusted together (Holm), measure by measure.
Runs that never reach the goal count as reaching it in the last round.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from fer_models.machine.cache import whole_file
from simulations.inference.comparison import Verdict, compare, with_holm
from simulations.inference.paired_t import LEVEL, holm
from simulations.inference.reached import fewer_rounds
from simulations.inference.scores import MEASURES, Replicate
from simulations.report.results import read_run, replicate, share_tested
from simulations.sweep.outcomes import Outcome
from simulations.sweep.request import SweepRequest

ROUNDS = "rounds_to_95"


@dataclass(frozen=True)
class Against:
    """A strategy minus the reference in one measure: a line of differences.csv.

    Fields:
        seeds: how many both have. difference, low, high: the mean over seeds and its 95% interval.
        p, p_holm: of no difference, alone and adjusted for the strategies of the partition.
        p_equal: of a difference of at least the margin, adjusted likewise; None for rounds.
        verdict: for rounds, better means fewer.
    """

    partition: str
    strategy: str
    reference: str
    measure: str
    seeds: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    p_equal: float | None
    verdict: Verdict


@dataclass(frozen=True)
class _Arm:
    """A strategy's runs on a partition: predictions, and by (seed, 0) the rounds to a goal, if known."""

    replicates: tuple[Replicate, ...]
    arrivals: Mapping[tuple[int, int], int | None]


def reference_of(sweep: SweepRequest) -> str:
    """What strategies are compared with: the experiment's own, or else the first."""
    own = sweep.config.strategy.name
    return own if own in sweep.strategies else sweep.strategies[0]


def read(sweep: SweepRequest, outcomes: Sequence[Outcome]) -> list[Against]:
    """All differences of the finished runs; none at one seed."""
    if sweep.seeds < 2:
        return []
    found: list[Against] = []
    for partition in dict.fromkeys(outcome.cell.partition for outcome in outcomes):
        here = [outcome for outcome in outcomes if outcome.cell.partition == partition]
        found += _of_partition(sweep, partition, here)
    return found


def write(found: Sequence[Against], folder: Path) -> None:
    """Writes differences.csv."""
    with (
        whole_file(folder / "differences.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Against))
        writer.writerows(astuple(each) for each in found)


def _of_partition(sweep: SweepRequest, partition: str, outcomes: Sequence[Outcome]) -> Iterator[Against]:
    by_name: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_name.setdefault(outcome.cell.name, []).append(outcome)
    reference = reference_of(sweep)
    seeds = {name: {each.cell.seed for each in runs} for name, runs in by_name.items()}
    enough = {n for n in by_name if len(seeds[n] & seeds.get(reference, set())) > 1}
    if len(enough) < 2:
        return
    first = read_run(sweep.place_of(by_name[reference][0].cell), series=0)
    arms = {name: _arm(sweep, by_name[name]) for name in by_name if name in enough}
    classes, share = len(first.summary.classes), share_tested(first)
    names = [name for name in arms if name != reference]
    for measure in MEASURES:
        pairs = [
            compare(name, arms[name].replicates, reference, arms[reference].replicates,
                    classes=classes, measure=measure, test_share=share)
            for name in names
        ]  # fmt: skip
        for each in with_holm(pairs):
            yield Against(
                partition, each.arm, reference, measure, each.folds, each.difference, each.low, each.high,
                each.p, each.p_holm, each.p_equal_holm, each.verdict,
            )  # fmt: skip
    mine = arms[reference].arrivals
    arrivals = {n: arms[n].arrivals for n in names if len(arms[n].arrivals.keys() & mine.keys()) > 1}
    yield from _rounds(sweep, partition, arrivals, mine, share)


def _arm(sweep: SweepRequest, runs: Sequence[Outcome]) -> _Arm:
    predictions = (replicate(read_run(sweep.place_of(e.cell), series=0), fold=e.cell.seed) for e in runs)
    arrivals = {(each.cell.seed, 0): each.arrived for each in runs if each.horizon is not None}
    return _Arm(tuple(predictions), arrivals)


def _rounds(
    sweep: SweepRequest,
    partition: str,
    arrivals: Mapping[str, Mapping[tuple[int, int], int | None]],
    reference: Mapping[tuple[int, int], int | None],
    share: float,
) -> Iterator[Against]:
    horizon, every = sweep.config.federation.rounds, sweep.config.evaluation.every
    tests = [
        fewer_rounds(own, reference, horizon, every=every, test_share=share) for own in arrivals.values()
    ]
    for name, test, adjusted in zip(arrivals, tests, holm([test.p for test in tests]), strict=True):
        fewer: Verdict = "better" if test.difference < 0 else "worse"
        yield Against(
            partition, name, reference_of(sweep), ROUNDS, test.freedom + 1, test.difference, *test.interval(),
            test.p, adjusted, None, fewer if adjusted <= LEVEL else "not decided",
        )  # fmt: skip
