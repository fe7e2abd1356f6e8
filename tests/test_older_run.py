"""A run folder from before its files had a format: everything goes on working with it."""

import io
import json
import shutil
from pathlib import Path

import pytest
import support_older_run as older_run
from rich.console import Console

from fer_models.errors import InputError
from fer_models.run_folder.data_facts import DataFacts
from fer_models.run_folder.environment import Environment
from fer_models.run_folder.folder import ROUNDS, RunFolder, read_rounds
from fer_models.run_folder.origin import Origin
from fer_models.run_folder.summary import Summary
from simulations.cli.predict import locate
from simulations.report.report import write_report
from simulations.report.results import read_all
from simulations.run.request import resumed
from simulations.sweep import outcomes
from simulations.sweep.request import Cell, ask
from simulations.terminal.comparison import compare


@pytest.fixture
def older(tmp_path: Path) -> Path:
    return older_run.write(tmp_path / "run")


def contains(whole: object, part: object) -> bool:
    """Whether all of a JSON value is in another; newer versions may write more."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(n in whole and contains(whole[n], v) for n, v in part.items())
    return whole == part


def test_its_page_is_that_of_the_same_folder_written_anew(older: Path, tmp_path: Path) -> None:
    anew = Path(shutil.copytree(older, tmp_path / "anew"))
    for kind in (Summary, DataFacts, Environment, Origin):
        kind.read(older).write(anew)
        before, after = (json.loads((place / kind.FILE).read_text()) for place in (older, anew))
        assert contains(after, {"format": 1, **before}), kind
    lines = read_rounds(older)
    (anew / ROUNDS).unlink()
    for line in lines:
        RunFolder(anew).append_round(line)
    assert read_rounds(anew) == lines
    for before, after in zip(
        *((place / ROUNDS).read_text().splitlines() for place in (older, anew)), strict=True
    ):
        assert contains(json.loads(after), {"format": 1, **json.loads(before)})
    pages = [write_report(place).read_text() for place in (older, anew)]
    assert pages[0] == pages[1]
    assert "Across phones" in pages[0]
    assert "Phones&#x27; own heads classify 66.7%" in pages[0]


def test_it_is_compared(older: Path) -> None:
    (run,) = read_all(older)
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(compare(run.summary, [("other", run.summary)], older / "report.html"))
    text = " ".join(console.export_text().split())
    assert "own heads 66.7%" in text
    assert "Federated minus other accuracy +0.0 points +0.0 to +0.0 sign open" in text


def test_it_has_its_line_in_the_table_of_a_sweep(older: Path, tmp_path: Path) -> None:
    sweep = ask(
        None, data=None, settings=["federation.phones=3"], strategies="ditto", partitions="iid", seeds=1,
        folder=tmp_path / "sweep", command="fedfer sweep",
    )  # fmt: skip
    place = sweep.place_of(Cell("iid", "ditto", 0))
    shutil.copytree(older, place)
    (found,) = outcomes.read(sweep)
    assert (found.row.accuracy, found.row.own_macro_f1, found.row.own_worst_tenth) == (
        0.666667,
        0.666667,
        0.5,
    )


def test_what_is_asked_for_when_it_goes_on(older: Path) -> None:
    with pytest.raises(InputError, match=r"code of fedfer differs in .* and \d+ more; resume with the code"):
        resumed(older)
    (older / "report.html").write_text("")
    request = resumed(older)
    assert (request.experiment, request.federated, request.baseline) == ("quickstart", True, False)
    assert (request.devices, request.command) == (False, "fedfer run --no-baseline")
    took = RunFolder(older).keep_rounds(1)
    assert (took.rounds, took.phones, took.photos, took.wire_bytes) == (1, 3, 12, 124840)
    assert len(read_rounds(older)) == 1


def test_its_head_is_known(older: Path) -> None:
    (older / "head.safetensors").write_bytes(b"another")
    with pytest.raises(InputError, match=r"its SHA-256 is .*, summary\.json has afefeb866acb3596\.\.\."):
        locate(older)


@pytest.mark.parametrize("name", ["summary.json", "data.json", "environment.json", ROUNDS])
def test_a_file_that_lacks_something_is_refused_in_one_line(older: Path, name: str) -> None:
    path = older / name
    gone = {"summary.json": "macro_recall", "data.json": "views", "environment.json": "cpus"}.get(
        name, "seconds"
    )
    said = json.loads(path.read_text().splitlines()[0] if name == ROUNDS else path.read_text())
    del said[gone]
    path.write_text(json.dumps(said) + "\n")
    damaged = rf"{name}.* damaged, or was written by an older fedfer"
    words = rf"{damaged} \({gone}: Field required\); use that version, or"
    with pytest.raises(InputError, match=words):
        write_report(older)
