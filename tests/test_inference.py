"""Intervals, tests, ranking, variance and power: by hand, against scikit-learn and scipy, and as laws."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from simulations.inference.comparison import Comparison, compare, with_holm
from simulations.inference.intervals import RESAMPLES, estimate, people_interval, people_weights, resampled
from simulations.inference.paired_t import PairedT, holm, paired_t
from simulations.inference.power import power, smallest_difference
from simulations.inference.reached import fewer_rounds, reached, restricted
from simulations.inference.scores import MEASURES, Replicate, score
from simulations.inference.stochastic_order import almost_stochastic_order, ranking, violation_ratio
from simulations.inference.variance import components

CLASSES = 3


def replicate(fold: int, seed: int, right: float, photos: int = 120, people: int = 30) -> Replicate:
    """Predictions of which a share `right` is correct; the test photos depend on the fold alone."""
    truth = np.random.default_rng(fold).integers(0, CLASSES, photos)
    rng = np.random.default_rng([fold, seed, int(1000 * right)])
    answers = np.where(rng.random(photos) < right, truth, rng.integers(0, CLASSES, photos))
    return Replicate(fold, seed, truth, answers, 1000 * fold + np.arange(photos) % people)


def arm(right: float, folds: int = 5, seeds: int = 1, **sizes: int) -> list[Replicate]:
    return [replicate(f, s, right, **sizes) for f in range(folds) for s in range(seeds)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_scores_are_those_of_scikit_learn_also_where_classes_are_absent(pairs: list[tuple[int, int]]) -> None:
    truth, answers = np.array(pairs).T
    assert score("accuracy", truth, answers, 4) == pytest.approx(accuracy_score(truth, answers))
    wanted = f1_score(truth, answers, average="macro", zero_division=0)
    assert score("macro_f1", truth, answers, 4) == pytest.approx(wanted)


def test_a_replicate_of_unequal_lengths_is_refused() -> None:
    with pytest.raises(ValueError, match="got 2, 1, 2"):
        Replicate(0, 0, np.zeros(2, int), np.zeros(1, int), np.zeros(2, int))


def test_resamples_are_those_of_repeated_photos() -> None:
    each = replicate(0, 0, 0.6)
    row = resampled([each], classes=CLASSES, measure="macro_f1", seed=4)[7, 0]
    weights = people_weights(30, 4)[7].astype(int)
    photos = np.concatenate([np.repeat(np.flatnonzero(each.people == p), weights[p]) for p in range(30)])
    assert row == pytest.approx(f1_score(each.truth[photos], each.answers[photos], average="macro"))


@pytest.mark.parametrize("measure", MEASURES)
def test_the_people_interval_is_wider_the_more_alike_the_photos_of_a_person_are(measure: str) -> None:
    truth = np.arange(400) % 2
    answers = np.where(np.arange(400) // 2 % 3 == 0, 1 - truth, truth)
    alone = people_interval(truth, answers, np.arange(400), classes=2, measure=measure)
    groups = people_interval(truth, answers, np.arange(400) // 2, classes=2, measure=measure)
    assert alone.mean == groups.mean == score(measure, truth, answers, 2)
    assert (groups.high - groups.low) / (alone.high - alone.low) == pytest.approx(2**0.5, rel=0.1)
    if measure == "accuracy":  # independent photos: the normal interval
        half = 1.96 * (alone.mean * (1 - alone.mean) / 400) ** 0.5
        assert (alone.high - alone.low) / 2 == pytest.approx(half, rel=0.06)


def test_an_estimate_weights_folds_equally_and_does_not_depend_on_the_order() -> None:
    runs = [*arm(0.9, folds=1, seeds=3), *[replicate(1, 0, 0.3), replicate(2, 0, 0.6)]]
    found = estimate(runs, classes=CLASSES, measure="accuracy")
    of = [score("accuracy", each.truth, each.answers, CLASSES) for each in runs]
    assert found.mean == pytest.approx((np.mean(of[:3]) + of[3] + of[4]) / 3)
    assert found.low < found.mean < found.high
    assert estimate(runs[::-1], classes=CLASSES, measure="accuracy") == found
    with pytest.raises(ValueError, match="at least one"):
        estimate([], classes=CLASSES, measure="accuracy")


def test_an_estimate_covers_folds_that_differ_and_people_when_they_do_not() -> None:
    apart = [replicate(fold, 0, 0.3 + 0.15 * fold) for fold in range(5)]
    alike = arm(0.6)
    wide, narrow = (estimate(runs, classes=CLASSES, measure="accuracy") for runs in (apart, alike))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    single = estimate(alike[:1], classes=CLASSES, measure="accuracy")
    assert single.high - single.low > 1.5 * (narrow.high - narrow.low)


def test_the_corrected_t_by_hand_and_against_scipy() -> None:
    gaps = np.array([0.01, 0.03, 0.02, 0.05, -0.01])
    found = paired_t(gaps, test_share=0.2)
    assert found.difference == pytest.approx(0.02)
    assert found.error == pytest.approx((np.var(gaps, ddof=1) * (1 / 5 + 1 / 4)) ** 0.5)
    plain = PairedT(found.difference, found.error * (0.2 / 0.45) ** 0.5, 4)  # without the correction
    reference = stats.ttest_1samp(gaps, 0.0)
    assert plain.p == pytest.approx(reference.pvalue)
    assert plain.interval() == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert found.p > plain.p


def test_equivalence_is_two_one_sided_tests() -> None:
    gaps = np.array([0.001, 0.004, -0.002, 0.003, -0.001])
    found = paired_t(gaps, test_share=0.2)
    scale = 1.5  # sqrt((1/5 + 1/4) / (1/5)): the same t from scipy on stretched deviations
    stretched = gaps.mean() + scale * (gaps - gaps.mean())
    lower = stats.ttest_1samp(stretched, -0.02, alternative="greater").pvalue
    upper = stats.ttest_1samp(stretched, 0.02, alternative="less").pvalue
    assert found.p_equal(0.02) == pytest.approx(max(lower, upper))
    low, high = found.interval(0.1)
    assert (found.p_equal(0.02) <= 0.05) == (low >= -0.02 and high <= 0.02)


@pytest.mark.parametrize(("gap", "p", "p_equal"), [(0.0, 1.0, 0.0), (0.01, 0.0, 0.0), (0.05, 0.0, 1.0)])
def test_differences_without_any_spread(gap: float, p: float, p_equal: float) -> None:
    found = PairedT(gap, 0.0, 4)
    assert (found.p, found.p_equal(0.02), found.interval()) == (p, p_equal, (gap, gap))


def test_one_fold_and_impossible_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 folds, got 1"):
        paired_t(np.array([0.1]), test_share=0.2)
    with pytest.raises(ValueError, match="test_share: above 0 and below 1, got 1"):
        paired_t(np.array([0.1, 0.2]), test_share=1.0)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_nor_exceeds_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, len(p_values) * p) or q == pytest.approx(p)
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


def compared(first: list[Replicate], second: list[Replicate], measure: str = "accuracy") -> Comparison:
    return compare("a", first, "b", second, classes=CLASSES, measure=measure, test_share=0.2)


@pytest.mark.parametrize("measure", MEASURES)
def test_verdicts_and_the_mirror_image(measure: str) -> None:
    good, bad = arm(0.9, seeds=2), arm(0.4, seeds=2)
    above, below = compared(good, bad, measure), compared(bad, good, measure)
    assert (above.verdict, below.verdict, above.folds) == ("better", "worse", 5)
    assert above.low < above.difference < above.high
    assert above.p <= 0.05 < above.p_equal
    assert (above.difference, above.low) == pytest.approx((-below.difference, -below.high))
    assert above.p == pytest.approx(below.p)
    same = compared(good, good, measure)
    assert (same.difference, same.p, same.verdict) == (0, 1, "equal within the margin")
    close = compared(good, [replicate(each.fold, each.seed, 0.901) for each in good], measure)
    assert close.verdict == "not decided"


def test_seeds_are_averaged_before_folds() -> None:
    first, second = arm(0.7, seeds=3), arm(0.6, seeds=3)
    gaps = np.array([score("accuracy", a.truth, a.answers, 3) - score("accuracy", b.truth, b.answers, 3)
                     for a, b in zip(first, second, strict=True)])  # fmt: skip
    found, wanted = compared(first, second), paired_t(gaps.reshape(5, 3).mean(axis=1), test_share=0.2)
    assert found.difference == pytest.approx(wanted.difference)
    assert found.low <= wanted.interval()[0] + 1e-12  # at least as wide
    assert compared(first[::-1], second) == found


def test_folds_that_happen_to_agree_are_no_better_evidence_than_their_people() -> None:
    truth, people = np.zeros(20, int), np.arange(20)

    def run(fold: int, wrong: int) -> Replicate:
        return Replicate(fold, 0, truth, (np.arange(20) < wrong).astype(int), people + 100 * fold)

    first, second = [run(0, 3), run(1, 3)], [run(0, 4), run(1, 4)]
    found = compared(first, second)  # one photo more in either fold: no spread at all
    assert found.difference == pytest.approx(0.05)
    assert found.p > 0.05
    assert found.verdict == "not decided"


def test_where_all_folds_test_the_same_people_their_share_of_the_error_is_added() -> None:
    good, bad = ([replace(replicate(0, s, right), fold=s, seed=0) for s in range(3)] for right in (0.8, 0.6))
    found = compared(good, bad)
    gaps = [score("accuracy", a.truth, a.answers, 3) - score("accuracy", b.truth, b.answers, 3)
            for a, b in zip(good, bad, strict=True)]  # fmt: skip
    spread = paired_t(np.array(gaps), test_share=0.2).error
    rows = [resampled(arm, classes=3, measure="accuracy", seed=0).mean(axis=1) for arm in (good, bad)]
    error = np.hypot(spread, (rows[0] - rows[1]).std(ddof=1))
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 2) * error)


def test_only_common_runs_count_and_other_photos_are_refused() -> None:
    good, bad = arm(0.9), arm(0.4)
    assert compared(good[:3], bad[1:]).folds == 2
    with pytest.raises(ValueError, match="fewer than 2 folds in common"):
        compared(good[:1], bad)
    other = [replace(each, truth=np.roll(each.truth, 1)) for each in bad]
    with pytest.raises(ValueError, match="fold 0, seed 0: a and b were tested on different photos"):
        compared(good, other)


def test_holm_over_arms_takes_back_what_chance_may_have_given() -> None:
    base = Comparison("a", "b", "accuracy", 0.03, 0.0, 0.06, 0.03, 0.03, 0.9, "better", 0.9, 5)
    even = replace(base, difference=0.0, p=0.8, p_equal=0.03, verdict="equal within the margin")
    sure = replace(base, difference=-0.2, p=0.001, p_equal=1.0)
    found = with_holm([base, even, sure])
    assert [each.p_holm for each in found] == pytest.approx([0.06, 0.8, 0.003])
    assert [each.p_equal_holm for each in found] == pytest.approx([1, 0.09, 1])
    assert [each.verdict for each in found] == ["not decided", "not decided", "worse"]
    assert [each.p for each in found] == [0.03, 0.8, 0.001]
    assert with_holm(found) == found
    assert with_holm([base])[0].verdict == "better"
    assert with_holm([]) == ()
    with pytest.raises(ValueError, match="within one measure"):
        with_holm([base, replace(base, measure="macro_f1")])


def test_almost_stochastic_order_against_the_published_implementation() -> None:
    """Numbers of deepsig 1.2.8 (violation ratio with dt 1e-4, bound with 1,000 resamples)."""
    clear = ([0.61, 0.64, 0.66, 0.70, 0.59], [0.60, 0.62, 0.58, 0.65, 0.63])
    mixed = ([0.5, 0.6, 0.7], [0.55, 0.58, 0.60, 0.62])
    assert violation_ratio(*map(np.array, clear)) == 0
    assert almost_stochastic_order(*clear) == pytest.approx(0.458, abs=0.05)
    assert violation_ratio(*map(np.array, mixed)) == pytest.approx(0.3165, abs=2e-4)
    assert almost_stochastic_order(*mixed) == pytest.approx(0.922, abs=0.05)


SCORES = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=2, max_size=7)


@settings(deadline=None, max_examples=40)
@given(SCORES, SCORES)
def test_violation_ratios_by_integration_and_their_laws(first: list[float], second: list[float]) -> None:
    one, two = np.array(first), np.array(second)
    t = (np.arange(84_000) + 0.5) / 84_000  # a multiple of all denominators up to 7
    gaps = [np.sort(each)[np.ceil(t * len(each)).astype(int) - 1] for each in (one, two)]
    squares = (gaps[0] - gaps[1]) ** 2
    wanted = squares[gaps[0] < gaps[1]].sum() / squares.sum() if squares.any() else 0.5
    assert violation_ratio(one, two) == pytest.approx(wanted, abs=1e-6)
    assert violation_ratio(one, two) + violation_ratio(two, one) == pytest.approx(1)
    assert violation_ratio(one + 2, two) == 0
    assert almost_stochastic_order(one + 2, two) == 0


def test_ranking_puts_arms_that_dominate_first_and_ties_share_a_place() -> None:
    rng = np.random.default_rng(3)
    near = rng.normal(0.6, 0.01, 6)
    found = ranking({"low": near - 0.3, "one": near, "two": near[::-1] + 1e-4, "top": near + 0.3})
    assert [(each.arm, each.place) for each in found] == [("top", 1), ("two", 2), ("one", 2), ("low", 4)]
    assert set(found[0].above) == {"one", "two", "low"}
    assert found[-1].above == ()
    assert found[-1].epsilons["top"] == 1
    with pytest.raises(ValueError, match="got 1 and 2"):
        almost_stochastic_order([0.1], [0.1, 0.2])


def test_components_by_the_mean_squares_of_the_textbook() -> None:
    scores = np.random.default_rng(5).normal(size=(4, 3, 2)) + np.arange(4)[:, None, None]
    splits, partitions, trainings = scores.shape
    cell, split, grand = scores.mean(axis=2), scores.mean(axis=(1, 2)), scores.mean()
    within = ((scores - cell[..., None]) ** 2).sum() / (splits * partitions * (trainings - 1))
    middle = trainings * ((cell - split[:, None]) ** 2).sum() / (splits * (partitions - 1))
    outer = partitions * trainings * ((split - grand) ** 2).sum() / (splits - 1)
    found = components(scores)
    assert found.mean == pytest.approx(grand)
    assert found.training == pytest.approx(within)
    assert found.partition == pytest.approx(max(0, (middle - within) / trainings))
    assert found.split == pytest.approx((outer - middle) / (partitions * trainings))


def test_components_are_found_negative_ones_are_zero_and_single_seeds_are_joined() -> None:
    rng = np.random.default_rng(0)
    shape = (400, 4, 3)
    scores = 2 * rng.normal(size=(400, 1, 1)) + rng.normal(size=(400, 4, 1)) + 0.5 * rng.normal(size=shape)
    found = components(scores)
    assert (found.split, found.partition, found.training) == pytest.approx((4, 1, 0.25), rel=0.15)
    opposite = np.array([[[1.0, -1.0], [1.0, -1.0]], [[1.0, -1.0], [1.0, -1.0]]])
    assert components(opposite).split == components(opposite).partition == 0
    alone = components(scores[:, :1])
    assert alone.partition is None
    assert alone.split == pytest.approx(5, rel=0.15)
    assert components(scores[:1, :1, :1]).training is None
    with pytest.raises(ValueError, match=r"got shape \(2,\)"):
        components(np.zeros(2))


@pytest.mark.parametrize("folds", [5, 10])
def test_the_smallest_difference_is_found_in_80_of_100_cases(folds: int) -> None:
    """By simulating folds as correlated as the correction takes them to be."""
    share = 1 / folds
    smallest = smallest_difference(0.02, folds=folds, test_share=share)
    assert power(smallest, sd=0.02, folds=folds, test_share=share) == pytest.approx(0.8)
    assert power(0, sd=0.02, folds=folds, test_share=share) == pytest.approx(0.05)
    assert smallest_difference(0.04, folds=folds, test_share=share) == pytest.approx(2 * smallest)
    rng, common = np.random.default_rng(folds), share / (1 - share)
    cases = smallest + 0.02 * (rng.normal(size=(4000, folds)) + common**0.5 * rng.normal(size=(4000, 1)))
    limit = stats.t.ppf(0.975, folds - 1)
    tests = [paired_t(gaps, test_share=share) for gaps in cases]
    assert np.mean([abs(each.difference) > limit * each.error for each in tests]) == pytest.approx(
        0.8, abs=0.03
    )


@pytest.mark.parametrize("folds", [2, 3, 4, 20])
def test_few_and_many_folds_have_a_power_too(folds: int) -> None:
    smallest = smallest_difference(0.01, folds=folds, test_share=0.2)
    assert power(smallest, sd=0.01, folds=folds, test_share=0.2) == pytest.approx(0.8)
    rising = [power(d, sd=0.01, folds=folds, test_share=0.2) for d in np.linspace(0, 2 * smallest, 9)]
    assert np.all(np.diff(rising) > 0)


def test_power_needs_a_spread_and_two_folds() -> None:
    for sd, folds in ((0.0, 5), (0.02, 1)):
        with pytest.raises(ValueError, match="sd above 0 and at least 2 folds"):
            smallest_difference(sd, folds=folds, test_share=0.2)


def test_failures_count_as_the_horizon() -> None:
    assert restricted([3, None, 12], 10).tolist() == [3, 10, 10]
    found = reached([3, None, 12], 10)
    assert (found.rounds, found.reached, found.runs) == (pytest.approx(23 / 3), 1, 3)
    with pytest.raises(ValueError, match="no runs"):
        reached([], 10)
    with pytest.raises(ValueError, match="at least 1 round, got 0"):
        restricted([1], 0)


def test_rounds_are_paired_by_fold_and_seeds_averaged() -> None:
    first = {(0, 0): 2, (0, 1): 4, (1, 0): None, (2, 0): 1}
    second = {(0, 0): 5, (0, 1): 5, (1, 0): 7, (3, 0): 1}
    found = fewer_rounds(first, second, 10, test_share=0.2)
    assert found.difference == pytest.approx((-2 + 3) / 2)
    assert found.freedom == 1
    agree = fewer_rounds({(0, 0): 2, (1, 0): 3}, {(0, 0): 5, (1, 0): 6}, 10, test_share=0.2)
    assert (agree.difference, agree.error) == (-3, pytest.approx((1 / 12) ** 0.5))
    assert agree.p > 0.05
    sparse = fewer_rounds({(0, 0): 10, (1, 0): 10}, {(0, 0): 20, (1, 0): 20}, 50, every=10, test_share=0.2)
    assert sparse.error == pytest.approx(10 * agree.error)
    with pytest.raises(ValueError, match="at least 2 folds, got 1"):
        fewer_rounds(first, {(0, 0): 1}, 10, test_share=0.2)


def test_resamples_are_seeded() -> None:
    assert people_weights(5, 0).shape == (RESAMPLES, 5)
    assert np.array_equal(people_weights(5, 1), people_weights(5, 1))
    assert not np.array_equal(people_weights(5, 1), people_weights(5, 2))
    assert (people_weights(5, 0).sum(axis=1) == 5).all()
