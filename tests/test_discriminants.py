"""Discriminant analysis and nearest class means from sums: by hand, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.covariance import oas
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import f1_score
from sklearn.neighbors import NearestCentroid

from fer_models.evaluation import HeldOut
from fer_models.heads import probabilities
from fer_models.linear import lda, ncm
from fer_models.linear.lda import SHRINKAGES
from fer_models.linear.statistics import ClassSums, Moments

CLASSES = 4


def drawn(n: int, seed: int, width: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, width) of classes of unequal size with a covariance far from the identity, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(CLASSES, n, p=[0.5, 0.3, 0.15, 0.05])
    centres = np.random.default_rng(7).normal(size=(CLASSES, width))
    mix = np.random.default_rng(8).normal(size=(width, width))
    return (centres[labels] + rng.normal(size=(n, width)) @ mix + 30).astype(np.float32), labels


def of(features: np.ndarray, labels: np.ndarray, classes: int = CLASSES) -> Moments:
    return Moments.over(features, labels, np.arange(len(labels)), classes)


def differences(head: np.ndarray) -> np.ndarray:
    """What decides between classes: each row less the mean of all."""
    return np.asarray(head - head.mean(axis=0))


def test_discriminants_by_hand() -> None:
    """x = 0, 2 are of class 0, x = 5, 7, 9 of class 1: means 1 and 7, variance (1 + 1 + 4 + 0 + 4) / 5 = 2.

    In one dimension no shrinkage changes the variance. The difference of the scores is
    (7 - 1) / 2 x - (49 - 1) / 4 + log(3 / 2).
    """
    sums = of(np.array([[0], [2], [5], [7], [9]], np.float32), np.array([0, 0, 1, 1, 1]), 2)
    np.testing.assert_allclose(lda.pooled(sums), [[2]])
    for shrinkage in (0.0, 0.4, 1.0):
        zero, one = lda.solve(sums, lda.pooled(sums), shrinkage)
        np.testing.assert_allclose(one - zero, [3, -12 + np.log(1.5)], rtol=1e-12)
    zero, one = lda.solve(sums, lda.pooled(sums), 0.0, prior=0.0)
    np.testing.assert_allclose(one - zero, [3, -12], rtol=1e-12)


def test_shrinkage_by_hand() -> None:
    """Variances 4 and 1, covariance 1: shrunk by a half towards 2.5 they are 3.25, 1.75 and 0.5."""
    around = np.array([[2, 0], [-2, 0], [0, 1], [0, -1]]) @ np.array([[1.0, 0.5], [0.0, 1.0]])
    covariance = np.cov(around.T, bias=True)
    features = np.concatenate([around, around + np.array([6, 0])]).astype(np.float32)
    sums = of(features, np.repeat([0, 1], 4), 2)
    np.testing.assert_allclose(lda.pooled(sums), covariance, atol=1e-12)
    shrunk = 0.5 * covariance + 0.25 * np.trace(covariance) * np.eye(2)
    zero, one = lda.solve(sums, covariance, 0.5)
    np.testing.assert_allclose((one - zero)[:2], np.linalg.solve(shrunk, [6, 0]))


@pytest.mark.parametrize("shrinkage", [0.001, 0.2, 1.0])
@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_equals_scikit_learn(shrinkage: float, prior: float) -> None:
    features, labels = drawn(400, 0)
    sums = of(features, labels)
    priors = None if prior else np.full(CLASSES, 1 / CLASSES)
    x = features.astype(np.float64)
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=priors).fit(x, labels)
    if not prior:  # scikit-learn weights the covariances by the priors, the sums by the views
        reference.covariance_ = lda.pooled(sums)
        shrunk = (1 - shrinkage) * reference.covariance_
        shrunk += shrinkage * np.trace(reference.covariance_) / 9 * np.eye(9)
        reference.coef_ = np.linalg.solve(shrunk, reference.means_.T).T
        reference.intercept_ = -0.5 * np.diag(reference.means_ @ reference.coef_.T) - np.log(CLASSES)
    head = lda.solve(sums, lda.pooled(sums), shrinkage, prior)
    expected = np.column_stack([reference.coef_, reference.intercept_])
    np.testing.assert_allclose(differences(head), differences(expected), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(probabilities(head, x), reference.predict_proba(x), atol=1e-6)


def test_the_shrinkage_is_the_best_on_validation_and_the_strongest_of_equals() -> None:
    features, labels = drawn(120, 0)
    held = HeldOut(*drawn(300, 1))
    found = lda.on_validation(of(features, labels), held)
    qualities = []
    for shrinkage in SHRINKAGES:
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(
            features.astype(float), labels
        )
        qualities.append(f1_score(held.labels, model.predict(held.features), average="macro"))
    tried = found.chosen["tried"]
    assert [one["shrinkage"] for one in tried] == list(SHRINKAGES)  # type: ignore[union-attr, index]
    assert [one["macro_f1"] for one in tried] == pytest.approx(qualities)  # type: ignore[union-attr, index]
    assert found.chosen["shrinkage"] == SHRINKAGES[int(np.argmax(qualities))]
    assert list(SHRINKAGES) == sorted(SHRINKAGES, reverse=True)
    assert found.head.dtype == np.float32


def test_nearest_means_are_those_of_scikit_learn_and_by_hand() -> None:
    """Means 1 and 7: they are equally far from 4."""
    sums = ClassSums.over(np.array([[0], [2], [7]], np.float32), np.array([0, 0, 1]), np.arange(3), 2)
    zero, one = ncm.solve(sums)
    np.testing.assert_allclose(one - zero, [6, -24])
    features, labels = drawn(300, 0)
    head = ncm.solve(ClassSums.over(features, labels, np.arange(300), CLASSES))
    other, _ = drawn(500, 1)
    answers = (other.astype(np.float64) @ head[:, :-1].T + head[:, -1]).argmax(axis=1)
    np.testing.assert_array_equal(answers, NearestCentroid().fit(features, labels).predict(other))


def test_one_variance_and_equal_priors_make_discriminants_nearest_means() -> None:
    features, labels = drawn(200, 3)
    sums = of(features, labels)
    head = lda.solve(sums, lda.pooled(sums), 1.0, prior=0.0)
    variance = np.trace(lda.pooled(sums)) / 9
    np.testing.assert_allclose(head * variance, ncm.solve(sums), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", [lda, ncm])
def test_a_class_without_views_is_never_predicted(method: object) -> None:
    features, labels = drawn(60, 5)
    labels[labels == 2] = 1
    held = HeldOut(*drawn(400, 6))
    found = method.on_validation(of(features, labels), held)  # type: ignore[attr-defined]
    assert np.isfinite(found.head).all()
    assert 2 not in probabilities(found.head, held.features).argmax(axis=1)


def test_singular_features_have_an_answer_too() -> None:
    """More features than views, copies, constants."""
    features, labels = drawn(12, 2, width=30)
    features[:, 3], features[:, 4] = features[:, 2], 1.0
    sums = of(features, labels)
    for shrinkage in (0.0, 1e-9, 0.1):
        assert np.isfinite(lda.solve(sums, lda.pooled(sums), shrinkage)).all()
    nothing = of(np.zeros((8, 3), np.float32), np.arange(8) % CLASSES)
    np.testing.assert_allclose(differences(lda.solve(nothing, lda.pooled(nothing), 0.0)), 0, atol=1e-12)


def test_the_oracle_approximating_shrinkage_is_that_of_scikit_learn() -> None:
    features, labels = drawn(40, 4)
    x = features.astype(np.float64)
    around = x - np.stack([x[labels == one].mean(axis=0) for one in range(CLASSES)])[labels]
    _, expected = oas(around, assume_centered=True)
    sums = of(features, labels)
    found = lda.by_oas(sums)
    assert found.chosen["shrinkage"] == pytest.approx(expected)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=expected).fit(x, labels)
    np.testing.assert_allclose(probabilities(found.head, x), model.predict_proba(x), atol=1e-4)
    assert lda.oas(np.eye(5), 10) == 1.0
    assert lda.oas(np.zeros((3, 3)), 10) == 1.0
