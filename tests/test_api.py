"""The door for Python: the same runs as the commands', typed results, errors as exceptions, no word more."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support_commands import SMALL, python
from support_fake_runs import make_full_run
from support_workers import in_this_process

from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Summary
from simulations import api
from simulations.api.columns import Columns, of_rounds
from simulations.terminal import notebook

DOCS = Path(__file__).resolve().parents[1] / "docs"
FAST = SMALL | {"federation.engine": "process", "federation.rounds": 2, "data.balance": 10}


@pytest.fixture
def home(tmp_path: Path, run_cache: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.setenv("FEDFER_CACHE", run_cache)
    for name in ("FLWR_HOME", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path.parent / name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_experiment_is_loaded_with_settings_of_all_kinds(home: Path) -> None:
    settings = {
        "federation.rounds": np.int64(7), "train.lr": 0.5, "data.classes": ("anger", "fear"),
        "report.examples": False, "strategy.name": "krum", "data.names": {"joy": "happiness"},
    }  # fmt: skip
    loaded = api.load("quickstart", data=home, settings=settings)
    assert loaded.name == "quickstart"
    config = loaded.config
    assert (config.federation.rounds, config.train.lr, config.report.examples) == (7, 0.5, False)
    assert (config.data.classes, config.strategy.name) == (("anger", "fear"), "krum")
    assert (config.data.source, config.data.names) == (str(home), {"joy": "happiness"})
    again = api.load(loaded, settings={"federation.rounds": 8})
    assert (again.config.federation.rounds, again.config.train.lr) == (8, 0.5)
    config.save(home / "mine.toml")
    assert api.load(home / "mine.toml") == api.Experiment("mine", config)
    assert api.load("quickstart", settings=["train.lr=0.5"]).config.train.lr == 0.5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: api.run("nothing"), 'experiment "nothing" is neither shipped nor a file'),
        (lambda: api.run(settings={"federation.round": 3}), "unknown key federation.round; did you mean"),
        (
            lambda: api.run(settings={"train.lr": None}),
            "settings: train.lr cannot be None; give text, a number",
        ),
        (lambda: api.run(settings={"train.lr": -1}), "train.lr must be"),
        (lambda: api.baseline(data="/no/where"), "/no/where"),
        (lambda: api.run(out=DOCS), "is in use; give a folder that is new or empty"),
        (lambda: api.open_run("none"), "there is no folder none; give the folder of a run"),
        (lambda: api.open_run(DOCS), "is not the folder of a finished run: it has no summary.json"),
        (lambda: api.resume("none"), "there is no folder none"),
        (lambda: api.study(models=["vgg"]), 'there is no model "vgg"'),
        (lambda: api.sweep(strategies=["mine"]), '"mine" is unknown'),
    ],
)
def test_what_cannot_be_used_is_an_exception_with_one_line(
    home: Path, capfd: pytest.CaptureFixture[str], call: object, words: str
) -> None:
    with pytest.raises(api.InputError) as caught:
        call()  # type: ignore[operator]
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(home.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_a_finished_run_is_read_when_it_is_asked(tmp_path: Path) -> None:
    folder = make_full_run(tmp_path / "run")
    run = api.open_run(folder)
    assert run.summary == Summary.read(folder)
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    assert run.rounds["round"].tolist() == list(range(1, 51))
    np.testing.assert_array_equal(
        run.rounds["val_accuracy"],
        np.array([line["val_accuracy"] for line in lines], dtype=float),  # not a number where not judged
    )
    worst = [line["across"] and line["across"]["accuracy"]["worst_tenth"] for line in lines]
    np.testing.assert_array_equal(run.rounds["worst_tenth"], np.array(worst, dtype=float))
    assert list(run.baselines) == ["centralized", "centralized-matched"]
    names = [each.name for each in (run, *run.baselines.values())]
    assert names == ["federated", "centralized, 10 epochs", "centralized, matched, 50 epochs"]
    assert (run.page, run.config.data.balance) == (folder / "report.html", 1000)
    assert run.data.photos.totals["test"] == sum(map(sum, run.summary.confusion))
    assert run.environment.cpus == 2


def test_a_run_shows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_full_run(tmp_path / "a <b> & c")
    run = api.open_run(folder)
    monkeypatch.chdir(tmp_path)
    html = run._repr_html_()
    assert '<a href="a &lt;b&gt; &amp; c/report.html">' in html
    assert html.count("<tr>") == 4
    for each in (run, *run.baselines.values()):
        assert f"<th>{each.name}</th><td>{100 * each.summary.accuracy:.1f}%</td>" in html
    assert repr(run).startswith(
        f"<federated run of dirichlet: accuracy {100 * run.summary.accuracy:.1f}%, macro-F1"
    )


def test_columns_have_gaps_and_become_a_data_frame() -> None:
    lines = [{"name": "a", "n": 1, "x": 0.5}, {"name": "b", "n": 2, "x": None}]
    columns = Columns(lines)
    assert (list(columns), len(columns), columns["n"].dtype.kind) == (["name", "n", "x"], 3, "i")
    assert np.isnan(columns["x"][1])
    pandas = pytest.importorskip("pandas")
    frame = columns.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["name"].tolist() == ["a", "b"]
    assert frame["x"].isna().tolist() == [False, True]


def test_without_pandas_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        api.InputError, match="needs pandas, which is not installed; install it with pip install"
    ):
        Columns([{"a": 1}]).to_pandas()


@pytest.mark.slow
def test_runs_follow_one_another_in_silence(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Twice, in a running event loop, after one that failed and left its folder to go on with."""

    async def cell() -> api.Run:
        return api.run("quickstart", settings=FAST, out="one", progress=False)

    one = asyncio.run(cell())
    wild = {"baseline.lr": 100, "baseline.optimizer": "sgd", "model.name": "cnn", "data.image_size": 32}
    with pytest.raises(api.RunError, match=r"diverged in epoch 1; .*; start a new run$"):
        api.baseline("quickstart", settings=FAST | wild, out="wild", progress=False)
    two = api.run("quickstart", settings=FAST, out="two", progress=False, baseline=False)
    assert capfd.readouterr() == ("", "")
    assert one.summary.head_sha256 == two.summary.head_sha256
    np.testing.assert_array_equal(one.head["weight"], two.head["weight"])
    assert (list(one.baselines), two.baselines) == (["centralized", "centralized-matched"], {})
    assert one.environment.command == f"api.run('quickstart', settings={FAST})"
    assert two.environment.command == f"api.run('quickstart', settings={FAST}, baseline=False)"
    assert two.page.is_file()
    assert api.resume("two").summary == two.summary  # which is finished
    assert len(two.rounds["round"]) == 2


def test_progress_is_shown_where_it_is_asked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = api.baseline("quickstart", settings=FAST | {"model.name": "majority"})
    shown = capsys.readouterr().out
    assert "Photos: started" in shown
    assert "Report: done" in shown
    assert run.folder.parent == Path("runs")
    assert run.folder.name.startswith("quickstart-")


def test_a_folder_named_after_the_time_is_never_one_that_is_there(home: Path, monkeypatch: object) -> None:
    from simulations.run.folders import run_folder_for

    first = run_folder_for(None, "quickstart")
    first.mkdir(parents=True)
    assert run_folder_for(None, "quickstart") != first


TWICE = """
import asyncio, json, signal, sys
from simulations import api
settings = json.loads(sys.argv[1])
before = signal.getsignal(signal.SIGINT)
api.run(settings=settings, out="one", progress=False)
from server.rounds import Rounds
whole, Rounds.round = Rounds.round, lambda *given: {}["what nobody foresaw"]
try:
    api.run(settings=settings, out="broken", progress=False, baseline=False)
except api.RunError as error:
    print(error)
Rounds.round = whole
api.resume("broken", progress=False)
async def cell():
    return api.run(settings=settings, out="two", progress=False, baseline=False)
asyncio.run(cell())
assert signal.getsignal(signal.SIGINT) is before
"""


@pytest.mark.slow
def test_the_same_bytes_as_the_command_on_ray(home: Path, whole_run: Path) -> None:
    """Runs in one process: one well, one that fails and goes on, and one in a running event loop."""
    done = python(TWICE, "", json.dumps(SMALL), cwd=home)
    assert (done.code, done.err) == (0, "")
    (said,) = done.out.splitlines()
    assert re.fullmatch(
        r"the simulation failed \(KeyError: .*\); its logs are in broken/logs; resume with: fedfer run"
        r" --resume broken",
        said,
    )
    for name in ("one", "broken", "two"):
        assert (home / name / "head.safetensors").read_bytes() == (
            whole_run / "head.safetensors"
        ).read_bytes()


@pytest.mark.slow
def test_a_study_and_a_sweep(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)
    small = {key: value for key, value in FAST.items() if key != "data.balance"}
    study = api.study(
        settings=small, out="study", progress=False, models=["ridge", "majority"], balances=[10], seeds=2
    )
    assert study.rows["model"].tolist() == ["ridge", "majority"]
    assert study.runs["ridge", 10, 1].summary.model == "ridge"
    assert study.page.is_file()
    assert "<td>majority</td>" in study._repr_html_()
    sweep = api.sweep(settings=FAST, out="sweep", progress=False, strategies=["fedavg"], partitions=["iid"])
    assert sweep.rows["strategy"].tolist() == ["centralized", "centralized-ridge", "fedavg"]
    assert "<td>fedavg</td>" in sweep._repr_html_()
    assert sweep.page.read_text().count("| fedavg |") == 1
    with pytest.raises(api.StudyFailedError, match="1 of 2 runs failed; cnn, balance 0") as caught:
        api.study(
            settings=small | {"train.lr": 100, "train.optimizer": "sgd"}, out="wild", progress=False,
            models=["cnn", "majority"], balances=[0],
        )  # fmt: skip
    assert caught.value.result.study.models == ("majority",)


@pytest.mark.slow
def test_the_example_script_runs(home: Path) -> None:
    done = subprocess.run([sys.executable, DOCS / "example.py"], cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "dirichlet: accuracy" in done.stdout
    assert "refused: unknown key federation.phone; did you mean federation.phones?" in done.stdout


@pytest.mark.slow
def test_the_example_notebook_runs(home: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.read(DOCS / "example.ipynb", as_version=4)
    # ipykernel warns as it starts; what our own code warns of is shown in the notebook.
    nbclient.NotebookClient(book, timeout=200, resources={"metadata": {"path": str(home)}}).execute()
    outputs = [cell.get("outputs", []) for cell in book.cells]
    shown, *results = outputs[3]
    assert "Federated training" in shown["data"]["text/html"]  # the display, drawn anew in place
    assert "✓ Report" in shown["data"]["text/html"]
    assert [each["output_type"] for each in results] == ["execute_result"]
    assert "<caption>quickstart, test photos</caption>" in results[0]["data"]["text/html"]
    assert "did you mean federation.phones?" in outputs[8][0]["text"]
    assert [each["output_type"] for each in outputs[10]] == ["execute_result"]  # and nothing beside it


def test_the_display_of_a_notebook_is_for_notebooks_alone() -> None:
    assert not notebook.in_notebook()
    assert os.environ.get("JPY_PARENT_PID") is None


def test_settings_that_are_arrays_or_no_settings_at_all() -> None:
    loaded = api.load("quickstart", settings={"data.split": np.array([0.5, 0.25, 0.25])})
    assert loaded.config.data.split == (0.5, 0.25, 0.25)
    assert api.load("quickstart", settings=None) == api.load("quickstart")
    with pytest.raises(api.InputError, match="settings must map keys to values, got 'federation"):
        api.load("quickstart", settings="federation.rounds=3")


def test_settings_that_are_numpys() -> None:
    settings = {
        "federation.rounds": np.int32(3), "train.lr": np.float32(0.25), "report.examples": np.bool_(False),
        "data.classes": np.array(["anger", "fear"]), "strategy.name": np.str_("median"),
        "train.batch": np.array(8),
        "data.split": [np.float64(0.5), np.array(0.25), 0.25],
    }  # fmt: skip
    plain = {
        "federation.rounds": 3, "train.lr": 0.25, "report.examples": False, "data.classes": ["anger", "fear"],
        "strategy.name": "median", "train.batch": 8, "data.split": [0.5, 0.25, 0.25],
    }  # fmt: skip
    assert api.load(settings=settings) == api.load(settings=plain)
    with pytest.raises(api.InputError, match=r"train\.lr must be a number"):
        api.load(settings={"train.lr": np.array([0.5])})


FILES = ["summary.json", "config.toml", "environment.json", "data.json", "rounds.jsonl", "head.safetensors"]


@pytest.mark.parametrize("name", FILES)
def test_a_folder_that_lacks_a_file_is_no_finished_run(tmp_path: Path, name: str) -> None:
    folder = make_full_run(tmp_path / "run")
    run = api.open_run(folder)
    for place in (run, run.baselines["centralized"]):
        assert api.open_run(place.folder).summary == place.summary
    (folder / name).unlink()
    with pytest.raises(
        api.InputError, match=f"is not the folder of a finished run: it has no {name}; give"
    ) as bad:
        api.open_run(folder)
    assert "\n" not in str(bad.value)


def test_a_file_that_goes_while_a_run_is_open_is_a_line(tmp_path: Path) -> None:
    folder = make_full_run(tmp_path / "run")
    reads = [
        ("data.json", lambda run: run.data), ("environment.json", lambda run: run.environment),
        ("rounds.jsonl", lambda run: run.rounds), ("head.safetensors", lambda run: run.head),
        ("summary.json", lambda run: run.summary), ("config.toml", lambda run: run.config),
    ]  # fmt: skip
    for name, _ in reads:
        (folder / name).unlink()
    for name, read in reads:
        with pytest.raises(api.InputError, match=name) as gone:
            read(api.Run(folder))
        assert "\n" not in str(gone.value)


def test_the_columns_of_rounds_hold_what_was_measured_of_updates() -> None:
    line = RoundRecord(1, 2, 3, 0.5, None, None, None, 0.1, 1, 1, 1, metrics={"clipped": 0.5, "phones": 9.0})
    columns = of_rounds([line])
    assert (columns["clipped"].tolist(), columns["phones"].tolist()) == ([0.5], [2])
