"""The numbers of a study: means and spreads by hand, which models differ, the table, the files."""

import csv
import io
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import accuracy_score, f1_score
from support_fake_runs import make_run, make_study
from support_once import Once

from fer_models.errors import InputError
from fer_models.seeding import stream
from simulations.inference.comparison import compare
from simulations.report import intervals
from simulations.report.intervals import Judged, p_value, paired, resampled
from simulations.report.results import read_run, replicate, share_tested
from simulations.study import files as study_files
from simulations.study import table as study_table
from simulations.study.pairs import COMPARED, Pair, pairs_at
from simulations.study.results import SCORES, Spread, Study, read, run_folder
from simulations.study.words import counted, findings, headline, method, pace, title

SKILLS = {"mobilenet": 0.43, "mobilenet-tuned": 0.6, "hog": 0.43, "majority": 0.0}
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def study(once: Once) -> Study:
    def make(home: Path) -> None:
        make_study(home / "full", SKILLS, balances=(0, 1000))

    return read(once("study-results", make) / "full", list(SKILLS), [0, 1000], SEEDS)


def test_rows_are_means_and_sample_deviations_in_the_order_given(study: Study) -> None:
    assert [(row.model, row.balance) for row in study.rows] == [(m, b) for m in SKILLS for b in (0, 1000)]
    for row in study.rows:
        folders = (run_folder(study.folder, row.model, row.balance, seed) for seed in SEEDS)
        summaries = [json.loads((folder / "summary.json").read_text()) for folder in folders]
        for name in SCORES:
            values = [each[name] for each in summaries]
            assert row.scores[name].mean == pytest.approx(mean(values))
            assert row.scores[name].sd == pytest.approx(stdev(values))
        assert row.seconds == pytest.approx(mean(each["seconds_training"] for each in summaries))
        whole = (each["seconds_training"] + each["seconds_features_computed"] for each in summaries)
        assert row.seconds_with == pytest.approx(mean(whole))
        chosen = tuple(each["selected"] for each in summaries)
        assert row.epochs == (chosen if row.model.startswith("mobilenet") else (None, None, None))
        assert row.parameters == summaries[0]["parameters"]


def test_one_seed_has_no_spread_and_the_difference_that_a_report_has(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "one", {"mobilenet": 0.43, "cnn": 0.5}, seeds=(0,))
    study = read(folder, ["mobilenet", "cnn"], [1000], [0])
    assert study.rows[0].scores["accuracy"].sd is None
    pair = study.compared(1000, "accuracy")[0]
    one, two = (study.of(model, 1000)[0].summary.accuracy for model in study.models)
    assert pair.gap.value == pytest.approx(one - two)
    assert pair.of_seeds == (pytest.approx(one - two),)
    assert pair.adjusted == pair.p  # a single pair


def test_the_difference_of_one_seed_is_that_of_the_paired_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = stream(5, "one")
    true, first, second = rng.integers(0, 4, (3, 300))
    people = rng.integers(0, 40, 300).astype(str)
    monkeypatch.setattr(intervals, "MANY", intervals.RESAMPLES)
    scores = resampled(Judged(true, np.array([first, second]), people), 4)
    for measure, gap in paired(true, first, second, 4, people).items():
        assert intervals.difference(scores[measure][:, 0] - scores[measure][:, 1]) == gap


def test_resampled_scores_are_those_of_scikit_learn_and_spread_as_they_should() -> None:
    rng = stream(6, "seeds")
    true = rng.integers(0, 3, 200)
    said = np.where(rng.random((2, 200)) < 0.6, true, rng.integers(0, 3, (2, 200)))
    scores = resampled(Judged(true, said, rng.choice(500, 200, replace=False).astype(str)), 3)
    for run in (0, 1):
        assert scores["accuracy"][0, run] == pytest.approx(accuracy_score(true, said[run]))
        assert scores["macro_f1"][0, run] == pytest.approx(f1_score(true, said[run], average="macro"))
    assert scores["accuracy"].shape == (1 + intervals.MANY, 2)
    assert scores["accuracy"][1:, 0].mean() == pytest.approx(scores["accuracy"][0, 0], abs=0.005)
    assert scores["accuracy"][1:, 0].std() == pytest.approx((said[0] == true).std() / 200**0.5, rel=0.1)


def test_models_that_answer_alike_are_not_called_different_and_a_better_one_is(study: Study) -> None:
    for measure in ("accuracy", "macro_f1"):
        for pair in study.compared(1000, measure):
            names = {pair.first, pair.second}
            assert pair.reading == ("not decided" if names == {"mobilenet", "hog"} else "different"), names
            assert pair.gap.low <= pair.gap.value <= pair.gap.high
            assert pair.gap.value == pytest.approx(mean(pair.of_seeds))


def test_over_seeds_pairs_are_those_of_the_test_for_folds(study: Study) -> None:
    pair = study.compared(1000, "macro_f1")[0]
    arms = []
    for model in (pair.first, pair.second):
        folders = [run_folder(study.folder, model, 1000, seed) for seed in SEEDS]
        arms.append([replicate(read_run(place, series=0), fold=n) for n, place in enumerate(folders)])
    share = share_tested(study.any_run)
    wanted = compare("a", arms[0], "b", arms[1], classes=5, measure="macro_f1", test_share=share)
    assert (pair.gap.value, pair.gap.low) == pytest.approx((wanted.difference, wanted.low), abs=2e-3)
    assert pair.p <= pair.adjusted


def test_a_model_against_its_copy_does_not_differ(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", {"cnn": 0.5}, seeds=(0, 1))
    for seed in (0, 1):
        run_folder(folder, "cnn", 1000, seed).rename(run_folder(folder, "mobilenet", 1000, seed))
    make_again = make_study(tmp_path / "again", {"cnn": 0.5}, seeds=(0, 1))
    for seed in (0, 1):
        run_folder(make_again, "cnn", 1000, seed).rename(run_folder(folder, "cnn", 1000, seed))
    pairs = read(folder, ["cnn", "mobilenet"], [1000], [0, 1]).pairs
    assert [(p.gap.value, p.gap.low, p.gap.high, p.p, p.reading) for p in pairs] == [
        (0, 0, 0, 1, "equal within the margin")
    ] * 2


def test_p_values_count_the_resamples_on_the_other_side() -> None:
    assert p_value(np.array([0.5, *[0.1] * 97, -0.1, -0.2])) == pytest.approx(2 * 3 / 100)
    assert p_value(np.zeros(100)) == 1
    assert p_value(np.ones(100)) == pytest.approx(0.02)


def test_at_one_seed_only_signs_are_told_and_what_may_be_luck_among_many_is_open(tmp_path: Path) -> None:
    skills = {"mobilenet": 0.43, "mobilenet-tuned": 0.6, "hog": 0.45}
    one = read(make_study(tmp_path / "one", skills, seeds=(0,)), list(skills), [1000], [0])
    readings = {frozenset((p.first, p.second)): p.reading for p in one.compared(1000, "accuracy")}
    assert readings[frozenset(("mobilenet", "mobilenet-tuned"))] == "sign holds"
    assert readings[frozenset(("mobilenet", "hog"))] == "sign open"
    assert title(one) == "Which differences other test people would not change"
    assert "takes several seeds" in method(one)
    assert headline(one).endswith("; other test people would not change that.")
    assert "scores highest at this seed" in headline(one)
    runs = {name: one.of(name, 1000) for name in skills}
    rng = stream(2, "luck")
    true = rng.integers(0, 5, 400)
    said = np.stack([np.where(rng.random(400) < right, true, (true + 1) % 5) for right in (0.5, 0.5, 0.57)])
    pairs = list(pairs_at(1000, runs, [Judged(true, said, np.arange(400).astype(str))]))
    assert any(pair.p <= 0.05 < pair.adjusted and pair.reading == "sign open" for pair in pairs)


def test_the_verdict_gives_each_model_a_line_best_first(study: Study) -> None:
    found = {(each.balance, each.measure): each for each in findings(study)}
    each = found[1000, "accuracy"]
    assert each.lines[0][1].startswith("7")
    names, said = [line[0] for line in each.lines], {line[0]: line[2] for line in each.lines}
    assert (names[0], names[-1]) == ("mobilenet-tuned", "majority")
    assert said == {
        "mobilenet-tuned": "above all others",
        "mobilenet": "above majority; below mobilenet-tuned; not decided against hog",
        "hog": "above majority; below mobilenet-tuned; not decided against mobilenet",
        "majority": "below all others",
    }
    assert counted(each) == "different: 5 of 6 pairs; not decided: 1"


def test_the_largest_group_of_models_is_the_others(study: Study) -> None:
    models = ("mobilenet", "cnn", "hog", "ridge", "majority")
    rows = tuple(replace(study.row("hog", 1000), model=m, scores=scored(0.9 - i / 10))
                 for i, m in enumerate(models))  # fmt: skip
    special = {("mobilenet", "cnn"): "not decided", ("mobilenet", "hog"): "not decided",
               ("hog", "ridge"): "equal within the margin"}  # fmt: skip
    gap = intervals.Difference(0.2, 0.1, 0.3)
    pairs = [
        Pair(1000, measure, *names, gap, (0.2,), 0.1, 0.1, 0.1, special.get(names, "different"))
        for names in combinations(models, 2)
        for measure in COMPARED
    ]
    made = replace(study, models=models, balances=(1000,), rows=rows, pairs=tuple(pairs))
    assert findings(made)[0].lines == (
        ("mobilenet", "90.0%", "above ridge and majority; not decided against cnn and hog"),
        ("cnn", "80.0%", "not decided against mobilenet; above the others"),
        (
            "hog",
            "70.0%",
            "above majority; below cnn; equal within the margin to ridge; not decided against mobilenet",
        ),
        ("ridge", "60.0%", "above majority; below mobilenet and cnn; equal within the margin to hog"),
        ("majority", "50.0%", "below all others"),
    )


def scored(value: float) -> dict[str, Spread]:
    return dict.fromkeys(SCORES, Spread(value, None))


def test_the_headline_is_of_the_last_balance(study: Study) -> None:
    # At balance none another model scores higher than any at 1,000.
    rows = tuple(
        replace(row, scores=scored(0.99)) if (row.model, row.balance) == ("hog", 0) else row
        for row in study.rows
    )
    f1 = study.row("mobilenet-tuned", 1000).scores["macro_f1"].mean
    text = headline(replace(study, rows=rows))
    assert text.startswith(
        f"On the test photos at balance 1,000 mobilenet-tuned is best: macro-F1 {f1:.3f}, "
    )
    assert text.endswith("its macro-F1 is above every other over the seeds.")
    turned = replace(study, rows=rows, balances=(1000, 0))
    assert headline(turned).startswith("On the test photos at balance none hog ")


def test_paces_have_three_digits_that_count() -> None:
    values = {None: "", 0.0: "<0.01", 0.0099: "<0.01", 0.01: "0.0100", 0.2354: "0.235", 5.1: "5.10",
              9.999: "10.0", 123.4: "123", 1234.5: "1,230"}  # fmt: skip
    assert {value: pace(value) for value in values} == values


@pytest.mark.parametrize("model", ["cnn", "ridge"])
def test_a_model_has_epochs_or_not_however_many_lines_its_log_has(tmp_path: Path, model: str) -> None:
    folder = make_study(tmp_path / "study", {model: 0.4}, seeds=(0,), epochs=1)
    study = read(folder, [model], [1000], [0])
    assert study.rows[0].epochs == ((1,) if model == "cnn" else (None,))
    assert study.any_run.name == ("Centralized, 1 epoch" if model == "cnn" else "Centralized, ridge")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_table_fits_the_terminal(study: Study, width: int, encoding: str) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    study_table.show(study, Console(file=file, width=width, force_terminal=False, _environ={}))
    file.flush()
    lines = raw.getvalue().decode(encoding).splitlines()
    assert max(map(len, lines)) < width
    assert not any("?" in line or "…" in line or line != line.rstrip() for line in lines)
    text = " ".join(" ".join(lines).split())
    sign, accuracy = "±" if encoding == "utf-8" else "+-", study.rows[0].scores["accuracy"]
    for words in (
        "mobilenet-tuned", "none", "1,000", f"{100 * accuracy.mean:.1f}%", f"{sign}{100 * accuracy.sd:.1f}",
        "published*", "49.0%", "34m 00s", "48.0%", "51.0%", "1h 00m", "cannot be compared", "is not decided",
        "not decided against", "none: no balancing",
    ):  # fmt: skip
        assert words in text, words
    assert ("2.23M" in text) == (width >= 78)


@pytest.mark.slow
def test_two_models_are_each_named(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", {"mobilenet": 0.4, "cnn": 0.6}, seeds=(0,), people=False)
    study = read(folder, ["mobilenet", "cnn"], [1000], [0])
    assert study.drawn == "photos"
    (first, _, above), (second, _, below) = findings(study)[0].lines
    assert (first, above, second, below) == ("cnn", "above mobilenet", "mobilenet", "below cnn")


def test_the_files_hold_every_number(study: Study, tmp_path: Path) -> None:
    paths = study_files.write(study, tmp_path)
    assert [path.name for path in paths] == ["study.csv", "study.json"]
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in study_files.write(study, tmp_path)] == first
    with paths[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"] for row in rows] == ["fedfer"] * 8 + ["published"] * 3
    assert float(rows[0]["accuracy"]) == study.rows[0].scores["accuracy"].mean
    assert rows[0]["epochs"] == " ".join(map(str, study.rows[0].epochs))
    assert rows[-1] | {"model": ""} == dict.fromkeys(rows[0], "") | {
        "source": "published", "accuracy": "0.51", "seconds_with_features": "3600.0",
    }  # fmt: skip
    whole = json.loads(paths[1].read_text())
    assert whole["settings"]["seeds"] == [0, 1, 2]
    assert len(whole["rows"]) == 8
    assert len(whole["runs"]) == 24
    assert whole["runs"][0]["folder"] == "mobilenet-0-seed0"
    assert len(whole["runs"][0]["head_sha256"]) == 64
    assert len(whole["differences"]) == 2 * 2 * 6
    assert whole["differences"][0].keys() >= {"first", "second", "difference", "low", "high", "reading"}
    assert [row["accuracy"] for row in whole["published"]["rows"]] == [0.49, 0.48, 0.51]


def test_time_with_features_is_not_known_where_a_run_does_not_know_it(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", {"mobilenet": 0.4}, seeds=(0, 1))
    path = run_folder(folder, "mobilenet", 1000, 1) / "summary.json"
    found = json.loads(path.read_text())
    del found["seconds_features_computed"]  # as an older version wrote it
    path.write_text(json.dumps(found))
    (row,) = read(folder, ["mobilenet"], [1000], [0, 1]).rows
    assert row.seconds_with is None
    assert row.seconds > 0


def test_runs_of_other_photos_or_classes_are_refused(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", {"mobilenet": 0.4, "cnn": 0.6}, seeds=(0, 1))
    there = run_folder(folder, "cnn", 1000, 1)
    (there / "predictions.csv").write_bytes((there.parent / "cnn-1000-seed0/predictions.csv").read_bytes())
    with pytest.raises(InputError, match=r"cnn-1000-seed1 was not tested on the test photos and classes of"):
        read(folder, ["mobilenet", "cnn"], [1000], [0, 1])
    read(folder, ["mobilenet", "cnn"], [1000], [0])
    make_run(folder / "ridge-1000-seed0", kind="centralized", classes=tuple("abcde"), model="ridge")
    with pytest.raises(InputError, match="ridge-1000-seed0 was not tested"):
        read(folder, ["mobilenet", "ridge"], [1000], [0])


def test_a_run_that_is_not_finished_is_named(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", {"mobilenet": 0.4}, seeds=(0,))
    with pytest.raises(InputError, match="mobilenet-1000-seed1"):
        read(folder, ["mobilenet"], [1000], [0, 1])
