"""Who balances the classes: plans by hand, what phones hold and count, settings that do not go together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_reference import CLASSES, WIDTH, make_shards, torch_phone
from support_rounds import SIZES, head_bytes, run

from fer_models.balancing.registry import WAYS, central_plan, chosen
from fer_models.config import DataConfig, TrainConfig
from fer_models.data.augment import ViewPlan, plan_views
from fer_models.data.images import ImageTable
from fer_models.errors import InputError, RunError
from fer_models.heads import new_head
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.training import round_key
from server.config import StrategyConfig
from simulations.experiment import load
from simulations.world.prepare import world_of


def table_of(labels: list[int], split: list[int], classes: int = 3) -> ImageTable:
    """A table without pictures."""
    return ImageTable(
        source="none",
        classes=tuple(f"class {c}" for c in range(classes)),
        paths=tuple(f"none/{i}" for i in range(len(labels))),
        labels=np.array(labels),
        subjects=None,
        split=np.array(split),
        digests=tuple(f"digest {i}" for i in range(len(labels))),
        unreadable=(),
        reader=lambda i, least=0: None,  # type: ignore[arg-type, return-value]
    )


# Photos 0 to 8 are for training; 9 is for validation, 10 for the test.
TABLE = table_of([0, 0, 0, 0, 1, 1, 2, 0, 2, 1, 0], [0] * 9 + [1, 2])
PHONE = np.array(
    [0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0]
)  # phone 0: four, two and one photo; phone 1: one, none, one


def way(name: str, balance: int = 100) -> DataConfig:
    return DataConfig(balance=balance, balance_on=name)


def training(table: ImageTable, plan: ViewPlan) -> list[tuple[int, int]]:
    here = table.split[plan.photos] == 0
    return list(zip(plan.photos[here].tolist(), plan.views[here].tolist(), strict=True))


def test_a_phone_fills_its_classes_up_to_its_largest_by_hand() -> None:
    plan = chosen(way("phone")).plan(TABLE, 100, PHONE, seed=0)
    views = training(TABLE, plan)
    assert views[:4] == [(0, 0), (1, 0), (2, 0), (3, 0)]  # the largest class of phone 0 as it is
    assert views[4:8] == [(4, 0), (4, 1), (5, 0), (5, 1)]
    assert views[8:12] == [(6, 0), (6, 1), (6, 2), (6, 3)]
    assert views[12:] == [(7, 0), (8, 0)]  # phone 1 has as many of both its classes
    assert plan.photos[-2:].tolist() == [9, 10]


def test_a_phone_fills_up_to_data_balance_and_drops_nothing() -> None:
    views = training(TABLE, chosen(way("phone", 3)).plan(TABLE, 3, PHONE, seed=0))
    labels = [int(TABLE.labels[photo]) for photo, _ in views[:-2]]
    assert [labels.count(c) for c in range(3)] == [4, 3, 3]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=40),
    st.integers(1, 12),
    st.integers(0, 5),
)
def test_the_plan_of_a_phone_is_its_own(photos: list[tuple[int, int]], balance: int, seed: int) -> None:
    labels, owners = ([pair[place] for pair in photos] for place in (0, 1))
    table, phone = table_of(labels, [0] * len(labels)), np.array(owners)
    plan = chosen(way("phone")).plan(table, balance, phone, seed=seed)
    views = training(table, plan)
    assert len(set(views)) == len(views)
    assert [photo for photo, view in views if view == 0] == list(range(len(labels)))  # none is left out
    for own in np.unique(phone):
        mine = np.flatnonzero(phone == own)
        counts = np.bincount(table.labels[mine], minlength=3)
        got = np.bincount([table.labels[photo] for photo, _ in views if phone[photo] == own], minlength=3)
        most = min(counts.max(), balance)
        assert got.tolist() == [max(n, most) if n else 0 for n in counts]
        alone = table_of(table.labels[mine].tolist(), [0] * len(mine))
        same = chosen(way("phone")).plan(alone, balance, np.full(len(mine), own), seed=seed)
        assert [(mine[p], v) for p, v in training(alone, same)] == [v for v in views if phone[v[0]] == own]


def test_one_machine_is_a_phone_with_all_photos() -> None:
    views = training(TABLE, central_plan(TABLE, way("phone"), seed=0))
    counts = np.bincount([TABLE.labels[photo] for photo, _ in views])
    assert counts.tolist() == [5, 5, 5]
    assert training(TABLE, central_plan(TABLE, way("loss"), seed=0)) == [(i, 0) for i in range(9)]
    assert training(TABLE, central_plan(TABLE, way("server", 2), seed=0)) == training(
        TABLE, plan_views(TABLE, 2, seed=0)
    )


@pytest.mark.parametrize("name", WAYS)
def test_without_balancing_all_ways_are_one(name: str) -> None:
    none = chosen(way(name, 0))
    assert (none.central_plan, none.own_views, none.weighs) == (False, False, False)
    assert training(TABLE, none.plan(TABLE, 0, PHONE, seed=0)) == [(i, 0) for i in range(9)]


# What phones hold


def prepared(name: str, *more: str, balance: int = 100) -> tuple[PhoneRows, PhoneRows]:
    """What phones and the one machine hold of 60 photos, by a model that reads no features."""
    labels = (np.arange(60) % 10 // 4).tolist()  # 24, 24 and 12 of the classes
    table = table_of(labels + [0, 1, 2] * 4, [0] * 60 + [1] * 6 + [2] * 6)
    settings = [
        'data.classes=["a", "b", "c"]', f"data.balance={balance}", f"data.balance_on={name}",
        "model.name=majority", "federation.phones=5", *more,
    ]  # fmt: skip
    world = world_of(load("quickstart", settings=settings)[1], table)
    found = world.prepare(lambda done, total: None)
    assert isinstance(found.phone_data, PhoneRows)
    return found.phone_data, found.central


def test_phones_that_balance_count_by_their_photos_and_the_one_machine_has_a_plan_of_its_own() -> None:
    held, central = prepared("phone", "federation.partition=dirichlet", "federation.alpha=0.3")
    assert held.photos is not None
    assert held.photos.sum() == 60
    assert (held.sizes >= held.photos).all()
    assert (held.sizes > held.photos).any()
    assert np.bincount(central.labels[central.rows]).tolist() == [24, 24, 24]
    for phone in range(5):
        counts = np.bincount(held.labels[held.rows[held.offsets[phone] : held.offsets[phone + 1]]])
        assert len(set(counts[counts > 0].tolist())) == 1  # as many of each class that it has
    assert (held.weighted, central.weighted) == (False, False)


def test_phones_that_weigh_hold_photos_and_so_does_the_one_machine() -> None:
    held, central = prepared("loss", "federation.partition=dirichlet")
    assert held.weighted
    assert central.weighted
    assert held.photos is None
    assert held.sizes.sum() == len(central.rows) == 60


def test_the_central_plan_and_no_plan_are_what_they_were() -> None:
    held, central = prepared("server", balance=30)
    assert held.photos is None
    assert np.bincount(held.labels[held.rows]).tolist() == [30, 30, 30]
    for name in WAYS:
        held, central = prepared(name, balance=0)
        assert (held.weighted, central.weighted) == (False, False)
        assert held.photos is None
        assert held.sizes.sum() == len(central.rows) == 60


def test_held_out_photos_are_dealt_by_the_photos_of_a_phone_not_by_its_views() -> None:
    """Phone by phone the same share of each class, whatever the phones add for themselves."""
    labels = [0] * 40 + [1] * 8
    table = table_of(labels + [0] * 20 + [1] * 4 + [0, 1], [0] * 48 + [1] * 24 + [2] * 2, classes=2)
    table = replace(table, subjects=np.array([f"s{i % 2 if i < 40 else i % 4 > 0}" for i in range(74)]))
    asked = [
        'data.classes=["a", "b"]', "data.balance=100", "data.balance_on=phone", "model.name=majority",
        "federation.phones=2", "federation.partition=subject",
    ]  # fmt: skip
    world = world_of(load("quickstart", settings=asked)[1], table)
    found = world.prepare(lambda done, total: None)
    assert found.validation_on_phones is not None
    place, parts = found.validation_on_phones.place, found.validation_on_phones.labels
    photos = found.phone_data.photos_of(np.arange(2))
    assert sorted(photos.tolist()) == [22, 26]  # type: ignore[union-attr]
    assert sorted(np.bincount(place[parts == 1], minlength=2).tolist()) == [1, 3]  # 2 and 6 photos of it


# What phones count


def test_a_phone_counts_by_its_photos(tmp_path: Path) -> None:
    """The next head is the mean of the phones' heads weighted by photos; the same on any nodes."""
    shards = make_shards(SIZES)
    photos = np.maximum(shards.sizes // 3, 1)
    held = replace(shards, photos=photos)
    np.save(tmp_path / "features.npy", shards.features)
    held.save(tmp_path, tmp_path / "features.npy")
    train = TrainConfig(lr=0.1, dropout=0.0, optimizer="sgd")
    got = run(tmp_path, held, rounds=1, train=train, photos=photos)
    start = new_head(CLASSES, WIDTH, seed=0)
    heads = [torch_phone(shards, p, start, train, 1, round_key(0, 1))[0] for p in range(len(SIZES))]
    expected = np.average(heads, axis=0, weights=photos)
    np.testing.assert_allclose(got.states[-1].head, expected, atol=1e-5)
    assert got.records[0].photos == sum(SIZES)  # all views are processed
    other = run(tmp_path, held, rounds=1, train=train, photos=photos, nodes=3, block=1, grid_seed=3)
    assert head_bytes(other) == head_bytes(got)
    with pytest.raises(RunError, match="only 0 of 10 phones sent usable updates"):
        run(tmp_path, held, rounds=1, train=train)  # by the plan they count by views


@pytest.mark.parametrize("name", ["scaffold", "fednova", "qfedavg"])
def test_strategies_weigh_phones_by_photos_and_know_their_steps(tmp_path: Path, name: str) -> None:
    """Phones whose photos are their views repeated 4 times over: photos instead of views change no weight."""
    shards = make_shards([size * 4 for size in SIZES])
    photos, train = np.array(SIZES), TrainConfig(lr=0.05, dropout=0.0, optimizer="sgd")
    np.save(tmp_path / "features.npy", shards.features)
    shards.save(tmp_path / "views", tmp_path / "features.npy")
    replace(shards, photos=photos).save(tmp_path / "photos", tmp_path / "features.npy")
    asked = {"strategy": StrategyConfig(name=name), "rounds": 2, "train": train}
    by_views = run(tmp_path / "views", shards, **asked)  # type: ignore[arg-type]
    by_photos = run(tmp_path / "photos", shards, photos=photos, **asked)  # type: ignore[arg-type]
    np.testing.assert_allclose(by_photos.states[-1].head, by_views.states[-1].head, atol=1e-6)


def test_what_a_phone_holds_comes_back_from_its_files(tmp_path: Path) -> None:
    shards = make_shards([3, 4])
    np.save(tmp_path / "features.npy", shards.features)
    for name, held in [("plain", shards), ("more", replace(shards, photos=np.array([1, 4]), weighted=True))]:
        held.save(tmp_path / name, tmp_path / "features.npy")
        back = PhoneRows.load(tmp_path / name)
        assert back.weighted == held.weighted
        assert (back.photos is None) == (held.photos is None)
    assert back.photos_of(np.array([1])) == [4]


# Settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ["data.balance_on=node"],
            r'^data\.balance_on must be "phone", "server" or "loss", got "node"; the default',
        ),
        (
            ["data.balance_on=phone", "federation.partition=draw"],
            r'^data\.balance_on = "phone" is for phones that own their photos; those of .*draw sample views',
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load("quickstart", settings=settings)
    assert "\n" not in str(caught.value)
    load("quickstart", settings=["data.balance_on=loss", "federation.partition=draw"])
