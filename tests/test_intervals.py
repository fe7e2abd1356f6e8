"""Differences between runs of one seed: against numbers by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from fer_models.seeding import stream
from simulations.report.intervals import paired, unpaired


def runs(right: float, agree: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True classes and what two runs said, each right at rate `right`, the second copying at rate `agree`."""
    rng = stream(3, "runs", int(100 * right), int(100 * agree))
    true = rng.choice(4, 900, p=[0.5, 0.3, 0.15, 0.05])
    first, second = (np.where(rng.random(900) < right, true, rng.integers(0, 4, 900)) for _ in range(2))
    return true, first, np.where(rng.random(900) < agree, first, second)


def confusion(true: np.ndarray, said: np.ndarray) -> np.ndarray:
    matrix = np.zeros((4, 4), dtype=np.int64)
    np.add.at(matrix, (true, said), 1)
    return matrix


def test_values_are_those_of_scikit_learn() -> None:
    true, first, second = runs(0.6, 0.3)
    of_pairs = paired(true, first, second, 4)
    of_counts = unpaired(confusion(true, first), confusion(true, second))
    accuracy = accuracy_score(true, first) - accuracy_score(true, second)
    macro = f1_score(true, first, average="macro") - f1_score(true, second, average="macro")
    for gaps in (of_pairs, of_counts):
        assert gaps["accuracy"].value == pytest.approx(accuracy, abs=1e-12)
        assert gaps["macro_f1"].value == pytest.approx(macro, abs=1e-12)


def test_intervals_of_accuracy_have_the_textbook_width() -> None:
    true, first, second = runs(0.6, 0.3)
    one, two = (first == true).astype(float), (second == true).astype(float)
    for gap, error in (
        (paired(true, first, second, 4)["accuracy"], (one - two).std() / 30),
        (
            unpaired(confusion(true, first), confusion(true, second))["accuracy"],
            np.hypot(one.std(), two.std()) / 30,
        ),
    ):
        assert gap.high - gap.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_pairing_narrows_the_interval_of_runs_that_agree() -> None:
    true, first, second = runs(0.6, 0.8)
    close = paired(true, first, second, 4)["macro_f1"]
    loose = unpaired(confusion(true, first), confusion(true, second))["macro_f1"]
    assert close.high - close.low < 0.7 * (loose.high - loose.low)


def test_a_run_against_itself_does_not_differ() -> None:
    true, first, _ = runs(0.6, 1.0)
    for gap in paired(true, first, first, 4).values():
        assert (gap.value, gap.low, gap.high, gap.holds) == (0, 0, 0, False)


def test_the_sign_of_a_clear_difference_holds_in_both_directions() -> None:
    true, first, _ = runs(0.4, 0.0)
    assert paired(true, true, first, 4)["accuracy"].holds
    assert paired(true, first, true, 4)["accuracy"].high < 0


def test_people_with_many_photos_widen_the_interval() -> None:
    # Each photo thrice under one person holds no more than once: the interval is that of 900, not of 2700.
    true, first, second = runs(0.6, 0.3)
    once = paired(true, first, second, 4, np.arange(900))["accuracy"]
    thrice = [np.repeat(a, 3) for a in (true, first, second, np.arange(900))]
    by_people = paired(*thrice[:3], 4, thrice[3])["accuracy"]
    by_photos = paired(*thrice[:3], 4)["accuracy"]
    assert by_people == once
    assert by_photos.high - by_photos.low < 0.65 * (by_people.high - by_people.low)
    assert by_people.value == pytest.approx(by_photos.value)
