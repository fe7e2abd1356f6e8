"""Phones that draw what they hold: the same whenever asked, with mixes as the concentration says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_models.data.draws import PoolDraws
from simulations.world import skew

CLASSES = 5


def drawn(
    *,
    phones: int = 1000,
    each: int = 40,
    alpha: float = 0.3,
    seed: int = 0,
    shares: tuple[int, ...] = (9,) * 5,
) -> PoolDraws:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(CLASSES), shares))
    features = np.arange(len(labels), dtype=np.float32)[:, None]
    rows = np.flatnonzero(np.arange(len(labels)) % 7 > 0)  # some rows are no training views
    return PoolDraws.of_pool(
        features, labels, rows, phones=phones, each=each, alpha=alpha, classes=CLASSES, seed=seed
    )


def rows_of(held: PoolDraws, phone: int) -> np.ndarray:
    rows, (first,), (last,) = held.of(np.array([phone]))
    return rows[first:last]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 999_999), min_size=1, max_size=20),
    st.integers(1, 60),
    st.one_of(st.sampled_from([5e-324, 1e308]), st.floats(0.01, 100)),
    st.integers(0, 5),
)
def test_a_phone_draws_the_same_whoever_is_asked_with_it(
    phones: list[int], each: int, alpha: float, seed: int
) -> None:
    held = drawn(phones=1_000_000, each=each, alpha=alpha, seed=seed, shares=(5, 0, 9, 1, 30))
    rows, firsts, lasts = held.of(np.array(phones))
    assert (lasts - firsts == each).all()
    assert np.isin(rows, held.pool).all()
    for place, phone in enumerate(phones):
        np.testing.assert_array_equal(rows[firsts[place] : lasts[place]], rows_of(held, phone))


@pytest.mark.parametrize("alpha", [5e-324, 1e-323, 1e-310])
def test_the_smallest_concentrations_are_those_of_one_class_a_phone(alpha: float) -> None:
    # products with numbers so small are rounded up to them: a first view must not look for one before it
    held = drawn(phones=2_000, alpha=alpha, shares=(5, 0, 9, 1, 30))
    views = skew.table(held, CLASSES)
    assert (views.max(axis=1) == 40).all()
    assert set(views.argmax(axis=1)) == {0, 2, 3, 4}


def test_another_seed_other_rows_and_other_phones_others() -> None:
    assert not np.array_equal(rows_of(drawn(), 3), rows_of(drawn(seed=1), 3))
    assert not np.array_equal(rows_of(drawn(), 3), rows_of(drawn(), 4))


def test_mixes_follow_the_concentration() -> None:
    even = skew.table(drawn(alpha=1e308), CLASSES)
    one_sided = skew.table(drawn(alpha=1e-300), CLASSES)
    np.testing.assert_array_equal(np.sort(one_sided, axis=1)[:, :-1], 0)  # one class a phone, all kinds
    assert set(one_sided.argmax(axis=1)) == set(range(CLASSES))
    held = drawn()
    pool = np.diff(held.offsets) / len(held.pool)
    # alpha large: 40,000 draws by the pool's shares, each phone's variance that of a multinomial
    np.testing.assert_allclose(even.mean(axis=0) / 40, pool, atol=0.01)
    np.testing.assert_allclose(even.var(axis=0), 40 * pool * (1 - pool), rtol=0.2)


def test_counts_are_those_of_a_dirichlet_multinomial() -> None:
    # Var = n p (1 - p) (n + A) / (1 + A), A = alpha * classes: Mosimann 1962
    held = drawn(phones=20_000, alpha=0.2)
    views, pool = skew.table(held, CLASSES), np.diff(held.offsets) / len(held.pool)
    np.testing.assert_allclose(views.mean(axis=0), 40 * pool, rtol=0.05)
    np.testing.assert_allclose(views.var(axis=0), 40 * pool * (1 - pool) * (40 + 1) / (1 + 1), rtol=0.05)
    assert (views.sum(axis=1) == 40).all()


def test_it_is_kept_and_opened_again(tmp_path: Path) -> None:
    held = drawn()
    np.save(tmp_path / "features.npy", held.features)
    held.save(tmp_path, tmp_path / "features.npy")
    again = PoolDraws.load(tmp_path)
    assert (again.phones, again.each) == (1000, 40)
    for one, two in zip(held.of(np.arange(5)), again.of(np.arange(5)), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(again.features, held.features)
    assert again.sizes.shape == (1000,)
    assert again.sizes.strides == (0,)
    for other in (replace(held, weighted=True), held):  # in the same folder
        other.save(tmp_path, tmp_path / "features.npy")
        assert PoolDraws.load(tmp_path).weighted == other.weighted
    with pytest.raises(FileNotFoundError):
        PoolDraws.load(tmp_path / "nowhere")
