"""The numbers of a study: means and spreads by hand, what is noise and what is not, the table, the files."""

import csv
import io
import json
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sklearn.metrics import accuracy_score, f1_score
from support_fake_runs import make_run, make_study

from fer_models.errors import InputError
from fer_models.seeding import stream
from simulations.report import intervals
from simulations.report.intervals import Judged, holm, p_value, paired, resampled
from simulations.study import files as study_files
from simulations.study import table as study_table
from simulations.study.pairs import COMPARED, Pair
from simulations.study.results import SCORES, Spread, Study, read, run_folder
from simulations.study.words import counted, findings, headline, pace

SKILLS = {"mobilenet": 0.43, "mobilenet-tuned": 0.6, "hog": 0.43, "majority": 0.0}
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = make_study(tmp_path_factory.mktemp("studies") / "full", SKILLS, balances=(0, 1000))
    return read(folder, list(SKILLS), [0, 1000], SEEDS)


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
    scores = resampled([Judged(true, np.array([first, second]), people)], 4)
    for measure, gap in paired(true, first, second, 4, people).items():
        assert intervals.difference(scores[measure][:, 0] - scores[measure][:, 1]) == gap


def test_scores_are_means_over_seeds_with_different_photos() -> None:
    rng = stream(6, "seeds")
    parts = []
    for count in (200, 150):
        true = rng.integers(0, 3, count)
        said = np.where(rng.random((2, count)) < 0.6, true, rng.integers(0, 3, (2, count)))
        parts.append(Judged(true, said, rng.choice(500, count, replace=False).astype(str)))
    scores = resampled(parts, 3)
    for run in (0, 1):
        accuracy = mean(float(accuracy_score(part.true, part.said[run])) for part in parts)
        f1 = mean(float(f1_score(part.true, part.said[run], average="macro")) for part in parts)
        assert scores["accuracy"][0, run] == pytest.approx(accuracy)
        assert scores["macro_f1"][0, run] == pytest.approx(f1)
    assert scores["accuracy"].shape == (1 + intervals.MANY, 2)
    assert scores["accuracy"][1:, 0].mean() == pytest.approx(scores["accuracy"][0, 0], abs=0.005)
    assert scores["accuracy"][1:, 0].std() == pytest.approx(
        np.hypot(*(0.5 * (part.said[0] == part.true).std() / len(part.true) ** 0.5 for part in parts)),
        rel=0.1,
    )


def test_a_person_in_two_seeds_is_drawn_for_both() -> None:
    # The same photos twice: nothing is gained by a second seed.
    rng = stream(7, "twice")
    true, said, people = rng.integers(0, 3, 200), rng.integers(0, 3, (2, 200)), np.arange(200).astype(str)
    part = Judged(true, said, people)
    once, twice = resampled([part], 3), resampled([part, part], 3)
    for measure in once:
        np.testing.assert_allclose(once[measure], twice[measure])


def test_models_that_answer_alike_are_within_noise_and_a_better_one_beyond(study: Study) -> None:
    for measure in ("accuracy", "macro_f1"):
        for pair in study.compared(1000, measure):
            names = {pair.first, pair.second}
            assert (pair.reading == "within noise") == (names == {"mobilenet", "hog"}), names
            assert pair.gap.low <= pair.gap.value <= pair.gap.high
            assert pair.gap.value == pytest.approx(mean(pair.of_seeds))


def test_a_model_against_its_copy_does_not_differ(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", {"cnn": 0.5}, seeds=(0, 1))
    for seed in (0, 1):
        run_folder(folder, "cnn", 1000, seed).rename(run_folder(folder, "mobilenet", 1000, seed))
    make_again = make_study(tmp_path / "again", {"cnn": 0.5}, seeds=(0, 1))
    for seed in (0, 1):
        run_folder(make_again, "cnn", 1000, seed).rename(run_folder(folder, "cnn", 1000, seed))
    pairs = read(folder, ["cnn", "mobilenet"], [1000], [0, 1]).pairs
    assert [(p.gap.value, p.gap.low, p.gap.high, p.p, p.reading) for p in pairs] == [
        (0, 0, 0, 1, "within noise")
    ] * 2


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5]) == [0.5]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=30))
def test_adjusting_never_lowers_a_p_value_nor_changes_the_order(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(0 <= value <= after <= 1 for value, after in zip(values, adjusted, strict=True))
    order = sorted(range(len(values)), key=lambda i: values[i])
    assert all(adjusted[i] <= adjusted[j] for i, j in pairwise(order))


def test_p_values_count_the_resamples_on_the_other_side() -> None:
    assert p_value(np.array([0.5, *[0.1] * 97, -0.1, -0.2])) == pytest.approx(2 * 3 / 100)
    assert p_value(np.zeros(100)) == 1
    assert p_value(np.ones(100)) == pytest.approx(0.02)


def test_what_may_be_luck_among_many_pairs_is_unclear(study: Study) -> None:
    gap = intervals.Difference(0.1, 0.01, 0.2)
    assert Pair(1000, "accuracy", "a", "b", gap, (0.1,), 0.03, 0.3).reading == "unclear"


@pytest.mark.parametrize(
    ("of_seeds", "reading"),
    [
        ((0.1,), "beyond noise"), ((0.2, 0.1, 0.01), "beyond noise"), ((-0.2, -0.1), "beyond noise"),
        ((0.2, 0.2, -0.01), "unclear"), ((0.2, 0.0), "unclear"),
    ],
)  # fmt: skip
def test_seeds_that_disagree_make_it_unclear(of_seeds: tuple[float, ...], reading: str) -> None:
    side = 1 if of_seeds[0] > 0 else -1
    gap = intervals.Difference(0.1 * side, min(0.01 * side, 0.2 * side), max(0.01 * side, 0.2 * side))
    assert Pair(1000, "accuracy", "a", "b", gap, of_seeds, 0.001, 0.004).reading == reading
    none = intervals.Difference(0.1, -0.01, 0.2)
    assert Pair(1000, "accuracy", "a", "b", none, of_seeds, 0.2, 0.2).reading == "within noise"


def test_the_verdict_gives_each_model_a_line_best_first(study: Study) -> None:
    found = {(each.balance, each.measure): each for each in findings(study)}
    each = found[1000, "accuracy"]
    assert each.lines[0][1].startswith("7")
    names, said = [line[0] for line in each.lines], {line[0]: line[2] for line in each.lines}
    assert (names[0], names[-1]) == ("mobilenet-tuned", "majority")
    assert said == {
        "mobilenet-tuned": "above all others",
        "mobilenet": "above majority; below mobilenet-tuned; not told apart from hog",
        "hog": "above majority; below mobilenet-tuned; not told apart from mobilenet",
        "majority": "below all others",
    }
    assert counted(each) == "5 of 6 pairs beyond noise, 1 within noise"


def test_the_largest_group_of_models_is_the_others(study: Study) -> None:
    models = ("mobilenet", "cnn", "hog", "ridge", "majority")
    rows = tuple(replace(study.row("hog", 1000), model=m, scores=scored(0.9 - i / 10))
                 for i, m in enumerate(models))  # fmt: skip
    unclear, within = {("mobilenet", "cnn"), ("mobilenet", "hog")}, {("hog", "ridge")}
    pairs = []
    for one, other in combinations(models, 2):
        p, low = (
            (0.3, 0.01) if (one, other) in unclear else (0.9, -0.1) if (one, other) in within else (0, 0.1)
        )
        gap = intervals.Difference(0.2, low, 0.3)
        pairs += [Pair(1000, measure, one, other, gap, (0.2,), p, p) for measure in COMPARED]
    made = replace(study, models=models, balances=(1000,), rows=rows, pairs=tuple(pairs))
    assert findings(made)[0].lines == (
        ("mobilenet", "90.0%", "above ridge and majority; unclear against cnn and hog"),
        ("cnn", "80.0%", "unclear against mobilenet; above the others"),
        ("hog", "70.0%", "above majority; below cnn; not told apart from ridge; unclear against mobilenet"),
        ("ridge", "60.0%", "above majority; below mobilenet and cnn; not told apart from hog"),
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
    assert text.endswith("its macro-F1 is beyond noise above every other.")
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
        "published*", "49.0%", "34m 00s", "48.0%", "51.0%", "1h 00m", "cannot be compared", "within noise",
        "not told apart from", "none: no balancing",
    ):  # fmt: skip
        assert words in text, words
    assert ("2.23M" in text) == (width >= 78)


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
