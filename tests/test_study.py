"""A study from its command to its page: what is trained, what is not trained again, what is refused."""

import csv
import importlib.util
import json
import re
import shutil
import signal
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support_commands import Here, started, wait_for_rounds
from support_photo_folders import draw_people

from simulations.run.request import finished, locked
from simulations.study.request import ask

CLASSES = ("anger", "fear", "joy")
SETTINGS = {
    "data.classes": json.dumps(CLASSES),
    "data.image_size": 32,
    "model.weights": "random",
    "baseline.epochs": 2,
}
SMALL = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
ASKED = ("--data", "faces", "--models", "mobilenet,ridge,majority", "--balances", "0,15")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, encoders: Path) -> Path:
    """A folder with photos; its cache serves the module."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(encoders, folder / "cache")
    draw_people(folder / "faces", CLASSES)
    return folder


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Here:
    monkeypatch.setenv("FEDFER_CACHE", str(made / "cache"))
    return Here(made, monkeypatch, capsys)


@pytest.fixture
def study(here: Here) -> Path:
    """The folder of a whole study of two seeds."""
    folder = here.folder / "study"
    if not folder.exists():
        done = here.run("study", *ASKED, *SMALL, "--seeds", "2", "--out", folder)
        assert (done.code, done.err) == (0, "")
        (here.folder / "printed.txt").write_text(done.out)
    return folder


@pytest.fixture
def copy(study: Path, here: Here, tmp_path: Path) -> Path:
    """A copy of the study, to be changed."""
    return Path(shutil.copytree(study, tmp_path / "study"))


def runs(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/summary.json"))


def table(study: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((study / "study.csv").read_text().splitlines()))


@pytest.mark.slow
def test_every_model_balance_and_seed_has_a_run_folder(study: Path) -> None:
    models, balances = ("majority", "mobilenet", "ridge"), (0, 15)
    assert runs(study) == sorted(f"{m}-{b}-seed{s}" for m in models for b in balances for s in (0, 1))
    for run in study.glob("*-seed*"):
        assert finished(run)
        summary = json.loads((run / "summary.json").read_text())
        config = tomllib.loads((run / "config.toml").read_text())
        model, balance, seed = run.name.rsplit("-", 2)
        said = (summary["model"], str(summary["balance"]), f"seed{summary['seed']}")
        assert said == (model, balance, seed)
        assert config["model"]["name"] == model
        assert config["evaluation"]["select"] == "best"


@pytest.mark.slow
def test_all_models_of_a_seed_judge_the_same_test_photos_and_seeds_others(study: Path) -> None:
    def photos(run: str) -> list[str]:
        return [
            row["file"] for row in csv.DictReader((study / run / "predictions.csv").read_text().splitlines())
        ]

    assert photos("ridge-0-seed0") == photos("mobilenet-15-seed0") == photos("majority-0-seed0")
    assert photos("ridge-0-seed1") == photos("mobilenet-15-seed1") != photos("ridge-0-seed0")


@pytest.mark.slow
def test_the_tables_say_what_the_summaries_say(study: Path, here: Here) -> None:
    rows = table(study)
    ours = [row for row in rows if row["source"] == "fedfer"]
    assert len(ours) == 6
    assert len(rows) == 9  # and three published ones
    (row,) = [row for row in ours if (row["model"], row["balance"]) == ("ridge", "15")]
    found = [json.loads((study / f"ridge-15-seed{s}" / "summary.json").read_text()) for s in (0, 1)]
    assert float(row["macro_f1"]) == pytest.approx(sum(s["macro_f1"] for s in found) / 2)
    printed = (here.folder / "printed.txt").read_text()
    assert all(word in printed for word in ("ridge", "majority", "published", "49.0%", "12/12 majority"))
    assert re.search(r"Open .*study\.html", printed)
    assert (study / "study.html").is_file()
    assert {path.suffix for path in (study / "figures").iterdir()} == {".png", ".svg"}
    leaks = json.loads((study / "leakage.json").read_text())
    assert (leaks["photos"], leaks["near_across_parts"]) == (36, 0)


@pytest.mark.slow
def test_a_run_of_a_study_is_the_run_of_its_settings(study: Path, here: Here) -> None:
    done = here.run("baseline", study / "mobilenet-15-seed1" / "config.toml", "--out", "alone", "--quiet")
    assert (done.code, done.err) == (0, "")
    first, second = (study / "mobilenet-15-seed1", here.folder / "alone")
    assert (first / "head.safetensors").read_bytes() == (second / "head.safetensors").read_bytes()


@pytest.mark.slow
def test_a_study_grows_by_what_is_asked_for_and_by_what_is_not_finished(copy: Path, here: Here) -> None:
    """What is finished is not trained again, whoever made it; that other versions did is told."""
    path = copy / "ridge-0-seed0" / "summary.json"
    summary = json.loads(path.read_text())
    summary["versions"]["torch"] = "1.0"
    path.write_text(json.dumps(summary))
    before = {run: (copy / run / "summary.json").stat().st_mtime_ns for run in runs(copy)}
    (copy / "ridge-15-seed1" / "summary.json").unlink()
    done = here.run("study", "--out", copy, "--models", "hog", "--balances", "15", "--seeds", "1")
    assert (done.code, done.err) == (0, "")
    trained = re.findall(r"/16 (\S+), balance (\d+), seed (\d): done", done.out)
    grown = [("hog", balance, seed) for seed in "01" for balance in ("0", "15")]
    assert sorted(trained) == sorted([*grown, ("ridge", "15", "1")])
    after = {run: (copy / run / "summary.json").stat().st_mtime_ns for run in before}
    assert [run for run in after if after[run] != before[run]] == ["ridge-15-seed1"]
    ours = [row for row in table(copy) if row["source"] == "fedfer"]
    assert [row["model"] for row in ours[::2]] == ["mobilenet", "ridge", "majority", "hog"]
    assert "some runs were made with other versions of torch" in done.out


@pytest.mark.slow
def test_other_settings_and_changed_photos_are_refused_before_anything_is_trained(
    copy: Path, here: Here
) -> None:
    words = r"was started with train\.lr = 0\.001, now it is 0\.5; give another folder, or the same settings"
    here.refused("study", *ASKED, *SMALL, "--set", "train.lr=0.5", "--out", copy, words=words)
    photo = here.folder / "faces" / "joy" / "00.png"
    before, settings = photo.read_bytes(), (copy / "study.toml").read_bytes()
    try:
        Image.new("L", (40, 40), 99).save(photo)
        done = here.run("study", "--out", copy, "--models", "cnn")
    finally:
        photo.write_bytes(before)
    assert done.code == 2
    assert re.search(r"the photos changed since .* was trained; give another folder", done.err)
    assert not list(copy.glob("cnn-*"))
    assert settings != b""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.json", b"{"),
        ("summary.json", b'{"accuracy": 1'),
        ("config.toml", None),
        ("predictions.csv", None),
        ("head.safetensors", None),
        ("head.safetensors", b"other"),
    ],
)
def test_a_damaged_run_is_named(copy: Path, here: Here, name: str, content: bytes | None) -> None:
    path = copy / "ridge-15-seed1" / name
    path.unlink() if content is None else path.write_bytes(content)
    words = r"ridge-15-seed1.* is damaged \(.*\); remove (that folder|.*ridge-15-seed1) and run again"
    here.refused("study", "--out", copy, words=words)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text.replace("seeds = 2", 'seeds = "x"'),
        lambda text: text.replace('"ridge"', '"vgg"'),
        lambda text: text.replace('select = "best"', 'select = "last"'),
    ],
)
def test_damaged_settings_of_a_study_are_refused(copy: Path, here: Here, change: Callable) -> None:
    path = copy / "study.toml"
    path.write_text(change(path.read_text()))
    here.refused("study", "--out", copy, words=r"study\.toml is damaged: its models, balances, seeds or")


@pytest.mark.slow
def test_a_study_that_is_at_work_is_left_alone(copy: Path, here: Here) -> None:
    before = (copy / "study.toml").read_bytes()
    with locked(copy):
        here.refused("study", "--out", copy, "--models", "cnn", words="another fedfer is at work in it")
    assert (copy / "study.toml").read_bytes() == before


@pytest.mark.slow
def test_a_model_that_diverges_does_not_stop_the_others(here: Here) -> None:
    wild = ("--set", "train.lr=100", "--set", "train.optimizer=sgd", "--models", "cnn,majority")
    done = here.run("study", "--data", "faces", *SMALL, *wild, "--balances", "0", "--out", "wild")
    assert done.code == 1
    words = r"1 of 2 runs failed; cnn, balance 0: cnn diverged in epoch \d; lower train\.lr"
    assert re.search(words, done.err)
    assert runs(here.folder / "wild") == ["majority-0-seed0"]
    assert [row["model"] for row in table(here.folder / "wild") if row["source"] == "fedfer"] == ["majority"]


def test_hog_is_left_out_with_a_word_where_its_library_is_not_there(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    quick = ("--set", "sketch.faces=300", "--set", "sketch.subjects=60")
    asked = ask(
        data=None, settings=quick[1::2], models=None, balances=None, seeds=None,
        folder=here.folder / "new", command="fedfer study",
    )  # fmt: skip
    assert asked.left_out == ("hog",)
    assert "hog" not in asked.models


def test_names_and_numbers_that_cannot_be_used(here: Here) -> None:
    for given, words in [
        (("--models", "vgg"), r'--models: there is no model "vgg"'),
        (("--balances", "1.5"), r'--balances takes whole numbers .* got "1\.5"'),
        (("--seeds", "0"), r"'--seeds': 0 is not in the range"),
        (("--set", "model.name=cnn"), r"a study sets that itself; use --models"),
        (("--data", "nowhere"), r"data\.source"),
    ]:
        here.refused("study", *SMALL, *given, "--out", "new", words=words)


@pytest.mark.slow
def test_a_study_that_is_stopped_says_how_to_go_on_and_does(
    made: Path, encoders: Path, tmp_path: Path
) -> None:
    asked = ("--models", "ridge,cnn", "--balances", "100", "--data", made / "faces", *SMALL)
    cache, long = str(shutil.copytree(encoders, tmp_path / "cache")), ("--set", "baseline.epochs=40")
    running = started("study", *asked, *long, "--out", "study", cwd=tmp_path, FEDFER_CACHE=cache)
    wait_for_rounds(tmp_path / "study" / "cnn-100-seed0", 3)
    running.send(signal.SIGINT, group=True)
    done = running.wait(60)
    assert done.code == 130
    assert done.err.splitlines()[-1] == "fedfer: stopped; resume with: fedfer study --out study"
    assert running.left() == []
    assert runs(tmp_path / "study") == ["ridge-100-seed0"]
    again = started("study", "--out", "study", cwd=tmp_path, FEDFER_CACHE=cache)
    done = again.wait()
    assert (done.code, done.err) == (0, "")
    assert runs(tmp_path / "study") == ["cnn-100-seed0", "ridge-100-seed0"]
    assert "ridge, balance 100: done" not in done.out
    lines = (tmp_path / "study" / "cnn-100-seed0" / "rounds.jsonl").read_text().splitlines()
    assert [json.loads(line)["round"] for line in lines] == list(range(1, 41))
