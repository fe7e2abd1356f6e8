"""Where emotions lie in a folder, the parts that come with it, and the ledger of all that was seen."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from support_photo_folders import PAIR, gray, load, make_folder, refused, write_csv

from fer_models.config import SPLITS
from fer_models.photos.layout import part_of
from fer_models.photos.tabular import tables

pytestmark = pytest.mark.usefixtures("own_cache")


def photos(folder: Path, count: int, first: int = 0) -> None:
    """So many photos, no two of which are the same within 256 numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + count):
        gray(i % 256).save(folder / f"{i:03d}.png")


def parted(root: Path, train: str = "train", test: str = "test", between: str = "") -> Path:
    """12 photos of anger and 12 of fear for training, 4 and 4 for the test."""
    for k, emotion in enumerate(("Angry", "fearful")):
        photos(root / train / between / emotion, 12, 100 * k)
        photos(root / test / between / emotion, 4, 100 * k + 50)
    return root


@pytest.mark.parametrize("above", ["archive", "archive/my set", "a/b/c", ".."])
def test_emotions_that_lie_further_down_are_found(tmp_path: Path, above: str) -> None:
    make_folder(tmp_path / "faces" / above)
    table = load(tmp_path / "faces" if above != ".." else tmp_path)
    assert len(table) == 24
    found = above if above != ".." else None
    assert table.ledger.notes == ([f"Photos found in {found}"] if found else [])


def test_too_far_down_or_in_several_places_is_one_line(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "one")
    make_folder(tmp_path / "a" / "two")
    line = refused(tmp_path / "a")
    assert "emotions found in several folders below" in line
    assert "one, two; give one of them, or a table that names photos, emotions and people" in line
    make_folder(tmp_path / "b" / "1" / "2" / "3" / "4")
    assert 'no class "anger", "fear"' in refused(tmp_path / "b")


@pytest.mark.parametrize(
    ("train", "test", "between"),
    [
        ("train", "test", ""),
        ("Training", "PrivateTest", ""),
        ("train_set", "test_set", "images"),
        ("TRAIN", "Test", "a/b"),
    ],
)
def test_parts_are_found_and_pooled_unless_they_are_wanted(
    tmp_path: Path, train: str, test: str, between: str
) -> None:
    root = parted(tmp_path / "faces", train, test, between)
    table = load(root)
    assert len(table) == 32
    assert table.ledger.read_as == {"Angry": "anger", "fearful": "fear"}
    assert "(train 24, test 8) were pooled and split again" in table.ledger.notes[0]
    given = load(root, split="given")
    for path, part in zip(given.paths, given.split.tolist(), strict=True):
        assert (part == 2) == (f"/{test}/" in path)
    assert np.bincount(given.split[given.labels == 0]).tolist() in ([9, 3, 4], [10, 2, 4])
    assert given.ledger.notes == [
        "The photos come without a validation part: 20% of the training photos serve as one"
    ]
    assert load(root, split="given", seed=1).split.tolist() != given.split.tolist()


def test_three_parts_are_taken_as_they_are_and_a_lone_validation_part_is_the_test_part(
    tmp_path: Path,
) -> None:
    root = parted(tmp_path / "faces")
    shutil.copytree(root / "test", root / "valid")
    for i, path in enumerate(sorted((root / "valid").rglob("*.png"))):
        gray(200 + i).save(path)
    table = load(root, split="given")
    assert table.ledger.notes == []
    for path, part in zip(table.paths, table.split.tolist(), strict=True):
        assert path.split("/")[-3] == {"train": "train", "validation": "valid", "test": "test"}[SPLITS[part]]
    shutil.rmtree(root / "test")
    table = load(root, split="given")
    assert (
        "their validation part (8 photos) serves as the test part, and 20% of the training"
        in table.ledger.notes[0]
    )
    assert np.bincount(table.split).tolist() in ([19, 5, 8], [20, 4, 8], [18, 6, 8])


def test_parts_inside_the_emotions(tmp_path: Path) -> None:
    for k, emotion in enumerate(PAIR):
        photos(tmp_path / emotion / "train", 12, 100 * k)
        photos(tmp_path / emotion / "test", 4, 100 * k + 50)
        photos(tmp_path / emotion / "train" / "more", 2, 100 * k + 70)
    table = load(tmp_path, split="given")
    for path, part in zip(table.paths, table.split.tolist(), strict=True):
        assert (part == 2) == ("/test/" in path)
    assert len(load(tmp_path)) == 36


def test_people_of_the_training_part_stay_together_when_it_is_cut(tmp_path: Path) -> None:
    root = parted(tmp_path / "faces")
    lines = [
        [f"train/{e}/{i:03d}.png", e, f"p{i % 100 // 2}"] for k, e in enumerate(("Angry", "fearful"))
        for i in range(100 * k, 100 * k + 12)
    ]  # fmt: skip
    write_csv(root / "labels.csv", [["file", "emotion", "subject"], *lines])
    table = load(root, split="given")
    assert table.subjects is not None
    for person in {f"p{i}" for i in range(6)}:
        assert len(set(table.split[table.subjects == person].tolist())) == 1


def test_parts_in_a_column_and_in_a_table_of_pixels(folder: Path) -> None:
    names = ["Training", "train", "PublicTest", "val", "PrivateTest", "test"]
    lines = [[f"{e}/{i:02d}.png", e, names[i % 6]] for e in PAIR for i in range(12)]
    table = load(write_csv(folder / "t.csv", [["file", "emotion", "Usage"], *lines]), split="given")
    assert [SPLITS[part] for part in table.split[:6]] == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    pixels = " ".join("7" * 2304)
    rows = [[str(i % 2 * 2), f"{pixels[:-1]}{i}", names[i % 12 // 2]] for i in range(24)]
    table = load(write_csv(folder / "fer2013.csv", [["emotion", "pixels", "Usage"], *rows]), split="given")
    assert [SPLITS[part] for part in table.split[:12]] == [p for p in SPLITS for _ in range(4)]


def test_given_parts_that_are_not_there(folder: Path, tmp_path: Path) -> None:
    assert 'data.split is "given" but the photos come with no parts: it needs train and test' in refused(
        folder, split="given"
    )
    lines = [[f"{e}/{i:02d}.png", e, "train" if i else "extra"] for e in PAIR for i in range(12)]
    path = write_csv(folder / "t.csv", [["file", "emotion", "split"], *lines])
    assert "come with train 22 (Column split: extra is no part of a split): it needs" in refused(
        path, split="given"
    )
    lines[3][2] = "test"
    write_csv(path, [["file", "emotion", "split"], *lines])
    assert "2 of 24 photos are in no part (train 21, test 1) (Column split: extra" in refused(
        path, split="given"
    )
    assert "the embedded set comes without parts" in refused(
        Path("sketch"), split="given", classes=("anger", "fear")
    )


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"), ("Training", "train"), ("FER2013Train", "train"), ("train_set", "train"),
        ("PublicTest", "validation"), ("Val", "validation"), ("validation set", "validation"),
        ("test images", "test"), ("PrivateTest", "test"), ("FER2013Test", "test"), ("", ""), ("trainer", ""),
        ("testimony", ""), ("AF01", ""), ("trainset", "train"), ("test-set", "test"), ("traindata", "train"),
        ("Train_Aligned_Faces", "train"), ("Val_Aligned_Faces_new", "validation"), ("train_test", ""),
        ("publictest", "validation"), ("privatetest", "test"), ("RAF-DB_train", "train"), ("fear", ""),
    ],
)  # fmt: skip
def test_names_of_parts(name: str, part: str) -> None:
    assert part_of(name) == part


def test_numbers_are_not_guessed_and_can_be_named(tmp_path: Path) -> None:
    root = tmp_path / "faces" / "DATASET"
    for part, count in (("train", 10), ("test", 4)):
        for label in (1, 2, 6):
            photos(root / part / str(label), count, 60 * label + 20 * (part == "test"))
    line = refused(tmp_path / "faces")
    assert 'no class "anger", "fear" in' in line
    assert "found: 1, 2, 6; the meaning of a number is not guessed" in line
    assert """--set 'data.names={"1" = "...", "2" = "...", "6" = "..."}' (docs/datasets.md""" in line
    table = load(tmp_path / "faces", names={"1": "surprise", "2": "fearful", "6": "Anger"}, split="given")
    assert table.ledger.line() == "Photos: 28 used; 14 set aside (14 of other emotions)"
    assert table.ledger.read_as == {"2": "fear", "6": "anger"}


def test_a_missing_class_comes_with_all_that_is_missing_and_a_setting_that_works(tmp_path: Path) -> None:
    for name, count in (("happy", 6), ("Sad", 9), ("anger", 2), ("boredom", 7)):
        photos(tmp_path / name, count)
    wanted = ("happiness", "sadness", "fear", "disgust")
    line = refused(tmp_path, classes=wanted)
    assert 'data.classes: no class "fear", "disgust" in' in line
    assert "found: Sad, anger, boredom, happy" in line
    assert """--set 'data.classes=["happiness", "sadness"]'""" in line
    assert len(load(tmp_path, classes=("happiness", "sadness"))) == 15
    assert """--set 'data.classes=["happiness", "sadness"]'""" in refused(
        tmp_path, classes=("fear", "disgust")
    )


def test_two_folders_of_one_emotion_are_one_class(tmp_path: Path) -> None:
    for name, first in (("Anger", 0), ("anger", 20), ("0_angry", 40), ("fear ", 60)):
        photos(tmp_path / name, 6, first)
    table = load(tmp_path)
    assert np.bincount(table.labels).tolist() == [18, 6]
    assert table.ledger.read_as == {"Anger": "anger", "0_angry": "anger"}


def test_every_file_is_in_the_ledger(folder: Path) -> None:
    photos(folder / "boredom", 3)
    photos(folder / "test" / "anger", 2)
    gray(1).save(folder / "stray.png")
    for name in ("notes.txt", "a.aae", "a.xmp", "a.pts"):
        (folder / "anger" / name).write_text("no photo")
    (folder / "README").write_text("read me")
    (folder / "__MACOSX" / "anger").mkdir(parents=True)
    (folder / "__MACOSX" / "anger" / "._00.png").write_bytes(b"x")
    (folder / "fear" / "broken.png").write_bytes(b"")
    table = load(folder)
    ledger = table.ledger
    assert ledger.line() == (
        "Photos: 24 used; 6 set aside (3 of other emotions, 3 outside the folders of emotions); 1 unreadable"
    )
    assert ledger.folders == {"test": "not used, a part of a split beside the emotions", "__MACOSX": "hidden"}
    assert ledger.files == {
        **{f"anger/{name}": "a side file" for name in ("notes.txt", "a.aae", "a.xmp", "a.pts")},
        "README": "no photo",
    }  # fmt: skip
    outside = ("stray.png", "test/anger/000.png", "test/anger/001.png")
    assert ledger.listed == dict.fromkeys(outside, "outside the folders of emotions")
    photos(folder / "test" / "fear", 21, 100)
    assert load(folder).ledger.listed["test/fear (21 photos)"] == "outside the folders of emotions"


def test_a_labels_table_of_another_tool_is_set_aside_and_said_to_be(folder: Path) -> None:
    write_csv(folder / "labels.csv", [["", "pth", "label", "relFCs"], ["0", "anger/00.png", "fear", "0.8"]])
    write_csv(folder / "scores.csv", [["id", "score"], ["0", "1"]])
    table = load(folder)
    assert len(table) == 24
    assert table.ledger.notes == [
        "labels.csv (columns pth, label, relFCs) was set aside: the folder names give the emotions; 1 of"
        f" its 1 rows disagree; --data {folder}/labels.csv uses it instead"
    ]
    assert table.ledger.files["scores.csv"] == "a table, set aside; columns id, score"
    write_csv(
        folder / "labels.csv", [["File", "Label"], ["anger/00.png", "fearful"], ["anger/gone.png", "anger"]]
    )
    table = load(folder)
    assert np.bincount(table.labels).tolist() == [11, 13]
    assert table.ledger.line() == "Photos: 24 used; 1 unreadable"
    assert table.ledger.notes == [
        "labels.csv gives 1 photo a different emotion than the folder: labels.csv is used"
    ]
    write_csv(folder / "train_labels.csv", [["id", "score"], ["0", "1"]])
    files = load(folder).ledger.files
    assert files["labels.csv"] == "the labels of these photos"
    assert files["train_labels.csv"] == "a table, set aside; columns id, score"


def test_a_table_or_an_archive_in_a_folder_without_emotions_is_named(tmp_path: Path) -> None:
    (tmp_path / "faces.zip").write_bytes(b"")
    assert "holds faces.zip, still packed; unpack it" in refused(tmp_path)
    (tmp_path / "faces.zip").unlink()
    photos(tmp_path / "images", 3)
    write_csv(tmp_path / "list.csv", [["image", "label"], ["images/000.png", "fear"]])
    line = refused(tmp_path)
    assert "no sub-folder of" in line
    (tmp_path / "list.xlsx").write_bytes(b"PK")
    assert "list.xlsx is a spreadsheet; save it as CSV" in refused(tmp_path / "list.xlsx")
    assert line.endswith(f"list.csv in it names photos and emotions: give --data {tmp_path}/list.csv")


def test_a_table_of_pixels_in_a_folder_is_used_or_named(tmp_path: Path) -> None:
    pixels = " ".join("7" * 2304)
    rows = [[str(i % 2 * 2), f"{pixels[:-1]}{i}"] for i in range(24)]
    (tmp_path / "archive").mkdir()
    write_csv(tmp_path / "archive" / "train.csv", [["emotion", "pixels"], *rows])
    write_csv(tmp_path / "archive" / "test.csv", [["pixels"], *([row[1]] for row in rows)])
    table = load(tmp_path)
    assert table.ledger.notes == ["Photos found in archive/train.csv"]
    assert table.ledger.columns == {"emotion": "emotion", "pixels": "pixels"}
    line = refused(tmp_path / "archive" / "test.csv")
    assert "test.csv has pixels but no column emotion" in line
    assert "no labels; give fer2013.csv" in line
    whole = [[*row, "Training"] for row in rows]
    write_csv(tmp_path / "archive" / "icml_face_data.csv", [["emotion", " pixels", " Usage"], *whole])
    assert load(tmp_path).ledger.notes[0] == "Photos found in archive/icml_face_data.csv"
    write_csv(tmp_path / "archive" / "fer2013.csv", [["emotion", "pixels", "Usage"], *whole])
    assert "holds several tables of pixels; give one of them: --data" in refused(tmp_path)


def test_a_folder_that_cannot_be_listed_is_in_the_ledger(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "fear" / "closed").mkdir()
    real = os.scandir

    def scandir(path: str) -> object:
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    ledger = load(folder).ledger
    assert ledger.folders == {"fear/closed": "cannot be listed (Permission denied)"}
    assert ledger.alarms() == [
        "Folder fear/closed cannot be listed (Permission denied): its photos are missing"
    ]


@pytest.mark.parametrize("name", ["x.csv", "labels.csv"])
def test_what_cannot_be_read_beside_the_folders_is_set_aside(folder: Path, name: str) -> None:
    os.mkfifo(folder / name)
    assert load(folder).ledger.files == {name: "not a plain file"}
    (folder / name).unlink()
    (folder / name).symlink_to(folder / "nowhere")
    (folder / "loop").symlink_to(folder / "loop")
    ledger = load(folder).ledger
    assert ledger.files == {name: "not a plain file", "loop": "not a plain file"}
    assert ledger.line() == "Photos: 24 used"


def test_a_table_that_may_not_be_read_is_set_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_csv(folder / "x.csv", [["file", "emotion"]])

    def closed(path: Path) -> tuple[str, ...]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(tables, "header_of", closed)
    ledger = load(folder).ledger
    assert ledger.files == {"x.csv": "a table that cannot be read (Permission denied)"}
    assert ledger.notes == ["x.csv cannot be read (Permission denied): set aside"]


def test_labels_csv_that_disagrees_with_itself_leaves_its_photos_to_the_folders(folder: Path) -> None:
    rows = [["anger/00.png", "anger"], ["anger/00.png", "fear"], ["anger/01.png", "ANGER"]]
    write_csv(folder / "labels.csv", [["file", "emotion"], *rows])
    ledger = load(folder).ledger
    assert ledger.line() == "Photos: 24 used"
    assert ledger.notes == ["2 rows of labels.csv set aside (2 under two labels)"]


@pytest.mark.parametrize("header", [["file", "subject"], ["File", "Person"]])
def test_labels_csv_may_tell_people_alone(folder: Path, header: list[str]) -> None:
    rows = [[f"{e}/{i:02d}.png", f"p{i % 6}"] for e in PAIR for i in range(12)]
    write_csv(folder / "Labels.csv", [[], header, *rows])
    table = load(folder)
    assert table.subjects is not None
    assert len(set(table.subjects.tolist())) == 6
    assert np.bincount(table.labels).tolist() == [12, 12]


def test_numbers_in_labels_csv_do_not_go_before_words(folder: Path) -> None:
    rows = [[f"{e}/{i:02d}.png", str(k)] for k, e in enumerate(PAIR) for i in range(12)]
    write_csv(folder / "labels.csv", [["file", "emotion"], *rows])
    table = load(folder)
    assert len(table) == 24
    assert "labels.csv (columns file, emotion) was set aside" in table.ledger.notes[0]


def test_a_part_of_several_folders_is_one_part(tmp_path: Path) -> None:
    for k, emotion in enumerate(PAIR):
        photos(tmp_path / "train" / "a" / emotion, 8, 100 * k)
        photos(tmp_path / "train" / "b" / emotion, 8, 100 * k + 20)
        photos(tmp_path / "test" / emotion, 4, 100 * k + 50)
    assert np.bincount(load(tmp_path, split="given").split).tolist()[2] == 8


def test_a_class_that_is_closed_or_packed_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(folder / "fear")
    (folder / "fear").mkdir()
    (folder / "fear" / "fear.zip").write_bytes(b"PK")
    assert refused(folder).endswith("still packed: fear/fear.zip")
    assert load(make_folder(folder / "more"), root="/nowhere").ledger.notes == [
        "data.root is the base of the file names in a table: not used for a folder"
    ]
