"""Partitions: laws that hold for any labels and phones, and small cases by hand."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_models.errors import InputError
from simulations.partition import partition

NAMES = ("iid", "dirichlet", "subject")


@st.composite
def tasks(draw: st.DrawFn) -> tuple[str, np.ndarray, np.ndarray, int, float, int]:
    """(name, labels, subjects, phones <= photos, alpha, seed)"""
    photos = draw(st.integers(1, 120))
    labels = np.array(draw(st.lists(st.integers(0, 4), min_size=photos, max_size=photos)))
    people = draw(st.lists(st.integers(0, 20), min_size=photos, max_size=photos))
    phones = draw(st.integers(1, photos))
    alpha = draw(st.one_of(st.sampled_from([5e-324, 1e-300, 1e308]), st.floats(0.01, 100)))
    subjects = np.array([f"person {i}" for i in people])
    return draw(st.sampled_from(NAMES)), labels, subjects, phones, alpha, draw(st.integers(0, 9))


def deal(
    name: str, labels: np.ndarray, subjects: np.ndarray | None, phones: int, **more: float
) -> np.ndarray:
    rng = np.random.default_rng(int(more.get("seed", 0)))
    return partition(name, labels, subjects, phones, alpha=more.get("alpha", 0.3), rng=rng)


@settings(deadline=None)
@given(tasks())
def test_every_photo_on_one_phone_and_no_phone_without(
    task: tuple[str, np.ndarray, np.ndarray, int, float, int],
) -> None:
    name, labels, subjects, phones, alpha, seed = task
    owner = deal(name, labels, subjects, phones, alpha=alpha, seed=seed)
    assert owner.shape == labels.shape
    assert owner.dtype == np.int64
    assert sorted(set(owner.tolist())) == list(range(phones))
    counts = np.zeros((phones, 5), int)
    np.add.at(counts, (owner, labels), 1)
    np.testing.assert_array_equal(counts.sum(axis=0), np.bincount(labels, minlength=5))
    np.testing.assert_array_equal(deal(name, labels, subjects, phones, alpha=alpha, seed=seed), owner)


@settings(deadline=None)
@given(tasks())
def test_iid_sizes_differ_by_one_at_most(task: tuple[str, np.ndarray, np.ndarray, int, float, int]) -> None:
    _, labels, subjects, phones, _, seed = task
    sizes = np.bincount(deal("iid", labels, subjects, phones, seed=seed), minlength=phones)
    assert sizes.max() - sizes.min() <= 1


@settings(deadline=None)
@given(tasks())
def test_a_person_stays_on_one_phone_while_phones_last(
    task: tuple[str, np.ndarray, np.ndarray, int, float, int],
) -> None:
    _, labels, subjects, phones, _, seed = task
    people = np.unique(subjects)
    owner = deal("subject", labels, subjects, min(phones, len(people)), seed=seed)
    for person in people:
        assert len(set(owner[subjects == person].tolist())) == 1


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_is_another_partition(name: str) -> None:
    labels = np.arange(200) % 5
    subjects = np.array([f"{i // 4}" for i in range(200)])
    first, again = (deal(name, labels, subjects, 10, seed=seed) for seed in (1, 2))
    assert not np.array_equal(first, again)


def test_people_are_spread_over_phones_by_size() -> None:
    subjects = np.repeat(["a", "b", "c", "d"], [6, 3, 2, 1])
    sizes = np.bincount(deal("subject", np.zeros(12, int), subjects, 2))
    assert sorted(sizes.tolist()) == [6, 6]


def test_alpha_is_what_makes_phones_alike_or_not() -> None:
    labels = np.repeat(np.arange(5), 2000)

    def classes_per_phone(alpha: float) -> float:
        owner = deal("dirichlet", labels, None, 20, alpha=alpha)
        counts = np.zeros((20, 5))
        np.add.at(counts, (owner, labels), 1)
        shares = counts / counts.sum(axis=1, keepdims=True)
        return float((1 / (shares**2).sum(axis=1)).mean())  # effective number of classes

    found = [classes_per_phone(alpha) for alpha in (1e-300, 0.1, 1.0, 1e9, 1e308)]
    assert found == sorted(found[:3]) + found[3:]
    assert found[0] == pytest.approx(1, abs=0.05)
    assert found[3] == found[4] == pytest.approx(5, abs=1e-3)


def test_with_a_tiny_alpha_a_class_lies_on_one_phone() -> None:
    labels = np.repeat(np.arange(3), 50)
    owner = deal("dirichlet", labels, None, 10, alpha=5e-324)
    for label in range(3):  # but for the photos that fill the empty phones
        assert np.bincount(owner[labels == label]).max() >= 40


def test_more_phones_than_photos_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^federation\.phones: 4 phones, but only 3 .* set it to 3 or less$"
    ):
        deal("iid", np.zeros(3, int), None, 4)


def test_subjects_that_are_not_known_are_asked_for() -> None:
    with pytest.raises(InputError, match=re.escape('federation.partition is "subject", but the subjects')):
        deal("subject", np.zeros(3, int), None, 2)
