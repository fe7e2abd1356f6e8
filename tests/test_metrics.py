"""The ratios against scikit-learn, and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, precision_recall_fscore_support

from fer_models.metrics import confusion, scores


def test_by_hand() -> None:
    counts = confusion(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2)
    assert counts.tolist() == [[2, 1], [0, 1]]
    got = scores(counts)
    assert got.accuracy == 0.75
    assert got.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert got.f1.tolist() == pytest.approx([4 / 5, 2 / 3])
    assert got.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert got.weighted_f1 == pytest.approx((3 * 4 / 5 + 2 / 3) / 4)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=60))
def test_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    pairs += [(c, c) for c in range(4)]  # every class present, as in a part of a split
    true, predicted = np.array(pairs).T
    got = scores(confusion(true, predicted, 4))
    assert got.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert got.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, predicted))
    precision, recall, f1, support = precision_recall_fscore_support(true, predicted, zero_division=0)
    np.testing.assert_allclose([got.precision, got.recall, got.f1], [precision, recall, f1])
    np.testing.assert_array_equal(got.support, support)
    for average, value in (("macro", got.macro_f1), ("weighted", got.weighted_f1)):
        assert value == pytest.approx(
            precision_recall_fscore_support(true, predicted, average=average, zero_division=0)[2]
        )


def test_counts_add() -> None:
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 5, (2, 100))
    halves = confusion(true[:50], predicted[:50], 5) + confusion(true[50:], predicted[50:], 5)
    np.testing.assert_array_equal(halves, confusion(true, predicted, 5))


def test_a_class_never_predicted_counts_as_zero_and_no_photos_give_zero() -> None:
    got = scores(np.array([[4, 0], [2, 0]]))
    assert got.f1.tolist() == [0.8, 0.0]
    assert got.macro_f1 == pytest.approx(0.4)
    assert scores(np.zeros((3, 3), np.int64)).accuracy == 0
