"""Logistic regression against scikit-learn's and by its own gradient, and the choice of its penalty."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from support_slow import few_quick

from fer_models.evaluation import HeldOut
from fer_models.linear.logistic import CHOICES, fit
from fer_models.local.phone_rows import PhoneRows
from fer_models.metrics import macro_f1
from fer_models.models import ModelConfig
from fer_models.models import fit as fit_model


def blobs(n: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds (n, 12) float32 and their classes (n,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    middles = np.random.default_rng(9).normal(size=(classes, 12))
    return (middles[labels] + 1.5 * rng.normal(size=(n, 12))).astype(np.float32), labels


def training(classes: int = 3) -> tuple[PhoneRows, HeldOut]:
    features, labels = blobs(90, classes, 0)
    rows = np.arange(5, 85)[::-1]
    return PhoneRows(features, labels, rows, np.array([0, len(rows)])), HeldOut(*blobs(60, classes, 1))


@pytest.mark.parametrize("classes", few_quick([2, 3], 3))
def test_the_head_is_scikit_learns(classes: int) -> None:
    shards, validation = training(classes)
    head, said = fit(shards, validation, classes, choices=CHOICES)
    assert (head.values.shape, head.values.dtype) == ((classes, 13), np.float32)
    x, y = shards.features[shards.rows].astype(np.float64), shards.labels[shards.rows]
    model = LogisticRegression(C=said["C"], max_iter=1000, tol=1e-8).fit(x, y)
    chances = head.probabilities(validation.features)
    np.testing.assert_allclose(chances, model.predict_proba(validation.features), atol=2e-3)
    assert (chances.argmax(axis=1) == validation.labels).mean() > 0.6
    assert said["converged"]
    json.dumps(said)
    np.testing.assert_array_equal(fit(shards, validation, classes, choices=CHOICES)[0].values, head.values)


def test_the_penalty_is_the_best_on_validation_and_the_strongest_of_equals() -> None:
    shards, validation = training()
    head, said = fit(shards, validation, 3, choices=CHOICES)
    assert [one["C"] for one in said["tried"]] == sorted(CHOICES)
    qualities = [one["macro_f1"] for one in said["tried"]]
    assert said["C"] == CHOICES[int(np.argmax(qualities))]
    answers = head.probabilities(validation.features).argmax(axis=1)
    assert macro_f1(validation.labels, answers, 3) == pytest.approx(max(qualities))
    _, same = fit(shards, validation, 3, choices=(0.1, 0.1, 0.1))
    assert same["tried"][2]["macro_f1"] == same["tried"][0]["macro_f1"]


def test_no_step_from_the_head_makes_the_penalised_loss_smaller() -> None:
    shards, validation = training()
    head, said = fit(shards, validation, 3, choices=(0.1,))
    x = np.column_stack([shards.features[shards.rows], np.ones(80)]).astype(np.float64)
    gap = head.probabilities(x[:, :-1]) - np.eye(3)[shards.labels[shards.rows]]
    penalty = head.values.astype(np.float64).copy()
    penalty[:, -1] = 0  # the bias is not penalised
    np.testing.assert_allclose(said["C"] * gap.T @ x + penalty, 0, atol=2e-3)


def test_a_fit_that_does_not_converge_says_so() -> None:
    shards, validation = training()
    _, said = fit(shards, validation, 3, choices=CHOICES, iterations=2)
    assert not said["converged"]
    assert not said["tried"][-1]["converged"]
    assert said["tried"][-1]["iterations"] == 2


def test_a_class_without_views_is_refused() -> None:
    shards, validation = training(2)
    with pytest.raises(ValueError, match="every one of the 3 classes"):
        fit(shards, validation, 3, choices=CHOICES)


def test_it_is_a_model() -> None:
    shards, validation = training()
    head, said = fit_model(ModelConfig(name="logistic"), shards, validation, np.ones(3))
    expected, same = fit(shards, validation, 3, choices=CHOICES)
    np.testing.assert_array_equal(head.arrays()["weight"], expected.values[:, :-1])
    assert said == same
