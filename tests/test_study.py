"""A study from its command to its page: what is trained, what is not trained again, what is refused."""

import csv
import json
import re
import signal
import tomllib
from pathlib import Path

import pytest
from commands import Here, started, wait_for_rounds
from photo_folders import draw_people
from PIL import Image

from simulations.request import finished

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
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos; its cache serves the module."""
    folder = tmp_path_factory.mktemp("study")
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


def runs(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/summary.json"))


def table(study: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((study / "study.csv").read_text().splitlines()))


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


def test_all_models_of_a_seed_judge_the_same_test_photos_and_seeds_others(study: Path) -> None:
    def photos(run: str) -> list[str]:
        return [
            row["file"] for row in csv.DictReader((study / run / "predictions.csv").read_text().splitlines())
        ]

    assert photos("ridge-0-seed0") == photos("mobilenet-15-seed0") == photos("majority-0-seed0")
    assert photos("ridge-0-seed1") == photos("mobilenet-15-seed1") != photos("ridge-0-seed0")


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


def test_a_run_of_a_study_is_the_run_of_its_settings(study: Path, here: Here) -> None:
    done = here.run("baseline", study / "mobilenet-15-seed1" / "config.toml", "--out", "alone", "--quiet")
    assert (done.code, done.err) == (0, "")
    first, second = (study / "mobilenet-15-seed1", here.folder / "alone")
    assert (first / "head.safetensors").read_bytes() == (second / "head.safetensors").read_bytes()


def test_what_is_finished_is_not_trained_again(study: Path, here: Here) -> None:
    before = {run: (study / run / "summary.json").stat().st_mtime_ns for run in runs(study)}
    (study / "ridge-15-seed1" / "summary.json").unlink()
    done = here.run("study", "--out", study)
    assert (done.code, done.err) == (0, "")
    assert "10/12 ridge, balance 15, seed 1: done" in done.out
    assert len(re.findall(r"/12 .*: done", done.out)) == 1
    after = {run: (study / run / "summary.json").stat().st_mtime_ns for run in runs(study)}
    assert [run for run in after if after[run] != before[run]] == ["ridge-15-seed1"]


def test_more_is_trained_beside_what_is_there(study: Path, here: Here) -> None:
    done = here.run("study", "--out", study, "--models", "hog,ridge", "--balances", "15", "--seeds", "1")
    assert (done.code, done.err) == (0, "")
    assert re.findall(r"(\S+ \S+), balance (\d+): done", done.out) == [("1/2 hog", "15")]
    rows = [row for row in table(study) if row["source"] == "fedfer"]
    assert [row["model"] for row in rows] == ["hog", "ridge"]
    assert len(runs(study)) == 13
    (here.folder / "study" / "hog-15-seed0" / "summary.json").unlink()
    here.run(
        "study", "--out", study, "--models", "mobilenet,ridge,majority", "--balances", "0,15", "--seeds", "2"
    )


def test_other_settings_and_changed_photos_are_refused(study: Path, here: Here) -> None:
    words = r"was begun with train\.lr = 0\.001, now it is 0\.5; give another folder, or the same settings"
    here.refused("study", *ASKED, *SMALL, "--set", "train.lr=0.5", "--out", study, words=words)
    photo = here.folder / "faces" / "joy" / "00.png"
    before = photo.read_bytes()
    try:
        Image.new("L", (40, 40), 99).save(photo)
        words = r"the photos changed since .* was trained; give another folder for a new study"
        done = here.run("study", "--out", study, "--models", "ridge")
        assert done.code == 2
        assert re.search(words, done.err)
    finally:
        photo.write_bytes(before)


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
def test_a_study_that_is_stopped_says_how_to_go_on_and_does(made: Path, tmp_path: Path) -> None:
    asked = ("--models", "ridge,cnn", "--balances", "0", "--data", made / "faces", *SMALL)
    cache = str(tmp_path / "cache")
    running = started(
        "study", *asked, "--set", "baseline.epochs=100000", "--out", "study", cwd=tmp_path, FEDFER_CACHE=cache
    )
    wait_for_rounds(tmp_path / "study" / "cnn-0-seed0", 3)
    running.send(signal.SIGINT, group=True)
    done = running.wait(60)
    assert done.code == 130
    assert done.err.splitlines()[-1] == "fedfer: stopped; go on with: fedfer study --out study"
    assert running.left() == []
    assert runs(tmp_path / "study") == ["ridge-0-seed0"]
    settings = tmp_path / "study" / "study.toml"
    settings.write_text(settings.read_text().replace("epochs = 100000", "epochs = 2"))
    config = tmp_path / "study" / "ridge-0-seed0" / "config.toml"
    config.write_text(config.read_text().replace("epochs = 100000", "epochs = 2"))
    again = started("study", "--out", "study", cwd=tmp_path, FEDFER_CACHE=cache)
    done = again.wait()
    assert (done.code, done.err) == (0, "")
    assert runs(tmp_path / "study") == ["cnn-0-seed0", "ridge-0-seed0"]
    assert "ridge, balance 0: done" not in done.out
