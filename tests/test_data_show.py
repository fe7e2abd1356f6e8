"""`fedfer data show`: its numbers, what it prints at any width, the files it writes, what it refuses."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from support_commands import Here
from support_photo_folders import PAIR, write_csv

from simulations.cli import faceset
from simulations.experiment import load
from simulations.report.imbalance import draw_imbalance
from simulations.terminal.display import Display
from simulations.world import census
from simulations.world.face_set import Census, PhotosEach, PhotosOfSize

CLASSES = 'data.classes=["anger", "fear"]'


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Here:
    return Here(tmp_path, monkeypatch, capsys)


def scene(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7), dtype=np.uint8)
    return Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Anger 20 and fear 10 (two of these broken), boredom 3; p0 to p4 take turns in anger and fear."""
    root = tmp_path / "faces"
    rows = []
    for k, (emotion, count) in enumerate((("anger", 20), ("fear", 10), ("boredom", 3))):
        (root / emotion).mkdir(parents=True)
        for i in range(count):
            scene(100 * k + i).save(root / emotion / f"{i:02d}.png")
            rows.append([f"{emotion}/{i:02d}.png", emotion, f"p{i % 5}" if emotion in PAIR else ""])
    for name in ("03.png", "04.png"):
        (root / "fear" / name).write_bytes(b"")
    scene(0).save(root / "anger" / "01.jpg", quality=70)  # 00.png again
    (root / "anger" / "02.png").write_bytes((root / "anger" / "05.png").read_bytes())
    write_csv(root / "labels.csv", [["file", "emotion", "subject"], *rows])
    return root


def taken(faces: Path, *settings: str) -> Census:
    _, config = load("quickstart", data=str(faces), settings=[CLASSES, "data.balance=30", *settings])
    return census.take(config, Display(quiet=True).stage)


def test_the_numbers_of_a_small_set(faces: Path) -> None:
    got = taken(faces, "data.split_by=photo")
    assert got.found == {"anger": 21, "fear": 10, "boredom": 3}
    assert sum(got.photos.totals.values()) == 29
    people = got.subjects
    assert people is not None
    assert people.all == PhotosEach(subjects=5, min=5, median=6.0, max=6)
    assert people.classes["anger"] == PhotosEach(subjects=5, min=4, median=4.0, max=4)
    assert people.classes["fear"] == PhotosEach(subjects=5, min=1, median=2.0, max=2)
    assert people.photos_of_nobody_known == 1
    assert got.sizes == (PhotosOfSize(width=64, height=64, mode="L", photos=29),)
    assert got.unreadable.photos == 2
    assert got.unreadable.reasons == {"empty file (0 bytes)": 2}
    assert got.unreadable.files[0].file == os.path.join("fear", "03.png")
    assert got.unreadable.share == pytest.approx(2 / 31)
    assert got.copies.photos == 1
    assert [each.file for each in got.copies.groups[0]] == ["anger/02.png", "anger/05.png"]
    assert got.copies.across_parts == 0
    near = got.near_duplicates
    assert (near.pairs, near.of_two_classes, near.of_two_subjects) == (1, 0, 1)
    assert [each.file for each in near.list[0].photos] == ["anger/00.png", "anger/01.jpg"]
    assert set(got.subjects_in_two_parts) <= {f"p{i}" for i in range(5)} != set()
    balance = got.balance
    assert balance.before == got.photos.train
    assert balance.after == {"anger": 30, "fear": 30}
    assert balance.ratio_before == round(balance.before["anger"] / balance.before["fear"], 2)
    assert balance.ratio_after == 1


def test_nobody_is_in_two_parts_where_the_split_is_by_subject(faces: Path) -> None:
    got = taken(faces)
    assert got.subjects_in_two_parts == ()
    assert got.subjects is not None
    assert sum(got.subjects.parts.values()) == 5


def test_a_set_too_broken_to_run_is_shown_and_said_to_be(faces: Path, here: Here) -> None:
    done = here.run("data", "show", "--data", faces, "--set", CLASSES, "--set", "data.max_unreadable=0.01")
    assert done.code == 0
    assert "too many to run, data.max_unreadable is 1.0%" in " ".join(done.out.split())
    assert "empty file (0 bytes)   fear/03.png" in done.out


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_it_fits_the_terminal(faces: Path, width: int, encoding: str) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, width=width, force_terminal=False, _environ={})
    faceset.show(taken(faces), console)
    file.flush()
    lines = raw.getvalue().decode(encoding).splitlines()
    assert max(map(len, lines)) < width
    assert not any(line != line.rstrip() or "\x1b" in line for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "34 photos, 3 emotions; in use: 29 photos of 5 people, 2 emotions" in text
    assert "boredom 3 - - - not used" in text
    assert "anger/00.png" in text
    assert ("#" in text or "█" in text) == (width >= 80)


def test_in_colour_on_a_terminal(faces: Path) -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, _environ={"TERM": "xterm-256color"})
    faceset.show(taken(faces), console)
    assert isinstance(console.file, io.StringIO)
    assert "\x1b[" in console.file.getvalue()


def test_out_gets_the_numbers_and_the_figure(faces: Path, here: Here) -> None:
    done = here.run("data", "show", "--data", faces, "--set", CLASSES, "--out", "a/b")
    assert done.code == 0
    assert "Written to a/b" in done.out
    folder = here.folder / "a" / "b"
    assert sorted(path.name for path in folder.iterdir()) == ["data.json", "imbalance.png", "imbalance.svg"]
    written = json.loads((folder / "data.json").read_text())
    assert written["found"] == {"anger": 21, "fear": 10, "boredom": 3}
    assert written["source"] == str(faces)
    assert not Path(os.environ["FEDFER_CACHE"], "features").exists() or not any(
        Path(os.environ["FEDFER_CACHE"], "features").iterdir()
    )
    here.refused("data", "show", "--data", faces, "--out", "a/b", words="--out: a/b is in use")


def test_quiet_prints_nothing_and_writes_all(faces: Path, here: Here) -> None:
    done = here.run("data", "show", "--data", faces, "--set", CLASSES, "--out", "x", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (here.folder / "x" / "data.json").is_file()


def test_a_set_of_other_classes_shows_what_it_has_and_then_the_error(faces: Path, here: Here) -> None:
    line = here.refused(
        "data", "show", "--data", faces, "--out", "x", words=r'no class "happiness", "neutrality"'
    )
    assert "found: anger, boredom, fear" in line
    done = here.run("data", "show", "--data", faces)
    assert [" ".join(row.split()) for row in done.out.splitlines()[-5:-1]] == [
        "Emotion Photos", "anger 21", "fear 10", "boredom 3"
    ]  # fmt: skip
    assert here.run("data", "show", "--data", faces, "--quiet").out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data", "show", "--data", "nowhere"], "no such file or folder: .*nowhere"),
        (["data", "show", "--set", "data.split=[1]"], "data.split"),
        (["data", "show", "more"], "unexpected extra argument"),
        (["data", "shown"], "No such command 'shown'.*see fedfer data --help"),
    ],
)
def test_what_is_refused(here: Here, arguments: list[str], words: str) -> None:
    here.refused(*arguments, words=words)


def test_the_embedded_set(here: Here) -> None:
    small = ("--set", "sketch.faces=120", "--set", "sketch.subjects=30")
    done = here.run("data", "show", *small, "--set", 'data.classes=["happiness", "neutrality"]')
    assert done.code == 0, done.err
    assert "drawn faces (embedded set, sketch)" in done.out
    assert "120 photos, 8 emotions; in use: 58 photos" in " ".join(done.out.split())
    assert "224x224 L: 58" in done.out


@pytest.mark.slow
def test_the_figure_has_every_class_and_number_and_its_bytes_repeat(tmp_path: Path) -> None:
    before, after = {"anger": 12, "a & b": 3456}, {"anger": 1000, "a & b": 1000}
    paths = draw_imbalance(before, after, tmp_path)
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in draw_imbalance(before, after, tmp_path)] == first
    with Image.open(paths[0]) as image:
        assert image.width > 1000
        assert len(set(np.asarray(image.convert("L")).ravel().tolist())) > 10
    assert b"<svg" in first[1]
    assert b"3,456" in first[1]
