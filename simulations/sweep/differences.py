"""Whether the strategies of a sweep differ: each minus the reference, paired by seed.

Each seed has its own split, so the seeds are folds: the test of simulations/inference, over seeds and people.
Of one seed nothing is said. The strategies of a partition are adjusted together (Holm), measure by measure.
Runs that never reach the goal count as reaching it in the last round.
"""

import csv
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from fer_models.errors import InputError
from fer_models.machine.cache import whole_file
from fer_models.text import printable
from simulations.inference.comparison import Verdict, compare, with_holm
from simulations.inference.paired_t import LEVEL, holm
from simulations.inference.reached import fewer_rounds
from simulations.inference.scores import MEASURES, Replicate
from simulations.report.results import Run, read_run, replicate, share_tested
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
class _Judged:
    """A finished run, and what it said of the test photos."""

    outcome: Outcome
    run: Run
    replicate: Replicate

    @property
    def photos(self) -> Hashable:
        """What it was tested on: names, emotions and people; without names the emotions alone."""
        said = self.run.said
        return frozenset((n, e, p) for n, (e, _, p) in said.items()) or self.replicate.truth.tobytes()


@dataclass(frozen=True)
class _Arm:
    """A strategy's runs on a partition: predictions, and by (seed, 0) the rounds to a goal, if known."""

    replicates: tuple[Replicate, ...]
    arrivals: Mapping[tuple[int, int], int | None]


def reference_of(sweep: SweepRequest) -> str:
    """What strategies are compared with: the experiment's own, or else the first."""
    own = sweep.config.strategy.name
    return own if own in sweep.strategies else sweep.strategies[0]


def read(sweep: SweepRequest, outcomes: Sequence[Outcome]) -> tuple[list[Against], list[str]]:
    """All differences of the finished runs, none at one seed; and a line for each run left out of them.

    Left out are damaged runs, and those tested on other photos than most of their partition and seed.
    """
    if sweep.seeds < 2:
        return [], []
    found, left_out = list[Against](), list[str]()
    for partition in dict.fromkeys(outcome.cell.partition for outcome in outcomes):
        here = [outcome for outcome in outcomes if outcome.cell.partition == partition]
        judged, damaged = _judged(sweep, here)
        sound, others = _on_same_photos(judged)
        left_out += damaged + others
        found += _of_partition(sweep, partition, sound)
    return found, left_out


def write(found: Sequence[Against], folder: Path) -> None:
    """Writes differences.csv."""
    with (
        whole_file(folder / "differences.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Against))
        writer.writerows(astuple(each) for each in found)


def _judged(sweep: SweepRequest, outcomes: Sequence[Outcome]) -> tuple[list[_Judged], list[str]]:
    """The runs that can be read, and a line for each that cannot."""
    judged, damaged = list[_Judged](), list[str]()
    for outcome in outcomes:
        try:
            run = read_run(sweep.place_of(outcome.cell), series=0)
            if run.said and len(run.said) != run.confusion.sum():
                raise InputError("predictions.csv is not whole")
            judged.append(_Judged(outcome, run, replicate(run, fold=outcome.cell.seed)))
        except (InputError, KeyError, ValueError, csv.Error) as error:
            said = (
                f"there is no emotion {error}"
                if isinstance(error, KeyError)
                else str(error.__cause__ or error)
            )
            damaged.append(f"{outcome.cell}: {printable(said)}; remove its folder to train it again")
    return judged, damaged


def _on_same_photos(judged: Sequence[_Judged]) -> tuple[list[_Judged], list[str]]:
    """The runs tested on the photos that most runs of their seed were, and a line for each other."""
    by_seed: dict[int, Counter[Hashable]] = {}
    for each in judged:
        by_seed.setdefault(each.outcome.cell.seed, Counter())[each.photos] += 1
    usual = {seed: counts.most_common(1)[0][0] for seed, counts in by_seed.items()}
    same = [each.photos == usual[each.outcome.cell.seed] for each in judged]
    others = [
        f"{each.outcome.cell}: it was tested on other photos than the other runs of its partition and seed;"
        " remove its folder to train it again"
        for each, alike in zip(judged, same, strict=True)
        if not alike
    ]
    return [each for each, alike in zip(judged, same, strict=True) if alike], others


def _of_partition(sweep: SweepRequest, partition: str, judged: Sequence[_Judged]) -> Iterator[Against]:
    by_name: dict[str, list[_Judged]] = {}
    for one in judged:
        by_name.setdefault(one.outcome.cell.name, []).append(one)
    reference = reference_of(sweep)
    seeds = {name: {each.outcome.cell.seed for each in runs} for name, runs in by_name.items()}
    enough = {n for n in by_name if len(seeds[n] & seeds.get(reference, set())) > 1}
    if len(enough) < 2:
        return
    first = by_name[reference][0].run
    arms = {name: _arm(by_name[name]) for name in by_name if name in enough}
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


def _arm(judged: Sequence[_Judged]) -> _Arm:
    runs = [each.outcome for each in judged]
    arrivals = {(each.cell.seed, 0): each.arrived for each in runs if each.horizon is not None}
    return _Arm(tuple(each.replicate for each in judged), arrivals)


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
