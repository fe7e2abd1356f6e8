"""The recipes of docs/datasets.md on a tiny look-alike of each set: script, command, what is used."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_commands import Here
from support_photo_folders import write_csv

from fer_models.data.images import ImageTable, load_table
from fer_models.run_folder.summary import Summary
from simulations.experiment import load

PAGE = (Path(__file__).parents[1] / "docs" / "datasets.md").read_text(encoding="utf-8")
SECTIONS = dict(part.split("\n", 1) for part in PAGE.split("\n## ")[1:])
SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
EIGHT = ("anger", "contempt", "disgust", "fear", "happiness", "neutrality", "sadness", "surprise")
PARTS = {"Training": 9, "PublicTest": 3, "PrivateTest": 3}  # photos of an emotion
SMALL = {
    "federation.phones": 3, "federation.rounds": 1, "federation.engine": "process", "data.balance": 8,
    "data.image_size": 32, "model.weights": "random", "baseline.epochs": 1,
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("own_cache")
_numbers = count()


def face(path: Path, side: int = 12) -> Path:
    """Another photo than any before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(next(_numbers)).integers(0, 256, (side, side), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def pixels() -> str:
    return " ".join(map(str, np.random.default_rng(next(_numbers)).integers(0, 256, 2304).tolist()))


def fer2013(root: Path) -> None:
    rows = [[str(e), usage, pixels()] for usage, n in PARTS.items() for e in range(7) for _ in range(n)]
    (root / "fer2013").mkdir()
    write_csv(root / "fer2013" / "icml_face_data.csv", [["emotion", " Usage", " pixels"], *rows])
    write_csv(root / "fer2013" / "test.csv", [["pixels"], [pixels()]])


def fer2013_folders(root: Path) -> None:
    for usage, n in PARTS.items():
        folder = root / "fer2013-folders" / ("train" if usage == "Training" else "test")
        for emotion in SEVEN:
            for _ in range(n):
                face(folder / emotion / f"{usage}_{next(_numbers)}.png")


def ferplus(root: Path) -> None:
    emotions = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    folders = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
    rows = []
    for usage, n in PARTS.items():
        for e in range(8):
            for _ in range(n):
                name = f"fer{next(_numbers):07d}.png"
                face(root / folders[usage] / name)
                votes = [0] * 10
                votes[e], votes[(e + 1) % 8], votes[(e + 2) % 8] = 5, 4, 1  # 5 of the 9 that are left
                rows.append([usage, name, *map(str, votes)])
    face(root / "FER2013Train" / "ferx.png")
    rows.append(["Training", "ferx.png", *"5500000000"])  # no majority
    rows.append(["Training", "", *"000000000", "10"])  # no face
    write_csv(root / "fer2013new.csv", [["Usage", "Image name", *emotions, "unknown", "NF"], *rows])


def affectnet(root: Path) -> None:
    for part, n in (("train", 9), ("val", 3)):
        for e in range(8):
            for i in range(n):
                face(root / "affectnet" / part / str(e) / f"{i}.png")


def affectnet_folders(root: Path) -> None:
    rows = []
    for emotion in ("anger", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"):
        for i in range(6):
            face(root / "affectnet-folders" / emotion / f"image{i:07d}.png")
            rows.append([str(i), f"{emotion}/image{i:07d}.png", "anger", "0.8"])
    write_csv(root / "affectnet-folders" / "labels.csv", [["", "pth", "label", "relFCs"], *rows])


def affectnet_first(root: Path) -> None:
    rows = []
    for e in range(11):
        for i in range(6):
            face(root / "Manually_Annotated_Images" / "12" / f"{e}{i}.png")
            rows.append([f"12/{e}{i}.png", "0", "1;2;3", str(e), "-2"])
    head = ["subDirectory_filePath", "face_x", "facial_landmarks", "expression", "valence"]
    write_csv(root / "training.csv", [head, *rows])


def rafdb(root: Path) -> None:
    tables: dict[str, list[list[str]]] = {"train": [], "test": []}
    for part, n in (("train", 9), ("test", 3)):
        for e in range(1, 8):
            for _ in range(n):
                name = f"{part}_{next(_numbers):05d}_aligned.png"
                face(root / "rafdb" / "DATASET" / part / str(e) / name)
                tables[part].append([name, str(e)])
    for part, rows in tables.items():
        write_csv(root / "rafdb" / f"{part}_labels.csv", [["image", "label"], *rows])


def rafdb_first(root: Path) -> None:
    lines = []
    for part, n in (("train", 9), ("test", 3)):
        for e in range(1, 8):
            for _ in range(n):
                name = f"{part}_{next(_numbers):05d}"
                face(root / "Image" / "aligned" / f"{name}_aligned.jpg")
                lines.append(f"{name}.jpg {e}\n")
    (root / "EmoLabel").mkdir()
    (root / "EmoLabel" / "list_patition_label.txt").write_text("".join(lines))


def ck48(root: Path) -> None:
    for emotion in ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"):
        for person in range(8):
            for frame in (15, 16, 17):
                face(root / "CK+48" / emotion / f"S{person:03d}_004_{frame:08d}.png")


def ckextended(root: Path) -> None:
    rows = [[str(e), pixels(), usage] for usage, n in PARTS.items() for e in range(8) for _ in range(n)]
    write_csv(root / "ckextended.csv", [["emotion", "pixels", "Usage"], *rows])


def ck_first(root: Path) -> None:
    for person in range(8):
        for sequence in range(1, 9):
            where = f"S{person:03d}/{sequence:03d}"
            for frame in range(1, 4):
                name = f"{where.replace('/', '_')}_{frame:08d}"
                face(root / "cohn-kanade-images" / where / f"{name}.png")
            (root / "Emotion" / where).mkdir(parents=True)
            if sequence < 8:
                label = root / "Emotion" / where / f"{name}_emotion.txt"
                label.write_text(f"   {sequence}.0000000e+00\n")


def kdef(root: Path) -> None:
    for series in "AB":
        for person in ("F01", "F02", "F03", "M01", "M02", "M03"):
            for code in ("AF", "AN", "DI", "HA", "NE", "SA", "SU"):
                for angle in ("S", "FL"):
                    face(root / "KDEF" / f"{series}{person}" / f"{series}{person}{code}{angle}.JPG")
    face(root / "KDEF" / "AF31" / "AF31V.JPG")


def jaffe(root: Path) -> None:
    for person in ("KA", "KL", "KM", "NA", "NM", "YM"):
        for code in ("AN", "DI", "FE", "HA", "NE", "SA", "SU"):
            face(root / "jaffe" / f"{person}.{code}1.{next(_numbers)}.tiff")
    (root / "jaffe" / "README_FIRST.txt").write_text("read me")


def expw(root: Path) -> None:
    lines = []
    for e in range(7):
        for _ in range(6):
            name = f"afraid_African_{next(_numbers)}.jpg"
            face(root / "image" / "origin" / name, side=40)
            lines += [f"{name} {f} {2 + f} {4 * f} {14 * (f + 1)} {20 + f} 50.5 {e}\n" for f in (0, 1)]
    (root / "label").mkdir()
    (root / "label" / "label.lst").write_text("".join(lines))


def sfew(root: Path) -> None:
    for part, n in (("Train", 9), ("Val", 3)):
        for emotion in ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"):
            for _ in range(n):
                folder = root / "SFEW" / part / f"{part}_Aligned_Faces" / emotion
                face(folder / f"Airheads_{next(_numbers):09d}_00000005.png")
    for i in range(4):
        face(root / "SFEW" / "Test" / "Test_Aligned_Faces" / f"{i}.png")


def reannotated(root: Path) -> None:
    for emotion in EIGHT:
        for i in range(6):
            face(root / "reannotated" / emotion / f"{i}.png")


def muxspace(root: Path) -> None:
    rows = []
    for e, emotion in enumerate(("neutral", "HAPPINESS", "surprise", "sadness", "ANGER", "disgust")):
        for person in range(6):
            name = f"Some_Body{e}{person}_{person:04d}.jpg"
            face(root / "facial_expressions" / "images" / name)
            rows.append(["302", name, emotion])
    (root / "facial_expressions" / "data").mkdir()
    twice = [["628", rows[0][1], "sadness"], ["628", rows[7][1], "happiness"]]
    write_csv(
        root / "facial_expressions" / "data" / "legend.csv", [["user.id", "image", "emotion"], *rows, *twice]
    )


# What makes the look-alike, where its script runs, the ledger's line, people (0: unknown), photos of parts
SETS: dict[str, tuple[Callable[[Path], None], str, str, int, Sequence[int] | None]] = {
    "FER2013 as a table": (fer2013, "", "75 used; 30 set aside (30 of other emotions)", 0, (45, 15, 15)),
    "FER2013 as folders": (
        fer2013_folders, "", "75 used; 30 set aside (30 of other emotions)", 0, (35, 10, 30)
    ),
    "FER+": (ferplus, "", "75 used; 45 set aside (45 of other emotions)", 0, (45, 15, 15)),
    "AffectNet in numbered folders": (
        affectnet, "", "60 used; 36 set aside (36 of other emotions)", 0, (35, 10, 15)
    ),
    "AffectNet in folders with labels.csv": (
        affectnet_folders, "", "30 used; 18 set aside (18 of other emotions)", 0, None
    ),
    "AffectNet as first released": (
        affectnet_first, "", "30 used; 36 set aside (36 of other emotions)", 0, None
    ),
    "RAF-DB in numbered folders": (
        rafdb, "", "60 used; 24 set aside (24 of other emotions)", 0, (35, 10, 15)
    ),
    "RAF-DB as first released": (
        rafdb_first, "", "60 used; 24 set aside (24 of other emotions)", 0, (35, 10, 15)
    ),
    "CK+, the 48x48 folders": (ck48, "CK+48", "96 used; 72 set aside (72 of other emotions)", 8, None),
    "CK+ as a table": (ckextended, "", "75 used; 45 set aside (45 of other emotions)", 0, (45, 15, 15)),
    "CK+ as first released": (ck_first, "", "88 used; 24 set aside (24 of other emotions)", 8, None),
    "KDEF": (kdef, "KDEF", "60 used; 24 set aside (24 of other emotions)", 6, None),
    "JAFFE": (jaffe, "jaffe", "30 used; 12 set aside (12 of other emotions)", 6, None),
    "ExpW": (expw, "", "60 used; 24 set aside (24 of other emotions)", 30, None),
    "SFEW": (
        sfew, "", "60 used; 28 set aside (24 of other emotions, 4 outside the folders of emotions)", 0,
        (35, 10, 15),
    ),
    "The 8-class re-annotated sets": (reannotated, "", "48 used", 0, None),
    "facial_expressions on GitHub": (
        muxspace, "facial_expressions/data",
        "29 used; 9 set aside (6 of other emotions, 2 under two labels, 1 twice)", 29, None
    ),
}  # fmt: skip


def prepared(title: str, root: Path) -> list[str]:
    """Makes the look-alike in `root`, runs the recipe's script; the arguments of its first command."""
    make, place, *_ = SETS[title]
    make(root)
    for script in re.findall(r"```python\n(.*?)```", SECTIONS[title], re.DOTALL):
        (root / "recipe.py").write_text(script)
        subprocess.run([sys.executable, root / "recipe.py"], cwd=root / place, check=True, timeout=60)
    commands = re.findall(r"^    fedfer run (.*)$", SECTIONS[title], re.MULTILINE)
    found = shlex.split(commands[0])
    if not (root / found[1]).exists() and (root / place / found[1]).exists():
        found[1] = f"{place}/{found[1]}"  # the script wrote the table beside the photos
    return found


def table_of(arguments: list[str]) -> ImageTable:
    settings = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--set"]
    _, config = load("quickstart", data=arguments[arguments.index("--data") + 1], settings=settings)
    return load_table(config.data, config.sketch, seed=0)


def test_every_section_has_a_look_alike() -> None:
    assert list(SECTIONS) == list(SETS)


@pytest.mark.parametrize("title", SETS)
def test_the_recipe_of_each_set(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = table_of(prepared(title, tmp_path))
    _, _, line, people, parts = SETS[title]
    assert table.ledger.line() == f"Photos: {line}"
    assert (0 if table.subjects is None else len(set(table.subjects.tolist()))) == people
    assert set(np.bincount(table.labels).tolist()) != {0}
    if parts is not None:
        assert np.bincount(table.split).tolist() == pytest.approx(list(parts), abs=3)


def test_numbers_mean_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    named = table_of(prepared("RAF-DB in numbered folders", tmp_path))
    means = {"1": "surprise", "4": "happiness", "5": "sadness", "6": "anger", "7": "neutrality"}
    for path, label in zip(named.paths, named.labels.tolist(), strict=True):
        assert named.classes[label] == means[path.split("/")[-2]]


def test_photos_without_a_majority_are_left_out(tmp_path: Path) -> None:
    prepared("FER+", tmp_path)
    assert "ferx.png" not in (tmp_path / "ferplus.csv").read_text()


def to_expect(title: str) -> list[list[str]]:
    """The commands below "What to expect", without `fedfer`."""
    *_, part = SECTIONS[title].split("\n### What to expect")
    found = re.findall(r"^    fedfer (.*)$", part, re.MULTILINE)
    return [shlex.split(command) for command in found]


CHECKED = ("FER2013 as a table", "The 8-class re-annotated sets")


def test_the_sets_with_expected_results_are_those_that_are_checked() -> None:
    assert tuple(title for title, text in SECTIONS.items() if "### What to expect" in text) == CHECKED


@pytest.mark.parametrize("title", CHECKED)
def test_commands_with_expected_results_use_all_classes_without_balancing(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepared(title, tmp_path)
    emotions = 7 if title.startswith("FER2013") else 8
    for _, *arguments in to_expect(title):
        table = table_of(arguments)
        assert len(table.classes) == emotions == len(set(table.labels.tolist()))
        assert table.ledger.line() == f"Photos: {len(table)} used"
        assert arguments.count("data.balance=0") == 1


@pytest.mark.slow
@pytest.mark.parametrize("title", CHECKED)
def test_commands_with_expected_results_run(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """On a look-alike without meaning: only `majority` has a known result, the share of a class."""
    here = Here(tmp_path, monkeypatch, capsys)
    prepared(title, tmp_path)
    small = {**SMALL, "baseline.epochs": 2}
    del small["data.balance"]
    words = [word for name, value in small.items() for word in ("--set", f"{name}={value}")]
    for number, arguments in enumerate(to_expect(title)):
        done = here.run(*arguments, *words, "--out", f"run{number}")
        assert (done.code, done.err) == (0, "")
        summary = Summary.read(tmp_path / f"run{number}")
        if summary.model == "majority":
            assert summary.accuracy == pytest.approx(1 / len(summary.classes), abs=0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("own_encoders")
@pytest.mark.parametrize("title", SETS)
def test_the_first_run_of_a_newcomer(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    here = Here(tmp_path, monkeypatch, capsys)
    arguments = prepared(title, tmp_path)
    small = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    done = here.run("run", *arguments, *small, "--out", "run", "--no-baseline")
    assert (done.code, done.err) == (0, "")
    assert f"Photos: {SETS[title][2]}" in done.out
    assert "What happened to the photos" in (tmp_path / "run" / "report.html").read_text()
