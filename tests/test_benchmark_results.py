"""From the run folders of a benchmark to its numbers, files, page and table."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from rich.console import Console
from support_benchmark import SUITE, finished, requested
from support_pages import Page
from support_slow import few_quick

from fer_models.run_folder.origin import Origin, PhotoOrigin
from simulations.benchmark import files, null, page, results, runs, table, words
from simulations.benchmark.record import Benchmark, Choice, Point
from simulations.experiment import read_toml
from simulations.inference.scores import Replicate


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Benchmark]:
    folder = tmp_path_factory.mktemp("benchmark") / "mine"
    request = finished(folder)
    return folder, results.summarise(request, runs.read(request), {})


def test_scores_are_means_over_folds_and_people(done: tuple[Path, Benchmark]) -> None:
    folder, benchmark = done
    for arm in benchmark.arms:
        accuracies = [json.loads((folder / run / "summary.json").read_text())["accuracy"] for run in arm.runs]
        assert arm.accuracy is not None
        assert arm.accuracy.mean == pytest.approx(np.mean(accuracies))
        assert arm.accuracy.low < arm.accuracy.mean < arm.accuracy.high
        assert len(arm.runs) == 3


def test_verdicts_and_steps(done: tuple[Path, Benchmark]) -> None:
    _, benchmark = done
    bad, good = (benchmark.comparison(name, "accuracy") for name in ("bad", "good"))
    assert bad is not None
    assert good is not None
    assert bad.difference < -0.2
    assert bad.verdict == "worse"
    assert good.verdict != "worse"
    assert benchmark.comparison("central", "accuracy") is None
    averaging, damage = (step.comparison for step in benchmark.steps if step.comparison.measure == "accuracy")
    assert averaging.difference + damage.difference == pytest.approx(bad.difference)


def test_choices_goals_and_costs(done: tuple[Path, Benchmark]) -> None:
    _, benchmark = done
    good, bad = benchmark.arm("good"), benchmark.arm("bad")
    assert (good.candidates, bad.candidates) == (2, 1)
    assert words.choices(good) == "train.lr=0.1"
    same = {"optimizer": "sgd", "decay": 0.97}
    points = [Point({"train": {**same, "lr": lr}}, 0.5) for lr in (0.1, 0.3)]
    chosen = [Choice(fold, points[fold > 0].settings, 0.5) for fold in range(3)]
    several = replace(good, search=tuple(points), chosen=tuple(chosen))
    assert words.choices(several) == "train.lr=0.3 (2 folds), train.lr=0.1 (1 fold)"
    alone = replace(several, search=(points[0],), chosen=(chosen[0],))
    assert words.choices(alone) == "train.optimizer=sgd train.decay=0.97 train.lr=0.1"
    assert [choice.score for choice in good.chosen] == [0.6, 0.6, 0.6]
    assert [goal.goal for goal in bad.goals] == [0.9, 0.95, 0.99]
    assert [goal.reached for goal in bad.goals] == [0, 0, 0]
    assert [goal.rounds for goal in bad.goals] == [6, 6, 6]  # failures count with all their rounds
    assert bad.goals[0].phone_epochs == 600
    assert bad.goals[0].bytes == 6 * 2 * 100 * 25_620
    assert benchmark.arm("central").goals == ()


def test_epochs_that_a_strategy_adds_are_counted(tmp_path: Path) -> None:
    request = finished(tmp_path / "mine")
    path = tmp_path / "mine/bad/fold-0/seed-0/config.toml"
    raw = read_toml(path)
    path.write_text(tomli_w.dumps(raw | {"strategy": {"name": "fedrep", "output_epochs": 5}}))
    once = raw["federation"]["local_epochs"]
    assert [run.local_epochs for run in runs.read(request).of["bad"]] == [once + 5, once, once]


def test_all_files_tell_the_same(done: tuple[Path, Benchmark], tmp_path: Path) -> None:
    _, benchmark = done
    files.write(benchmark, tmp_path)
    held = json.loads((tmp_path / "benchmark.json").read_text())
    assert held["format"] == 1
    assert [arm["name"] for arm in held["arms"]] == ["central", "good", "bad"]
    assert set(held["arms"][0]["accuracy"]) == {"mean", "low", "high"}
    wanted = {"arm", "reference", "measure", "difference", "low", "high", "p", "verdict"}
    assert wanted <= set(held["comparisons"][0])
    assert "null" not in held
    assert Benchmark.read(tmp_path) == benchmark
    with (tmp_path / "benchmark.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [float(line["mean"]) for line in lines[::2]] == [
        arm.accuracy.mean for arm in benchmark.arms if arm.accuracy
    ]
    assert lines[-1]["verdict"] == "worse"
    tex = (tmp_path / "benchmark.tex").read_text()
    assert tex.count(r"\\") == 4
    assert tex.count("&") == 4 * 4


def test_the_page_holds_every_arm_and_needs_nothing(done: tuple[Path, Benchmark], tmp_path: Path) -> None:
    _, benchmark = done
    text = page.write(benchmark, tmp_path).read_text()
    Page(text)  # tags close in order
    for arm in benchmark.arms:
        assert all(f'href="{run}/summary.json"' in text for run in arm.runs)
    assert "http" not in text.replace("http-equiv", "")
    assert "noise" not in text
    for title in ("The arms", "What federation costs, step by step", "How soon", "Who pays, by class"):
        assert f"<h2>{title}</h2>" in text


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_table_fits(done: tuple[Path, Benchmark], width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    table.show(done[1], console)
    shown = console.export_text()
    assert "worse" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width


def test_a_failed_arm_is_shown_and_a_damaged_run_is_named(tmp_path: Path) -> None:
    request = finished(tmp_path / "mine")
    (tmp_path / "mine/good/fold-0/seed-0/predictions.csv").write_text("file,emotion\nx,unknown\n")
    (tmp_path / "mine/good/fold-1/seed-0/summary.json").write_text("{")
    for fold in range(3):
        (tmp_path / f"mine/bad/fold-{fold}/seed-0/summary.json").unlink()
    found = runs.read(request)
    assert [line.partition(":")[0] for line in found.damaged] == ["good/fold-0/seed-0", "good/fold-1/seed-0"]
    benchmark = results.summarise(request, found, {"bad": ["fold 0: it diverged"]})
    assert benchmark.arm("bad").accuracy is None
    assert benchmark.comparison("bad", "accuracy") is None
    assert benchmark.comparison("good", "accuracy") is None  # one fold is left
    text = page.write(benchmark, tmp_path).read_text()
    assert "bad: fold 0: it diverged" in text
    console = Console(width=100, record=True, file=io.StringIO())
    table.show(benchmark, console)
    assert "bad failed, fold 0: it diverged" in console.export_text()
    files.write(benchmark, tmp_path)
    assert Benchmark.read(tmp_path) == benchmark


@pytest.mark.parametrize(
    "file", few_quick(["rounds.jsonl", "config.toml", "predictions.csv", "summary.json"], "summary.json")
)
def test_a_run_with_a_damaged_file_is_left_out_and_no_other(tmp_path: Path, file: str) -> None:
    request = finished(tmp_path / "mine")
    path = tmp_path / "mine" / "good" / "fold-0" / "seed-0" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = runs.read(request)
    assert [line.partition(":")[0] for line in found.damaged] == ["good/fold-0/seed-0"]
    benchmark = results.summarise(request, found, {})
    assert [arm.folds for arm in benchmark.arms] == [3, 2, 3]
    text = page.write(benchmark, tmp_path).read_text()
    assert "2 of 3 folds" in text
    assert "Left out as damaged: good/fold-0/seed-0" in text


def test_a_damaged_search_costs_its_choice_alone(tmp_path: Path) -> None:
    request = finished(tmp_path / "mine")
    (tmp_path / "mine/good/fold-1/search.json").write_text("{")
    benchmark = results.summarise(request, runs.read(request), {})
    assert [choice.fold for choice in benchmark.arm("good").chosen] == [0, 2]


def test_an_arm_has_a_reference_of_its_own_and_no_pair_has_two_verdicts(tmp_path: Path) -> None:
    text = SUITE.replace('name = "bad"', 'name = "bad"\nreference = "good"', 1)
    request = finished(tmp_path / "mine", text)
    benchmark = results.summarise(request, runs.read(request), {})
    assert {(c.arm, c.reference) for c in benchmark.comparisons} == {("good", "central"), ("bad", "good")}
    for step in benchmark.steps:
        pair = step.comparison
        assert pair == benchmark.comparison(pair.arm, pair.measure)
    assert [(c.arm, c.reference) for c in benchmark.total] == [("bad", "central")] * 2


def test_what_is_tested_is_compared_with_what_is_trained_on(tmp_path: Path) -> None:
    request = requested(tmp_path / "mine")  # three folds: 1/3 tested, 3/4 of the rest trained on
    assert results.share_tested(request) == pytest.approx((1 / 3) / (1 / 3 + 2 / 3 * 0.75))


@pytest.mark.slow
def test_variance_is_decomposed_where_every_seed_meets_every_other(tmp_path: Path) -> None:
    request = finished(tmp_path / "mine", 'decompose = ["good"]\n' + SUITE, seeds=2)
    assert len(request.cells(request.suite.arm("good"), 0)) == 4
    benchmark = results.summarise(request, runs.read(request), {})
    parts = [one for one in benchmark.variance if one.measure == "accuracy"]
    assert [one.arm for one in parts] == ["good"]
    assert len(benchmark.arm("good").runs) == 12
    assert parts[0].split >= 0


def _replicate(fold: int, seed: int, right: float, rng: np.random.Generator) -> Replicate:
    truth = np.arange(200) % 4
    answers = np.where(rng.random(200) < right, truth, (truth + 1) % 4)
    return Replicate(fold, seed, truth, answers, np.arange(200) // 2 + 1000 * fold)


def test_the_null_test_pairs_disjoint_seeds_and_counts_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = requested(tmp_path / "null", 'folds = 3\npairs = 4\n[[arms]]\nname = "a"\n')
    rng = np.random.default_rng(0)
    # Seed 5 is far worse than its partner, seed 4: one pair of four is truly different.
    skills = [0.7, 0.7, 0.7, 0.7, 0.9, 0.2, 0.7, 0.7]
    replicates = [_replicate(fold, seed, skills[seed], rng) for seed in range(8) for fold in range(3)]

    class Fake:
        def replicates(self, arm: str) -> list[Replicate]:
            return replicates

        of = {"a": [type("Run", (), {"summary": type("S", (), {"classes": tuple("wxyz")})})]}  # noqa: RUF012

    pairs = null.pairs(request, Fake(), "a")  # type: ignore[arg-type]
    assert len(pairs) == 4
    assert all(len(side) == 3 for pair in pairs for side in pair)
    found = null.test(request, Fake())  # type: ignore[arg-type]
    assert (found.pairs, found.called_different, found.by_arm) == (4, 0.25, {"a": 0.25})
    low, high = null.exact_interval(1, 4)
    assert (found.low, found.high) == (low, high)


def test_the_exact_interval_of_a_share() -> None:
    assert null.exact_interval(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert null.exact_interval(10, 10) == pytest.approx((0.025**0.1, 1))
    assert null.exact_interval(5, 100) == pytest.approx((0.0164, 0.1128), abs=1e-4)
    assert null.exact_interval(0, 0) == (0, 1)


def test_the_headline_never_claims_more_than_the_verdicts(done: tuple[Path, Benchmark]) -> None:
    _, benchmark = done
    plain = replace(benchmark, steps=(), total=())
    said = words.headline(plain)
    for comparison in plain.comparisons:
        if comparison.measure == plain.choose and comparison.verdict == "not decided":
            assert comparison.arm not in said
    undecided = tuple(replace(c, verdict="not decided") for c in plain.comparisons)
    assert "no arm is shown to differ" in words.headline(replace(plain, comparisons=undecided))
    assert "nothing to compare" in words.headline(replace(plain, comparisons=()))


def test_a_run_of_other_code_than_the_first_of_its_arm_is_left_out(tmp_path: Path) -> None:
    """A class of one's own that was edited while the benchmark ran."""
    request = finished(tmp_path / "mine")
    for fold, own in enumerate(("a" * 16, "a" * 16, "b" * 16)):
        code = {"server/rounds.py": str(fold) * 16, "mine.py": own}
        origin = Origin(settings={}, versions={}, code=code, data=PhotoOrigin(1, "0" * 64, None))
        origin.write(tmp_path / f"mine/good/fold-{fold}/seed-0")
    found = runs.read(request)
    assert [run.cell.fold for run in found.of["good"]] == [0, 1]
    assert len(found.of["bad"]) == 3
    assert found.damaged == (
        "good/fold-2/seed-0: it was trained with other code in mine.py than the first run of its arm;"
        " remove it to train it again",
    )
