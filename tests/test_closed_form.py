"""Heads that have a formula: against scikit-learn, and by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import f1_score, log_loss

from fer_models.evaluation import HeldOut
from fer_models.heads import probabilities
from fer_models.linear import lda
from fer_models.linear.closed_form import Solved, fit, majority, sharpness
from fer_models.linear.ridge import STRENGTHS, by_gcv, fixed, on_validation, solve
from fer_models.linear.statistics import Moments
from fer_models.local.phone_rows import PhoneRows
from server.config import StrategyConfig
from server.strategies.registry import check_phones

CLASSES = 3


def blobs(n: int, width: int = 12, *, seed: int = 0, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, width) float32 of three overlapping classes, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    centres = apart * np.random.default_rng(99).normal(size=(CLASSES, width))
    return (centres[labels] + rng.normal(size=(n, width)) + 0.5).astype(np.float32), labels


def of(features: np.ndarray, labels: np.ndarray, classes: int = CLASSES) -> Moments:
    return Moments.over(features, labels, np.arange(len(labels)), classes)


def test_three_points_by_hand() -> None:
    """x = 0, 1, 2 are of classes 0, 0, 1.

    About the means x'x = 2, x'y = -1 and 1: slopes -+ 1 / (2 + penalty).
    """
    sums = of(np.array([[0], [1], [2]], np.float32), np.array([0, 0, 1]), 2)
    assert sums.xx.tolist() == [[5, 3], [3, 3]]
    assert sums.xy.tolist() == [[1, 2], [2, 1]]
    assert (sums.n, sums.spread) == (3, pytest.approx(2))
    np.testing.assert_allclose(solve(sums, 2.0), [[-0.25, 2 / 3 + 0.25], [0.25, 1 / 3 - 0.25]])
    np.testing.assert_allclose(solve(sums, 1e12)[:, 1], [2 / 3, 1 / 3], rtol=1e-9)  # the shares alone


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 300.0])
def test_equals_scikit_learn(penalty: float) -> None:
    features, labels = blobs(200)
    x = features.astype(np.float64)
    reference = Ridge(alpha=penalty, solver="cholesky").fit(x, np.eye(CLASSES)[labels])
    head = solve(of(features, labels), penalty)
    np.testing.assert_allclose(head[:, :-1], reference.coef_, rtol=1e-8)
    np.testing.assert_allclose(head[:, -1], reference.intercept_, rtol=1e-8)


@settings(deadline=None)
@given(
    owner=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    chunk=st.integers(1, 70),
)
def test_moments_of_parts_add_up_to_those_of_the_whole(owner: list[int], chunk: int) -> None:
    """Of whole numbers exactly, whatever the parts and the chunks; sums of others differ by rounding."""
    rng = np.random.default_rng(len(owner))
    features = rng.integers(-50, 50, (len(owner), 4)).astype(np.float32)
    labels = rng.integers(0, CLASSES, len(owner))
    whole = of(features, labels)
    parts = [
        Moments.over(features, labels, np.flatnonzero(np.array(owner) == one), CLASSES, chunk=chunk)
        for one in range(6)
    ]
    total = sum(parts[1:], start=parts[0])
    np.testing.assert_array_equal(total.xx, whole.xx)
    np.testing.assert_array_equal(total.xy, whole.xy)
    assert total.n == whole.n == total.xx[-1, -1]


def test_chunks_differ_by_rounding_alone() -> None:
    features, labels = blobs(500)
    rows = np.random.default_rng(1).permutation(500)[:321]
    whole = Moments.over(features, labels, rows, CLASSES)
    for chunk in (1, 7, 320, 321):
        part = Moments.over(features, labels, rows, CLASSES, chunk=chunk)
        np.testing.assert_allclose(part.xx, whole.xx, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(part.xy, whole.xy, rtol=1e-12, atol=1e-12)
    x = np.column_stack([features[rows], np.ones(321)]).astype(np.float64)
    np.testing.assert_allclose(whole.xx, x.T @ x, rtol=1e-12, atol=1e-12)


def test_the_bias_is_not_penalised() -> None:
    """Features moved by a constant: the same weights, and the same answers under any penalty."""
    features, labels = blobs(120)
    moved = features + np.float32(64)
    for penalty in (0.1, 1e5):
        here, there = solve(of(features, labels), penalty), solve(of(moved, labels), penalty)
        np.testing.assert_allclose(there[:, :-1], here[:, :-1], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(there[:, -1], here[:, -1] - 64 * here[:, :-1].sum(axis=1), atol=1e-3)
        answers = features.astype(np.float64) @ here[:, :-1].T + here[:, -1]
        np.testing.assert_allclose(answers.mean(axis=0), np.full(3, 1 / 3), atol=1e-12)


@pytest.mark.parametrize("penalty", [0.0, 1e-300, 1e-9])
def test_singular_features_have_an_answer_too(penalty: float) -> None:
    """More features than views, copies, constants: answers fit the training views, and are finite."""
    features, labels = blobs(30, 40)
    features[:, 5], features[:, 6], features[:, 7] = features[:, 4], 0.0, 3.0
    head = solve(of(features, labels), penalty)
    answers = features.astype(np.float64) @ head[:, :-1].T + head[:, -1]
    np.testing.assert_allclose(answers, np.eye(CLASSES)[labels], atol=1e-6)
    nothing = solve(of(np.zeros((6, 4), np.float32), np.arange(6) % CLASSES), penalty)
    np.testing.assert_allclose(nothing, np.tile([0, 0, 0, 0, 1 / 3], (3, 1)))


def fitted(scale: float = 1.0) -> tuple[Solved, np.ndarray, np.ndarray, HeldOut]:
    features, labels = blobs(150, apart=0.5)
    held, truth = blobs(90, seed=1, apart=0.5)
    rows = np.arange(150)
    training = PhoneRows(features * np.float32(scale), labels, rows, np.array([0, 150]))
    validation = HeldOut(held * np.float32(scale), truth)
    found = fit(training, Moments, CLASSES, lambda sums: on_validation(sums, validation))
    return found, features, labels, validation


def tried(found: Solved) -> dict[float, float]:
    """The macro-F1 of each strength."""
    return {one["strength"]: one["macro_f1"] for one in found.chosen["tried"]}  # type: ignore[index, union-attr]


def test_the_strength_is_the_best_on_validation_and_the_stronger_of_equals() -> None:
    found, features, labels, validation = fitted()
    spread = ((features - features.mean(axis=0)) ** 2).sum(axis=0).mean()
    qualities = []
    for strength, quality in tried(found).items():
        model = Ridge(alpha=strength * spread).fit(features, np.eye(CLASSES)[labels])
        predicted = model.predict(validation.features).argmax(axis=1)
        qualities.append(f1_score(validation.labels, predicted, average="macro"))
        assert quality == pytest.approx(qualities[-1])
    assert list(tried(found)) == list(STRENGTHS)
    assert list(STRENGTHS) == sorted(STRENGTHS, reverse=True)
    assert found.chosen["strength"] == STRENGTHS[int(np.argmax(qualities))]
    assert of(features, labels).spread == pytest.approx(spread, rel=1e-5)


def test_the_scale_of_the_features_changes_no_choice_and_no_probability() -> None:
    one, _, _, validation = fitted()
    other, _, _, scaled = fitted(256.0)
    assert tried(one) == tried(other)
    np.testing.assert_allclose(
        probabilities(one.head, validation.features), probabilities(other.head, scaled.features), atol=1e-5
    )


def test_the_factor_gives_probabilities_and_changes_no_answer() -> None:
    found, features, labels, validation = fitted()
    assert found.head.dtype == np.float32
    chances = probabilities(found.head, validation.features)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    sums = of(features, labels)
    plain = solve(sums, found.chosen["strength"] * sums.spread)  # type: ignore[operator]
    np.testing.assert_allclose(found.head, plain * found.chosen["factor"], rtol=1e-5, atol=1e-6)
    least = log_loss(validation.labels, chances)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert log_loss(validation.labels, probabilities(found.head * factor, validation.features)) > least
    assert least < log_loss(validation.labels, np.full((90, 3), 1 / 3))
    again = fitted()[0]
    np.testing.assert_array_equal(again.head, found.head)


def test_sums_of_parts_give_the_head_of_the_whole() -> None:
    whole, features, labels, validation = fitted()
    parts = [Moments.over(features, labels, part, CLASSES) for part in np.split(np.arange(150)[::-1], 5)]
    found = on_validation(sum(parts[1:], start=parts[0]), validation)
    assert tried(found) == tried(whole)
    np.testing.assert_allclose(found.head, whole.head, rtol=1e-4, atol=1e-6)


def test_sharpness_by_hand_and_at_its_ends() -> None:
    """Three of four right by a margin of 1: the best chance is 3/4, so the factor is log 3."""
    scores = np.array([[1.0, 0.0]] * 4)
    assert sharpness(scores, np.array([0, 0, 0, 1])) == pytest.approx(np.log(3), rel=1e-4)
    assert sharpness(scores, np.array([0, 0, 0, 0])) <= 1e4
    assert sharpness(scores, np.array([1, 1, 1, 1])) >= 1e-3


def test_majority_says_the_shares_of_the_classes() -> None:
    head = majority(np.array([60, 30, 10]))
    assert (head.shape, head.dtype) == ((3, 1), np.float32)
    np.testing.assert_allclose(probabilities(head, np.empty((2, 0), np.float32)), [[0.6, 0.3, 0.1]] * 2)
    assert np.isfinite(majority(np.array([5, 0]))).all()


def test_generalised_cross_validation_by_hand() -> None:
    """x = 0, 1, 2 of classes 0, 0, 1, of spread 2: with penalty 2 the fit of class 1 is 1/12, 1/3, 7/12.

    Its squared residuals sum to (1 + 16 + 25) / 144, those of both classes to 7/12. The degrees of freedom
    are 1 for the bias and 2 / (2 + 2).
    """
    sums = of(np.array([[0], [1], [2]], np.float32), np.array([0, 0, 1]), 2)
    assert fixed(sums, 1.0).chosen["factor"] == pytest.approx(2 * (3 - 1.5) / (7 / 12))
    gcv = {one["strength"]: one["gcv"] for one in by_gcv(sums).chosen["tried"]}  # type: ignore[index, union-attr]
    assert gcv[1.0] == pytest.approx(3 * (7 / 12) / (3 - 1.5) ** 2)


def test_generalised_cross_validation_is_that_of_the_hat_matrix() -> None:
    """Where every view has the same leverage, it is the mean squared error of leaving one out."""
    features, labels = blobs(80, 6)
    sums, targets = of(features, labels), np.eye(CLASSES)[labels]
    tried = by_gcv(sums).chosen["tried"]
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    for one in tried:  # type: ignore[union-attr]
        penalty = one["strength"] * sums.spread  # type: ignore[index]
        hat = centred @ np.linalg.solve(centred.T @ centred + penalty * np.eye(6), centred.T) + 1 / 80
        square = ((targets - hat @ targets) ** 2).sum()
        assert one["gcv"] == pytest.approx(80 * square / (80 - np.trace(hat)) ** 2)  # type: ignore[index]
    best = min(tried, key=lambda one: one["gcv"])  # type: ignore[union-attr, arg-type, return-value]
    assert by_gcv(sums).chosen["strength"] == best["strength"]
    balanced = np.vstack([np.eye(6), -np.eye(6)]).astype(np.float32)
    labels = np.arange(12) % CLASSES
    model = RidgeCV(alphas=[2.0], store_cv_results=True, scoring=None).fit(balanced, np.eye(CLASSES)[labels])
    left_out = float(model.cv_results_.sum()) / 12
    (same,) = [one["gcv"] for one in by_gcv(of(balanced, labels)).chosen["tried"] if one["strength"] == 1.0]  # type: ignore[union-attr, index]
    assert same == pytest.approx(left_out)


def test_a_fixed_penalty_needs_no_validation_and_changes_no_prediction_of_its_head() -> None:
    _, features, labels, validation = fitted()
    sums = of(features, labels)
    head = fixed(sums, 3.0).head
    plain = solve(sums, 3.0 * sums.spread)
    np.testing.assert_allclose(head / head[0, 0], plain / plain[0, 0], rtol=1e-4)
    chances = probabilities(head, validation.features)
    assert log_loss(validation.labels, chances) < log_loss(validation.labels, np.full((90, 3), 1 / 3))


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ({"name": "ridge", "choose": "fixed"}, "strength must be a number with strategy.choose = fixed"),
        ({"name": "lda", "choose": "fixed"}, "shrinkage must be a number with strategy.choose = fixed"),
        (
            {"name": "ridge", "strength": 1.0},
            "strength is for strategy.choose = fixed, got 1 with",
        ),
        ({"name": "lda", "choose": "oas", "shrinkage": 0.5}, "shrinkage is for strategy.choose = fixed"),
    ],
)
def test_a_value_is_given_if_and_only_if_it_is_fixed(strategy: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_phones(StrategyConfig.model_validate(strategy), 10)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({"name": "ridge", "choose": "gcv"}, by_gcv),
        ({"name": "ridge", "choose": "fixed", "strength": 3.0}, lambda sums: fixed(sums, 3.0)),
        ({"name": "lda", "choose": "oas", "prior": 0.5}, lambda sums: lda.by_oas(sums, 0.5)),
        ({"name": "lda", "choose": "fixed", "shrinkage": 0.2}, lambda sums: lda.fixed(sums, 0.2)),
    ],
)
def test_what_is_chosen_without_validation_does_not_look_at_it(
    strategy: dict[str, object], expected: Callable[[Moments], Solved]
) -> None:
    features, labels = blobs(60)
    sums = of(features, labels)
    form = StrategyConfig.model_validate(strategy).form
    assert form is not None
    found = form.solve(sums, HeldOut(np.empty((0, 12), np.float32), np.empty(0, np.int64)))
    np.testing.assert_array_equal(found.head, expected(sums).head)
    assert found.chosen == expected(sums).chosen
