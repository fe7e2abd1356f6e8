from pathlib import Path

import pytest
from support_photo_folders import PAIR, gray, load, refused, write_csv

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_missing_source(tmp_path: Path) -> None:
    assert refused(tmp_path / "absent").startswith(f"data.source: no such file or folder: {tmp_path}/absent")
    assert 'did you mean "sketch"?' in refused(tmp_path / "Sketch")
    (tmp_path / "faces").write_bytes(b"")
    assert "neither a folder nor a .csv file" in refused(tmp_path / "faces")
    for name in ("faces.zip", "faces.tar.gz"):
        (tmp_path / name).write_bytes(b"")
        assert "is an archive; unpack it" in refused(tmp_path / name)


def test_an_empty_folder_and_one_without_sub_folders(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    assert "is empty" in refused(tmp_path)
    gray(1).save(tmp_path / "x.png")
    assert "has no sub-folders" in refused(tmp_path)


def test_an_unknown_class_is_named_with_the_nearest(folder: Path) -> None:
    (folder / "Happiness").mkdir()
    text = refused(folder, classes=("anger", "hapiness"))
    assert 'data.classes: no class "hapiness"' in text
    assert 'did you mean "Happiness"?' in text
    assert "found: Happiness, anger, fear" in text
    assert "did you mean" not in refused(folder, classes=("anger", "zzz"))


def test_a_class_whose_folder_is_empty(folder: Path) -> None:
    (folder / "joy").mkdir()
    assert 'class "joy" has no photo in' in refused(folder, classes=("anger", "joy"))


def test_a_class_that_does_not_reach_all_parts(folder: Path) -> None:
    for i in range(5, 12):
        (folder / "fear" / f"{i:02d}.png").unlink()
    assert set(load(folder).split[12:]) == {0, 1, 2}  # five are enough
    rows = [
        [f"{emotion}/{i:02d}.png", emotion, "p1"]
        for emotion, n in (("anger", 12), ("fear", 5))
        for i in range(n)
    ]
    write_csv(folder / "labels.csv", [["file", "emotion", "subject"], *rows])
    text = refused(folder)
    assert 'class "anger" has no photo in the' in text
    assert "(12 of 1 subjects)" in text
    assert 'or set data.split_by to "photo"' in text


def test_split_by_subject_needs_subjects(folder: Path) -> None:
    text = refused(folder, split_by="subject")
    assert 'data.split_by is "subject" but no subjects are known' in text
    rows = [[f"{emotion}/{i:02d}.png", emotion, ""] for emotion in PAIR for i in range(12)]
    write_csv(folder / "labels.csv", [["file", "emotion", "subject"], *rows])
    assert refused(folder, split_by="subject") == text


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([["where", "emotion"], ["x", "fear"]], 'no column "file"'),
        ([["file", "mood"], ["x", "fear"]], 'no column "emotion"'),
        ([["anger/01.png", "anger"], ["fear/01.png", "fear"]], "has no header: its first line is anger/01"),
        ([["file", "emotion"], ["a\x00b", "fear"]], "line 2: a NUL byte, so it is not text"),
    ],
)
def test_unsound_tables(folder: Path, rows: list[list[str]], wanted: str) -> None:
    assert wanted in refused(write_csv(folder / "table.csv", rows))


def test_an_empty_table(folder: Path) -> None:
    for content in (b"", b"\n\n", b"\xef\xbb\xbf"):
        (folder / "table.csv").write_bytes(content)
        assert "table.csv is empty; its first line must name columns" in refused(folder / "table.csv")


def test_a_table_without_rows(folder: Path) -> None:
    path = write_csv(folder / "table.csv", [["file", "emotion"]])
    assert f"{path} has no rows" in refused(path)
