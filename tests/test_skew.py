"""Measured skew: numbers by hand, scipy as the reference, and what holds for any phones."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from fer_models.local.phone_rows import PhoneRows
from fer_models.run_folder.data_facts import DataFacts, KeptPhones, Sizes
from fer_models.run_folder.files import as_json
from simulations.experiment import validate
from simulations.run.artifacts import write_data
from simulations.world import skew
from simulations.world.prepare import survey


@st.composite
def tables(draw: st.DrawFn) -> np.ndarray:
    """Views of 1 to 6 classes on 1 to 30 phones, none of them empty."""
    phones, classes = draw(st.integers(1, 30)), draw(st.integers(1, 6))
    cells = st.one_of(st.just(0), st.integers(0, 10**9))
    views = np.array(draw(st.lists(cells, min_size=phones * classes, max_size=phones * classes)))
    views = views.reshape(phones, classes)
    views[views.sum(axis=1) == 0, 0] = 1
    return views


def test_views_are_counted_by_phone_and_class() -> None:
    labels = np.array([2, 0, 1, 1, 0])
    shards = PhoneRows(np.zeros((5, 1)), labels, np.array([4, 2, 3, 0]), np.array([0, 1, 3, 4]))
    assert skew.table(shards, 4).tolist() == [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0]]


def test_divergence_by_hand() -> None:
    assert skew.label_divergence(np.array([[3, 3], [5, 5]])) == 0
    # (1, 0) and (1/2, 1/2) meet at (3/4, 1/4): half of log2(4/3), and half of (log2(2/3) + log2(2)) / 2.
    by_hand = np.log2(4 / 3) / 2 + (np.log2(2 / 3) + 1) / 4
    assert skew.label_divergence(np.array([[9, 0], [0, 9]])) == pytest.approx(by_hand, abs=1e-15)
    assert skew.label_divergence(np.array([[9, 0], [0, 8], [0, 1]])) == pytest.approx(by_hand, abs=1e-15)
    assert skew.most_divergence(np.array([[1, 2], [8, 7]])) == pytest.approx(by_hand, abs=1e-15)
    many = np.eye(1000, dtype=int)  # one class of many each: close to 1 bit
    assert 0.98 < skew.label_divergence(many) < 1


def test_phones_weigh_by_their_views() -> None:
    views = np.array([[30, 10], [10, 50]])
    whole = np.array([0.4, 0.6])
    each = [jensenshannon(row / row.sum(), whole, base=2) ** 2 for row in views]
    assert skew.label_divergence(views) == pytest.approx(0.4 * each[0] + 0.6 * each[1], abs=1e-14)


@settings(deadline=None)
@example(np.array([[69821521, 1], [1, 0]]))
@given(tables())
def test_divergence_is_that_of_scipy_and_within_its_bounds(views: np.ndarray) -> None:
    sizes, whole = views.sum(axis=1), views.sum(axis=0) / views.sum()
    with np.errstate(invalid="ignore"):  # scipy takes the root of what rounding left below 0: nan for 0
        each = [jensenshannon(row / row.sum(), whole, base=2) ** 2 for row in views]
    found = skew.label_divergence(views)
    assert found == pytest.approx(np.nan_to_num(each) @ sizes / sizes.sum(), abs=1e-9)
    assert 0 <= found <= skew.most_divergence(views) + 1e-12
    assert skew.most_divergence(views) < 1


def test_gini_by_hand() -> None:
    assert skew.size_gini(np.array([7])) == 0
    assert skew.size_gini(np.array([4, 4, 4])) == 0
    assert skew.size_gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)
    assert skew.size_gini(np.array([3, 1, 2])) == pytest.approx(2 / 9)  # differences 1, 1, 2: 8 / (2 * 9 * 2)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60).filter(any), st.integers(1, 1000))
def test_gini_is_half_the_relative_mean_difference(sizes: list[int], times: int) -> None:
    values = np.array(sizes)
    differences = np.abs(values[:, None] - values[None, :]).astype(float)
    found = skew.size_gini(values)
    assert found == pytest.approx(differences.mean() / (2 * values.mean()), abs=1e-12)
    assert skew.size_gini(times * values) == pytest.approx(found, abs=1e-12)


def test_what_is_said_of_a_few_phones() -> None:
    views = np.array([[4, 0], [2, 2], [0, 12]])
    said = skew.described(views, ("anger", "fear"), np.random.default_rng(0))
    assert json.loads(json.dumps(as_json(said))) == as_json(said)
    assert (said.phones, said.views) == (3, 20)
    assert said.sizes == Sizes(min=4, median=4.0, max=12)
    assert vars(said.classes["anger"]) == {"phones": 2, "p10": 0.4, "median": 2.0, "p90": pytest.approx(3.6)}
    assert said.kept == KeptPhones((0, 1, 2), {"anger": (4, 2, 0), "fear": (0, 2, 12)})


def test_of_thousands_of_phones_a_seeded_draw_is_kept() -> None:
    views = np.random.default_rng(1).integers(1, 9, (3000, 5))
    names = ("a", "b", "c", "d", "e")
    said, again, other = (skew.described(views, names, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert said == again
    assert said.kept.phones != other.kept.phones
    assert replace(said, kept=other.kept) == other  # all else is of all phones
    kept = said.kept.phones
    assert list(kept) == sorted(set(kept))
    assert len(kept) == skew.MOST_KEPT
    np.testing.assert_array_equal(np.array(list(said.kept.views.values())).T, views[list(kept)])


@pytest.mark.parametrize("name", ["iid", "dirichlet", "pathological", "shards", "quantity"])
def test_a_run_writes_what_lies_on_its_phones(folder: Path, tmp_path: Path, name: str) -> None:
    config = validate(
        {
            "data": {"source": str(folder), "classes": ["anger", "fear"], "balance": 20},
            "model": {"name": "majority"},
            "federation": {"phones": 5, "partition": name, "classes_per_phone": 1},
        }
    )
    world = survey(config, lambda done, total: None)
    (tmp_path / "run").mkdir()
    write_data(tmp_path / "run", world, world.prepare(lambda done, total: None).phone_data)
    said = DataFacts.read(tmp_path / "run").phones
    assert said is not None
    assert (said.phones, said.views, said.kept.phones) == (5, 40, (0, 1, 2, 3, 4))
    assert [sum(views) for views in said.kept.views.values()] == [20, 20]
    alone = np.log2(4 / 3) / 2 + (np.log2(2 / 3) + 1) / 4
    assert said.most_divergence == pytest.approx(alone)
    assert 0 < said.label_divergence <= alone + 1e-12
    if name == "pathological":
        assert said.label_divergence == pytest.approx(alone)
    write_data(tmp_path / "run", world, None)
    assert DataFacts.read(tmp_path / "run").phones is None
    assert "phones" not in json.loads((tmp_path / "run" / "data.json").read_text())
