"""Private closed forms: vectors of bounded norm, their noise, public directions, and the run as a command."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_commands import Here, settings
from support_same import assert_same

from fer_models.config import DataConfig, SketchConfig
from fer_models.evaluation import HeldOut
from fer_models.linear import bounded, ridge
from fer_models.linear.statistics import Moments
from fer_models.local.kernel import QUANTUM
from fer_models.local.phone_rows import PhoneRows
from fer_models.run_folder.folder import read_rounds
from fer_models.run_folder.summary import Summary
from simulations.world.directions import Directions


@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(0.001, 1000))
def test_no_vector_is_longer_than_1(seed: int, radius: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    n, width = int(rng.integers(1, 30)), int(rng.integers(1, 12))
    features = scale * rng.standard_normal((n, width))
    labels = rng.integers(0, 3, n) if seed % 2 else np.zeros(n, np.int64)
    vector = bounded.encoded(features, labels, 3, radius)
    assert vector.shape == (bounded.size(width, 3),)
    assert np.linalg.norm(vector) <= 1 + 1e-12


def test_the_bound_is_reached() -> None:
    vector = bounded.encoded(np.array([[3.0, 4.0]]), np.array([1]), 2, 5.0)
    assert np.linalg.norm(vector) == pytest.approx(1.0)


def test_moments_come_back_as_they_went() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((20, 6)), rng.integers(0, 4, 20)
    moments = Moments.over(features, labels, np.arange(20), 4)
    found = bounded.decoded(bounded.encoded(features, labels, 4, 100.0), 6, 4, 100.0)
    np.testing.assert_allclose(found.xx, moments.xx / 20, atol=1e-10)
    np.testing.assert_allclose(found.xy, moments.xy / 20, atol=1e-10)


def test_the_noise_of_moments_has_the_norm_it_is_said_to_have() -> None:
    rng, width, radius = np.random.default_rng(0), 100, 3.0
    norms = [
        np.linalg.norm(
            bounded.decoded(0.1 * rng.standard_normal(bounded.size(width, 2)), width, 2, radius).xx, 2
        )
        for _ in range(5)
    ]
    assert np.mean(norms) == pytest.approx(bounded.noise_of_moments(0.1, width, radius), rel=0.1)


def test_phones_count_equally_and_are_summed_exactly() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((30, 4)).astype(np.float32), rng.integers(0, 3, 30)
    held = PhoneRows(features, labels, np.arange(30), np.array([0, 1, 6, 30]))
    total, inside = bounded.phone_vectors(held, np.arange(3), 3, 2.0, 0.5)
    each = [bounded.phone_vectors(held, np.array([i]), 3, 2.0, 0.5)[0] for i in range(3)]
    np.testing.assert_array_equal(total, sum(each))
    for one in each:
        quanta = one / QUANTUM
        assert (quanta == np.rint(quanta)).all()
        assert 0 < np.linalg.norm(one) <= 0.5
    assert 0 <= inside <= 3
    features[0] = np.nan
    np.testing.assert_array_equal(
        bounded.phone_vectors(held, np.arange(3), 3, 2.0, 0.5)[0], each[1] + each[2]
    )


def test_without_noise_it_is_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((500, 5))
    labels = (features @ rng.standard_normal((5, 3))).argmax(axis=1)
    moments = Moments.over(features, labels, np.arange(500), 3)
    mean = Moments(xy=moments.xy / 500, xx=moments.xx / 500)
    found = ridge.with_noise(mean, 1e-6, HeldOut(features[:100], labels[:100]))
    usual = ridge.solve(moments, 1e-6)
    one, other = (features @ h[:, :-1].T + h[:, -1] for h in (found.head.astype(np.float64), usual))
    assert (one.argmax(axis=1) == other.argmax(axis=1)).mean() > 0.99


def test_a_head_along_directions_is_expanded_to_the_same_scores() -> None:
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.standard_normal((20, 4)))
    along = Directions(rng.standard_normal(20), basis, 1.0)
    rows, head = rng.standard_normal((9, 20)).astype(np.float32), rng.standard_normal((3, 5))
    whole = along.expanded(head)
    few = along.of(rows) @ head[:, :-1].T + head[:, -1]
    np.testing.assert_allclose(rows @ whole[:, :-1].T + whole[:, -1], few, atol=1e-4)
    heads = rng.standard_normal((7, 3, 5))
    np.testing.assert_array_equal(along.expanded(heads)[2], along.expanded(heads[2]))


RIDGE = {
    "federation__engine": "process", "strategy__name": "ridge", "privacy__mechanism": '"central"',
    "privacy__noise_multiplier": 1.0, "privacy__delta": 1e-3, "privacy__directions": 8,
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_drawn_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulations.world.directions._DRAWN", SketchConfig(faces=60, subjects=12, seed=9))


def test_private_ridge_is_one_round(here: Here, tmp_path: Path) -> None:
    done = here.run("run", *settings(**RIDGE), "--no-baseline", "--out", "run")
    assert (done.code, done.err) == (0, "")
    (record,) = read_rounds(tmp_path / "run")
    assert (record.phones, record.photos, record.train_loss) == (None, None, None)
    assert record.bytes_up == 10 * 8 * bounded.size(8, 5)
    assert record.bytes_down == 0
    assert record.metrics["signal_norm"] <= 1.0
    summary = Summary.read(tmp_path / "run")
    assert summary.privacy is not None
    assert summary.privacy.accountant == "gaussian"
    assert summary.privacy.rounds == summary.rounds == 1
    assert summary.chosen is not None
    assert summary.chosen["penalty"] > 0
    assert here.run("run", *settings(**RIDGE), "--no-baseline", "--out", "again").code == 0
    assert_same(tmp_path / "again", tmp_path / "run")


def test_its_penalty_depends_on_no_photo(here: Here, tmp_path: Path) -> None:
    for name, balance in (("one", 0), ("other", 40)):
        words = settings(**{**RIDGE, "data__balance": balance})
        assert here.run("run", *words, "--no-baseline", "--out", name).code == 0
    one, other = (Summary.read(tmp_path / name).chosen for name in ("one", "other"))
    assert one is not None
    assert other is not None
    assert one["penalty"] == other["penalty"]


def test_rounds_along_directions_give_a_head_on_all_features(here: Here, tmp_path: Path) -> None:
    words = settings(**{**RIDGE, "strategy__name": "ditto", "federation__rounds": 3})
    assert here.run("run", *words, "--no-baseline", "--out", "run").code == 0
    from safetensors.numpy import load_file

    assert load_file(tmp_path / "run" / "head.safetensors")["weight"].shape == (5, 1280)
    assert load_file(tmp_path / "run" / "own_heads.safetensors")["heads"].shape[1:] == (5, 1281)
    assert read_rounds(tmp_path / "run")[0].bytes_up == 10 * 4 * 5 * 9
    here.refused("audit", "run", words="cannot be audited")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"privacy__directions": 0}, "privacy.directions must be given with a closed form"),
        ({"strategy__name": "lda"}, "lda cannot be private: phones send sums over their views, from which"),
        ({"strategy__name": "fedavg", "strategy__start": "ridge"}, "its head starts from sums"),
        ({"strategy__name": "fedavg", "model__name": "cnn"}, "privacy.directions are for linear heads"),
        ({"privacy__directions": 2000}, "privacy.directions"),
    ],
)
def test_what_cannot_be(here: Here, changes: dict[str, object], line: str) -> None:
    here.refused("run", *settings(**{**RIDGE, **changes}), "--no-baseline", "--out", "run", words=line)


def test_the_drawn_faces_of_the_directions_are_not_those_of_the_sketch() -> None:
    from simulations.world import directions

    assert directions._DRAWN.seed != SketchConfig().seed
    assert DataConfig().source == "sketch"
