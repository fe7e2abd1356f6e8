"""What every command says of its photos: the line of the ledger, how labels were read, what leaks."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from support_commands import Here
from support_photo_folders import draw_people, write_csv
from support_slow import few_quick
from support_workers import in_this_process

SMALL = {
    "federation.phones": 3, "federation.rounds": 1, "federation.engine": "process", "data.balance": 8,
    "data.image_size": 32, "model.weights": "random", "baseline.epochs": 1,
    "data.classes": '["anger","fear"]',
}  # fmt: skip
SETTINGS = [f"--set={name}={value}" for name, value in SMALL.items()]
COMMANDS = {
    "run": ["run", "--no-baseline", "--out", "out"],
    "baseline": ["baseline", "--out", "out"],
    "study": ["study", "--models", "majority", "--balances", "8", "--out", "out"],
    "sweep": ["sweep", "--strategies", "fedavg", "--partitions", "iid", "--out", "out"],
    "data show": ["data", "show", "--out", "out"],
}
LINES = (
    "Photos: 26 used; 6 set aside (6 of other emotions); 1 unreadable",
    "Emotions read as: Angry = anger",
    "2 pairs of near duplicates across the parts of the split: held-out photos are known from training",
)


@pytest.fixture
def here(
    tmp_path: Path, encoders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Here:
    cache = shutil.copytree(encoders, tmp_path.parent / f"{tmp_path.name}-cache")
    monkeypatch.setenv("FEDFER_CACHE", str(cache))
    return Here(tmp_path, monkeypatch, capsys)


@pytest.fixture
def faces(here: Here) -> Path:
    """12 photos of anger and of fear with two saved again, 6 of others, one broken."""
    root = draw_people(here.folder / "faces", ("Angry", "fear", "boredom"))
    for i in range(6, 12):
        next((root / "boredom").glob(f"{i:02d}*")).unlink()
    for name in ("00", "01"):
        with Image.open(root / "fear" / f"{name}.png") as image:
            image.convert("RGB").save(root / "fear" / f"{name}-again.jpg", quality=90)
    (root / "fear" / "broken.png").write_bytes(b"")
    return root


def said(done: object) -> str:
    return " ".join(str(getattr(done, "out", "")).split())


@pytest.mark.parametrize("command", few_quick(COMMANDS, "baseline"))
def test_every_command_says_what_became_of_the_photos(
    here: Here, faces: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_this_process(monkeypatch)
    settings = [word for word in SETTINGS if command != "study" or "data.balance" not in word]
    arguments = [*COMMANDS[command], "--data", faces, *settings, "--set", "run.seed=2"]
    done = here.run(*arguments)
    assert done.code == 0, done.err
    for line in LINES:
        assert said(done).count(line) == 1, done.out
    written = next((here.folder / "out").rglob("data.json"))
    ledger = json.loads(written.read_text())["ledger"]
    assert (ledger["used"], ledger["unreadable"], ledger["set_aside"]) == (26, 1, {"of other emotions": 6})
    assert ledger["other_emotions"] == {"boredom": 6}
    assert ledger["read_as"] == {"Angry": "anger"}
    if command in ("run", "baseline"):
        page = (here.folder / "out" / "report.html").read_text()
        for line in (LINES[0], "2 pairs of near duplicates", "<code>boredom</code>", "<code>Angry</code>"):
            assert line in page
    shutil.rmtree(here.folder / "out")
    assert here.run(*arguments, "--quiet").out == ""


def test_people_and_copies_across_parts_are_a_warning(here: Here, faces: Path) -> None:
    rows = [[f"Angry/{i:02d}.png", "anger", f"p{i % 2}", "test" if i < 4 else "train"] for i in range(12)]
    rows += [[f"fear/{i:02d}.png", "fear", f"q{i}", "test" if i < 4 else "train"] for i in range(12)]
    (faces / "Angry" / "04.png").write_bytes((faces / "Angry" / "00.png").read_bytes())
    table = write_csv(faces / "t.csv", [["file", "emotion", "person", "split"], *rows])
    done = here.run("baseline", "--data", table, *SETTINGS, "--set", "data.split=given", "--out", "out")
    assert done.code == 0, done.err
    assert "2 people are in two parts of the split" in said(done)
    assert "1 photo is in two parts of the split, as copies" in said(done)
    assert "without a validation part: 20% of the training photos serve as one" in said(done)
    page = (here.folder / "out" / "report.html").read_text()
    assert "2 people are in two parts of the split" in page
    assert "as given with the photos" in page
