"""run.seed divides into three, each of which changes what is its own, and nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_commands import Here, settings

from fer_models.data.augment import ViewPlan, views
from fer_models.data.draws import PoolDraws
from server.selection import select
from simulations.config import Config
from simulations.experiment import load
from simulations.run.baselines import federated_views
from simulations.world.prepare import Prepared, World, survey

KINDS = ("split", "partition", "train")


def config(partition: str = "dirichlet", **run: object) -> Config:
    """Phones of a model that reads nothing: its world takes no time."""
    changes = {"sketch.faces": 300, "sketch.subjects": 60, "data.balance": 40, "data.image_size": 32}
    changes |= {"model.name": "majority", "federation.phones": 8, "federation.partition": partition}
    changes |= {f"run.{name}": value for name, value in run.items()}
    return load("quickstart", settings=[f"{key}={value}" for key, value in changes.items()])[1]


def world(partition: str = "dirichlet", **run: object) -> tuple[World, Prepared]:
    found = survey(config(partition, **run), lambda done, total: None)
    return found, found.prepare(lambda done, total: None)


def differs(one: np.ndarray, two: np.ndarray) -> bool:
    return not np.array_equal(one, two)


def test_each_is_run_seed_unless_set() -> None:
    run = config(seed=7).run
    assert (run.split, run.partition, run.train) == (7, 7, 7)
    run = config(seed=7, split_seed=0, train_seed=2).run
    assert (run.seed, run.split, run.partition, run.train) == (7, 0, 7, 2)
    assert load("quickstart")[1].run.model_dump() == {
        "seed": 0, "split_seed": "auto", "partition_seed": "auto", "train_seed": "auto", "device": "cpu",
    }  # fmt: skip


def test_all_three_set_are_the_world_of_that_run_seed() -> None:
    (one, ready), (two, also) = world(seed=3), world(seed=9, split_seed=3, partition_seed=3, train_seed=3)
    for name in ("photos", "views"):
        assert not differs(getattr(one.plan, name), getattr(two.plan, name))
    assert not differs(one.owner, two.owner)
    for part in ("validation_on_phones", "test_on_phones"):
        assert not differs(getattr(ready, part).place, getattr(also, part).place)


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_follows_the_seeds_of_split_and_partition_alone(kind: str) -> None:
    (one, ready), (two, also) = world(), world(**{f"{kind}_seed": 1})
    assert differs(one.table.split, two.table.split) == (kind == "split")
    assert differs(one.plan.photos, two.plan.photos) == (kind == "split")
    assert differs(one.owner, two.owner) == (kind in ("split", "partition"))
    for part in ("validation_on_phones", "test_on_phones"):
        changed = differs(getattr(ready, part).place, getattr(also, part).place)
        assert changed == (kind in ("split", "partition"))


@pytest.mark.parametrize("kind", KINDS)
def test_draws_follow_the_seed_of_the_partition(kind: str) -> None:
    (_, one), (_, two) = world("draw"), world("draw", **{f"{kind}_seed": 1})
    assert isinstance(one.phone_data, PoolDraws)
    assert isinstance(two.phone_data, PoolDraws)
    assert (one.phone_data.seed != two.phone_data.seed) == (kind == "partition")


@pytest.mark.parametrize("kind", KINDS)
def test_cameras_follow_the_seed_of_the_partition_and_other_views_that_of_the_split(kind: str) -> None:
    one, two = (survey(config("camera", **run), lambda *_: None) for run in ({}, {f"{kind}_seed": 1}))

    def shots(of: World, taken: bool) -> list[np.ndarray]:
        rows, numbers = np.array([0, 0]), np.array([0, 1])  # one photo of the same table, itself and a view
        plan = ViewPlan(rows, numbers, np.array([2, 2]) if taken else None, of.plan.camera_seed)
        return list(views(one.table, plan, 32, seed=of.config.run.split))

    taken = [differs(a, b) for a, b in zip(shots(one, True), shots(two, True), strict=True)]
    plain = [differs(a, b) for a, b in zip(shots(one, False), shots(two, False), strict=True)]
    assert taken == [kind == "partition", kind in ("split", "partition")]
    assert plain == [False, kind == "split"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_selection_of_phones_follows_the_seed_of_training(kind: str) -> None:
    sizes = np.arange(1, 9) ** 3

    def seen(**run: object) -> int:
        one = config(**run)
        few = one.federation.model_copy(update={"phones_per_round": 3, "rounds": 2})
        return federated_views(one.model_copy(update={"federation": few}), sizes)

    assert (seen() != seen(**{f"{kind}_seed": 1})) == (kind == "train")
    assert seen(train_seed=4) == sum(sizes[select(8, 3, seed=4, number=n)].sum() for n in (1, 2))


def summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return found


def run(here: Here, name: str, **run: object) -> Path:
    seeds = {f"run__{key}": value for key, value in run.items()}
    few = {"sketch__faces": 150, "data__balance": 12, "federation__rounds": 2}
    random = {"federation__phones_per_round": 5, "attack__name": "noise", "federation__engine": "process"}
    done = here.run("run", *settings(**few, **random, **seeds), "--out", name)
    assert (done.code, done.err) == (0, ""), done
    return here.folder / name


@pytest.mark.slow
def test_no_random_number_of_a_run_comes_from_run_seed_itself(here: Here) -> None:
    one, two = run(here, "one"), run(here, "two", seed=5, split_seed=0, partition_seed=0, train_seed=0)
    for own in ("", "centralized", "centralized-matched"):
        for name in ("head.safetensors", "predictions.csv"):
            assert (two / own / name).read_bytes() == (one / own / name).read_bytes()
    for name in ("data.json", "phones.csv"):
        assert (two / name).read_bytes() == (one / name).read_bytes()
    said = summary(two)
    assert [said[name] for name in ("seed", "split_seed", "partition_seed", "train_seed")] == [5, 0, 0, 0]
    assert "5, split 0, partition 0, training 0" in (two / "report.html").read_text()
    assert [summary(one)[name] for name in ("seed", "split_seed", "train_seed")] == [0, 0, 0]
    other = run(here, "other", train_seed=1)
    assert (other / "data.json").read_bytes() == (one / "data.json").read_bytes()
    for own in ("", "centralized"):
        assert summary(other / own)["head_sha256"] != summary(one / own)["head_sha256"]
