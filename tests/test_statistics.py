"""Sums that phones send: exact in any grouping, and the centralized ridge head whatever the partition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_reference import CLASSES, make_shards
from support_slow import few_quick

from fer_models.errors import RunError
from fer_models.evaluation import HeldOut
from fer_models.linear.statistics import (
    SUMS,
    ClassSums,
    Moments,
    Sums,
    check_exact,
    expanded,
    phone_sums,
    projection,
)
from fer_models.local.phone_rows import PhoneRows
from fer_models.models import ModelConfig, fit
from server.config import StrategyConfig
from server.strategies.closed_form import ClosedForm, Projected
from server.strategies.registry import CLOSED_FORMS

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


def form(name: str) -> ClosedForm:
    found = StrategyConfig(name=name).form
    assert found is not None
    return found


@pytest.mark.parametrize("name", few_quick(CLOSED_FORMS, "ncm"))
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 11), min_size=1, max_size=VIEWS), st.integers(1, 11))
def test_any_partition_gives_the_centralized_head_and_any_grouping_the_same_bits(
    name: str, owners: list[int], cut: int
) -> None:
    central, phones, validation = world(owners)
    ids, federated = np.arange(phones.phones), form(name)
    sums, _ = phone_sums(phones, ids, CLASSES, federated.sums)
    parts = [phone_sums(phones, part, CLASSES, federated.sums)[0] for part in (ids[cut:][::-1], ids[:cut])]
    both = parts[0] + parts[1]
    assert both.n == sums.n == VIEWS
    assert all(both.arrays[key].tobytes() == array.tobytes() for key, array in sums.arrays.items())
    head, state = Projected(WIDTH, 0, 0).solved(federated, sums, validation)
    model, chosen = fit(ModelConfig(name=name), central, validation, np.bincount(central.labels))
    expected = model.arrays()["weight"]
    np.testing.assert_allclose(head[:, :-1], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    said = federated.chosen(state)
    assert said.keys() == chosen.keys()
    assert said.get("tried") == chosen.get("tried")


def test_sums_by_hand() -> None:
    shards = PhoneRows(
        np.array([[2.0], [3.0]], np.float32), np.array([0, 1]), np.array([1, 0]), np.array([0, 1, 2])
    )
    sums, _ = phone_sums(shards, np.array([0, 1]), 2, Moments)
    np.testing.assert_array_equal(sums.xx, [[13, 5], [5, 2]])
    np.testing.assert_array_equal(sums.xy, [[2, 3], [1, 1]])
    fewer, _ = phone_sums(shards, np.array([0, 1]), 2, ClassSums)
    np.testing.assert_array_equal(fewer.xy, [[2, 3], [1, 1]])
    assert (sums.bound, fewer.bound) == (13, 5)


@pytest.mark.parametrize("kind", SUMS.values())
def test_no_element_of_sums_or_of_their_parts_is_beyond_the_bound(kind: type[Sums]) -> None:
    """Even where positive and negative features cancel."""
    features = np.random.default_rng(2).normal(0, 5, (40, 6)).astype(np.float32)
    labels = np.arange(40) % CLASSES
    whole = kind.over(features, labels, np.arange(40), CLASSES)
    assert kind.nothing(6, CLASSES).arrays.keys() == whole.arrays.keys() == kind.shapes(6, CLASSES).keys()
    for part in np.split(np.arange(40), 8):
        some = kind.over(features, labels, part, CLASSES)
        assert all(np.abs(array).max() <= whole.bound for array in some.arrays.values())
        assert some.bound <= whole.bound


def test_projected_sums_are_those_of_projected_features_and_the_head_is_brought_back() -> None:
    central, phones, validation = world([0, 1, 2])
    smaller = projection(WIDTH, 6, seed=3)
    assert smaller is not None
    sums, _ = phone_sums(phones, np.arange(3), CLASSES, Moments, smaller)
    expected = Moments.over(central.features @ smaller, central.labels, central.rows, CLASSES)
    np.testing.assert_allclose(sums.xx, expected.xx, atol=1e-6)
    head, _ = Projected(WIDTH, 6, 3).solved(form("ridge"), sums, validation)
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


def test_a_phone_sends_a_triangle_and_columns_or_columns_alone_in_float32() -> None:
    assert Moments.payload(1, 2) == 8 * (3 + 4)
    assert Moments.payload(1280, 5) == 8 * (1281 * 1282 // 2 + 1281 * 5)
    assert ClassSums.payload(1280, 5) == 4 * (1281 * 5 + 1)  # 25,624 bytes: a head's, and one number
    sums = ClassSums.over(np.array([[1 / 3]], np.float64), np.array([0]), np.array([0]), 2).sent()
    assert sums.xy[0, 0] == float(np.float32(1 / 3)) != 1 / 3


def test_sums_that_are_no_longer_exact_are_refused() -> None:
    nothing = np.zeros((2, 2))
    for sums in (
        Moments(nothing, np.diag([1.0, 2.0**25])),
        Moments(nothing, np.diag([1.0, np.nan])),
        ClassSums(nothing, np.full((1, 1), 2.0**25)),
    ):
        with pytest.raises(RunError, match="too large to be exact"):
            check_exact(sums)
