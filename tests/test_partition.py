"""Partitions: laws that hold for any labels and phones, and small cases by hand."""

import re
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_models.errors import InputError
from simulations.config import FederationConfig
from simulations.partitions.dirichlet_clients import DirichletClients, _take
from simulations.world.partition import partition

NAMES = ("iid", "dirichlet", "dirichlet-clients", "pathological", "shards", "quantity", "subject", "camera")


@st.composite
def tasks(draw: st.DrawFn) -> tuple[str, np.ndarray, np.ndarray, dict[str, Any]]:
    """(name, labels, subjects, phones <= photos and other options that this data allows)"""
    photos = draw(st.integers(1, 120))
    labels = np.array(draw(st.lists(st.integers(0, 4), min_size=photos, max_size=photos)))
    people = draw(st.lists(st.integers(0, 20), min_size=photos, max_size=photos))
    options = {
        "phones": draw(st.integers(1, photos)),
        "alpha": draw(st.one_of(st.sampled_from([5e-324, 1e-300, 1e308]), st.floats(0.01, 100))),
        "classes_per_phone": draw(st.integers(1, len(np.unique(labels)))),
        "shards_per_phone": draw(st.one_of(st.integers(1, 9), st.just(1_000_000))),
        "sigma": draw(st.one_of(st.sampled_from([0.0, 5e-324, 100.0]), st.floats(0, 5))),
        "seed": draw(st.integers(0, 9)),
    }
    return draw(st.sampled_from(NAMES)), labels, np.array([f"person {i}" for i in people]), options


Task = tuple[str, np.ndarray, np.ndarray, dict[str, Any]]


def deal(
    name: str, labels: np.ndarray, subjects: np.ndarray | None, phones: int, *, seed: int = 0, **options: Any
) -> np.ndarray:
    federation = FederationConfig.model_validate({"partition": name, "phones": phones, **options})
    return partition(federation, labels, subjects, np.random.default_rng(seed))


def held(owner: np.ndarray, labels: np.ndarray, phones: int) -> np.ndarray:
    """Photos of each class on each phone, (phones, classes)."""
    counts = np.zeros((phones, labels.max() + 1), int)
    np.add.at(counts, (owner, labels), 1)
    return counts


@settings(deadline=None)
@given(tasks())
def test_every_photo_on_one_phone_and_no_phone_without(task: Task) -> None:
    name, labels, subjects, options = task
    owner = deal(name, labels, subjects, **options)
    assert owner.shape == labels.shape
    assert owner.dtype == np.int64
    assert sorted(set(owner.tolist())) == list(range(options["phones"]))
    counts = held(owner, labels, options["phones"])
    np.testing.assert_array_equal(counts.sum(axis=0), np.bincount(labels))
    np.testing.assert_array_equal(deal(name, labels, subjects, **options), owner)


@settings(deadline=None)
@given(tasks())
def test_iid_sizes_differ_by_one_at_most(task: Task) -> None:
    _, labels, subjects, options = task
    sizes = np.bincount(deal("iid", labels, subjects, **options))
    assert sizes.max() - sizes.min() <= 1


@settings(deadline=None)
@given(tasks())
def test_phones_hold_so_many_classes_as_far_as_photos_allow(task: Task) -> None:
    _, labels, _, options = task
    phones, each = options["phones"], options["classes_per_phone"]
    counts = held(deal("pathological", labels, None, **options), labels, phones)
    counts = counts[:, counts.any(axis=0)]
    room = np.minimum(counts.sum(axis=0), phones)  # on how many phones a class can lie
    classes, places = (counts > 0).sum(axis=1), (counts > 0).sum(axis=0)
    total = min(max(each * phones, len(room)), room.sum())
    assert set(classes.tolist()) <= {total // phones, -(-total // phones)}
    assert classes.sum() == total
    if len(room) <= each * phones <= room.sum():
        assert (classes == each).all()
    for column, most, here in zip(counts.T, room, places, strict=True):
        shared = column[column > 0]
        assert shared.max() - shared.min() <= 1
        assert here == most or here >= places.max() - 1


@settings(deadline=None)
@given(tasks())
def test_a_phone_gets_its_shards_whole(task: Task) -> None:
    _, labels, _, options = task
    phones, each = options["phones"], options["shards_per_phone"]
    owner = deal("shards", labels, None, **options)
    sizes = np.bincount(owner)
    if phones * each > len(labels):  # then a shard is a photo
        assert sizes.max() <= each
        return
    small, more = divmod(len(labels), phones * each)
    assert sizes.min() >= each * small
    assert sizes.max() <= each * (small + (more > 0))
    assert sizes.max() - sizes.min() <= each
    # A shard reaches over the border between two classes at most once a border, else it has one class.
    borders = len(np.unique(labels)) - 1
    assert (held(owner, labels, phones) > 0).sum() <= phones * each + borders


def test_equal_shards_of_one_class_each() -> None:
    labels = np.tile(np.arange(5), 40)
    counts = held(deal("shards", labels, None, 10, shards_per_phone=2), labels, 10)
    assert (counts % 10 == 0).all()
    assert (counts.sum(axis=1) == 20).all()
    assert ((counts > 0).sum(axis=1) == 2).any()


def test_classes_pair_in_every_way() -> None:
    labels = np.repeat(np.arange(5), 400)
    counts = held(deal("pathological", labels, None, 200), labels, 200)
    assert {tuple(np.flatnonzero(row)) for row in counts} == set(combinations(range(5), 2))
    assert ((counts > 0).sum(axis=0) == 80).all()
    assert (counts[counts > 0] == 5).all()


def test_a_class_with_few_photos_lies_on_so_many_phones() -> None:
    labels = np.repeat(np.arange(3), [3, 100, 100])
    counts = held(deal("pathological", labels, None, 20), labels, 20)
    assert (counts > 0).sum(axis=0).tolist() in ([3, 18, 19], [3, 19, 18])
    assert ((counts > 0).sum(axis=1) == 2).all()


def test_sigma_is_what_makes_sizes_alike_or_not() -> None:
    labels = np.repeat(np.arange(5), 2000)

    def sizes(sigma: float) -> np.ndarray:
        return np.bincount(deal("quantity", labels, None, 50, sigma=sigma))

    assert set(sizes(0).tolist()) == {200}
    logs = np.log(sizes(1))
    assert logs.std() == pytest.approx(1, abs=0.25)
    assert sizes(100).max() == 10_000 - 49
    counts = held(deal("quantity", labels, None, 50), labels, 50)
    large = counts[counts.sum(axis=1) > 300]
    np.testing.assert_allclose(large / large.sum(axis=1, keepdims=True), 0.2, atol=0.09)


def test_more_classes_on_a_phone_than_there_are_is_refused() -> None:
    words = r"^federation\.classes_per_phone: 4 classes on each phone, .* have only 3; set it to 3 or less$"
    with pytest.raises(InputError, match=words):
        deal("pathological", np.arange(12) % 3, None, 2, classes_per_phone=4)
    assert deal("iid", np.arange(12) % 3, None, 2, classes_per_phone=4).max() == 1  # of another partition


@settings(deadline=None)
@given(tasks())
def test_a_person_stays_on_one_phone_while_phones_last(task: Task) -> None:
    _, labels, subjects, options = task
    people = np.unique(subjects)
    owner = deal("subject", labels, subjects, min(options["phones"], len(people)), seed=options["seed"])
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


@pytest.mark.parametrize("name", NAMES)
def test_more_phones_than_photos_is_refused(name: str) -> None:
    with pytest.raises(
        InputError,
        match=r"^federation\.phones: 4 phones, but only 3 .* set it to 3 or less, or let phones sample: ",
    ):
        deal(name, np.zeros(3, int), None, 4)


def test_subjects_that_are_not_known_are_asked_for() -> None:
    with pytest.raises(InputError, match=re.escape('federation.partition is "subject", but the subjects')):
        deal("subject", np.zeros(3, int), None, 2)


@settings(deadline=None)
@given(tasks())
def test_phones_with_a_mix_of_their_own_are_of_one_size(task: Task) -> None:
    _, labels, subjects, options = task
    sizes = np.bincount(deal("dirichlet-clients", labels, subjects, **options))
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("alpha", [0.05, 0.5, 4.0])
def test_mixes_have_the_moments_of_their_dirichlet(alpha: float) -> None:
    """Dirichlet(alpha p) has the mean p and the variance p (1 - p) / (alpha + 1)."""
    prior, rng = np.array([0.5, 0.3, 0.2]), np.random.default_rng(0)
    mixes = np.array([DirichletClients(alpha)._mix(prior, rng) for _ in range(4000)])
    np.testing.assert_allclose(mixes.mean(axis=0), prior, atol=0.03)
    np.testing.assert_allclose(mixes.var(axis=0), prior * (1 - prior) / (alpha + 1), rtol=0.08)


def test_alpha_is_what_makes_phones_of_one_size_alike_or_not() -> None:
    labels = np.repeat(np.arange(5), 2000)

    def classes_per_phone(alpha: float) -> float:
        counts = held(deal("dirichlet-clients", labels, None, 20, alpha=alpha), labels, 20)
        return float((1 / ((counts / 500) ** 2).sum(axis=1)).mean())  # effective number of classes

    found = [classes_per_phone(alpha) for alpha in (1e-300, 0.5, 5.0, 1e308)]
    assert found == sorted(found)
    assert found[0] < 1.5
    assert found[3] == pytest.approx(5, abs=0.1)


def test_with_a_tiny_alpha_a_phone_holds_one_class_while_it_lasts() -> None:
    labels = np.repeat(np.arange(4), [400, 300, 200, 100])
    classes = (held(deal("dirichlet-clients", labels, None, 50, alpha=5e-324), labels, 50) > 0).sum(axis=1)
    assert (classes == 1).mean() > 0.75


def test_a_class_that_has_run_out_is_replaced_by_the_rest_of_the_mix() -> None:
    rng = np.random.default_rng(0)
    assert _take(np.array([0.9, 0.1, 0.0]), np.array([3, 50, 50]), 20, rng).tolist() == [3, 17, 0]
    assert _take(np.array([1.0, 0.0, 0.0]), np.array([3, 0, 50]), 20, rng).tolist() == [3, 0, 17]
    assert _take(np.array([1.0, 0.0, 0.0]), np.array([3, 2, 1]), 6, rng).tolist() == [3, 2, 1]


@settings(deadline=None)
@given(tasks(), st.integers(1, 30))
def test_no_phone_is_short_of_the_fewest_photos(task: Task, least: int) -> None:
    name, labels, subjects, options = task
    if options["phones"] * least > len(labels):
        most = len(labels) // options["phones"]
        with pytest.raises(InputError, match=rf"^federation\.min_photos: .* set it to {most} or less$"):
            deal(name, labels, subjects, **options, min_photos=least)
        return
    owner = deal(name, labels, subjects, **options, min_photos=least)
    before, after = (
        np.bincount(o, minlength=options["phones"]) for o in (deal(name, labels, subjects, **options), owner)
    )
    assert after.min() >= least
    assert after.sum() == len(labels)
    if before.min() >= least:
        np.testing.assert_array_equal(owner, deal(name, labels, subjects, **options))
    else:
        assert after.max() <= before.max()


def test_by_hand_who_gives_photos_to_a_phone_that_is_short() -> None:
    """Shares of 20 photos as 16, 3 and 1: with five at least, the largest gives two and four."""
    labels, subjects = np.zeros(20, int), np.repeat(["a", "b", "c"], [16, 3, 1])
    assert sorted(np.bincount(deal("subject", labels, subjects, 3)).tolist()) == [1, 3, 16]
    owner = deal("subject", labels, subjects, 3, min_photos=5)
    assert sorted(np.bincount(owner).tolist()) == [5, 5, 10]
    for person, photos in (("b", 3), ("c", 1)):
        assert np.bincount(owner[subjects == person]).max() == photos  # they keep their own
