"""Every model behind model.name: trained, kept, opened again, and refused where it does not fit."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from support_commands import Here
from support_photo_folders import draw_people
from support_slow import few_quick

from fer_models.encoders.encoder import GrayPixels
from fer_models.evaluation import HeldOut
from fer_models.heads import LinearHead, load_head, save_head
from fer_models.local.phone_rows import PhoneRows
from fer_models.models import MODELS, ModelConfig, cost, fit, milliseconds, restore

CLASSES = ("anger", "fear", "joy")
QUICK = ("mobilenet", "cnn", "majority")  # of each kind one
NETWORKS = ("mobilenet-deep", "mobilenet-tuned", "cnn", "mobilenet-scratch")
SETTINGS = {
    "data.classes": json.dumps(CLASSES),
    "data.balance": 12,
    "data.image_size": 32,
    "model.weights": "random",
    "model.width": 0.25,
    "baseline.epochs": 2,
    "train.batch": 5,
    "evaluation.select": "best",
}


def options(name: str) -> list[str]:
    values = {**SETTINGS, "model.name": name}
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, encoders: Path) -> Iterator[Path]:
    """A folder with faces, a cache, and the runs of models that were trained so far."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(encoders, folder / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDFER_CACHE", str(folder / "cache"))
        draw_people(folder / "faces", CLASSES)
        yield folder


@pytest.fixture
def here(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Here:
    return Here(runs, monkeypatch, capsys)


def trained(here: Here, name: str) -> Path:
    """The folder of a run of the model, trained when first asked for."""
    folder = here.folder / f"run-{name}"
    if not folder.exists():
        done = here.run("baseline", "--data", "faces", *options(name), "--out", folder, "--quiet")
        assert (done.code, done.err) == (0, "")
    return folder


@pytest.mark.parametrize("name", few_quick(MODELS, *QUICK))
def test_photos_get_the_answers_of_the_run_again(here: Here, name: str) -> None:
    run = trained(here, name)
    expected = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    assert len(expected) > 5
    done = here.run("predict", run, *(row["file"] for row in expected), "--csv", "-")
    assert (done.code, done.err) == (0, "")
    got = list(csv.DictReader(done.out.splitlines()))
    assert [row["emotion"] for row in got] == [row["predicted"] for row in expected]
    for column in ("confidence", *CLASSES):
        values = ([float(row[column]) for row in rows] for rows in (got, expected))
        np.testing.assert_allclose(*values, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", few_quick(MODELS, *QUICK))
def test_a_run_says_what_the_model_is_and_costs(here: Here, name: str) -> None:
    run = trained(here, name)
    summary = json.loads((run / "summary.json").read_text())
    records = [json.loads(line) for line in (run / "rounds.jsonl").read_text().splitlines()]
    assert (summary["model"], summary["kind"]) == (name, "centralized")
    assert len(records) == summary["epochs"] == (2 if MODELS[name].epochs else 1)
    assert all(np.isfinite(record["val_loss"]) and record["photos"] == 36 for record in records)
    assert 0 < summary["parameters_trained"] <= summary["parameters"]
    assert (summary["multiply_adds"] == 0) == (name == "majority")
    assert summary["ms_per_photo"] > 0
    arrays = load_file(run / "head.safetensors")
    if name != "mobilenet-scratch":  # the statistics of BatchNorm are kept with the others, but not trained
        kept = {key: a for key, a in arrays.items() if not key.endswith(("running_mean", "running_var"))}
        assert summary["parameters_trained"] == sum(array.size for array in kept.values())
    assert name in (run / "report.html").read_text()
    text = (run / "classification_report.txt").read_text()
    assert all(word in text for word in (*CLASSES, "macro avg", "weighted avg"))


@pytest.mark.slow
def test_what_is_reported_is_the_epoch_that_is_best_on_validation(here: Here) -> None:
    for name in NETWORKS:
        run = trained(here, name)
        curve = [json.loads(line)["val_macro_f1"] for line in (run / "rounds.jsonl").read_text().splitlines()]
        assert json.loads((run / "summary.json").read_text())["selected"] == 1 + int(np.argmax(curve))


@pytest.mark.parametrize("name", few_quick(["cnn", "mobilenet-tuned", "hog"], *QUICK))
def test_a_seed_is_a_model(here: Here, name: str) -> None:
    again = here.folder / f"again-{name}"
    done = here.run("baseline", trained(here, name) / "config.toml", "--out", again, "--quiet")
    assert (done.code, done.err) == (0, "")
    first, second = (folder / "head.safetensors" for folder in (trained(here, name), again))
    assert first.read_bytes() == second.read_bytes()
    shutil.rmtree(again)


@pytest.mark.parametrize("name", ["mobilenet-scratch", "hog", "ridge", "logistic", "lda", "ncm", "majority"])
def test_what_phones_cannot_train_is_refused(here: Here, name: str) -> None:
    words = (
        rf'^fedfer: model\.name: "{name}" is trained centrally only; use fedfer baseline, or set'
        r" model\.name to one of mobilenet, mobilenet-deep, mobilenet-tuned, cnn"
    )
    here.refused("run", "--set", f"model.name={name}", "--out", "new", words=words)


def test_a_closed_form_is_of_a_linear_head(here: Here) -> None:
    for setting in ("strategy.name=ridge", "strategy.start=ncm"):
        words = r'model\.name must be "mobilenet", got "cnn"; set it, or another strategy'
        here.refused("run", "--set", "model.name=cnn", "--set", setting, "--out", "new", words=words)


@pytest.mark.parametrize("name", few_quick(NETWORKS, *QUICK))
def test_arrays_that_do_not_fit_are_refused(here: Here, tmp_path: Path, name: str) -> None:
    arrays, metadata = load_head(trained(here, name) / "head.safetensors")
    path, last = (
        tmp_path / "head.safetensors",
        "output.bias" if "output.bias" in arrays else "classifier.1.bias",
    )
    for changed, words in [
        ({key: a for key, a in arrays.items() if key != last}, f"{last} is missing"),
        ({**arrays, "more": arrays[last]}, f"more is not part of {name}"),
        ({**arrays, last: arrays[last][:2].copy()}, rf"{last} is \(2,\), expected \(3,\)"),
        ({**arrays, last: arrays[last] * np.float32(np.nan)}, f"{last} holds values that are not finite"),
    ]:
        save_head(path, changed, metadata)
        here.refused("predict", path, "faces", words=words)
    save_head(path, arrays, {**metadata, "classes": ["a", "b"]})
    here.refused("predict", path, "faces", words=r"expected \(2")


@pytest.mark.slow
def test_settings_that_shape_a_network_are_kept_with_it_and_must_be_sound(here: Here, tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    for name, key, value, words in [
        ("mobilenet-tuned", "trainable_blocks", 2, r"features\.15.* is not part of|is missing"),
        ("mobilenet-tuned", "trainable_blocks", 99, r"its settings are \{'trainable_blocks': 99\}"),
        ("mobilenet-tuned", "trainable_blocks", None, r"it does not say its trainable_blocks"),
        ("mobilenet-scratch", "width", 0.5, r"expected \("),
        ("mobilenet-scratch", "width", "wide", r"its settings are \{'width': 'wide'\}"),
    ]:
        arrays, metadata = load_head(trained(here, name) / "head.safetensors")
        assert metadata[key] == {"trainable_blocks": 3, "width": 0.25}[key]
        changed = {k: v for k, v in {**metadata, key: value}.items() if v is not None}
        save_head(path, arrays, changed)
        here.refused("predict", path, "faces", words=words)


@pytest.mark.slow
def test_a_head_of_another_model_is_refused(here: Here, tmp_path: Path) -> None:
    arrays, metadata = load_head(trained(here, "hog") / "head.safetensors")
    path = tmp_path / "head.safetensors"
    weights = load_head(trained(here, "ridge") / "head.safetensors")[1]["weights_sha256"]
    assert metadata["weights_sha256"] is None
    ridge = {**metadata, "model": "ridge", "weights_sha256": weights}
    save_head(path, arrays, ridge)
    here.refused("predict", path, "faces", words="its photos were prepared with")
    save_head(path, arrays, {**ridge, "preprocessing": {"image_size": 32, **MODELS["ridge"].preprocessing}})
    here.refused("predict", path, "faces", words=r"it takes \d+ features, the encoder gives 1280")
    text = {key: json.dumps(value) for key, value in metadata.items()}
    save_file({**arrays, "weight": arrays["weight"][:, :-1].copy()}, path, metadata=text)
    here.refused("predict", path, "faces", words=r"it takes \d+ features, the encoder gives \d+")


def test_the_majority_says_the_largest_class_of_the_photos_before_balancing() -> None:
    shards = PhoneRows(np.zeros((6, 0), np.float32), np.zeros(6, int), np.arange(6), np.array([0, 6]))
    held = HeldOut(shards.features, shards.labels)
    classifier, chosen = fit(ModelConfig(name="majority"), shards, held, np.array([2, 5, 3]))
    np.testing.assert_allclose(classifier.probabilities(np.empty((2, 0))), [[0.2, 0.5, 0.3]] * 2, atol=1e-6)
    assert chosen == {}


def test_costs_by_hand() -> None:
    linear = LinearHead(np.zeros((5, 1281), np.float32))
    assert cost(ModelConfig(), linear, classes=5, size=224) == {
        "parameters": 2_223_872 + 6_405,
        "parameters_trained": 6_405,
        "multiply_adds": 300_774_272 - 1_280_000 + 6_400,
    }
    hog = LinearHead(np.zeros((5, 1765), np.float32))
    assert cost(ModelConfig(name="hog"), hog, classes=5, size=64)["parameters"] == 5 * 1765


def test_milliseconds_name_every_photo_in_batches_of_16() -> None:
    seen: list[int] = []

    class Watching:
        def probabilities(self, rows: np.ndarray) -> np.ndarray:
            seen.append(len(rows))
            return np.ones((len(rows), 2)) / 2

        def arrays(self) -> dict:
            return {}

    assert milliseconds(GrayPixels(), Watching(), np.zeros((20, 1, 8, 8), np.uint8)) > 0
    assert seen == [16, 4] * 8


def test_a_linear_head_must_be_whole() -> None:
    said = {"model": "majority"}
    assert isinstance(restore(LinearHead(np.zeros((2, 1), np.float32)).arrays(), said, 2, 64), LinearHead)
    for arrays, words in [
        ({"weight": np.zeros((2, 0), np.float32)}, "it holds weight, expected bias, weight"),
        (LinearHead(np.zeros((3, 1), np.float32)).arrays(), "it has 3 rows of weights for 2 classes"),
        (LinearHead(np.zeros((2, 3), np.float32)).arrays(), "it takes 2 features, the encoder gives 0"),
        (LinearHead(np.zeros((2, 1))).arrays(), "not finite numbers of type float32"),
    ]:
        with pytest.raises(ValueError, match=words):
            restore(arrays, said, 2, 64)
