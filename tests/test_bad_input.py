"""Photos and folders that cannot be used, as a user meets them: one line, exit code 2, nothing left behind.

What can be borne is borne: broken photos are left out, counted and listed, and the run goes on.
"""

import csv
import os
import shutil
import struct
import zlib
from pathlib import Path

import pytest
from support_commands import Here, assert_refused, fresh_fedfer
from support_photo_folders import encoded, gray, make_folder, noise, write_csv

from fer_models.run_folder.data_facts import DataFacts
from fer_models.run_folder.environment import Environment

PAIR = ["--set", 'data.classes=["anger","fear"]', "--set", "federation.phones=3"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Here:
    monkeypatch.setenv("FEDFER_CACHE", str(tmp_path.parent / f"{tmp_path.name}-cache"))
    return Here(tmp_path, monkeypatch, capsys)


@pytest.fixture
def folder(here: Here) -> Path:
    return make_folder(here.folder / "faces")


def refused(
    here: Here, source: Path | str, *more: str, words: str, by: tuple[str, ...] = ("run", "baseline", "study")
) -> None:
    """The commands refuse the photos before anything is computed."""
    for command in by:
        here.refused(command, "--data", source, "--out", "out", *PAIR, *more, words=words)
    features = Path(os.environ["FEDFER_CACHE"]) / "features"
    assert not features.exists() or list(features.iterdir()) == []


def bomb() -> bytes:
    """A small PNG that says it is 60,000 pixels a side."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 60_001)) + chunk(b"IEND", b"")


def test_a_source_that_is_not_there_or_holds_nothing(here: Here) -> None:
    (here.folder / "empty").mkdir()
    (here.folder / "bare" / "anger").mkdir(parents=True)
    (here.folder / "bare" / "fear").mkdir()
    (here.folder / "text.txt").write_text("hello")
    refused(here, "nowhere", words=r"data\.source: no such file or folder: .*/nowhere; give a folder with")
    refused(
        here, "empty", words=r"data\.source: the folder .*/empty is empty; put the photos into one sub-folder"
    )
    refused(here, "bare", words=r'class "anger" has no photo in .*/bare; add photos or remove it')
    refused(here, "text.txt", words=r"text\.txt is neither a folder nor a \.csv file")
    refused(here, "", words=r"data\.source must be a text that is not empty")


def test_a_class_that_is_not_there(here: Here, folder: Path) -> None:
    more = ["--set", 'data.classes=["anger","feer"]']
    refused(
        here,
        folder,
        *more,
        words=r'data\.classes: no class "feer" in .*\(did you mean "fear"\?\); found: anger',
    )
    refused(here, "sketch", *more, words=r'no class "feer" in the embedded set \(did you mean "fear"\?\)')


def test_a_class_with_fewer_than_five_photos(here: Here, folder: Path) -> None:
    for path in sorted((folder / "fear").iterdir())[4:]:
        path.unlink()
    words = r'class "fear" has 4 usable photos, 5 are needed .*; add photos, or remove the class from'
    refused(here, folder, words=words)


def test_a_class_that_does_not_reach_every_part(here: Here, folder: Path) -> None:
    rows = [[f"fear/{i:02d}.png", "fear", "one person"] for i in range(12)]
    write_csv(folder / "labels.csv", [["file", "emotion", "subject"], *rows])
    words = r'class "fear" has no photo in the .* part: its photos \(12 of 1 subjects\) do not fill all three'
    refused(here, folder, words=words)


def test_photos_of_which_none_can_be_read(here: Here, folder: Path) -> None:
    for path in folder.glob("*/*"):
        path.write_bytes(b"no image")
    refused(here, folder, words=r"none of the 24 photos in .*/faces can be read \(first: .*not an image")


def test_more_broken_photos_than_allowed(here: Here, folder: Path) -> None:
    for path in sorted((folder / "fear").iterdir())[:4]:
        path.write_bytes(b"")
    refused(
        here,
        folder,
        words=r"4 of 24 photos .* cannot be read \(16\.7%, data\.max_unreadable is 10\.0%; .*0 bytes",
    )


def test_a_class_of_which_every_photo_is_broken(here: Here, folder: Path) -> None:
    for path in (folder / "fear").iterdir():
        path.write_bytes(b"")
    more = ["--set", "data.max_unreadable=1"]
    words = (
        r'none of the 12 photos of class "fear" can be read \(first: .*00\.png: empty file .*\); repair them'
    )
    refused(here, folder, *more, words=words)


def test_tables_that_cannot_be_used(here: Here, folder: Path) -> None:
    rows = [[f"faces/{e}/{i:02d}.png", e] for e in ("anger", "fear") for i in range(12)]
    bad = {
        "lacking.csv": (
            [["file", "mood"], *rows],
            r'lacking\.csv has no column "emotion" .*; columns found: file, mood',
        ),
        "missing.csv": (
            [["file", "emotion"], *rows[:20], *([f"faces/gone{i}.png", "fear"] for i in range(4))],
            r"4 of 24 photos .* cannot be read \(16\.7%, .*; first: .*/faces/gone0\.png: no such file\)",
        ),
        "nothing.csv": ([], r"nothing\.csv is empty; its first line must name columns: file,emotion"),
        "rowless.csv": ([["file", "emotion"]], r"rowless\.csv has no rows"),
    }
    for name, (content, words) in bad.items():
        write_csv(here.folder / name, content)
        refused(here, name, words=words)


def test_phones_and_subjects_that_do_not_fit_the_photos(here: Here, folder: Path) -> None:
    words = r"federation\.phones: 500 phones, but only \d+ training photos .* or less"
    refused(here, folder, "--set", "federation.phones=500", words=words, by=("run",))
    matched = ["--set", "federation.phones=500", "--set", "baseline.epochs=matched"]
    refused(here, folder, *matched, words=words, by=("run", "baseline"))
    refused(here, folder, *matched, words=r'baseline\.epochs is "matched", but a study has no', by=("study",))
    words = r'federation\.partition is "subject", but the subjects .* not known'
    refused(here, folder, "--set", "federation.partition=subject", words=words, by=("run",))
    words = r"federation\.classes_per_phone: 3 classes on each phone, but .* only 2; set it to 2 or less"
    more = ["--set", "federation.classes_per_phone=3", "--set", "federation.phones=2"]
    refused(here, folder, *more, "--set", "federation.partition=pathological", words=words, by=("run",))
    more = ["--set", "data.split_by=subject"]
    refused(here, folder, *more, words=r'data\.split_by is "subject" but no subjects are known')


def test_strategies_that_cannot_work_with_the_phones(here: Here, folder: Path) -> None:
    krum = ["--set", "strategy.name=krum", "--set", "strategy.byzantine=2"]
    refused(here, folder, *krum, words=r"strategy\.byzantine must be at most 0 for krum with 3", by=("run",))
    other = ["--set", "strategy.momentum=0.5"]
    words = r"strategy\.momentum belongs to fedavgm, mime-lite; strategy\.name is fedavg; leave it out"
    refused(here, folder, *other, words=words)


def test_weights_that_are_not_there(here: Here, folder: Path) -> None:
    more = ["--set", "model.weights=gone.pth"]
    refused(here, folder, *more, words=r"model\.weights must be .* or a file of weights, got '.*/gone\.pth'")


@pytest.mark.slow
def test_weights_that_are_none(here: Here, folder: Path) -> None:
    (here.folder / "w.pth").write_bytes(b"no weights")
    more = ["--set", "model.weights=w.pth"]
    refused(here, folder, *more, words=r"model\.weights: .*/w\.pth is not a state dict")


def test_folders_that_hold_no_run_to_go_on_with(here: Here) -> None:
    def look(words: str) -> None:
        here.refused("run", "--resume", "old", words=words)

    look(r"--resume: there is no folder old; give the folder of a run")
    old = here.folder / "old"
    old.mkdir()
    look(r"--resume: old is not the folder of a run: it has no environment\.json")
    (old / "environment.json").write_text("{}")
    look(r"it has no config\.toml")
    (old / "config.toml").write_text("")
    for content in ("{}", "[1]", "3", '{"experiment": ', "\x00"):
        (old / "environment.json").write_text(content)
        look(r"--resume: old/environment\.json is damaged.* \(.*\); start a new run")
    Environment(
        experiment="quickstart", command="fedfer run", federated=True, baseline=True, date="", python="",
        platform="", machine="", cpus=1, versions={},
    ).write(old)  # fmt: skip
    (old / "config.toml").write_text("[federation\n")
    look(r"old/config\.toml is not TOML: Expected .*; fix the file")
    (old / "config.toml").write_text("[federation]\nphones = -1\n")
    look(r"federation\.phones must be")
    (old / "config.toml").write_text("")
    look(r"or that of an older fedfer: it has no origin\.json")
    (here.folder / "file").write_text("")
    here.refused("run", "--resume", "file", words=r"there is no folder file")


@pytest.mark.parametrize(
    "more",
    [
        ["quickstart"],
        ["--data", "sketch"],
        ["--set", "run.seed=1"],
        ["--out", "new"],
        ["--no-baseline"],
    ],
)
def test_a_run_goes_on_with_its_own_settings_alone(here: Here, more: list[str]) -> None:
    (here.folder / "old").mkdir()
    here.refused("run", "--resume", "old", *more, words=r"--resume DIR uses .* give nothing else but --quiet")


@pytest.mark.slow
def test_broken_photos_are_left_out_counted_and_listed(here: Here) -> None:
    faces = here.folder / "faces"
    for k, emotion in enumerate(("anger", "fear")):
        (faces / emotion).mkdir(parents=True)
        for i in range(40):
            gray(5 * i + k, 48).save(faces / emotion / f"{i:02d}.png")
    whole = encoded(noise("RGB"), "PNG")
    broken = {
        "anger/empty.png": b"",
        "anger/cut.png": whole[: len(whole) // 2],
        "anger/cut.jpg": encoded(noise(), "JPEG")[:600],
        "fear/text.png": b"no image at all",
        "fear/bomb.png": bomb(),
        "fear/odd, name\n.png": b"",
    }
    for name, content in broken.items():
        (faces / name).write_bytes(content)
    (faces / "fear" / "gone.png").symlink_to("nowhere.png")
    strange = faces / "anger" / os.fsdecode(b"caf\xe9.png")
    shutil.copy(faces / "anger" / "00.png", strange)
    done = here.run(
        "baseline", "--data", faces, "--out", "out", *PAIR,
        "--set", "model.weights=random", "--set", "data.image_size=32", "--set", "data.balance=30",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert "Photos: 81 used; 7 unreadable" in done.out
    with (here.folder / "out" / "unreadable.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "reason"]
    reasons = {Path(name).name: reason for name, reason in rows}
    assert len(rows) == 7
    assert reasons["empty.png"] == "empty file (0 bytes)"
    assert "truncated" in reasons["cut.png"]
    assert "truncated" in reasons["cut.jpg"]
    assert reasons["text.png"] == "not an image that Pillow reads"
    assert "decompression bomb" in reasons["bomb.png"]
    assert reasons["gone.png"] == "No such file or directory"
    data = DataFacts.read(here.folder / "out")
    assert data.unreadable == 7
    assert sum(data.photos.totals.values()) == 81
    assert "bomb.png" in (here.folder / "out" / "report.html").read_text()


@pytest.mark.slow
def test_the_real_command_refuses_alike(tmp_path: Path) -> None:
    faces = make_folder(tmp_path / "faces")
    before = sorted(tmp_path.rglob("*"))
    cache = str(tmp_path.parent / f"{tmp_path.name}-cache")
    for more in (["--data", "nowhere"], ["--data", str(faces), *PAIR, "--set", "federation.phones=99"]):
        done = fresh_fedfer("run", *more, "--out", "a/b", cwd=tmp_path, FEDFER_CACHE=cache)
        assert_refused(done)
    assert sorted(tmp_path.rglob("*")) == before
