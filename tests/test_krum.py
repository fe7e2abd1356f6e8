"""Rules that choose phones by their distances: Krum, Multi-Krum, Bulyan."""

import flwr.serverapp.strategy as flower
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_flower_steps import SHAPE, came, drawn, flower_step
from support_slow import few_quick
from threadpoolctl import threadpool_limits

from server.strategies import distances
from server.strategies.base import Algorithm, RoundUpdates
from server.strategies.bulyan import Bulyan, about_median, trusted
from server.strategies.distances import between
from server.strategies.krum import Krum, MultiKrum, scores

HEAD = np.random.default_rng(9).normal(0, 0.05, SHAPE).astype(np.float32)
ZERO = np.zeros((1, 1), np.float32)
LINE = [0.0, 1.0, 3.0, 4.0, 4.5, 20.0, 9.0]  # updates of seven phones to a head of one number


def on_a_line(*updates: float) -> RoundUpdates:
    return came([[[u]] for u in updates])


def test_squared_distances_by_hand() -> None:
    np.testing.assert_array_equal(
        between(came([[[0, 0]], [[3, 4]], [[3, 0]]]).updates), [[0, 25, 9], [25, 0, 16], [9, 16, 0]]
    )


@pytest.mark.parametrize(("phones", "coordinates"), [(1, 1), (7, 2), (50, 21), (64, 1000)])
def test_squared_distances_by_blocks(phones: int, coordinates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "_PHONES", phones)
    monkeypatch.setattr(distances, "_COORDINATES", coordinates)
    updates = drawn(50, scale=1).updates
    assert updates is not None
    flat = updates.reshape(50, -1).astype(np.float64)
    expected = ((flat[:, None] - flat[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(between(updates), expected, atol=1e-12)


def test_the_number_of_threads_changes_no_bit_of_a_distance() -> None:
    updates = np.random.default_rng(0).normal(0, 1, (150, 5, 321)).astype(np.float32)
    with threadpool_limits(1, user_api="blas"):
        expected = between(updates)
    np.testing.assert_array_equal(between(updates), expected)


def test_a_phone_that_sends_no_numbers_is_far_from_all() -> None:
    updates = on_a_line(1, np.nan, 2, np.inf).updates
    assert updates is not None
    inf = np.inf
    expected = [[0, inf, 1, inf], [inf, 0, inf, inf], [1, inf, 0, inf], [inf, inf, inf, 0]]
    np.testing.assert_array_equal(between(updates), expected)


def test_krum_by_hand() -> None:
    # n 7, f 2: squared distances to the three closest others
    expected = [1 + 9 + 16, 1 + 4 + 9, 1 + 2.25 + 4, 1 + 0.25 + 9, 0.25 + 2.25 + 12.25, 121 + 240.25 + 256]
    back = on_a_line(*LINE)
    assert back.updates is not None
    np.testing.assert_allclose(scores(back.updates, 2), [*expected, 20.25 + 25 + 36])
    assert Krum(byzantine=2).step(ZERO, back, {})[0] == 3.0
    for keep, mean in [(1, 3.0), (2, 3.5), (3, 8 / 3), (5, 2.5)]:
        head, _ = MultiKrum(byzantine=2, keep=keep).step(ZERO, back, {})
        assert head == pytest.approx(mean)
    head, _ = MultiKrum(byzantine=2, keep=None).step(ZERO, back, {})
    assert head == pytest.approx(8 / 3)  # 7 - 2 - 2


def test_of_equal_scores_the_lower_id_wins() -> None:
    assert Krum(byzantine=0).step(ZERO, on_a_line(7, 5, 9), {})[0] == 7.0  # all look at one neighbour: 4
    assert MultiKrum(byzantine=0, keep=2).step(ZERO, on_a_line(9, 5, 7), {})[0] == 7.0


def test_bulyan_by_hand() -> None:
    # n 7, f 1: five phones are trusted. Krum looks at 4, 3, 2, 1, 1 others and takes
    # 3 (1 + 2.25 + 4 + 9), 1 (1 + 9 + 12.25, and 4 has 0.25 + 9 + 16), 4 (0.25 + 16),
    # of 0, 4.5, 9 and 20, of which three score 20.25, the one closest to all: 9; then so 4.5 before 0
    back = on_a_line(*LINE)
    assert back.updates is not None
    chosen = trusted(between(back.updates), 1)
    np.testing.assert_array_equal(np.array(LINE)[chosen], [1, 3, 4, 4.5, 9])
    # the three closest to the median 4 are 3, 4 and 4.5
    assert Bulyan(byzantine=1).step(ZERO, back, {})[0] == pytest.approx(11.5 / 3)


def naive(distances: np.ndarray, f: int) -> list[int]:
    """Krum again and again; of equal scores the one closer to all that are left, then the lower id."""
    left, chosen = list(range(len(distances))), []
    while len(chosen) < len(distances) - 2 * f:
        count = max(1, len(left) - f - 2)
        score = {i: sum(sorted(distances[i, j] for j in left if j != i)[:count]) for i in left}
        chosen.append(min(left, key=lambda i: (score[i], distances[i, left].sum(), i)))
        left.remove(chosen[-1])
    return sorted(chosen)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-9, 9), min_size=3, max_size=19), st.data())
def test_bulyan_trusts_whom_krum_chooses_again_and_again(line: list[int], data: st.DataObject) -> None:
    f = data.draw(st.integers(0, (len(line) - 3) // 4))
    updates = on_a_line(*line).updates
    assert updates is not None
    assert trusted(between(updates), f).tolist() == naive(between(updates), f)


def test_about_median_by_hand() -> None:
    values = np.array([[0, 1, 2, 3, 10], [-4, 0, 1, 2, 6]], np.float32)
    np.testing.assert_array_equal(about_median(values, 3), [2, 1])
    # of 1 and 3, as close to the median 2, the smaller
    np.testing.assert_array_equal(about_median(values, 2), [1.5, 0.5])
    np.testing.assert_array_equal(about_median(values, 5), [3.2, 1])


@pytest.mark.parametrize("f", [0, 1, 3])
def test_like_flowers_own_strategies(f: int) -> None:
    """But for weights: Flower's Multi-Krum weighs by views, so every phone has one here."""
    back = came(drawn(16, seed=f).updates)
    for ours, theirs in [
        (Krum(f), flower.Krum(num_malicious_nodes=f)),
        (MultiKrum(f, 5), flower.MultiKrum(num_malicious_nodes=f, num_nodes_to_select=5)),
    ]:
        head, _ = ours.step(HEAD, back, {})
        np.testing.assert_allclose(head, flower_step(theirs, HEAD, back), atol=1e-7)


@pytest.mark.parametrize("f", few_quick([0, 1, 3], 3))
def test_bulyan_like_flowers_given_the_same_trusted_phones(f: int) -> None:
    """Flower lets Krum choose all trusted phones at once, not one after another as the paper does."""
    back = came(drawn(16, seed=f).updates)
    assert back.updates is not None
    phones = trusted(between(back.updates), f)
    theirs = flower.Bulyan(
        num_malicious_nodes=f, selection_rule=lambda contents, _, __: [contents[i] for i in phones]
    )
    head, _ = Bulyan(f).step(HEAD, back, {})
    np.testing.assert_allclose(head, flower_step(theirs, HEAD, back), atol=1e-7)


ROBUST = [Krum(2), MultiKrum(2, None), Bulyan(2)]


@pytest.mark.parametrize("rule", ROBUST)
@pytest.mark.parametrize("bad", [0.5, -40.0, 1e20, np.inf, np.nan])
def test_two_bad_phones_of_eleven_do_not_move_the_head_away(rule: Algorithm, bad: float) -> None:
    back = drawn(11)
    assert back.updates is not None
    back.updates[[0, 7]] = bad
    head, _ = rule.step(np.zeros(SHAPE, np.float32), back, {})
    honest = np.delete(back.updates, [0, 7], axis=0)
    assert (honest.min(axis=0) <= head).all()
    assert (head <= honest.max(axis=0)).all()


@pytest.mark.parametrize("rule", ROBUST)
def test_views_are_no_weights(rule: Algorithm) -> None:
    back = drawn(11)
    head, _ = rule.step(HEAD, back, {})
    np.testing.assert_array_equal(rule.step(HEAD, came(back.updates), {})[0], head)


@pytest.mark.parametrize("rule", [Krum(5), MultiKrum(5, None), MultiKrum(1, 11), Bulyan(3)])
def test_too_many_malicious_phones_are_refused_in_the_step_as_well(rule: Algorithm) -> None:
    with pytest.raises(ValueError, match=r"must be at most \d+ .*11 phones in a round.*got \d+; lower it"):
        rule.step(HEAD, drawn(11), {})
