from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_splits import WANTED, photo_sets, reaches_all

from fer_models.config import SPLITS
from fer_models.data.split import split_photos


def share_of_parts(labels: np.ndarray, split: np.ndarray, c: int) -> np.ndarray:
    return np.bincount(split[labels == c], minlength=3) / np.count_nonzero(labels == c)


def test_by_hand_ten_photos_of_each_class() -> None:
    labels = np.repeat([0, 1], 10)
    split = split_photos(labels, np.arange(20), WANTED, classes=2, seed=0)
    assert SPLITS == ("train", "validation", "test")
    assert split.dtype == np.int8
    for c in (0, 1):
        assert np.bincount(split[labels == c]).tolist() == [6, 2, 2]


def test_by_hand_three_people_are_one_part_each_and_the_one_of_most_photos_trains() -> None:
    labels = np.array([0] * 6 + [0] * 2 + [0] * 2)
    people = np.array(["c"] * 6 + ["a"] * 2 + ["b"] * 2)
    split = split_photos(labels, people, WANTED, classes=1, seed=0)
    assert split[:6].tolist() == [0] * 6
    assert sorted({int(split[6]), int(split[8])}) == [1, 2]


def test_by_hand_a_seating_that_only_a_search_finds() -> None:
    """Classes 0 and 1 have three people each and share two: those must part, and the third ones join."""
    people = np.array([0, 0, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4, 5, 6, 7])
    labels = np.array([0, 1, 0, 1, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    for seed in range(20):
        assert reaches_all(labels, split_photos(labels, people, WANTED, classes=3, seed=seed))


@given(photo_sets(), st.integers(0, 2**62))
def test_every_photo_is_in_one_part_and_every_person_too(
    photos: tuple[np.ndarray, np.ndarray, int], seed: int
) -> None:
    labels, groups, classes = photos
    split = split_photos(labels, groups, WANTED, classes=classes, seed=seed)
    assert split.shape == labels.shape
    assert set(split.tolist()) <= {0, 1, 2}
    for group in np.unique(groups):
        assert len(set(split[groups == group].tolist())) == 1
    again = split_photos(labels, groups, WANTED, classes=classes, seed=seed)
    assert again.tolist() == split.tolist()


@pytest.mark.slow
@settings(max_examples=200)
@given(photo_sets(most_groups=6), st.integers(0, 1000))
def test_every_class_reaches_every_part_wherever_that_is_possible(
    photos: tuple[np.ndarray, np.ndarray, int], seed: int
) -> None:
    labels, groups, classes = photos
    split = split_photos(labels, groups, WANTED, classes=classes, seed=seed)
    _, group = np.unique(groups, return_inverse=True)
    seatings = product(range(3), repeat=int(group.max()) + 1)
    possible = any(reaches_all(labels, np.array(seating)[group]) for seating in seatings)
    assert reaches_all(labels, split) == possible


@given(
    st.lists(st.integers(3, 200), min_size=2, max_size=5),
    st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.1, 0.1), (1 / 3, 1 / 3, 1 / 3)]),
    st.integers(0, 1000),
)
def test_single_photos_come_within_two_photos_of_the_wanted_shares(
    sizes: list[int], wanted: tuple[float, float, float], seed: int
) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    split = split_photos(labels, np.arange(len(labels)), wanted, classes=len(sizes), seed=seed)
    assert reaches_all(labels, split)
    for c, size in enumerate(sizes):
        got = share_of_parts(labels, split, c) * size
        assert np.abs(got - size * np.array(wanted)).max() <= 2


@pytest.mark.parametrize("seed", range(5))
def test_people_of_uneven_numbers_of_photos_come_near_the_wanted_shares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(150), rng.geometric(0.12, 150))
    labels = rng.choice(4, len(people), p=[0.6, 0.3, 0.08, 0.02])
    split = split_photos(labels, people, WANTED, classes=4, seed=seed)
    for c in range(4):
        one = 1 / np.count_nonzero(labels == c)
        assert share_of_parts(labels, split, c) == pytest.approx(WANTED, abs=max(0.02, 2 * one))
    heads = np.bincount(split[np.unique(people, return_index=True)[1]]) / 150
    assert heads == pytest.approx(WANTED, abs=0.05)  # not all people of many photos in one part


def test_seeds_differ_and_names_of_people_do_not_matter_but_for_their_order() -> None:
    labels = np.tile([0, 1, 2], 100)
    people = np.arange(300) // 5
    splits = [split_photos(labels, people, WANTED, classes=3, seed=seed) for seed in range(8)]
    assert len({tuple(split.tolist()) for split in splits}) == 8
    named = np.array([f"person {p:03d}" for p in people])
    assert split_photos(labels, named, WANTED, classes=3, seed=0).tolist() == splits[0].tolist()
    first = [int(split[0]) for split in splits]
    assert len(set(first)) > 1
