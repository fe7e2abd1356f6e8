"""`fedfer benchmark` from its command to its files: tuned, trained once, resumed, refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support_commands import SMALL, Here

from fer_models import features
from fer_models.data.augment import ViewPlan, union
from fer_models.heads import load_head
from simulations import api
from simulations.benchmark.record import Benchmark
from simulations.benchmark.search import Search
from simulations.experiment import load
from simulations.world.prepare import survey

SUITE = """
about = "Tiny."
reference = "central"
folds = 2
[settings]
sketch = { faces = 300, subjects = 30 }
data = { balance = 0, image_size = 64 }
model.weights = "random"
federation = { phones = 6, rounds = 4 }
[[search.rates]]
train = { optimizer = "sgd", lr = 0.1 }
[[search.rates]]
train = { optimizer = "sgd", lr = 90.0 }
[[arms]]
name = "central"
kind = "central"
settings.baseline.epochs = 3
[[arms]]
name = "fedavg"
tune = "rates"
[[arms]]
name = "local"
settings.strategy.name = "local"
"""


def suite(folder: Path, text: str = SUITE) -> str:
    (folder / "tiny.toml").write_text(text)
    return str(folder / "tiny.toml")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nope",), 'suite "nope" is neither shipped nor a file; choose one of'),
        (("quick", "--jobs", "0"), "0 is not in the range; give a number of at least 1"),
        (("quick", "--seeds", "0"), "0 is not in the range"),
        (("quick", "--set", "data.split=given"), "a benchmark makes its own folds; leave it out"),
        (("quick", "--data", "nowhere"), "nowhere"),
        (("quick", "--set", "sketch.faces=60", "--set", "sketch.subjects=5"), "data"),
    ],
)
def test_what_is_refused(here: Here, words: tuple[str, ...], said: str) -> None:
    here.refused("benchmark", *words, "--out", "bench", words=said)


def test_more_folds_than_people_are_refused(here: Here) -> None:
    text = SUITE.replace("folds = 2", "folds = 31")
    here.refused("benchmark", suite(here.folder, text), "--out", "bench", words="data.folds")


@pytest.mark.slow
def test_a_matrix_cut_from_a_larger_one_has_the_bits_of_its_own(
    run_cache: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = SMALL | {"sketch.faces": 60, "sketch.subjects": 6, "data.balance": 9, "federation.phones": 3}
    changes = [f"{name}={value}" for name, value in few.items()]
    _, config = load("quickstart", settings=changes)
    monkeypatch.setenv("FEDFER_CACHE", run_cache)
    world = survey(config, lambda *done: None)
    assert world.encoder is not None
    backwards = slice(len(world.plan) // 2, None, -1)
    part = ViewPlan(world.plan.photos[backwards], world.plan.views[backwards])
    whole = union([world.plan])
    assert len(whole) == len(world.plan)
    matrix = features.extract(world.table, whole, world.encoder, world.size, seed=0)
    cut = features.derive(world.table, part, world.encoder, world.size, seed=0, among=whole, matrix=matrix)
    found = np.load(cut)
    cut.unlink()
    own = features.extract(world.table, part, world.encoder, world.size, seed=0)
    assert own == cut
    assert own.read_bytes() == cut.read_bytes()
    np.testing.assert_array_equal(np.load(own), found)


@pytest.mark.slow
def test_a_benchmark_is_tuned_trained_once_and_resumed(here: Here) -> None:
    name = suite(here.folder)
    done = here.run("benchmark", name, "--out", "bench")
    assert (done.code, done.err) == (0, "")
    folder = here.folder / "bench"
    assert done.out.rstrip().endswith("Open bench/benchmark.html")
    heads = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("head.safetensors"))}
    assert len(heads) == 6
    for fold in (0, 1):  # the rate that diverges, or does worse, is not chosen
        search = Search.read(folder / "fedavg" / f"fold-{fold}")
        assert len(search.tried) == 2
        scores = [-1 if tried.score is None else tried.score for tried in search.tried]
        assert search.chosen == int(np.argmax(scores))
    benchmark = Benchmark.read(folder)
    assert [arm.name for arm in benchmark.arms] == ["central", "fedavg", "local"]
    assert {c.arm for c in benchmark.comparisons} == {"fedavg", "local"}
    assert not list(folder.rglob("report.html"))

    # Everybody is tested once, in one of the two folds.
    tested = [
        line.split(",")[0]
        for fold in (0, 1)
        for line in (folder / f"fedavg/fold-{fold}/seed-0/predictions.csv").read_text().splitlines()[1:]
    ]
    assert len(tested) == len(set(tested)) == benchmark.data.photos

    # A run of the benchmark is a run: the same settings give the same bytes.
    place = folder / "fedavg" / "fold-1" / "seed-0"
    shutil.copy(place / "config.toml", here.folder / "one.toml")
    alone = here.run("run", "one.toml", "--no-baseline", "--quiet", "--out", "alone")
    assert (alone.code, alone.err) == (0, "")
    own = (here.folder / "alone/head.safetensors").read_bytes()
    assert own == heads[place.relative_to(folder) / "head.safetensors"]

    # What is missing is trained again, and nothing else; the number of processes changes nothing.
    shutil.rmtree(place)
    kept = (folder / "fedavg/fold-0/seed-0/head.safetensors").stat().st_mtime_ns
    again = here.run("benchmark", "--out", "bench", "--jobs", "1", "--quiet")
    assert (again.code, again.out, again.err) == (0, "", "")
    assert (folder / "fedavg/fold-0/seed-0/head.safetensors").stat().st_mtime_ns == kept
    assert (place / "head.safetensors").read_bytes() == heads[place.relative_to(folder) / "head.safetensors"]
    assert Benchmark.read(folder).arms[1].accuracy == benchmark.arms[1].accuracy


@pytest.mark.slow
def test_an_arm_that_fails_stops_no_other(here: Here) -> None:
    every_update_is_too_large = (
        'settings.attack = { name = "sign-flip", phones = 1.0, scale = 1e6 }\nsettings.train.lr = 90.0\n'
    )
    text = SUITE.replace('name = "local"\nsettings.strategy.name = "local"', 'name = "wild"')
    done = here.run("benchmark", suite(here.folder, text + every_update_is_too_large), "--out", "bench")
    assert done.code == 1
    assert "wild" in done.err.splitlines()[-1]
    benchmark = Benchmark.read(here.folder / "bench")
    assert benchmark.arm("wild").accuracy is None
    assert benchmark.arm("fedavg").accuracy is not None
    assert "failed" in (here.folder / "bench" / "benchmark.html").read_text()


@pytest.mark.slow
def test_the_same_from_python(run_cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFER_CACHE", run_cache)
    monkeypatch.chdir(tmp_path)
    found = api.benchmark(suite(tmp_path), out="bench", progress=False, settings={"federation.rounds": 2})
    assert found.page.is_file()
    assert list(found.rows["arm"]) == ["central"] * 2 + ["fedavg"] * 2 + ["local"] * 2
    assert "benchmark.html" in found._repr_html_()
    arrays, _ = load_head(tmp_path / "bench/central/fold-0/seed-0/head.safetensors")
    assert sorted(arrays) == ["bias", "weight"]
    held = json.loads((tmp_path / "bench/benchmark.json").read_text())
    assert held["suite"] == "tiny"
