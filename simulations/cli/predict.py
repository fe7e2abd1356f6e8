"""The command `fedfer predict`: which head, which photos, and where the predictions go.

All input is checked before the first photo is read. Predictions are written one by one: to a terminal as a
table, elsewhere as plain lines, and to a CSV.
"""

import csv
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from fer_models.errors import InputError, RunError
from fer_models.machine.cache import sha256_of, whole_file
from fer_models.photos.given_photos import given_photos
from fer_models.prediction import UNKNOWN, Prediction, fitting_encoder, known, predict, read_head
from fer_models.run_folder.summary import Head
from fer_models.text import printable
from simulations.engines.surroundings import on_terminal
from simulations.experiment import read_toml, validate
from simulations.run.request import check_cache

HEAD = "head.safetensors"
STDOUT = "-"
_NUMBER = len("confidence")  # columns

Write = Callable[[Prediction], None]


def label_photos(run: str, photos: Sequence[str], table: str | None, quiet: bool) -> None:
    """Labels photos with the head of a run folder, or of a file.

    `table`: the CSV to write, "-" for standard output. Raises InputError for unusable input, RunError if
    no photo could be read.
    """
    path, weights, seed = locate(Path(run).expanduser())
    head = read_head(path)
    files = given_photos(photos)
    target = None if table in (None, STDOUT) else _target(str(table), files)
    check_cache()
    encoder = fitting_encoder(head, weights, seed=seed)
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names may be any bytes
        utf8 = table == STDOUT
        sys.stdout.reconfigure(
            encoding="utf-8" if utf8 else None, errors="surrogateescape" if utf8 else "backslashreplace"
        )
    show = _complain if quiet or table == STDOUT else _lines(files, head.classes)
    results = predict(head, encoder, files)
    if table == STDOUT:
        unreadable = _answer(results, len(files), head.classes, [_rows(sys.stdout, head.classes), show])
    elif target:
        with _whole_table(target) as file:
            unreadable = _answer(results, len(files), head.classes, [_rows(file, head.classes), show])
    else:
        unreadable = _answer(results, len(files), head.classes, [show])
    if unreadable:
        sys.stderr.write(f"fedfer: {unreadable} of {len(files)} photos cannot be read\n")


def locate(run: Path) -> tuple[Path, str, int]:
    """Head file, model.weights and training seed of a run folder; for a head file: ImageNet weights, seed 0.

    Raises InputError if there is no head, or if it is not the one the run wrote.
    """
    if run.is_file():
        return run, "imagenet", 0
    if not run.is_dir():
        raise InputError(f"there is no run {printable(run)}; give the folder of a run, or its {HEAD}")
    if not (run / "config.toml").is_file():
        raise InputError(f"{printable(run)} is not the folder of a run: it has no config.toml; give one")
    path = run / HEAD
    if not path.is_file():
        raise InputError(
            f"the run in {printable(run)} has no {HEAD}: it is not finished; resume it (fedfer run"
            " --resume) or give another"
        )
    _check_written(run, path)
    raw = read_toml(run / "config.toml")
    # only these, so that runs of other versions can be used
    wanted = {"model": ("weights",), "run": ("seed", "train_seed")}
    config = validate(
        {
            section: {name: raw[section][name] for name in names if name in raw[section]}
            for section, names in wanted.items()
            if isinstance(raw.get(section), dict)
        }
    )
    return path, config.model.weights, config.run.train


def _check_written(run: Path, path: Path) -> None:
    """Refuses a head that does not match the run's summary, if there is a summary."""
    if not (run / "summary.json").is_file():
        return
    try:
        written = Head.read(run).head_sha256
        found = sha256_of(path)
    except OSError as error:
        raise InputError(f"the run in {printable(run)} is damaged ({error}); give another") from error
    if written != found:
        raise InputError(
            f"{printable(path)} is damaged: its SHA-256 is {found[:16]}..., summary.json has"
            f" {written[:16]}...; restore it, or train again"
        )


def _target(table: str, files: Iterable[str]) -> Path:
    """The path of the CSV; InputError if it cannot be written, or is one of the photos."""
    if not table:
        raise InputError("--csv: the name is empty; give a file, or - for standard output")
    path = Path(table).expanduser().resolve()
    if path.exists() and not path.is_file():
        raise InputError(f"--csv: {printable(path)} is not a file; give one, or - for standard output")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
        taken = path.exists() and any(os.path.exists(f) and path.samefile(f) for f in files)
    except OSError as error:
        raise InputError(
            f"--csv: {printable(path)} cannot be written ({error.strerror or error}); give another file"
        ) from error
    if taken:
        raise InputError(f"--csv: {printable(path)} is one of the photos; give another file")
    return path


@contextmanager
def _whole_table(path: Path) -> Iterator[IO[str]]:
    with (
        whole_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        yield file


def _answer(
    results: Iterable[Prediction], total: int, classes: Sequence[str], writers: Sequence[Write]
) -> int:
    """Passes each result to the writers; returns how many of the `total` photos could not be read.

    Raises RunError if none could.
    """
    unreadable, first = 0, ""
    for result in results:
        if result.reason is not None:
            first = first or f"{printable(result.file)}: {result.reason}"
            unreadable += 1
        elif result.index is None or not known(result.index, classes):
            sys.stderr.write(
                f"fedfer: warning: {printable(result.file)}: class index {result.index} is outside the head's"
                f" {len(classes)} classes; labelled {UNKNOWN}\n"
            )
        for write in writers:
            write(result)
    if unreadable == total:
        raise RunError(f"none of the photos ({total}) can be read (first: {first})")
    return unreadable


def _rows(file: Any, classes: Sequence[str]) -> Write:
    """Writes rows of the CSV; for an unreadable photo only its name."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("file", "emotion", "confidence", *classes))

    def write(result: Prediction) -> None:
        if result.reason is None:
            numbers = (result.confidence, *result.probabilities)
            writer.writerow((result.file, result.emotion, *(f"{value:.6f}" for value in numbers)))
        else:
            writer.writerow((result.file, *[""] * (2 + len(classes))))

    return write


def _complain(result: Prediction) -> None:
    """Reports an unreadable photo, and why, on standard error."""
    if result.reason is not None:
        sys.stderr.write(f"fedfer: {printable(result.file)} cannot be read: {result.reason}\n")


def _lines(files: Sequence[str], classes: Sequence[str]) -> Write:
    """Shows results: in columns on a terminal, else as tab-separated lines."""
    console = Console(force_interactive=None if on_terminal(sys.stdout) else False, highlight=False)
    if not console.is_interactive:
        return _plain
    emotion = max(cell_len(printable(name)) for name in ("emotion", UNKNOWN, *classes))
    widest = max(cell_len(printable(file)) for file in files)
    room = max(12, min(widest, console.width - emotion - _NUMBER - 5))

    def line(file: str, middle: Text, right: str, style: str = "") -> None:
        text = Text.assemble((_fitted(file, room), style), "  ", middle)
        text.append(" " * (emotion - middle.cell_len) + f"  {right:>{_NUMBER}}" if right else "", style)
        console.print(text, soft_wrap=True)

    line("file", Text("emotion", "dim"), "confidence", "dim")

    def write(result: Prediction) -> None:
        if result.reason is None:
            line(printable(result.file), Text(printable(result.emotion)), f"{result.confidence:.3f}")
        else:
            line(printable(result.file), Text(f"cannot be read: {result.reason}", "yellow"), "")

    return write


def _plain(result: Prediction) -> None:
    said = (
        ("unreadable", result.reason)
        if result.reason
        else (printable(result.emotion), f"{result.confidence:.3f}")
    )
    sys.stdout.write(f"{printable(result.file)}\t{said[0]}\t{said[1]}\n")


def _fitted(name: str, room: int) -> str:
    """A name in `room` columns; a longer one keeps its end, which tells files apart."""
    while cell_len(name) > room:
        name = f"~{name[2:]}"
    return set_cell_size(name, room)
