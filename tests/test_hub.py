"""Data sets of the library `datasets`: a folder it saved; without the library, one clear line."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_photo_folders import encoded, gray, refused

from fer_models.config import DataConfig, SketchConfig
from fer_models.data.images import ImageTable, load_table
from fer_models.errors import InputError
from fer_models.photos import hub
from simulations.experiment import load as load_experiment

CLASSES = ("anger", "happiness")


pytestmark = pytest.mark.usefixtures("own_cache")


def load(source: str | Path) -> ImageTable:
    return load_table(DataConfig(source=str(source), classes=CLASSES), SketchConfig(), seed=0)


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "dataset_dict.json").write_text("{}")
    for source in (tmp_path, "hub:somebody/faces"):
        with pytest.raises(InputError, match=r"datasets, which is not installed; .*pip install datasets"):
            load(source)


def test_a_name_of_the_hub_is_no_path() -> None:
    assert load_experiment("quickstart", data="hub:a/b")[1].data.source == "hub:a/b"


def test_a_hub_out_of_reach_is_one_line_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert not hub._hub_answers()
    with pytest.raises(InputError, match=r"cannot load hub:nobody/faces \(.*\); check its name") as caught:
        load("hub:nobody/faces")
    assert "\n" not in str(caught.value)


def save(folder: Path, *, broken: bytes | None = None, split: bool = True) -> Path:
    """Two splits of ten photos: photo k of `train` has brightness 10 k, those of `test` have 5 more."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "id": datasets.Value("int64"),
            "picture": datasets.Image(),
            "label": datasets.ClassLabel(names=["Happy", "angry", "boredom"]),
            "subject_id": datasets.Value("string"),
        }
    )
    parts = {}
    for name, more in (("train", 0), ("test", 5)):
        content = [encoded(gray(10 * k + more, 16), "png") for k in range(12)]
        if broken is not None:
            content[3] = broken
        rows = {
            "id": list(range(12)),
            "picture": [{"bytes": one, "path": None} for one in content],
            "label": [k % 3 for k in range(12)],
            "subject_id": [f"{name}{k}" for k in range(12)],
        }
        parts[name] = datasets.Dataset.from_dict(rows, features=features)
    saved = datasets.DatasetDict(parts) if split else parts["train"]
    saved.save_to_disk(str(folder))
    return folder


def test_a_saved_data_set_becomes_a_table(tmp_path: Path) -> None:
    folder = save(tmp_path / "faces")
    for _ in range(2):  # the second time with a cache
        table = load(folder)
        assert len(table) == 16
        assert table.classes == CLASSES
        assert table.labels.tolist() == [1, 0] * 8
        assert table.paths[0] == f"{folder}#00001"
        # the splits go by name: test first
        assert [np.asarray(table.reader(i))[0, 0] for i in (0, 1, 2, 8)] == [5, 15, 35, 0]
        assert table.reader(0).size == (16, 16)
        assert table.subjects is not None
        assert table.subjects[:2].tolist() == ["test0", "test1"]
        assert len(set(table.digests)) == 16
    assert len(load(save(tmp_path / "one", split=False))) == 8


def test_broken_photos_of_a_data_set_are_listed(tmp_path: Path) -> None:
    folder = save(tmp_path / "faces", broken=b"no picture")
    line = refused(folder, classes=CLASSES)
    assert "2 of 16 photos" in line
    assert "faces#00004: not an image that Pillow reads" in line


def test_data_sets_that_cannot_be_used(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"a": [1]}).save_to_disk(str(tmp_path / "x"))
    assert "has no column of photos (type Image); its columns: a" in refused(tmp_path / "x", classes=CLASSES)
    picture = datasets.Dataset.from_dict({"image": [Image.open(io.BytesIO(encoded(gray(3), "png")))]})
    picture.save_to_disk(str(tmp_path / "y"))
    assert "has no column of emotions" in refused(tmp_path / "y", classes=CLASSES)
    (tmp_path / "x" / "state.json").write_text("{")
    assert "cannot open the data set in" in refused(tmp_path / "x", classes=CLASSES)
