"""The ratios against scikit-learn, and by hand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_recall_fscore_support,
)

from fer_models.metrics import confusion, macro_f1, ratios, report, scores
from fer_models.run_folder.files import as_json
from fer_models.run_folder.quality import ClassQuality


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


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60),
    st.booleans(),
)
def test_the_report_says_what_the_counts_say(pairs: list[tuple[int, int]], whole: bool) -> None:
    pairs += [(c, c) for c in range(4)] if whole else []
    true, predicted = np.array(pairs).T
    ours = scores(confusion(true, predicted, 4))
    found, text = report(true, predicted, tuple("abcd"))
    for name in ("accuracy", "balanced_accuracy", "weighted_f1"):
        assert getattr(found, name) == pytest.approx(getattr(ours, name)), name
    either = np.union1d(true, predicted)  # other classes are left out of every mean
    assert found.macro_f1 == pytest.approx(ours.macro_f1) == macro_f1(true, predicted, 4)
    assert found.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro", zero_division=0))
    for ratio in ("precision", "recall", "f1", "support"):
        values = [getattr(found.per_class[name], ratio) for name in "abcd"]
        np.testing.assert_allclose(values, getattr(ours, ratio))
        if ratio != "support":
            assert getattr(found, f"macro_{ratio}") == pytest.approx(np.mean(np.array(values)[either]))
            assert getattr(found, f"weighted_{ratio}") == pytest.approx(
                np.average(values, weights=ours.support)
            )
    lines = text.splitlines()[2 : 2 + len(either)]
    assert [line.split()[0] for line in lines] == ["abcd"[c] for c in either]
    assert all(f"{ours.f1[c]:.3f}" in line for c, line in zip(either, lines, strict=True))


def test_a_class_in_neither_truth_nor_predictions_is_left_out_everywhere() -> None:
    true = predicted = np.array([0, 1])
    assert report(true, predicted, ("a", "b", "c"))[0].macro_f1 == 1  # was 0.667
    assert macro_f1(true, predicted, 3) == 1
    assert report(true, np.array([0, 2]), ("a", "b", "c"))[0].macro_f1 == pytest.approx(1 / 3)
    counts = np.array([[1.0, 0.5, 0.0], [2.0, 0.5, 0.0], [1.0, 1.5, 0.0]])  # weighted
    assert ratios(*counts)["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_the_report_by_hand_with_a_class_never_predicted() -> None:
    """Names that mean something elsewhere: to printing (%, {}), and to scikit-learn's own table."""
    names = ("accuracy", "100%s-sad {x}", "macro avg")
    found, text = report(np.array([0, 0, 0, 1]), np.array([0, 0, 2, 0]), names)
    assert found.accuracy == 0.5
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 0) / 2)  # nobody is of class 2
    assert found.per_class["100%s-sad {x}"] == ClassQuality(precision=0, recall=0, f1=0, support=1)
    assert found.per_class["macro avg"].support == 0
    assert found.per_class["accuracy"].f1 == pytest.approx(2 / 3)
    assert found.macro_f1 == pytest.approx(2 / 9)
    assert found.weighted_f1 == pytest.approx(3 / 4 * 2 / 3)
    assert [line.split()[-1] for line in text.splitlines()[2:5]] == ["3", "1", "0"]
    assert "100%s-sad {x}      0.000     0.000     0.000         1" in text
    json.dumps(as_json(found))  # numbers of Python alone


def test_a_report_on_no_photos_is_refused() -> None:
    nobody = np.array([], np.int64)
    with pytest.raises(ValueError, match="no photos"):
        report(nobody, nobody, ("a", "b"))
