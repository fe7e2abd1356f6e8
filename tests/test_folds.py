"""Folds: everybody is tested once, nobody is divided, and what cannot be is refused in one line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_splits import photo_sets, shares_of

from fer_models.config import DataConfig, SketchConfig
from fer_models.data.images import load_table
from fer_models.data.parts import Parts, assign
from fer_models.errors import InputError
from simulations.experiment import load

NAMES = ("anger", "fear", "happiness", "sadness")


def parts(
    photos: tuple[np.ndarray, np.ndarray, int],
    folds: int,
    *,
    seed: int = 0,
    by: str = "auto",
    **changes: object,
) -> list[Parts]:
    """Of each fold; every photo is another one."""
    labels, groups, classes = photos
    digests = tuple(f"{i:06d}" for i in range(len(labels)))
    data = {"classes": NAMES[:classes], "folds": folds, "split_by": by, **changes}
    configs = [DataConfig.model_validate({**data, "fold": fold}) for fold in range(folds)]
    return [assign(config, labels, groups, digests, seed=seed) for config in configs]


def large(people: int = 120) -> tuple[np.ndarray, np.ndarray, int]:
    """People with 1 to 12 photos of three uneven classes."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(people), rng.integers(1, 13, people))
    return rng.choice(3, len(groups), p=[0.6, 0.3, 0.1]), groups, 3


@pytest.mark.slow
@settings(max_examples=40)
@given(photo_sets(), st.integers(2, 6), st.integers(0, 1000), st.sampled_from(["subject", "photo"]))
def test_every_photo_is_tested_once_and_nobody_is_divided(
    photos: tuple[np.ndarray, np.ndarray, int], folds: int, seed: int, by: str
) -> None:
    few, names, classes = photos
    labels = np.concatenate(
        [few, np.tile(np.arange(classes), 12)]
    )  # so many that every fold can have every class
    groups = np.concatenate([names, [f"q{i}" for i in range(12 * classes)]])
    found = parts((labels, groups, classes), folds, seed=seed, by=by)
    tested = np.sum([one.split == 2 for one in found], axis=0)
    assert tested.tolist() == [1] * len(labels)
    for one in found:
        assert set(one.split.tolist()) == {0, 1, 2}
        for group in np.unique(groups) if by == "subject" else ():
            assert len(set(one.split[groups == group].tolist())) == 1


def test_by_hand_six_people_in_three_folds() -> None:
    photos = np.array([0, 1] * 6), np.repeat(np.arange(6), 2), 2
    for one in parts(photos, 3, split=[0.5, 0.25, 0.25]):  # of four people left a third is one, or two
        counts = np.bincount(one.split, minlength=3)
        assert counts[2] == 4
        assert counts[1] in (2, 4)
        assert [draw.what for draw in one.drawn] == ["folds", "validation"]


@pytest.mark.parametrize("by", ["subject", "photo"])
def test_shares_of_classes_are_near_those_asked_for_in_every_fold(by: str) -> None:
    photos = large()
    for one in parts(photos, 5, by=by, split=[0.7, 0.1, 0.2]):
        assert len(one.drawn) == (2 if by == "subject" else 0)
        off = shares_of(photos[0], one.split) - np.array([[0.7], [0.1], [0.2]])
        assert np.abs(off[2]).max() <= 0.15  # of 0.2: the tolerance of five folds
        assert np.abs(off[1]).max() <= 0.8 * 0.125 + 0.15 * 0.125  # of the rest, and of its own spread


def test_exact_copies_are_in_one_fold_where_no_people_are_known() -> None:
    labels = np.tile([0, 1], 30)
    digests = tuple(f"{i // 4:06d}{i % 2}" for i in range(60))  # two copies of each photo
    for fold in range(5):
        data = DataConfig(classes=NAMES[:2], folds=5, fold=fold)
        split = assign(data, labels, None, digests, seed=0).split
        assert all(len(set(split[np.array(digests) == one].tolist())) == 1 for one in digests)
        assert np.count_nonzero(split == 2) == 12


def test_folds_are_drawn_by_the_seed_and_their_number_alone() -> None:
    photos = large()
    first, other, shares = parts(photos, 4), parts(photos, 4, seed=1), parts(photos, 4, split=[0.5, 0.3, 0.2])
    for one, two, three in zip(first, other, shares, strict=True):
        assert (one.split == 2).tolist() != (two.split == 2).tolist()
        assert (one.split == 2).tolist() == (three.split == 2).tolist()
    assert (first[0].split == 1).tolist() != (first[1].split == 1).tolist()
    data = DataConfig(classes=("anger", "happiness"), folds=3, fold=1)
    table = load_table(data, SketchConfig(faces=200, subjects=40), seed=0)
    assert [draw.what for draw in table.drawn] == ["folds", "validation"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["data.folds=1"], "data.folds must be at least 2, or 0 for none, got 1"),
        (["data.folds=51"], "data.folds must be"),
        (["data.folds=5", "data.fold=5"], "data.fold must be from 0 to 4, since data.folds is 5, got 5"),
        (["data.folds=5", "data.fold=-1"], "data.fold must be a whole number at least 0"),
        (["data.fold=2"], "data.fold must be 0 if data.folds is 0, got 2; set data.folds as well"),
        (["data.folds=5", "data.split=given"], 'data.folds must be 0 if data.split is "given", got 5'),
    ],
)
def test_folds_that_do_not_exist_are_refused(settings: list[str], words: str) -> None:
    with pytest.raises(InputError) as refused:
        load("quickstart", settings=settings)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_more_folds_than_people_are_refused() -> None:
    photos = np.array([0, 1] * 6), np.repeat(np.arange(6), 2), 2
    with pytest.raises(InputError, match=r"^data\.folds: 7 folds, but only 6 people; set it to 6 or less$"):
        parts(photos, 7)
    with pytest.raises(InputError, match=r"^data\.folds: 7 folds, but only 6 different photos of class "):
        parts(photos, 7, by="photo")
    few = np.repeat([0, 1], 5), np.array([0, 1, 2, 3, 4, 0, 0, 1, 1, 2]), 2
    words = (
        r'^data\.folds: 4 folds, but only 3 people of class "fear"; set it to 3 or less, or remove the class'
    )
    with pytest.raises(InputError, match=words):
        parts(few, 4)
    alone = np.repeat([0, 1], 5), np.array([0, 1, 2, 3, 4, 0, 0, 0, 0, 0]), 2
    with pytest.raises(InputError, match='only 1 people of class "fear"; set it to 0, or remove the class'):
        parts(alone, 2)
