"""Mirrors: the rounds of a run in other tools' stores, each once, and never at the cost of the run."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
from support_commands import Here, settings
from support_fake_runs import make_run
from support_mirrors import READERS, Stored
from support_slow import few_quick

from fer_models.run_folder.folder import RunFolder, read_rounds
from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Summary
from simulations import api
from simulations.config import Config
from simulations.experiment import load
from simulations.mirrors import registry
from simulations.mirrors.base import Copy, Mirror, Mirrored, final_scores_of, scores_of
from simulations.mirrors.registry import MIRRORS
from simulations.run.mirroring import mirrored
from simulations.terminal.display import Display

RUN = Mirrored(Path("run"), "federated", "quickstart", "2026-01-01", {"train.lr": "0.1"})


def record(number: int, **changes: object) -> RoundRecord:
    line = RoundRecord(number, 10, 400, 1 / number, 0.5, 0.25, None, 0.1, 100, 200, 30)
    return replace(line, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Told(Mirror):
    """A mirror that remembers, and fails in the round `fails`."""

    package: ClassVar[str] = "json"
    extra: ClassVar[str] = "none"
    fails: ClassVar[int] = 0
    refuses: ClassVar[bool] = False
    stored: ClassVar[dict[str, list[tuple[int, dict[str, float]]]]] = {}
    ended: ClassVar[list[object]] = []

    def open(self, run: Mirrored) -> Copy:
        if self.refuses:
            raise OSError(28, "No space left on device")
        return _Told(self.stored.setdefault(run.id, []))


class _Told(Copy):
    def __init__(self, lines: list[tuple[int, dict[str, float]]]) -> None:
        self._lines, self.last = lines, max((number for number, _ in lines), default=0)

    def add(self, number: int, scores: Mapping[str, float]) -> None:
        if number == Told.fails:
            raise RuntimeError("the store is gone")
        self._lines.append((number, dict(scores)))
        self.last = number

    def end(self, scores: Mapping[str, float]) -> None:
        Told.ended.append(dict(scores))

    def close(self, *, finished: bool) -> None:
        Told.ended.append(finished)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> type[Told]:
    """Two mirrors of the test's own, of which the second never fails."""

    @dataclass(frozen=True)
    class Other(Told):
        def open(self, run: Mirrored) -> Copy:
            return _Sound(self.stored.setdefault(f"other {run.id}", []))

    class _Sound(_Told):
        def add(self, number: int, scores: Mapping[str, float]) -> None:
            self._lines.append((number, dict(scores)))
            self.last = number

    monkeypatch.setitem(registry._PAGES, "told", Told)
    monkeypatch.setitem(registry._PAGES, "other", Other)
    monkeypatch.setattr(Told, "stored", {})
    monkeypatch.setattr(Told, "ended", [])
    return Told


def lines(told: type[Told], which: str = "") -> list[int]:
    (found,) = [v for name, v in told.stored.items() if name.startswith("other ") == (which == "other")]
    return [number for number, _ in found]


def config(*names: str) -> Config:
    return load("quickstart", settings=[f"report.mirror={json.dumps(names)}"])[1]


def mirror(folder: Path, names: tuple[str, ...], first: int, last: int, end: bool = False) -> None:
    """As a run does, from its round `first` to `last`, with what rounds.jsonl holds before it."""
    log = RunFolder(folder)
    log.keep_rounds(first - 1)
    with mirrored(
        config(*names), log, folder, experiment="quickstart", federated=True, display=Display(True)
    ) as to:
        for number in range(first, last + 1):
            log.append_round(record(number))
            to.add(record(number))
        if end:
            to.end(Summary.read(folder))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder without rounds."""
    folder = make_run(tmp_path / "run", photos=100, examples=False)
    (folder / "rounds.jsonl").unlink()
    return folder


def test_numbers_that_were_measured_are_passed_on_by_name() -> None:
    line = record(3, train_loss=float("nan"), metrics={"clipped": 0.25}, dropped=2)
    assert scores_of(line) == {
        "phones": 10, "photos": 400, "val_accuracy": 0.5, "val_macro_f1": 0.25, "seconds": 0.1,
        "bytes_down": 100, "bytes_up": 200, "wire_bytes": 30, "dropped": 2, "clipped": 0.25,
    }  # fmt: skip


def test_a_resumed_run_gives_each_round_once_and_makes_up_for_what_is_missing(
    run: Path, told: type[Told]
) -> None:
    mirror(run, ("told",), 1, 5)
    assert lines(told) == [1, 2, 3, 4, 5]
    assert told.ended == [False]
    mirror(run, ("told",), 4, 8)  # from a checkpoint after round 3
    assert lines(told) == [1, 2, 3, 4, 5, 6, 7, 8]
    mirror(run, ("told", "other"), 9, 9, end=True)
    assert lines(told) == list(range(1, 10)) == lines(told, "other")
    final = final_scores_of(Summary.read(run))
    assert told.ended[2:] == [final, final, True, True]
    assert {"test_accuracy", "test_macro_f1", "test_f1_anger"} <= set(final)


def test_a_mirror_that_fails_is_told_once_and_the_run_goes_on(
    run: Path, told: type[Told], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Told, "fails", 3)
    with caplog.at_level(logging.WARNING, "fedfer"):
        mirror(run, ("told", "other"), 1, 6, end=True)
    assert lines(told) == [1, 2]
    assert lines(told, "other") == [1, 2, 3, 4, 5, 6]
    assert [one.round for one in read_rounds(run)] == [1, 2, 3, 4, 5, 6]
    assert caplog.messages == [
        "fedfer: Mirror told failed (RuntimeError: the store is gone); the run goes on without it"
    ]


@pytest.mark.parametrize("breaks", [False, True])
def test_a_mirror_that_fails_is_closed_once_as_not_finished(
    run: Path,
    told: type[Told],
    breaks: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed: list[bool] = []

    def close(self: _Told, *, finished: bool) -> None:
        closed.append(finished)
        if breaks:
            raise OSError("nor can it be closed")

    monkeypatch.setattr(Told, "fails", 3)
    monkeypatch.setattr(_Told, "close", close)
    with caplog.at_level(logging.WARNING, "fedfer"):
        mirror(run, ("told",), 1, 6, end=True)
    assert closed == [False]
    assert len(caplog.messages) == 1
    assert "the store is gone" in caplog.messages[0]
    monkeypatch.setattr(Told, "fails", 0)
    mirror(run, ("told",), 7, 7, end=True)
    assert closed == [False, True]  # one that cannot be closed is not closed again


def test_a_mirror_that_cannot_be_opened_is_told_too(
    run: Path, told: type[Told], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Told, "refuses", True)
    mirror(run, ("told", "other"), 1, 2)
    assert lines(told, "other") == [1, 2]
    assert "No space left on device" in caplog.messages[0]


def test_an_interrupt_is_no_failure_of_a_mirror(run: Path, told: type[Told]) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        mirrored(config("told"), RunFolder(run), run, experiment="q", federated=True, display=Display(True)),
    ):
        raise KeyboardInterrupt
    assert told.ended == [False]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('["wandb"]', 'report.mirror must list each of "tensorboard", "mlflow", "trackio" at most once, got'),
        ('["mlflow","mlflow"]', "at most once"),
        ("mlflow", 'report.mirror must be a list of texts, got "mlflow"; the default is'),
        ('["json:Mine"]', "at most once"),
    ],
)
def test_names_that_are_no_mirrors_are_refused(here: Here, value: str, words: str) -> None:
    assert words in here.refused("run", "--set", f"report.mirror={value}")


@pytest.mark.parametrize("command", ["run", "baseline", "study", "sweep"])
@pytest.mark.parametrize("name", list(MIRRORS))
def test_a_missing_package_is_one_line_before_anything_is_computed(
    here: Here, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    package = MIRRORS.page(name).package
    monkeypatch.setitem(sys.modules, package, None)
    line = here.refused(command, "--set", f'report.mirror=["{name}"]', "--out", "out")
    assert f'report.mirror: "{name}" needs {package}, which is not installed' in line
    assert f"pip install 'fedfer[{name}]'" in line


@pytest.fixture(params=few_quick(READERS, "tensorboard"))
def tool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Each mirror whose package is installed."""
    name: str = request.param
    if not MIRRORS.page(name).installed():
        pytest.skip(f"{MIRRORS.page(name).package} is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        if name == "trackio":  # one folder per process
            seen = sys.modules.get("trackio.utils")
            patch.setenv("TRACKIO_DIR", str(seen.TRACKIO_DIR if seen else tmp_path_factory.mktemp("trackio")))
        yield name


def stored(tool: str, folder: Path, part: str = "federated") -> Stored:
    return READERS[tool](folder, part)


@pytest.mark.filterwarnings("default")  # of the tools
def test_the_local_store_has_every_round_once_and_the_end(
    run: Path, tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    mirror(run, (tool,), 1, 4)
    mirror(run, (tool,), 3, 6)
    mirror(run, (tool,), 7, 7, end=True)
    assert [line for line in caplog.messages if line.startswith("fedfer:")] == []
    found = stored(tool, run)
    assert found["train_loss"] == {n: [pytest.approx(1 / n)] for n in range(1, 8)}
    assert found["photos"] == {n: [400] for n in range(1, 8)}
    assert found["test_accuracy"] == {7: [pytest.approx(Summary.read(run).accuracy)]}
    assert "val_loss" not in found


def test_trackio_knows_one_folder_per_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "one"))
    pytest.importorskip("trackio.utils")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "other"))
    with pytest.raises(RuntimeError, match=r"already writes to .+; set TRACKIO_DIR to a folder for all runs"):
        MIRRORS.page("trackio")().open(RUN)
    assert not (tmp_path / "other").exists()


def test_an_event_file_that_was_cut_off_goes_on(run: Path) -> None:
    mirror(run, ("tensorboard",), 1, 4)
    (path,) = (run / "tensorboard" / "federated").iterdir()
    path.write_bytes(path.read_bytes()[:-10])  # of round 4, its last scalar
    mirror(run, ("tensorboard",), 5, 6)
    found = stored("tensorboard", run)
    assert found["train_loss"] == {n: [pytest.approx(1 / n)] for n in range(1, 7)}
    assert found["round"] == {n: [n] for n in range(1, 7)}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_what_mlflow_knows_of_a_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{run.parent / 'all.db'}")
    client = MlflowClient(tracking_uri=f"sqlite:///{run.parent / 'all.db'}")
    mirror(run, ("mlflow",), 1, 2)
    (one,) = client.search_runs(["1"])
    assert (one.info.status, one.info.run_name) == ("KILLED", "run/federated")
    assert one.data.params["federation.phones"] == "100"
    assert client.get_experiment("1").name == "quickstart"
    mirror(run, ("mlflow",), 3, 3, end=True)
    (one,) = client.search_runs(["1"])
    assert one.info.status == "FINISHED"
    assert not (run / "mlflow.db").exists()


def test_runs_of_one_folder_name_are_told_apart_by_place_and_time() -> None:
    others = (replace(RUN, home=Path("x/run")), replace(RUN, started="2026-01-02"), replace(RUN, part="c"))
    assert len({RUN.id, *(other.id for other in others)}) == 4
    assert RUN.id == replace(RUN, home=Path("../") / Path.cwd().name / "run").id


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_run_and_its_baselines_are_mirrored_and_have_the_same_bytes(
    tool: str, here: Here, short_run: Path
) -> None:
    words = settings(
        federation__rounds=2, federation__engine="process", baseline__epochs=3, report__mirror=f'["{tool}"]'
    )
    done = here.run("run", *words, "--out", "run")
    assert (done.code, done.err) == (0, "")
    folder = here.folder / "run"
    assert (folder / "head.safetensors").read_bytes() == (short_run / "head.safetensors").read_bytes()
    for part, place in (("federated", folder), ("centralized", folder / "centralized")):
        wanted = {line.round: [pytest.approx(line.val_accuracy)] for line in read_rounds(place)}
        assert stored(tool, folder, part)["val_accuracy"] == wanted
    assert api.open_run(folder).summary.accuracy == pytest.approx(stored(tool, folder)["test_accuracy"][2][0])
