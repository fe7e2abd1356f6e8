"""Rules that look at one coordinate at a time: median and trimmed mean."""

import flwr.serverapp.strategy as flower
import numpy as np
import pytest
from support_flower_steps import SHAPE, came, drawn, flower_step

from server.strategies import coordinates
from server.strategies.coordinates import each, middle
from server.strategies.median import Median
from server.strategies.trimmed_mean import TrimmedMean

HEAD = np.random.default_rng(9).normal(0, 0.05, SHAPE).astype(np.float32)
ZERO = np.zeros((1, 2), np.float32)
COLUMNS = [[1, 50], [2, 10], [3, 20], [100, 40], [4, 30]]  # updates of five phones to two coordinates


def test_median_by_hand() -> None:
    head, _ = Median().step(ZERO, came([[row] for row in COLUMNS]), {})
    np.testing.assert_array_equal(head, [[3, 30]])
    head, _ = Median().step(ZERO, came([[row] for row in COLUMNS[:4]], views=[1, 1, 1, 999]), {})
    np.testing.assert_array_equal(head, [[2.5, 30]])  # between the two middle ones; views are no weights


def test_trimmed_mean_by_hand() -> None:
    back = came([[row] for row in COLUMNS])
    for trim, mean in [(0.0, [22, 30]), (0.19, [22, 30]), (0.2, [3, 30]), (0.4, [3, 30]), (0.49, [3, 30])]:
        head, _ = TrimmedMean(trim).step(ZERO, back, {})
        np.testing.assert_array_equal(head, [mean])
    values = np.arange(100, dtype=np.float32)[None] ** 2
    assert TrimmedMean(0.29).mean(values) == (np.arange(29, 71) ** 2).mean()  # though 0.29 * 100 < 29


@pytest.mark.parametrize("phones", [1, 2, 9, 40])
def test_like_flowers_own_strategies(phones: int) -> None:
    back = drawn(phones)
    head, _ = Median().step(HEAD, back, {})
    np.testing.assert_allclose(head, flower_step(flower.FedMedian(), HEAD, back), atol=1e-7)
    for trim in (0.1, 0.2, 0.45):
        head, _ = TrimmedMean(trim).step(HEAD, back, {})
        np.testing.assert_allclose(head, flower_step(flower.FedTrimmedAvg(beta=trim), HEAD, back), atol=1e-7)


@pytest.mark.parametrize("rule", [Median(), TrimmedMean(0.1)])
def test_neither_order_nor_chunks_change_a_bit(
    rule: Median | TrimmedMean, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = drawn(37)
    expected, _ = rule.step(HEAD, back, {})
    order = np.random.default_rng(1).permutation(37)
    head, _ = rule.step(HEAD, came(back.updates[order], back.views[order]), {})  # type: ignore[index]
    np.testing.assert_array_equal(head, expected)
    for values in (1, 37 * 4):
        monkeypatch.setattr(coordinates, "_VALUES", values)
        np.testing.assert_array_equal(rule.step(HEAD, back, {})[0], expected)


@pytest.mark.parametrize("rule", [Median(), TrimmedMean(0.1)])
@pytest.mark.parametrize("bad", [1e30, -1e30, np.inf, np.nan])
def test_one_of_ten_phones_moves_nothing_out_of_what_the_others_say(
    rule: Median | TrimmedMean, bad: float
) -> None:
    back = drawn(10)
    assert back.updates is not None
    back.updates[4] = bad
    head, _ = rule.step(np.zeros(SHAPE, np.float32), back, {})
    honest = np.delete(back.updates, 4, axis=0)
    assert (honest.min(axis=0) <= head).all()
    assert (head <= honest.max(axis=0)).all()


def test_rules_see_the_phones_that_were_chosen() -> None:
    updates = came([[row] for row in COLUMNS]).updates
    assert updates is not None
    np.testing.assert_array_equal(each(updates, middle, np.array([0, 1, 3])), [[2, 40]])
