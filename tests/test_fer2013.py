"""FER2013's CSV of pixels as a source of photos."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support_photo_folders import refused

from fer_models.config import DataConfig, SketchConfig
from fer_models.data.images import ImageTable, load_table
from fer_models.errors import InputError, RunError
from fer_models.photos.choice import found
from fer_models.photos.sources import open_source
from fer_models.photos.tabular import fer2013
from fer_models.photos.tabular.fer2013 import LABELS

ALL = tuple(sorted(LABELS))


pytestmark = pytest.mark.usefixtures("own_cache")


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)


def text(values: np.ndarray) -> str:
    return " ".join(map(str, values.ravel().tolist()))


def rows(count: int = 70) -> list[list[str]]:
    """Row k shows emotion k modulo 7."""
    return [[str(k % 7), text(pixels(k)), "Training" if k < 50 else "PublicTest"] for k in range(count)]


def write(path: Path, table: list[list[str]], header: str = "emotion,pixels,Usage", end: str = "\n") -> Path:
    path.write_text(end.join([header, *(",".join(row) for row in table)]) + end, newline="")
    return path


def load(path: Path, classes: tuple[str, ...] = ALL, **settings: object) -> ImageTable:
    data = DataConfig(source=str(path), classes=classes, **settings)  # type: ignore[arg-type]
    return load_table(data, SketchConfig(), seed=0)


def test_rows_become_photos_with_our_names_of_the_emotions(tmp_path: Path) -> None:
    path = write(tmp_path / "fer2013.csv", rows())
    table = load(path)
    assert len(table) == 70
    assert table.paths[0] == f"{path}#00001"
    assert list(table.paths) == sorted(table.paths)
    names = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutrality"]
    assert [table.classes[label] for label in table.labels[:7]] == names
    for i in (0, 33, 69):
        photo = table.reader(i, 64)
        assert photo.mode == "L"
        assert np.array_equal(np.asarray(photo), pixels(i))
    assert table.subjects is None
    assert table.unreadable == ()
    assert len(set(table.digests)) == 70
    assert sorted(np.bincount(table.split)) == [14, 14, 42]


def test_only_the_rows_of_the_wanted_classes_are_used(tmp_path: Path) -> None:
    table = load(write(tmp_path / "x.csv", rows()), classes=("fear", "anger"))
    assert [int(path.rpartition("#")[2]) % 7 for path in table.paths] == [1, 3] * 10
    assert np.array_equal(np.asarray(table.reader(1)), pixels(2))
    data = DataConfig(source=str(tmp_path / "x.csv"))
    assert found(open_source(data).listing(), data) == dict.fromkeys(LABELS, 10)
    assert table.ledger.other_emotions == dict.fromkeys(set(LABELS) - {"anger", "fear"}, 10)


@pytest.mark.parametrize(
    ("header", "order", "end"),
    [
        ("emotion, Usage, pixels", (0, 2, 1), "\r\n"),
        ("\ufeffpixels,emotion", (1, 0), "\n"),
        ('"emotion","pixels","Usage"', (0, 1, 2), "\n"),
        ("emotion,pixels", (0, 1), "\n\n"),
        ("sep=,\nemotion,pixels", (0, 1), "\n"),
        ("\n\nLabel,Pixels,Split", (0, 1, 2), "\n"),
    ],
)
def test_other_ways_to_write_the_same_table(
    tmp_path: Path, header: str, order: tuple[int, ...], end: str
) -> None:
    plain = load(write(tmp_path / "plain.csv", rows()))
    other = [[f'"{row[c]}"' if header.startswith('"') else row[c] for c in order] for row in rows()]
    table = load(write(tmp_path / "other.csv", other, header, end))
    assert table.digests == plain.digests
    assert table.split.tolist() == plain.split.tolist()
    assert np.array_equal(np.asarray(table.reader(69)), pixels(69))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("emotion,pixels\r0,1 2\r", "ends its lines with CR alone"),
        ("emotion,pixels\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        ("pixels\n1 2\n", "has pixels but no column emotion"),
    ],
)
def test_tables_of_pixels_that_cannot_be_used(tmp_path: Path, content: str | bytes, words: str) -> None:
    (tmp_path / "x.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert words in refused(tmp_path / "x.csv", classes=ALL)


def test_other_names_of_the_columns_are_used(tmp_path: Path) -> None:
    table = load(write(tmp_path / "x.csv", rows(), "sep=,\nlabel,pixels,split"), split="given")
    assert table.ledger.columns == {"label": "emotion", "pixels": "pixels", "split": "split"}
    assert np.bincount(table.split).tolist()[2] == 20


def test_labels_in_words_and_in_numbers_that_are_named(tmp_path: Path) -> None:
    table = [[["Angry", "7", "1.0", "happy", ""][k % 5], text(pixels(k))] for k in range(50)]
    path = write(tmp_path / "x.csv", table, "Emotion;Pixels".replace(";", ","))
    found = load(path, classes=("anger", "contempt"), names={"7": "contempt"})
    assert np.bincount(found.labels).tolist() == [10, 10]
    assert found.ledger.line() == "Photos: 20 used; 30 set aside (20 of other emotions, 10 without a label)"
    semicolons = [[row[0], row[1]] for row in table]
    (tmp_path / "y.csv").write_text("\n".join(["emotion;pixels", *(";".join(row) for row in semicolons)]))
    again = load(tmp_path / "y.csv", classes=("anger", "contempt"), names={"7": "contempt"})
    assert again.digests == found.digests


BROKEN = {
    1: (text(pixels(1)).rsplit(" ", 1)[0], "2,303 pixels, not 48x48 = 2,304"),
    2: (text(pixels(2)) + " 7", "2,305 pixels, not 48x48 = 2,304"),
    3: (text(pixels(3)).rsplit(" ", 1)[0] + " 256", "a pixel value of 256, not 0 to 255"),
    4: (text(pixels(4)).rsplit(" ", 1)[0] + " -1", "a pixel value of -1, not 0 to 255"),
    5: ("12 spam " + text(pixels(5)), 'pixel 2 is "spam", not a number'),
    6: ("", "0 pixels, not 48x48 = 2,304"),
}


def broken_rows() -> list[list[str]]:
    table = rows()
    for k, (content, _) in BROKEN.items():
        table[k][1] = content
    return table


def test_unsound_rows_are_unreadable_photos_with_a_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", broken_rows())
    for _ in range(2):  # the second time from the cache
        table = load(path)
        assert len(table) == 64
        assert dict(table.unreadable) == {f"{path}#{k + 1:05d}": reason for k, (_, reason) in BROKEN.items()}
        assert np.array_equal(np.asarray(table.reader(1)), pixels(7))


def test_too_many_unsound_rows_are_one_clear_line(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", broken_rows())
    line = refused(path, classes=ALL, max_unreadable=0.05)
    assert "6 of 70 photos" in line
    assert "x.csv#00002: 2,303 pixels, not 48x48 = 2,304" in line
    assert "data.max_unreadable" in line


@pytest.mark.parametrize("label", ["7", "-1", "1.5", "surprize party"])
def test_an_emotion_that_is_none_is_named_with_its_line(tmp_path: Path, label: str) -> None:
    table = rows()
    table[4][0] = label
    line = refused(write(tmp_path / "x.csv", table), classes=ALL)
    assert f'line 6: emotion "{label}" is none of 0 anger, 1 disgust' in line


def test_tables_that_cannot_be_used(tmp_path: Path) -> None:
    assert "has no rows" in refused(write(tmp_path / "x.csv", []), classes=ALL)
    path = write(tmp_path / "y.csv", rows())
    assert "found: anger, disgust, fear, happiness" in refused(path, classes=("anger", "contempt"))
    with pytest.raises(InputError, match="no subjects are known"):
        load(path, split_by="subject")


def test_a_second_start_parses_nothing_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []
    real = fer2013._parse
    monkeypatch.setattr(fer2013, "_parse", lambda text: parsed.append(text) or real(text))
    path = write(tmp_path / "x.csv", rows())
    first = load(path)
    assert len(parsed) == 70
    load(path)
    assert len(parsed) == 70
    table = rows()
    table[3][1] = text(pixels(99))
    write(path, table)
    os.utime(path, (1, 1))
    assert [i for i, d in enumerate(load(path).digests) if d != first.digests[i]] == [3]


def test_a_file_that_changes_during_a_run_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", rows())
    table = load(path)
    changed = rows()
    changed[0][1] = text(pixels(99))
    write(path, changed)
    with pytest.raises(RunError, match=r"x\.csv#00001 could be read when the run started but not now"):
        table.reader(0)
    path.unlink()
    with pytest.raises(RunError, match="No such file"):
        table.reader(1)


@pytest.mark.slow
def test_the_pixels_are_never_held_all_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", [row for _ in range(10) for row in rows()])  # 6 MB
    load(path)
    tracemalloc.start()
    table = load(path)
    for i in range(len(table)):
        table.reader(i)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table) == 700
    assert most < 2_000_000
