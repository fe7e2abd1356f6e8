"""What the test of differences claims where nothing differs, and what it finds where something does.

Worlds are simulated: people with as uneven numbers of photos as real ones, photos of one person alike, folds
by person that both arms share, and training noise as large as that of the people. docs/statistics.md has the
figures of larger simulations.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from simulations.inference import intervals
from simulations.inference.comparison import Comparison, compare
from simulations.inference.intervals import estimate
from simulations.inference.scores import Replicate

pytestmark = pytest.mark.slow

CLASSES, PEOPLE = 5, 300
PRIOR = np.array([0.05, 0.40, 0.45, 0.04, 0.06])
EASE = np.array([-0.7, 1.9, 1.2, -1.0, 0.2])  # of each class, in units of the spread over people


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standard error from 300 resamples is within 4% of that from 2,000."""
    monkeypatch.setattr(intervals, "RESAMPLES", 300)


@dataclass(frozen=True)
class World:
    """Two arms on the same folds.

    Fields:
        training: standard deviation of what a run's seeds change, by class. suits: of what suits an arm on
        this set of photos and holds in all its folds. shift: how much easier the second arm finds every
        photo.
    """

    folds: int = 5
    seeds: int = 1
    training: float = 0.3
    suits: float = 0.0
    shift: float = 0.0


def simulated(world: World, rng: np.random.Generator) -> tuple[list[Replicate], list[Replicate]]:
    """The predictions of both arms."""
    sizes = np.minimum(1 + rng.lognormal(1.2, 1.1, PEOPLE).astype(int), 44)
    person = np.repeat(np.arange(PEOPLE), sizes)
    photos = len(person)
    truth = rng.choice(CLASSES, photos, p=PRIOR)
    fold = (rng.permutation(PEOPLE) % world.folds)[person]
    shared = EASE[truth] + rng.normal(size=PEOPLE)[person] + rng.normal(size=photos)
    arms = []
    for arm in range(2):
        known = shared + 0.5 * rng.normal(size=PEOPLE)[person] + arm * world.shift
        known += world.suits * rng.normal(size=CLASSES)[truth]
        runs = []
        for seed in range(world.seeds):
            noise = world.training * rng.normal(size=(world.folds, CLASSES))[fold, truth]
            right = known + noise + 0.7 * rng.normal(size=photos) > 0
            answers = np.where(right, truth, (truth + rng.integers(1, CLASSES, photos)) % CLASSES)
            runs += [Replicate(k, seed, truth[fold == k], answers[fold == k], person[fold == k])
                     for k in range(world.folds)]  # fmt: skip
        arms.append(runs)
    return arms[1], arms[0]


def comparisons(world: World, cases: int, measure: str) -> list[Comparison]:
    rng = np.random.default_rng(world.folds)
    return [
        compare("a", a, "b", b, classes=CLASSES, measure=measure, test_share=1 / world.folds)
        for a, b in (simulated(world, rng) for _ in range(cases))
    ]


def different(found: list[Comparison]) -> float:
    return float(np.mean([each.verdict in ("better", "worse") for each in found]))


@pytest.mark.parametrize("measure", ["accuracy", "macro_f1"])
@pytest.mark.parametrize(
    "world", [World(), World(suits=0.135), World(seeds=3)], ids=["seeds", "suits", "three"]
)
def test_at_most_9_of_100_arms_that_are_the_same_are_called_different(world: World, measure: str) -> None:
    found = comparisons(world, 100, measure)
    assert different(found) <= 0.09
    gaps = np.array([each.difference for each in found])
    assert abs(gaps.mean()) < 3 * gaps.std() / 10  # it is a null
    plain = [(each.low, each.high) for each in found]
    assert np.mean([low <= 0 <= high for low, high in plain]) >= 0.91


def test_percentiles_over_five_folds_call_more_than_that_different() -> None:
    """The folds' differences resampled, as it is often done: why the test is another one."""
    rng, called = np.random.default_rng(0), 0
    for a, b in (simulated(World(), rng) for _ in range(100)):
        gaps = np.array([np.mean(x.truth == x.answers) - np.mean(y.truth == y.answers)
                         for x, y in zip(a, b, strict=True)])  # fmt: skip
        low, high = np.percentile(gaps[rng.integers(0, 5, (1000, 5))].mean(axis=1), [2.5, 97.5])
        called += not low <= 0 <= high
    assert called > 9


def test_real_differences_are_found_more_often_the_larger_they_are_and_the_more_folds() -> None:
    found = [different(comparisons(World(seeds=3, shift=shift), 60, "macro_f1")) for shift in (0.0, 0.3, 0.8)]
    assert found[0] < 0.1 < found[1] < found[2]
    assert found[2] > 0.9
    assert different(comparisons(World(folds=10, seeds=3, shift=0.3), 60, "macro_f1")) > found[1]


def test_the_interval_of_an_estimate_covers_the_mean_of_all_worlds() -> None:
    rng = np.random.default_rng(1)
    found = [
        estimate(simulated(World(), rng)[1], classes=CLASSES, measure="accuracy", seed=case)
        for case in range(100)
    ]
    truth = np.mean([each.mean for each in found])
    assert np.mean([each.low <= truth <= each.high for each in found]) >= 0.88
    assert np.mean([each.high - each.low for each in found]) < 0.15  # and is not everything
