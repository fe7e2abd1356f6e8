"""Sums that phones send: exact in any grouping, and the centralized ridge head whatever the partition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_reference import CLASSES, make_shards

from fer_models.errors import RunError
from fer_models.evaluation import HeldOut
from fer_models.linear.closed_form import Moments, moments, ridge
from fer_models.linear.statistics import check_exact, expanded, payload, phone_sums, projection
from fer_models.local.training import PhoneRows
from server.strategies import ridge as federated

VIEWS, WIDTH = 90, 23


def world(owners: list[int]) -> tuple[PhoneRows, PhoneRows, HeldOut]:
    """All views in one place, the same on phones, and validation photos; labels follow from the features."""
    whole = make_shards([VIEWS], width=WIDTH, views=VIEWS)
    labels = whole.features[:, :CLASSES].argmax(axis=1)
    central = PhoneRows(whole.features, labels, np.arange(VIEWS), np.array([0, VIEWS]))
    owner = np.resize(owners, VIEWS)
    sizes = np.bincount(owner)
    phones = PhoneRows(
        whole.features, labels, np.argsort(owner, kind="stable"), np.append(0, np.cumsum(sizes))
    )
    other = make_shards([40], seed=1, width=WIDTH, views=40)
    return central, phones, HeldOut(other.features, other.features[:, :CLASSES].argmax(axis=1))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 11), min_size=1, max_size=VIEWS), st.integers(1, 11))
def test_any_partition_gives_the_centralized_head_and_any_grouping_the_same_bits(
    owners: list[int], cut: int
) -> None:
    central, phones, validation = world(owners)
    ids = np.arange(phones.phones)
    sums, _ = phone_sums(phones, ids, CLASSES)
    parts = [phone_sums(phones, part, CLASSES)[0] for part in (ids[cut:][::-1], ids[:cut])]
    both = parts[0] + parts[1]
    assert both.n == sums.n == VIEWS
    assert both.xx.tobytes() == sums.xx.tobytes()
    assert both.xy.tobytes() == sums.xy.tobytes()
    head, state = federated.solve(sums, validation, None)
    expected = ridge(central, validation, CLASSES)
    np.testing.assert_allclose(head, expected.head, rtol=1e-6, atol=1e-6 * np.abs(expected.head).max())
    assert federated.chosen(state)["strength"] == expected.strength


def test_sums_by_hand() -> None:
    shards = PhoneRows(
        np.array([[2.0], [3.0]], np.float32), np.array([0, 1]), np.array([1, 0]), np.array([0, 1, 2])
    )
    sums, _ = phone_sums(shards, np.array([0, 1]), 2)
    np.testing.assert_array_equal(sums.xx, [[13, 5], [5, 2]])
    np.testing.assert_array_equal(sums.xy, [[2, 3], [1, 1]])


def test_projected_sums_are_those_of_projected_features_and_the_head_is_brought_back() -> None:
    central, phones, validation = world([0, 1, 2])
    smaller = projection(WIDTH, 6, seed=3)
    assert smaller is not None
    sums, _ = phone_sums(phones, np.arange(3), CLASSES, smaller)
    expected = moments(central.features @ smaller, central.labels, central.rows, CLASSES)
    np.testing.assert_allclose(sums.xx, expected.xx, atol=1e-6)
    head, _ = federated.solve(sums, validation, smaller)
    assert head.shape == (CLASSES, WIDTH + 1)
    small = np.random.default_rng(0).normal(size=(CLASSES, 7)).astype(np.float32)
    np.testing.assert_allclose(
        central.features @ expanded(small, smaller)[:, :-1].T,
        central.features @ smaller @ small[:, :-1].T,
        atol=1e-4,
    )
    assert projection(WIDTH, 0, seed=3) is None
    many = projection(1000, 400, seed=0)
    assert many is not None
    assert np.linalg.norm(many, axis=1) == pytest.approx(np.ones(1000), abs=0.2)  # lengths are kept, about


def test_a_phone_sends_a_triangle_and_a_column_for_each_class() -> None:
    assert payload(1, 2) == 8 * (3 + 4)
    assert payload(1280, 5) == 8 * (1281 * 1282 // 2 + 1281 * 5)


def test_sums_that_are_no_longer_exact_are_refused() -> None:
    with pytest.raises(RunError, match="too large to be exact"):
        check_exact(Moments(np.diag([1.0, 2.0**25]), np.zeros((2, 2)), 1))
    with pytest.raises(RunError, match="too large"):
        check_exact(Moments(np.diag([1.0, np.nan]), np.zeros((2, 2)), 1))
