"""A trained head on new photos: the same answers as in the run it comes from, or a plain refusal."""

import csv
import json
import os
import re
import shutil
import threading
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save_file
from support_commands import Here, assert_refused, fedfer, settings

from fer_models.encoders.encoder import Encoder
from fer_models.evaluation import Selection
from fer_models.heads import Classifier, LinearHead, load_head, new_head, save_head
from fer_models.prediction import BATCH, UNKNOWN, Prediction, label, predict, read_head
from fer_models.run_folder.folder import RunFolder
from fer_models.run_folder.rounds import Totals
from fer_models.run_folder.summary import Trained
from fer_models.sketch.faces import SketchSet
from simulations.cli import predict as command
from simulations.config import Config
from simulations.experiment import validate
from simulations.run.artifacts import write_artifacts
from simulations.run.begin import Requested, begin
from simulations.world.prepare import survey

CLASSES = ("anger", "fear", "joy")
SIZE = 32
TURNED = 6  # the EXIF orientation of a phone held upright


def picture(number: int, side: int = 40) -> Image.Image:
    """Smooth colours, another picture for each number."""
    small = np.random.default_rng(number).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side + 10), Image.Resampling.BICUBIC)


def draw_faces(root: Path) -> Path:
    """Twelve photos of each class: gray, colour, large JPEGs that are turned by their EXIF tag."""
    for c, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for i in range(12):
            image = picture(100 * c + i, 300 if i % 3 == 2 else 40)
            if i % 3 == 0:
                image.convert("L").save(root / name / f"{i:02d}.png")
            elif i % 3 == 1:
                image.save(root / name / f"{i:02d}.png")
            else:
                exif = Image.Exif()
                exif[0x0112] = TURNED
                image.save(root / name / f"{i:02d}.jpg", exif=exif)
    return root


def write_run(folder: Path, config: Config) -> Encoder:
    """A run folder as a run leaves it, but that nobody trained the head."""
    world = survey(config, lambda done, total: None)
    log = RunFolder(folder)
    begin(log, world, Requested("test", "fedfer", federated=False, baseline=True))
    prepared = world.prepare(lambda done, total: None)
    chosen = Selection[Classifier]("last", LinearHead(new_head(len(CLASSES), 1280, seed=1)))
    trained = Trained(
        kind="centralized", strategy=None, partition=None, alpha=None, phones=0, nodes=0, experiment="test",
        seconds_features=0.0,
    )  # fmt: skip
    write_artifacts(log, world, prepared, chosen, Totals(), trained, began=0.0)
    assert world.encoder is not None
    return world.encoder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Encoder]]:
    """A folder with faces and the run on them, and its encoder; one cache for the module."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDFER_CACHE", str(folder / "cache"))
        source = draw_faces(folder / "faces")
        data = {"source": str(source), "classes": CLASSES, "image_size": SIZE, "balance": 0}
        model, run = {"weights": "random"}, {"seed": 3}
        config = validate({"data": data, "model": model, "run": run, "federation": {"phones": 2}})
        yield folder, write_run(folder / "run", config)


@pytest.fixture
def here(
    made: tuple[Path, Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Here:
    """A folder with copies of the run and the faces, and the command in it."""
    for name in ("run", "faces"):
        shutil.copytree(made[0] / name, tmp_path / name)
    return Here(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(("seeds", "wanted"), [({"seed": 3}, 3), ({"seed": 3, "train_seed": 4}, 4)])
def test_random_weights_are_those_of_the_seed_that_trained(
    here: Here, seeds: dict[str, int], wanted: int
) -> None:
    config = tomllib.loads((here.folder / "run" / "config.toml").read_text())
    (here.folder / "run" / "config.toml").write_text(tomli_w.dumps({**config, "run": seeds}))
    assert command.locate(here.folder / "run")[1:] == ("random", wanted)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def table(path: Path) -> list[dict[str, str]]:
    return rows(path.read_text())


def assert_same_answers(got: list[dict[str, str]], run: Path) -> None:
    """Row by row what the run itself said of its test photos."""
    expected = table(run / "predictions.csv")
    classes = json.loads((run / "summary.json").read_text())["classes"]
    assert list(got[0]) == ["file", "emotion", "confidence", *classes]
    assert [row["file"] for row in got] == [row["file"] for row in expected]
    assert [row["emotion"] for row in got] == [row["predicted"] for row in expected]
    for name in ("confidence", *classes):
        values = ([float(row[name]) for row in table] for table in (got, expected))
        np.testing.assert_allclose(*values, rtol=0, atol=1e-6)


def test_test_photos_get_the_answers_of_the_run(here: Here) -> None:
    photos = [row["file"] for row in table(here.folder / "run" / "predictions.csv")]
    assert len(photos) > 5
    done = here.run("predict", "run", *photos, "--csv", "new.csv")
    assert (done.code, done.err) == (0, "")
    got = table(here.folder / "new.csv")
    assert_same_answers(got, here.folder / "run")
    assert done.out.splitlines() == [
        f"{row['file']}\t{row['emotion']}\t{float(row['confidence']):.3f}" for row in got
    ]


def test_a_folder_stands_for_all_below_it_sorted(here: Here) -> None:
    done = here.run("predict", "run/", "faces", "--csv", "-")
    files = [row["file"] for row in rows(done.out)]
    assert files == sorted(str(path.relative_to(here.folder)) for path in here.folder.glob("faces/*/*"))
    assert len(files) == 36 > 2 * BATCH
    two = here.run("predict", "run", "faces/joy/03.png", "faces/anger", "--csv", "-")
    assert [row["file"] for row in rows(two.out)] == ["faces/joy/03.png", *files[:12]]


def test_answers_do_not_depend_on_the_batch(made: tuple[Path, Encoder]) -> None:
    folder, encoder = made
    head = read_head(folder / "run" / "head.safetensors")
    files = sorted(map(str, folder.glob("faces/*/*")))
    together = list(predict(head, encoder, files))
    single = [next(predict(head, encoder, [file])) for file in files]
    assert [(one.file, one.index) for one in together] == [(one.file, one.index) for one in single]
    np.testing.assert_allclose(
        [one.probabilities for one in together], [one.probabilities for one in single], rtol=0, atol=1e-12
    )
    for one in together:
        assert sum(one.probabilities) == pytest.approx(1)
        assert one.confidence == max(one.probabilities)
        assert one.index is not None
        assert one.emotion == CLASSES[one.index] == label(int(np.argmax(one.probabilities)), CLASSES)


class Endless(Sequence[str]):
    """The same photo a million times; remembers how far it was looked at."""

    def __init__(self, file: Path) -> None:
        self.file, self.seen = str(file), 0

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, part: slice) -> list[str]:  # type: ignore[override]
        self.seen = max(self.seen, part.stop)
        return [self.file] * (part.stop - part.start)


def test_photos_stream(made: tuple[Path, Encoder]) -> None:
    """The first answer comes before the third batch is looked at; a loop that ends leaves no thread."""
    folder, encoder = made
    files = Endless(folder / "faces" / "joy" / "00.png")
    results = predict(read_head(folder / "run" / "head.safetensors"), encoder, files)
    assert [next(results).file for _ in range(BATCH)] == [files.file] * BATCH
    assert files.seen == 2 * BATCH
    results.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("photos")]


@given(st.integers(), st.lists(st.text(), unique=True, max_size=8))
def test_an_index_outside_the_mapping_is_unknown(index: int, classes: list[str]) -> None:
    expected = dict(enumerate(classes)).get(index, UNKNOWN)
    assert label(index, classes) == expected


def test_an_index_outside_the_mapping_is_warned_of(capsys: pytest.CaptureFixture) -> None:
    written: list[Prediction] = []
    odd = Prediction("a.png", label(7, CLASSES), 7, (0.2, 0.8))
    bad = Prediction("b.png", "", None, (), "empty file (0 bytes)")
    assert command._answer([odd, bad], 2, CLASSES, [written.append]) == 1
    assert written == [odd, bad]
    assert capsys.readouterr().err == (
        "fedfer: warning: a.png: class index 7 is outside the head's 3 classes; labelled unknown\n"
    )


def make_unreadable(folder: Path) -> None:
    """Beside the good photos: an empty one, one cut off, and text."""
    whole = (folder / "faces" / "joy" / "02.jpg").read_bytes()
    (folder / "faces" / "joy" / "1empty.png").write_bytes(b"")
    (folder / "faces" / "joy" / "2cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "faces" / "joy" / "3text.png").write_text("no photo")


def test_unreadable_photos_are_reported_and_not_fatal(here: Here) -> None:
    make_unreadable(here.folder)
    good = here.run("predict", "run", "faces/anger", "--csv", "-").out.splitlines()
    done = here.run("predict", "run", "faces/anger", "faces/joy", "--csv", "-")
    assert done.code == 0
    got = rows(done.out)
    assert done.out.splitlines()[:13] == good
    empty = {row["file"] for row in got if not row["emotion"]}
    assert empty == {f"faces/joy/{name}" for name in ("1empty.png", "2cut.jpg", "3text.png")}
    assert all(not any(list(row.values())[1:]) for row in got if row["file"] in empty)
    lines = done.err.splitlines()
    assert lines[0] == "fedfer: faces/joy/1empty.png cannot be read: empty file (0 bytes)"
    assert "truncated" in lines[1]
    assert lines[2] == "fedfer: faces/joy/3text.png cannot be read: not an image that Pillow reads"
    assert lines[3:] == ["fedfer: 3 of 27 photos cannot be read"]
    quiet = here.run("predict", "run", "faces/anger", "faces/joy", "--quiet", "--csv", "q.csv")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", done.err)
    assert (here.folder / "q.csv").read_text() == done.out


def test_no_photo_that_can_be_read_is_a_failure_that_writes_nothing(here: Here) -> None:
    make_unreadable(here.folder)
    done = here.run("predict", "run", "faces/joy/1empty.png", "faces/joy/3text.png", "--csv", "new.csv")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(
        "fedfer: none of the photos (2) can be read (first: faces/joy/1"
    )
    assert "faces/joy/1empty.png\tunreadable\tempty file (0 bytes)" in done.out
    assert not (here.folder / "new.csv").exists()


def test_names_of_any_bytes(here: Here) -> None:
    name = os.fsdecode(b"\xff,\xc3\xa4\n.png")
    (here.folder / "faces" / "joy" / "00.png").rename(here.folder / "faces" / "joy" / name)
    assert here.run("predict", "run", "faces/joy", "--csv", "new.csv").code == 0
    with (here.folder / "new.csv").open(errors="surrogateescape", newline="") as file:
        assert f"faces/joy/{name}" in [row["file"] for row in csv.DictReader(file)]
    assert "faces/joy/\\xff,ä\\n.png\t" in here.run("predict", "run", "faces/joy").out


@pytest.mark.parametrize(
    ("photos", "words"),
    [
        (["nowhere.png"], r"no such photo or folder: nowhere.png; check the path"),
        (["faces", "nowhere", "gone.png"], r"no such photo or folder: nowhere \(and 1 more\)"),
        (["hollow"], r"there is no photo in hollow; give photos"),
        (["pipe"], r"pipe is neither a file nor a folder"),
        (["faces", "--csv", ""], r"--csv: the name is empty"),
        (["faces", "--csv", "hollow"], r"--csv: .*hollow is not a file"),
        (["faces", "--csv", "none/x.csv"], r"--csv: .*x.csv cannot be written \(No such file or directory\)"),
        (["faces", "--csv", "faces/joy/00.png"], r"--csv: .*00.png is one of the photos"),
        ([], r"Missing argument 'PHOTO...'; see fedfer predict --help"),
    ],
)
def test_photos_that_cannot_be_used_are_refused(here: Here, photos: list[str], words: str) -> None:
    (here.folder / "hollow").mkdir()
    (here.folder / "hollow" / "notes.txt").write_text("no photo")
    os.mkfifo(here.folder / "pipe")
    here.refused("predict", "run", *photos, words=words)


def test_runs_that_cannot_be_used_are_refused(here: Here) -> None:
    (here.folder / "begun").mkdir()
    shutil.copy("run/config.toml", "begun")
    for run, words in [
        ("nowhere", r"there is no run nowhere; give the folder of a run, or its head.safetensors"),
        ("faces", r"faces is not the folder of a run: it has no config.toml"),
        ("begun", r"begun has no head.safetensors: it is not finished"),
        ("run/config.toml", r"config.toml is not a head that fedfer wrote"),
        ("", r"is not the folder of a run"),
    ]:
        here.refused("predict", run, "faces", words=words)


def test_a_head_of_other_weights_is_refused(here: Here) -> None:
    """Nothing is fetched for it either: the refusal of a head alone names the ImageNet weights."""
    words = (
        r"run/head.safetensors does not fit: .*SHA-256 [0-9a-f]{16}\.\.\., and model.weights = \"imagenet\""
    )
    here.refused("predict", "run/head.safetensors", "faces", words=words)
    config = Path("run/config.toml")
    text = config.read_text()
    for before, after, words in [
        ("seed = 3", "seed = 4", r'does not fit: .* and model.weights = "random" has'),
        (
            'weights = "random"',
            'weights = "imagenet"',
            r'does not fit: .* and model.weights = "imagenet" has',
        ),
        ('weights = "random"', 'weights = "run/environment.json"', r'does not fit: .*environment.json" has'),
        ('weights = "random"', 'weights = "gone.pth"', r"model.weights must be .*no such file"),
        ('weights = "random"', "weights = 3", r"model.weights"),
        ('weights = "random"', 'weights = "', r"config.toml is not TOML"),
    ]:
        assert before in text
        config.write_text(text.replace(before, after))
        here.refused("predict", "run", "faces", words=words)


def test_a_run_of_another_version_with_other_keys_can_be_used(here: Here) -> None:
    config = Path("run/config.toml")
    config.write_text(config.read_text().replace("[model]", "[model]\nfuture = 1") + "\n[future]\nkey = 1\n")
    assert here.run("predict", "run", "faces/joy").code == 0


def test_a_damaged_head_is_refused(here: Here) -> None:
    path = Path("run/head.safetensors")
    content = path.read_bytes()
    for damaged in (content[:-1], content[:-4] + b"abcd", b"", content[:100]):
        path.write_bytes(damaged)
        here.refused("predict", "run", "faces", words=r"head.safetensors is damaged: its SHA-256 is")
    path.write_bytes(content[:-1])
    here.refused("predict", path, "faces", words=r"head.safetensors is not a head that fedfer wrote")
    path.write_bytes(content)
    Path("run/summary.json").write_text("{")
    here.refused(
        "predict", "run", "faces", words=r"run/summary.json is damaged \(Invalid JSON.*\); restore it"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ["anger", "fear"]}, r"it has 3 rows of weights for 2 classes"),
        ({"classes": [*CLASSES, "more"]}, r"it has 3 rows of weights for 4 classes"),
        ({"classes": ["anger", "fear", "fear"]}, r"its classes are \['anger', 'fear', 'fear'\], expected"),
        ({"classes": "joy"}, r"its classes are 'joy', expected a list"),
        ({"classes": None}, r"is not a head that fedfer wrote \('classes'\)"),
        ({"model": "transformer"}, r"its model is 'transformer', expected one of mobilenet, "),
        ({"model": None}, r"its model is None"),
        ({"weights_sha256": None}, r"does not say which weights"),
        ({"preprocessing": None}, r"does not say how its photos were prepared"),
        ({"preprocessing": {"image_size": 32}}, r"its photos were prepared with {}, the encoder's are with"),
    ],
)
def test_a_head_whose_metadata_do_not_fit_is_refused(here: Here, changes: dict, words: str) -> None:
    path = Path("run/head.safetensors")
    head, metadata = load_head(path)
    changed = {name: value for name, value in (metadata | changes).items() if value is not None}
    save_head(path, head, changed)
    Path("run/summary.json").unlink()
    done = here.run("predict", "run", "faces")
    assert (done.code, done.err.count("\n"), done.out) == (2, 1, "")
    assert re.search(words, done.err), done.err


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, r"its image size is 0"), ("big", r"its image size is 'big'"), (10**6, r"its image size is 1000000")],
)
def test_an_image_size_that_cannot_be_is_refused(here: Here, size: object, words: str) -> None:
    path = Path("run/head.safetensors")
    head, metadata = load_head(path)
    save_head(path, head, metadata | {"preprocessing": {**metadata["preprocessing"], "image_size": size}})  # type: ignore[dict-item]
    Path("run/summary.json").unlink()
    here.refused("predict", "run", "faces", words=words)


def test_arrays_that_do_not_fit_are_refused(here: Here) -> None:
    path = Path("run/head.safetensors")
    arrays, metadata = load_head(path)
    text = {name: json.dumps(value) for name, value in metadata.items()}
    Path("run/summary.json").unlink()
    for changes, words in [
        ({"weight": arrays["weight"][:, :-1].copy()}, r"it takes 1279 features, the encoder gives 1280"),
        ({"weight": arrays["weight"][:2].copy()}, r"its weight has shape \(2, 1280\) and its bias \(3,\)"),
        ({"bias": np.array(1, np.float32)}, r"its weight has shape \(3, 1280\) and its bias \(\)"),
        ({"more": np.zeros(2, np.float32)}, r"it holds bias, more, weight, expected bias, weight"),
        ({"bias": np.full(3, np.nan, np.float32)}, r"not finite numbers of type float32"),
        ({"bias": np.zeros(3)}, r"not finite numbers of type float32"),
    ]:
        save_file({**arrays, **changes}, path, metadata=text)
        here.refused("predict", "run", "faces", words=words)


def test_a_terminal_shows_a_table(
    here: Here, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    long = "a/long/way/down/to/where/the/photos/lie/0001.png"
    write = command._lines(["b.png", long], CLASSES)
    write(Prediction("b.png", "joy", 2, (0.1, 0.2, 0.7)))
    write(Prediction(long, "anger", 0, (0.5, 0.3, 0.2)))
    write(Prediction("b.png", "", None, (), "empty file (0 bytes)"))
    lines = [clean(line) for line in capsys.readouterr().out.splitlines()]
    room = 60 - len("emotion") - len("confidence") - 5
    assert lines == [
        f"{'file':<{room}}  emotion  confidence",
        f"{'b.png':<{room}}  joy           0.700",
        f"~{long[-(room - 1) :]}  anger         0.500",
        f"{'b.png':<{room}}  cannot be read: empty file (0 bytes)",
    ]


def clean(line: str) -> str:
    """Without what colours it."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


@pytest.mark.slow
@pytest.mark.usefixtures("own_encoders")
def test_the_command_says_again_what_the_run_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Both heads of a federated run, from another working directory, on photos and on a folder."""
    faces = SketchSet(120, 30, 0)
    names = ("anger", "contempt", "disgust", "fear", "happiness", "neutrality", "sadness", "surprise")
    for i, emotion in enumerate(np.asarray(faces.emotions).tolist()):
        (tmp_path / "faces" / names[emotion]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces.draw(i)).save(tmp_path / "faces" / names[emotion] / f"{i:04d}.png")
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    here, asked = Here(tmp_path, monkeypatch, capsys), settings(federation__engine="process")
    done = here.run("run", "--quiet", "--out", run, "--data", tmp_path / "faces", *asked)
    assert (done.code, done.err) == (0, "")
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for folder in (run, run / "centralized"):
        photos = [row["file"] for row in table(folder / "predictions.csv")]
        done = here.run("predict", folder, *photos, "--csv", "-")
        assert (done.code, done.err) == (0, "")
        assert_same_answers(rows(done.out), folder)
    (elsewhere / "broken.png").write_bytes(b"")
    done = fedfer("predict", "../run", "../faces", "broken.png", cwd=elsewhere)
    assert (done.code, done.err) == (0, "fedfer: 1 of 121 photos cannot be read\n")
    assert len(done.out.splitlines()) == 121
    assert_refused(here.run("predict", "../run/head.safetensors", "../faces"))
