"""The page of a run: complete, self-contained, honest about what one run can show, safe with any name."""

import io
import json
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from support_fake_runs import make_full_run, make_run
from support_pages import NASTY, Page, read

from fer_models.errors import InputError
from fer_models.run_folder.data_facts import DataFacts, GroupDraw
from fer_models.run_folder.summary import Summary
from fer_models.seeding import stream
from simulations.report import charts, page, results
from simulations.report.report import write_report
from simulations.terminal.comparison import compare


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_full_run(tmp_path_factory.mktemp("runs") / "full")


def test_everything_a_reader_asks_for_is_there(full: Path) -> None:
    _, page_ = read(full)
    for words in (
        "1,343 test photos of 55 people it was not trained on",
        "central training on as many views",
        "central training for 10 epochs", "/photos/faces", "100, all in each round", "dirichlet, alpha 0.3",
        "50 rounds, 250,000 views processed", "2,914",
        "Most frequent mistakes", "Precision", "25.6 kB", "128 MB",
        "9,091 phones per second", "1 min 32 s", "fedfer run dirichlet --data /photos/faces", "torch 2.15.0",
        "Always predicting the largest class, neutrality, would give 44.0%",
    ):  # fmt: skip
        assert words in page_.words, words
    assert "drawings" not in page_.words
    assert "Skipped photos" not in page_.words


def test_nothing_is_fetched_and_every_link_leads_to_a_file_beside_the_page(full: Path) -> None:
    text, page_ = read(full)
    assert not re.search(r"https?://|url\(|@import|<script|<link|<iframe", text, re.IGNORECASE)
    for attrs in (attrs for _, attrs in page_.tags):
        if "src" in attrs:
            assert str(attrs["src"]).startswith("data:image/png;base64,")
        if "href" in attrs:
            assert (full / str(attrs["href"])).exists()


def test_the_page_can_be_read_without_seeing_it(full: Path) -> None:
    _, page_ = read(full)
    assert all(attrs.get("alt") for attrs in page_.all("img"))
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for attrs in page_.all("svg"))
    assert all(attrs.get("scope") for attrs in page_.all("th"))
    assert len(page_.all("h1")) == 1


def test_the_same_folder_gives_the_same_small_page(full: Path) -> None:
    first = write_report(full).read_bytes()
    assert write_report(full).read_bytes() == first
    assert len(first) < 1_500_000
    assert sorted(path.name for path in full.iterdir() if path.name.startswith(".")) == []


def test_names_and_paths_are_only_ever_text(tmp_path: Path) -> None:
    skipped = (("/photos/<i>&.png", "cut off at <eof>"),)
    text, page_ = read(
        make_full_run(tmp_path / "run", classes=NASTY, source='/p/<a> & "b"', unreadable=skipped)
    )
    assert not re.search(r"<script|<eof|<b>anger|<i>&", text)
    for name in NASTY:
        assert name in page_.words
    assert '/p/<a> & "b"' in page_.words
    assert "1 photo could not be read" in page_.words
    assert "/photos/<i>&.png" in page_.words


def test_drawn_faces_are_called_drawings(tmp_path: Path) -> None:
    _, page_ = read(make_run(tmp_path / "run", source="sketch"))
    assert "These faces are drawings, not photos." in page_.words
    assert "fedfer run --data FOLDER" in page_.words


@pytest.mark.slow
def test_one_run_says_only_whether_other_test_people_would_change_a_sign(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", skill=0.5)
    make_run(run / "centralized-matched", kind="centralized", skill=0.5)
    make_run(run / "centralized", kind="centralized", skill=0.9, steps=10)
    _, page_ = read(run)
    headline = re.search(
        r"Federated training classifies [^;]* on this run, [^;]*; other test photos might reverse",
        page_.words,
    )
    assert headline
    assert "central training on as many views" in headline[0]
    against = page_.words[page_.words.index("Against central training for 10 epochs") :]
    assert "macro-F1 on this run; other test photos would change neither sign." in against
    assert "noise" not in page_.words
    assert "takes several seeds" in page_.words
    shutil.rmtree(run / "centralized-matched")
    _, page_ = read(run)
    assert re.search(r"on this run \d+\.\d points below central training for 10 epochs\.", page_.words)


def test_intervals_of_accuracy_resample_people_where_they_are_known(tmp_path: Path) -> None:
    widths = []
    for people in (True, False):
        _, page_ = read(make_run(tmp_path / str(people), people=people))
        low, high = re.findall(r"Federated \d+\.\d% \((\d+\.\d)% to (\d+\.\d)%\)", page_.words)[0]
        widths.append(float(high) - float(low))
        words = (
            "bootstrap of the test people, each" if people else "bootstrap of the test photos, since people"
        )
        assert words in page_.words
        assert "Wilson" not in page_.words
    assert widths[0] > widths[1]


def test_without_predictions_the_page_says_that_photos_were_not_paired(tmp_path: Path) -> None:
    _, page_ = read(make_full_run(tmp_path / "run", predictions=False))
    assert "photos not paired" in page_.words


def test_a_federated_run_alone(tmp_path: Path) -> None:
    _, page_ = read(make_run(tmp_path / "run"))
    assert "Federated training classifies" in page_.words
    assert "Federated minus" not in page_.words
    assert "Time and traffic" in page_.words


def test_updates_that_were_dropped_are_told(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    _, page_ = read(folder)
    assert "were dropped" not in page_.words
    path = folder / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"phones_dropped": 1234}))
    _, page_ = read(folder)
    assert "1,234 updates were unusable and were dropped; rounds.jsonl lists them" in page_.words
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(compare(Summary.read(folder), [], None))
    assert re.search(r"dropped +1,234", console.export_text())


def test_a_baseline_alone(tmp_path: Path) -> None:
    _, page_ = read(make_run(tmp_path / "run", kind="centralized", steps=9.5))
    assert "Central training classifies" in page_.words
    assert "9.5 epochs" in page_.words
    for word in ("phones per second", "Traffic", "Partition", "Strategy"):
        assert word not in page_.words
    assert "fedfer baseline config.toml" in page_.words


def test_a_run_of_one_round_that_diverged(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steps=1)
    line = json.loads((run / "rounds.jsonl").read_text())
    (run / "rounds.jsonl").write_text(
        json.dumps(line | {"train_loss": float("nan"), "val_macro_f1": None}) + "\n"
    )
    text, page_ = read(run)
    assert "nan" not in re.findall(r'(?:d|cx|cy|x|y)="([^"]*)"', text.lower())
    assert "Accuracy on validation photos" in page_.words
    assert "Training loss (cross-entropy)" not in page_.words


@pytest.mark.slow
def test_the_phones_are_drawn_and_their_skew_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "few", phones=3)
    _, page_ = read(run)
    said = json.loads((run / "data.json").read_text())["phones"]
    for words in (
        f"Label divergence {said['label_divergence']:.3f} bits", f"Size Gini {said['size_gini']:.3f}",
        f"one class per phone: {said['most_divergence']:.3f} (", "over all phones: a tenth",
    ):  # fmt: skip
        assert words in page_.words, words
    assert "A seeded sample" not in page_.words
    drawn = [str(attrs["d"]).count("M") for attrs in page_.all("path") if "k" in str(attrs["class"])]
    views = list(said["kept"]["views"].values())
    assert drawn == [sum(each > 0 for each in column) for column in views]
    text, page_ = read(make_run(tmp_path / "many", phones=3000))
    assert "A seeded sample of 200 of all 3,000 phones." in page_.words
    assert len(text.split("What the phones hold")[1].split("</svg>")[0]) < 60_000


def test_a_run_without_a_table_of_its_phones_has_no_picture_of_them(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    data = json.loads((run / "data.json").read_text())
    phones = data.pop("phones")
    (run / "data.json").write_text(json.dumps(data))
    assert "What the phones hold" not in read(run)[1].words
    del data["format"]
    data["phones"] = {"sizes": phones["sizes"], "views": 5000}  # as older versions wrote it
    (run / "data.json").write_text(json.dumps(data))
    with pytest.raises(
        InputError, match=r"data\.json .* written by an older fedfer \(phones\.phones: Field re"
    ):
        write_report(run)


def test_columns_fill_the_figure_from_top_to_bottom() -> None:
    figure = charts.columns([[1, 3], [0, 2]], label="", x_title="")
    first, second, bars = re.findall(r'd="([^"]*)"', figure)
    assert first == "M46.00 8.00h152.00v35.00h-152.00z"  # a quarter of 140
    assert second == "M46.00 43.00h152.00v105.00h-152.00zM199.00 8.00h152.00v140.00h-152.00z"
    assert bars == "M46.00 162.00h152.00v52.00h-152.00zM199.00 188.00h152.00v26.00h-152.00z"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"partition": "iid"}, "iid"),
        ({"partition": "pathological", "classes_per_phone": 3}, "pathological, classes on a phone: 3"),
        ({"partition": "shards"}, "shards, shards on a phone: 2"),
        ({"partition": "quantity", "sigma": 1.5}, "quantity, sigma 1.5"),
    ],
)
def test_a_partition_is_named_with_its_option(tmp_path: Path, settings: dict, said: str) -> None:
    run = make_run(tmp_path / "run")
    config = tomllib.loads((run / "config.toml").read_text())
    config["federation"] |= settings
    (run / "config.toml").write_text(tomli_w.dumps(config))
    summary = json.loads((run / "summary.json").read_text()) | {"partition": settings["partition"]}
    (run / "summary.json").write_text(json.dumps(summary))
    assert f"<dt>Partition</dt><dd>{said}</dd>" in read(run)[0]


@pytest.mark.slow
def test_faces_are_left_out_on_request_and_when_they_are_too_many(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert len(read(run)[1].all("img")) == 16
    noise = stream(0, "noise").integers(0, 256, (400, 400), dtype=np.uint8)
    for png in (run / "examples").glob("*.png"):
        Image.fromarray(noise).save(png)
    text, page_ = read(run)
    assert 0 < len(page_.all("img")) < 16
    assert len(text) < 1_500_000
    shutil.rmtree(run / "examples")
    assert read(run)[1].all("img") == []


@pytest.mark.parametrize(
    "name", ["summary.json", "rounds.jsonl", "config.toml", "environment.json", "data.json"]
)
def test_an_unfinished_run_is_named(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run")
    (run / name).write_text("{")
    with pytest.raises(InputError, match=rf"run/{name}.* is (damaged .*; restore it|not TOML: .*; fix)"):
        write_report(run)
    (run / name).unlink()
    with pytest.raises(InputError, match=re.escape(name)):
        write_report(run)
    assert not (run / "report.html").exists()


def test_text_keeps_its_contrast_in_light_and_dark() -> None:
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6})", part))
        for part in re.findall(r":root \{(.*?)\}", page.STYLE, re.S)[:2]
    )
    assert light.keys() == dark.keys()
    for colours in (light, dark):
        for name in ("ink", "muted", "s0", "s1", "s2", "good", "bad"):
            assert contrast(rgb(colours[name]), rgb(colours["bg"])) >= 4.5, name
        for name in ("before", *(f"k{i}" for i in range(8))):
            assert contrast(rgb(colours[name]), rgb(colours["bg"])) >= 3, name
        for i in range(8):  # neighbours in a column are told apart by lightness, too
            assert contrast(rgb(colours[f"k{i}"]), rgb(colours[f"k{(i + 1) % 8}"])) >= 1.4, i
        assert contrast(rgb(colours["ink"]), rgb(colours["note"])) >= 4.5
        darkest = 0.45 * rgb(colours["s0"]) + 0.55 * rgb(colours["soft"])  # a cell of the confusion matrix
        assert contrast(rgb(colours["ink"]), darkest) >= 4.5


def rgb(text: str) -> np.ndarray:
    return np.array([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """The contrast ratio of the web content accessibility guidelines."""
    lights = [
        float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])
        for c in (one, other)
    ]
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_units_are_those_a_person_would_say() -> None:
    assert [page.duration(s) for s in (0, 12.34, 59.99, 92.4, 3725)] == [
        "0.0 s", "12.3 s", "60.0 s", "1 min 32 s", "1 h 02 min",
    ]  # fmt: skip
    assert [page.size(n) for n in (0, 999, 25_620, 128_100_000, 2.5e12)] == [
        "0 B", "999 B", "25.6 kB", "128 MB", "2.5 TB",
    ]  # fmt: skip
    assert page.signed(-0.5, 1) == "\N{MINUS SIGN}0.5"
    assert page.signed(-0.04, 1) == page.signed(0.04, 1) == "+0.0"
    assert charts.short(250_000) == "250k"


def test_ticks_are_round_and_span_the_values() -> None:
    assert charts.ticks(0, 250_000, 6) == [0, 50_000, 100_000, 150_000, 200_000, 250_000]
    assert charts.ticks(0.22, 0.63) == [0.2, 0.4, 0.6, 0.8]
    assert charts.written([0.2, 0.225, 0.25], percent=False) == ["0.200", "0.225", "0.250"]
    assert charts.written([0.2, 0.4], percent=True) == ["20%", "40%"]


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(2, 8))
def test_ticks_hold_any_range(low: float, span: float, most: int) -> None:
    marks = charts.ticks(low, low + span, most)
    slack = 1e-6 * max(abs(low), span, 1)
    assert marks[0] <= low + slack
    assert marks[-1] >= low + span - slack
    assert 2 <= len(marks) <= most + 3


def test_predictions_are_read_by_place_whatever_the_classes_are_called(tmp_path: Path) -> None:
    header = "file,emotion,predicted,confidence,file,subject,subject\n"
    (tmp_path / "predictions.csv").write_text(header + "a.png,file,subject,0.6,0.4,0.6,p1\n")
    assert results._said(tmp_path / "predictions.csv") == {"a.png": ("file", "subject", "p1")}


def test_a_matched_baseline_is_known_by_its_summary_wherever_it_lies(tmp_path: Path) -> None:
    make_run(tmp_path / "run", kind="centralized")
    assert not results.read_run(tmp_path / "run", series=0).matched
    said = json.loads((tmp_path / "run" / "summary.json").read_text())
    (tmp_path / "run" / "summary.json").write_text(json.dumps(said | {"matched": True}))
    run = results.read_run(tmp_path / "run", series=0)
    assert (run.matched, run.name) == (True, "Centralized, matched")


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ({"name": "scaffold", "local_lr": 0.03}, ["scaffold, lr 1", "sgd, learning rate 0.03, batch"]),
        ({"name": "ditto", "start": "ridge"}, ["ditto, start ridge, own_pull 1", "adam, learning rate"]),
        ({"name": "ridge", "projection": 64}, ["ridge, projection 64", "sums over the views, sent once"]),
    ],
)
def test_the_page_says_how_the_phones_of_a_strategy_train(
    tmp_path: Path, full: Path, strategy: dict, words: list[str]
) -> None:
    folder = Path(shutil.copytree(full, tmp_path / "run"))
    config = tomllib.loads((folder / "config.toml").read_text())
    (folder / "config.toml").write_text(tomli_w.dumps(config | {"strategy": strategy}))
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"strategy": strategy["name"]}))
    text = Page(write_report(folder).read_text()).words
    for expected in words:
        assert expected in text


def test_how_people_were_divided_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", photos=200, examples=False)
    data, config = DataFacts.read(run), tomllib.loads((run / "config.toml").read_text())
    assert data.drawn == ()
    write_report(run)
    assert "at random" not in read(run)[1].words
    replace(data, drawn=(GroupDraw("parts", 1, 0.15),)).write(run)
    write_report(run)
    assert (
        "parts drawn at random, first draw, shares of classes within 15 points of those asked for"
        in read(run)[1].words
    )
    replace(data, drawn=(GroupDraw("folds", 41, 0.25), GroupDraw("validation", 400, None))).write(run)
    config["data"] |= {"folds": 5, "fold": 2}
    (run / "config.toml").write_text(tomli_w.dumps(config))
    write_report(run)
    words = read(run)[1].words
    assert "test photos: fold 2 of 5 (0 to 4)" in words
    assert "folds drawn at random, 41 draws, shares of classes within 25 points of those asked for" in words
    assert "validation by a search, since none of 400 random draws fitted" in words
