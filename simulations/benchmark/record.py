"""benchmark.json: every number of a benchmark, and what each rests on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from fer_models.run_folder.files import APPLIES, Record
from simulations.inference.comparison import Comparison
from simulations.inference.scores import Estimate

GOALS = (0.9, 0.95, 0.99)  # shares of the reference's score on validation photos


@dataclass(frozen=True)
class Choice:
    """What an arm's search chose on one fold."""

    fold: int
    settings: Mapping[str, Mapping[str, Any]]
    score: float | None  # on the fold's validation photos; None where it was not recorded


@dataclass(frozen=True)
class Point:
    """A point of an arm's search space."""

    settings: Mapping[str, Mapping[str, Any]]
    score: float | None  # the mean over folds, on validation photos; None if it failed in one


@dataclass(frozen=True)
class ClassScores:
    """How an arm does on one class: means over folds and seeds."""

    recall: float
    f1: float
    photos: int  # test photos of the class, each counted once


@dataclass(frozen=True)
class ToGoal:
    """What it costs to come near the reference: means over runs; a run that never does counts with all it
    has.

    Fields:
        goal: the share of the reference's score on validation photos. reached: the share of runs that get
            there.
        rounds, phone_epochs, bytes: restricted means, up to the last round.
    """

    goal: float
    reached: float
    rounds: float
    phone_epochs: float
    bytes: float


@dataclass(frozen=True)
class Curve:
    """The validation scores of an arm, round by round: means over its runs."""

    rounds: tuple[int, ...]
    accuracy: tuple[float, ...]
    macro_f1: tuple[float, ...]
    bytes: tuple[float, ...]  # sent and received by phones up to then, per run
    seconds: tuple[float, ...]  # of training up to then, per run


@dataclass(frozen=True)
class ArmResult:
    """One arm. Scores are on the test photos, each person tested once per seed."""

    name: str
    about: str
    kind: Literal["federated", "central"]
    accuracy: Estimate | None  # None if all its runs failed
    macro_f1: Estimate | None
    runs: tuple[str, ...]  # folders, within the benchmark's
    chosen: tuple[Choice, ...]  # by fold; empty if nothing is tuned
    candidates: int  # of the search; 1 if nothing is tuned
    failures: tuple[str, ...] = ()
    reference: str = ""  # the arm that it is compared with
    folds: int = 0  # that have finished
    search: tuple[Point, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    classes: Mapping[str, ClassScores] = field(default_factory=dict)
    worst_tenth: float | None = None  # mean accuracy of the worst tenth of phones
    rounds: float = 0.0  # rounds, or epochs
    bytes_down: float = 0.0  # per run
    bytes_up: float = 0.0
    phone_epochs: float = 0.0
    seconds_training: float = 0.0
    seconds_with_features: float | None = None  # None if it is not known how long the features took
    curve: Curve | None = field(default=None, metadata=APPLIES)
    goals: tuple[ToGoal, ...] = ()


@dataclass(frozen=True)
class ClassGap:
    """Who pays: an arm's recall of a class minus the reference's, with its 95% interval over folds."""

    arm: str
    emotion: str
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class CostStep:
    """One step of what federation costs."""

    name: str
    comparison: Comparison


@dataclass(frozen=True)
class Components:
    """Standard deviations of an arm's score between splits, partitions and training seeds."""

    arm: str
    measure: str
    split: float
    partition: float
    training: float


@dataclass(frozen=True)
class Order:
    """An arm's place by almost stochastic order of its scores over folds and seeds."""

    arm: str
    place: int  # 1 is the best; arms above as many others share a place
    above: tuple[str, ...]  # the arms that it is almost stochastically larger than


@dataclass(frozen=True)
class NullTest:
    """How often runs of one method are called different from each other."""

    pairs: int  # disjoint: no run is in two
    called_different: float  # share
    low: float  # its 95% interval (Clopper and Pearson)
    high: float
    by_arm: Mapping[str, float]  # the share of each arm


@dataclass(frozen=True)
class Power:
    """The smallest true difference found in 80% of the cases, by number of folds."""

    measure: str
    spread: float  # standard deviation of the differences between folds, the median over comparisons
    folds: Mapping[str, float]


@dataclass(frozen=True)
class Data:
    """The photos."""

    source: str
    photos: int
    people: int | None
    classes: Mapping[str, int]  # photos


@dataclass(frozen=True)
class Benchmark(Record):
    """Every number of a benchmark."""

    FILE: ClassVar[str] = "benchmark.json"

    suite: str
    about: str
    reference: str
    folds: int
    seeds: int
    margin: float
    choose: str  # what the searches maximised, on validation photos
    command: str
    date: str
    versions: Mapping[str, str]
    data: Data
    arms: tuple[ArmResult, ...]
    comparisons: tuple[Comparison, ...]
    steps: tuple[CostStep, ...] = ()
    class_gaps: tuple[ClassGap, ...] = ()
    variance: tuple[Components, ...] = ()
    order: tuple[Order, ...] = ()
    power: tuple[Power, ...] = ()
    total: tuple[Comparison, ...] = ()  # the last arm of the steps against their first, by measure
    damaged: tuple[str, ...] = ()  # runs that are left out, a line each
    null: NullTest | None = field(default=None, metadata=APPLIES)

    def arm(self, name: str) -> ArmResult:
        """The arm of this name."""
        return next(arm for arm in self.arms if arm.name == name)

    def comparison(self, arm: str, measure: str) -> Comparison | None:
        """An arm against its reference; None for a reference itself, and without runs."""
        found = (c for c in self.comparisons if c.arm == arm and c.measure == measure)
        return next(found, None)
