"""Held-out photos dealt to phones: each to one, in proportion to what phones hold, seeded."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_reference import CLASSES, make_shards
from support_slow import few_quick

from fer_models.data.augment import ViewPlan, views
from fer_models.data.draws import PoolDraws
from fer_models.evaluation import HeldOut
from fer_models.local.phone_rows import PhoneData
from fer_models.seeding import stream
from simulations.experiment import validate
from simulations.world import skew
from simulations.world.holdout import EACH, MOST, candidates, class_views, deal, phone_holdout
from simulations.world.prepare import survey

NAMES = tuple("abcdefgh"[:CLASSES])
TABLES = st.integers(1, 12).flatmap(
    lambda phones: st.lists(
        st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=phones, max_size=phones
    ).filter(lambda table: all(map(sum, table)))
)


@given(TABLES, st.lists(st.integers(0, 2), max_size=80), st.integers(0, 2**32))
def test_every_photo_has_one_phone_and_every_phone_its_share(table: list, labels: list, seed: int) -> None:
    """Of each class by the phones' views of it, rounded up or down; of one that none holds, by all views."""
    views, of_photo = np.array(table), np.array(labels, np.int64)
    place = deal(of_photo, views, stream(seed, "deal"))
    assert place.shape == of_photo.shape
    np.testing.assert_array_equal(place, deal(of_photo, views, stream(seed, "deal")))
    for label in range(3):
        dealt = np.bincount(place[of_photo == label], minlength=len(views))
        assert dealt.sum() == (of_photo == label).sum()
        weights = views[:, label] if views[:, label].any() else views.sum(axis=1)
        # In whole numbers, as shares are: dealt * whole lies less than `whole` from photos * weight.
        assert (np.abs(dealt * weights.sum() - dealt.sum() * weights) < weights.sum()).all()


@pytest.mark.slow
def test_over_many_seeds_a_phone_gets_its_share() -> None:
    views, labels = np.array([[1, 0], [2, 0], [4, 5]]), np.array([0] * 5 + [1] * 3)
    places = np.array([deal(labels, views, stream(seed, "deal")) for seed in range(3000)])
    mean = np.stack([(places[:, :5] == phone).sum(axis=1).mean() for phone in range(3)])
    np.testing.assert_allclose(mean, 5 * np.array([1, 2, 4]) / 7, atol=0.04)
    assert (places[:, 5:] == 2).all()
    which = (places[:, :5] == 0).mean(axis=0)  # every photo of the class is as likely as the others
    np.testing.assert_allclose(which, 1 / 7, atol=0.03)


def test_equal_phones_get_equally_many() -> None:
    place = deal(np.zeros(860, np.int64), np.full((100, 1), 10), stream(0, "deal"))
    assert set(np.bincount(place, minlength=100).tolist()) == {8, 9}


def test_all_phones_are_asked_but_where_they_outnumber_the_photos() -> None:
    assert candidates(100, 860, seed=0).tolist() == list(range(100))
    assert candidates(1344, 1344, seed=0).tolist() == list(range(1344))
    some = candidates(1_000_000, 869, seed=0)
    assert len(np.unique(some)) == 86
    assert (np.diff(some) > 0).all()
    assert set(candidates(1_000_000, 500, seed=0)) < set(
        some
    )  # validation and test: the same phones, if they can
    assert not np.array_equal(some, candidates(1_000_000, 869, seed=1))
    assert len(candidates(301, 300, seed=0)) == 30
    assert len(candidates(1_000_000, 100_000, seed=0)) == MOST
    assert len(candidates(5, 4, seed=0)) == 1


def test_the_views_of_phones_are_counted_from_what_they_hold() -> None:
    shards = make_shards([3, 17, 1, 40, 8])
    whole = np.array([np.bincount(labels_of(shards, phone), minlength=CLASSES) for phone in range(5)])
    np.testing.assert_array_equal(skew.table(shards, CLASSES), whole)
    np.testing.assert_array_equal(class_views(shards, np.array([1, 4]), CLASSES), whole[[1, 4]])


@pytest.mark.parametrize(("phones", "each"), few_quick([(300, 5_000), (3, 600_000)], (3, 600_000)))
def test_views_are_counted_however_many_there_are(phones: int, each: int) -> None:
    pool = make_shards([60])
    held = PoolDraws.of_pool(
        pool.features, pool.labels, pool.rows, phones=phones, each=each, alpha=1.0, classes=CLASSES, seed=0
    )
    whole = [np.bincount(labels_of(held, phone), minlength=CLASSES) for phone in range(phones)]
    np.testing.assert_array_equal(skew.table(held, CLASSES), whole)


def labels_of(held: PhoneData, phone: int) -> np.ndarray:
    rows, (first,), (last,) = held.of(np.array([phone]))
    return held.labels[rows[first:last]]


def test_the_parts_of_a_run() -> None:
    shards = make_shards([3, 17, 1, 40, 8])
    photos = HeldOut(shards.features[:30], shards.labels[:30])
    parts = phone_holdout(photos, shards, NAMES, seed=0, part="test")
    assert parts is not None
    assert parts.features is photos.features
    assert parts.labels is photos.labels
    views = skew.table(shards, CLASSES)
    assert parts.phones.tolist() == [0, 1, 2, 3, 4]
    assert parts.largest.tolist() == [int(row.argmax()) for row in views]
    other = phone_holdout(photos, shards, NAMES, seed=0, part="validation")
    assert other is not None
    assert not np.array_equal(parts.place, other.place)
    assert phone_holdout(photos, make_shards([60]), NAMES, seed=0, part="test") is None


def test_as_many_phones_as_a_city_has() -> None:
    """A million phones of two views; some are asked, and nothing here walks over phones."""
    phones = 1_000_000
    shards = make_shards([40])
    rows = np.tile(np.arange(60), phones // 30 + 1)[: 2 * phones]
    many = type(shards)(shards.features, shards.labels, rows, 2 * np.arange(phones + 1))
    photos = HeldOut(shards.features, np.repeat(shards.labels, 40))
    parts = phone_holdout(photos, many, NAMES, seed=0, part="test")
    assert parts is not None
    assert len(parts.phones) == len(photos.labels) // EACH
    held = skew.table(many, CLASSES)[parts.phones[parts.place]]
    assert (held[np.arange(len(held)), parts.labels] > 0).all()


PARTITIONS = [
    "iid",
    "dirichlet",
    "dirichlet-clients",
    "pathological",
    "shards",
    "quantity",
    "subject",
    "camera",
    "draw",
]


@pytest.fixture(scope="module")
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of this module: whatever the partition, the faces are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDFER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.usefixtures("one_cache")
@pytest.mark.parametrize("phones", few_quick([1, 4], 4))
@pytest.mark.parametrize("name", few_quick(PARTITIONS, "iid"))
def test_every_partition_has_parts_of_the_held_out_photos(name: str, phones: int) -> None:
    """Row by row the same photos; with `camera` each as the camera of its phone takes it."""
    config = validate(
        {
            "data": {"image_size": 32, "balance": 8},
            "sketch": {"faces": 120, "subjects": 40},
            "model": {"name": "cnn"},  # whose rows are pixels
            "federation": {"phones": phones, "partition": name},
            "evaluation": {"min_photos": 7},
        }
    )
    world = survey(config, lambda done, total: None)
    prepared = world.prepare(lambda done, total: None)
    if phones == 1:
        assert (prepared.validation_on_phones, prepared.test_on_phones) == (None, None)
        return
    for split, held, own in (
        (1, prepared.validation, prepared.validation_on_phones),
        (2, prepared.test, prepared.test_on_phones),
    ):
        assert own is not None
        np.testing.assert_array_equal(own.labels, held.labels)
        assert own.phones.tolist() == [0, 1, 2, 3]
        assert own.min_photos == 7
        assert (own.features is held.features) == (name != "camera")
        photos = np.flatnonzero(world.table.split == split)
        cameras = own.phones[own.place] if name == "camera" else None
        taken = views(world.table, ViewPlan(photos, np.zeros_like(photos), cameras), 32, seed=0)
        np.testing.assert_array_equal(own.features, np.stack(list(taken)))
